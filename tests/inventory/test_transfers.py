"""Is stock on its way counted once, from the moment it leaves to the moment it arrives or is called back?"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.inventory import bundles, lists, models, places, transfers
from headless.inventory.errors import TransferClosed
from headless.inventory.rules import MAX_QUANTITY
from headless.inventory.transfers import Receipt, Shipment
from headless.platform import ids
from headless.platform.db import Database, Record
from headless.platform.errors import NotFound, Refusal, Refused
from tests.builders import Form, Shop, assert_levels_balance, make_product, recording, sellable, stocks


async def send(database: Database, shipment: Shipment) -> UUID:
    async with database.transaction() as session:
        return await transfers.send(session, shipment, actor="tester")


async def receive(database: Database, transfer_id: UUID, *receipts: Receipt) -> None:
    async with database.transaction() as session:
        await transfers.receive(session, transfer_id, receipts, actor="tester")


async def cancel(database: Database, transfer_id: UUID) -> None:
    async with database.transaction() as session:
        await transfers.cancel(session, transfer_id, actor="tester")


async def transfer(database: Database, transfer_id: UUID) -> tuple[Record, list[Record]]:
    async with database.reading() as session:
        found = (await lists.transfers_by_id(session, [transfer_id]))[transfer_id]
        return found, (await lists.lines_by_transfer(session, [transfer_id]))[transfer_id]


async def counted(database: Database, variant_id: UUID, place: UUID) -> tuple[int, int]:
    """On hand and incoming."""
    level = (await stocks(database, variant_id))[variant_id, place]
    return level.on_hand, level.incoming


async def codes(database: Database, shipment: Shipment) -> list[tuple[str, tuple[str, ...] | None]]:
    with pytest.raises((Refusal, Refused)) as caught:
        await send(database, shipment)
    found = caught.value.refusals if isinstance(caught.value, Refused) else [caught.value]
    return [(refusal.code, refusal.field) for refusal in found]  # type: ignore[attr-defined]


async def test_stock_leaves_at_once_and_is_incoming_until_it_arrives(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        sent = await send(database, Shipment(shop.outlet_id, [(shop.mug, 6)], origin_id=shop.main_id))

    assert await counted(database, shop.mug, shop.main_id) == (4, 0)
    assert await counted(database, shop.mug, shop.outlet_id) == (0, 6)
    assert await sellable(database, shop.mug) == 4
    assert facts.of("transfer.changed") == [{"transfer_id": str(sent), "status": "IN_TRANSIT"}]
    assert facts.of("stock.changed") == [{"variant_id": str(shop.mug)}]

    await receive(database, sent, Receipt(shop.mug, 2, 1))

    row, (line,) = await transfer(database, sent)
    assert (row.status, row.version, line.quantity, line.received, line.rejected) == ("PARTIALLY_RECEIVED", 2, 6, 2, 1)
    assert await counted(database, shop.mug, shop.outlet_id) == (2, 3)
    assert await sellable(database, shop.mug) == 6

    await receive(database, sent, Receipt(shop.mug, 3))

    row, (line,) = await transfer(database, sent)
    assert (row.status, line.received, line.rejected) == ("RECEIVED", 5, 1)
    assert await counted(database, shop.mug, shop.outlet_id) == (5, 0)
    await assert_levels_balance(database)


async def test_every_movement_names_its_transfer(database: Database, shop: Shop) -> None:
    sent = await send(database, Shipment(shop.outlet_id, [(shop.mug, 2)], origin_id=shop.main_id))
    await receive(database, sent, Receipt(shop.mug, 1))
    await cancel(database, sent)

    async with database.reading() as session:
        c = models.movements.c
        rows = await session.execute(
            select(c.reason, c.location_id, c.name, c.delta, c.actor)
            .where(c.reference == ids.encode("transfer", sent))
            .order_by(c.id)
        )
    main, outlet = shop.main_id, shop.outlet_id
    assert sorted(map(tuple, rows)) == sorted(
        [
            ("transfer_sent", main, "on_hand", -2, "tester"),
            ("transfer_sent", outlet, "incoming", 2, "tester"),
            ("transfer_received", outlet, "incoming", -1, "tester"),
            ("transfer_received", outlet, "on_hand", 1, "tester"),
            ("transfer_cancelled", outlet, "incoming", -1, "tester"),
            ("transfer_cancelled", main, "on_hand", 1, "tester"),
        ]
    )


async def test_supplier_sends_what_no_location_held(database: Database, shop: Shop) -> None:
    sent = await send(
        database, Shipment(shop.main_id, [(shop.poster, 20), (shop.mug, 5)], supplier="Mill", reference="po:1")
    )

    assert await sellable(database, shop.poster) == 0
    await receive(database, sent, Receipt(shop.poster, 20), Receipt(shop.mug, 0, 5))

    row, _lines = await transfer(database, sent)
    assert (row.status, row.supplier, row.origin_id, row.reference) == ("RECEIVED", "Mill", None, "po:1")
    assert (await sellable(database, shop.poster), await sellable(database, shop.mug)) == (20, 10)
    assert await counted(database, shop.mug, shop.main_id) == (10, 0)
    await assert_levels_balance(database)


@pytest.mark.parametrize("origin", ["main_id", None])
async def test_what_is_called_back_is_where_it_was(database: Database, shop: Shop, origin: str | None) -> None:
    place = getattr(shop, origin) if origin else None
    sent = await send(
        database,
        Shipment(shop.outlet_id, [(shop.mug, 6)], origin_id=place, supplier=None if origin else "Mill"),
    )
    await receive(database, sent, Receipt(shop.mug, 1, 1))

    await cancel(database, sent)

    row, (line,) = await transfer(database, sent)
    assert (row.status, line.received, line.rejected) == ("CANCELLED", 1, 1)
    assert await counted(database, shop.mug, shop.outlet_id) == (1, 0)
    assert await counted(database, shop.mug, shop.main_id) == (8 if origin else 10, 0)
    await assert_levels_balance(database)


@pytest.mark.parametrize("end", ["received", "cancelled"])
async def test_ended_transfer_stays_as_it_is(database: Database, shop: Shop, end: str) -> None:
    sent = await send(database, Shipment(shop.outlet_id, [(shop.mug, 1)], origin_id=shop.main_id))
    if end == "received":
        await receive(database, sent, Receipt(shop.mug, 1))
    else:
        await cancel(database, sent)
    before = await stocks(database, shop.mug)

    with pytest.raises(TransferClosed, match=end):
        await receive(database, sent, Receipt(shop.mug, 1))
    with pytest.raises(TransferClosed):
        await cancel(database, sent)

    assert await stocks(database, shop.mug) == before


@pytest.mark.parametrize(
    ("receipts", "code", "field"),
    [
        ([("mug", 4, 0)], "MORE_THAN_SENT", "received"),
        ([("mug", 0, 4)], "MORE_THAN_SENT", "received"),
        ([("mug", 2, 2)], "MORE_THAN_SENT", "received"),
        ([("mug", 0, 0)], "INVALID_QUANTITY", "received"),
        ([("mug", -1, 2)], "INVALID_QUANTITY", "received"),
        ([("mug", 2, -1)], "INVALID_QUANTITY", "received"),
        ([("poster", 1, 0)], "NOT_FOUND", "variantId"),
    ],
)
async def test_wrong_receipt_is_refused_whole(
    database: Database, shop: Shop, receipts: list[tuple[str, int, int]], code: str, field: str
) -> None:
    sent = await send(
        database, Shipment(shop.outlet_id, [(shop.mug, 3), (shop.shirt_small, 1)], origin_id=shop.main_id)
    )
    wrong = [Receipt(getattr(shop, name), received, rejected) for name, received, rejected in receipts]

    with pytest.raises(Refused) as caught:
        await receive(database, sent, Receipt(shop.shirt_small, 1), *wrong)

    assert [(refusal.code, refusal.field) for refusal in caught.value.refusals] == [(code, ("lines", "1", field))]
    assert (await transfer(database, sent))[0].version == 1
    assert await counted(database, shop.shirt_small, shop.outlet_id) == (5, 1)


async def test_variant_is_received_on_one_line(database: Database, shop: Shop) -> None:
    sent = await send(database, Shipment(shop.outlet_id, [(shop.mug, 3)], origin_id=shop.main_id))

    with pytest.raises(Refused) as caught:
        await receive(database, sent, Receipt(shop.mug, 2), Receipt(shop.mug, 1))

    assert caught.value.refusals[0].field == ("lines", "1", "variantId")


async def test_unknown_transfer_is_not_found(database: Database, shop: Shop) -> None:
    with pytest.raises(NotFound):
        await receive(database, ids.new(), Receipt(shop.mug, 1))
    with pytest.raises(NotFound):
        await cancel(database, ids.new())


async def test_nobody_sends_more_than_can_be_spared(database: Database, shop: Shop) -> None:
    wanted = Shipment(shop.outlet_id, [(shop.mug, 11), (shop.shirt_small, 3), (shop.poster, 1)], origin_id=shop.main_id)

    assert await codes(database, wanted) == [
        ("OUT_OF_STOCK", ("lines", "0", "quantity")),
        ("OUT_OF_STOCK", ("lines", "2", "quantity")),
    ]
    assert await counted(database, shop.mug, shop.main_id) == (10, 0)
    async with database.reading() as session:
        assert (await session.execute(select(models.transfers))).all() == []


async def test_malformed_shipment_is_refused(database: Database, shop: Shop) -> None:
    main, outlet, mug = shop.main_id, shop.outlet_id, [(shop.mug, 1)]
    wrong: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
        ({}, "INVALID_INPUT", ("originId",)),
        ({"origin_id": main, "supplier": "Mill"}, "INVALID_INPUT", ("originId",)),
        ({"origin_id": outlet}, "INVALID_INPUT", ("destinationId",)),
        ({"origin_id": ids.new()}, "NOT_FOUND", ("originId",)),
        ({"origin_id": main, "destination_id": ids.new()}, "NOT_FOUND", ("destinationId",)),
        ({"supplier": " "}, "INVALID_INPUT", ("supplier",)),
        ({"supplier": "x" * 256}, "INVALID_INPUT", ("supplier",)),
        ({"origin_id": main, "reference": ""}, "INVALID_INPUT", ("referenceDocumentUri",)),
        ({"origin_id": main, "expected_at": datetime.min.replace(tzinfo=UTC)}, "INVALID_INPUT", ("expectedAt",)),
        ({"origin_id": main, "expected_at": datetime.max.replace(tzinfo=UTC)}, "INVALID_INPUT", ("expectedAt",)),
        ({"origin_id": main, "lines": []}, "INVALID_INPUT", ("lines",)),
        ({"origin_id": main, "lines": mug * 251}, "INVALID_INPUT", ("lines",)),
        ({"origin_id": main, "lines": mug * 2}, "INVALID_INPUT", ("lines", "1", "variantId")),
        ({"origin_id": main, "lines": [(ids.new(), 1)]}, "NOT_FOUND", ("lines", "0", "variantId")),
        ({"origin_id": main, "lines": [(shop.mug, 0)]}, "INVALID_QUANTITY", ("lines", "0", "quantity")),
        ({"supplier": "Mill", "lines": [(shop.mug, MAX_QUANTITY + 1)]}, "INVALID_QUANTITY", ("lines", "0", "quantity")),
    ]

    for given, code, field in wrong:
        shipment = Shipment(**{"destination_id": outlet, "lines": mug, **given})
        assert await codes(database, shipment) == [(code, field)], given


async def test_more_than_can_be_counted_neither_comes_nor_goes_back(database: Database, shop: Shop) -> None:
    most = Shipment(shop.outlet_id, [(shop.mug, MAX_QUANTITY)], supplier="Mill")
    sent = await send(database, most)

    assert await codes(database, most) == [("INVALID_QUANTITY", ("lines", "0", "quantity"))]
    await receive(database, sent, Receipt(shop.mug, 1))
    again = await send(database, Shipment(shop.outlet_id, [(shop.mug, 1)], supplier="Mill"))
    await receive(database, sent, Receipt(shop.mug, MAX_QUANTITY - 1))
    with pytest.raises(Refusal) as caught:
        await receive(database, again, Receipt(shop.mug, 1))

    assert (caught.value.code, caught.value.field) == ("INVALID_QUANTITY", ("lines", "0"))


@pytest.mark.parametrize("closed", ["originId", "destinationId"])
async def test_nothing_is_sent_from_or_to_a_closed_location(database: Database, shop: Shop, closed: str) -> None:
    async with database.transaction() as session:
        await places.deactivate(session, shop.main_id if closed == "originId" else shop.outlet_id)

    assert await codes(database, Shipment(shop.outlet_id, [(shop.mug, 1)], origin_id=shop.main_id)) == [
        ("LOCATION_INACTIVE", (closed,))
    ]


async def test_bundle_travels_as_its_parts(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        _, (bundle,) = await make_product(session, shop.channel_id, "Set", Form(3000, sku="SET"))
        await bundles.set_parts(session, bundle, {shop.mug: 2}, expected_version=1, actor="tester")

    assert await codes(database, Shipment(shop.outlet_id, [(shop.mug, 1), (bundle, 1)], origin_id=shop.main_id)) == [
        ("BUNDLE_INVALID", ("lines", "1", "variantId"))
    ]
