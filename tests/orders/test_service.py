"""Does an order move from placed to delivered, or to cancelled, with its stock, its money and its facts?"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment.service import Tracking
from headless.inventory.errors import InvalidQuantity, OutOfStock
from headless.orders import queries, service, shipping
from headless.orders.errors import (
    FulfillmentStatusInvalid,
    NothingToFulfill,
    OrderNotCancellable,
    OrderNotFulfillable,
)
from headless.orders.rules import OrderCancelReason
from headless.payments.models import payments, refunds
from headless.payments.providers.sandbox import charges
from headless.platform.db import Database, Record
from headless.platform.errors import NotFound
from tests.builders import (
    SETTLED,
    Shop,
    assert_books_balance,
    persistently,
    place_order,
    recording,
    sandbox_providers,
    sellable,
    stock,
    stocks,
)

AUTHORIZE_ONLY = replace(SETTLED, capture=False)


async def order_of(database: Database, order_id: UUID) -> Record:
    async with database.reading() as session:
        return (await queries.orders_by_id(session, [order_id]))[order_id]


async def statuses_of(database: Database, order_id: UUID) -> tuple[str, str, str]:
    order = await order_of(database, order_id)
    return order.status, order.financial_status, order.fulfillment_status


async def line_of(database: Database, order_id: UUID, variant_id: UUID) -> UUID:
    async with database.reading() as session:
        lines = (await queries.lines_by_order(session, [order_id]))[order_id]
    return UUID(str(next(line.id for line in lines if line.variant_id == variant_id)))


async def fulfill(
    database: Database,
    order_id: UUID,
    *wanted: tuple[UUID, int],
    is_shipped: bool = True,
    location_id: UUID | None = None,
    tracking: Tracking | None = None,
) -> UUID:
    async with database.transaction() as session:
        return await shipping.create_fulfillment(
            session,
            order_id,
            wanted,
            location_id=location_id,
            tracking=tracking,
            is_shipped=is_shipped,
            actor="packer",
        )


async def ship(database: Database, fulfillment_id: UUID, tracking: Tracking | None = None) -> None:
    async with database.transaction() as session:
        await shipping.ship_fulfillment(session, fulfillment_id, tracking=tracking, actor="packer")


async def deliver(database: Database, fulfillment_id: UUID, at: datetime | None = None) -> None:
    async with database.transaction() as session:
        await shipping.deliver_fulfillment(session, fulfillment_id, at=at, actor="carrier")


async def cancel(database: Database, order_id: UUID, *, restock: bool = True) -> None:
    async with database.transaction() as session:
        await service.cancel(session, order_id, reason=OrderCancelReason.CUSTOMER, restock=restock, actor="clerk")


async def settle_refunds(database: Database, order_id: UUID | None = None) -> int:
    return await service.settle_refunds(database, sandbox_providers(database), order_id=order_id)


async def places_of(database: Database, fulfillment_id: UUID) -> Sequence[tuple[UUID | None, int]]:
    async with database.reading() as session:
        lines = (await fulfillment_queries.lines_by_fulfillment(session, [fulfillment_id]))[fulfillment_id]
    return [(line.location_id, line.quantity) for line in lines]


async def test_order_is_shipped_and_delivered(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 3})
    line_id = await line_of(database, order_id, shop.mug)

    async with recording(database) as facts:
        fulfillment_id = await fulfill(
            database, order_id, (line_id, 3), tracking=Tracking("DHL", "123", "https://dhl.test/123")
        )
        shipped = await statuses_of(database, order_id)
        await deliver(database, fulfillment_id, datetime(2026, 3, 1, 12, tzinfo=UTC))

    assert shipped == ("SHIPPED", "PAID", "FULFILLED")
    assert await statuses_of(database, order_id) == ("DELIVERED", "PAID", "FULFILLED")
    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (level.on_hand, level.committed, level.reserved) == (7, 0, 0)
    async with database.reading() as session:
        shipment = (await fulfillment_queries.fulfillments_by_id(session, [fulfillment_id]))[fulfillment_id]
    assert (shipment.status, shipment.tracking_company, shipment.tracking_number) == ("DELIVERED", "DHL", "123")
    assert shipment.delivered_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert facts.found == [
        (
            "order.status_changed",
            {"order_id": str(order_id), "status": "SHIPPED", "previous_status": "CONFIRMED", "version": 2},
        ),
        (
            "order.status_changed",
            {"order_id": str(order_id), "status": "DELIVERED", "previous_status": "SHIPPED", "version": 3},
        ),
    ]
    assert (await order_of(database, order_id)).version == 3
    await assert_books_balance(database)


async def test_order_is_shipped_in_parts(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2, shop.voucher: 1})
    mug, voucher = [await line_of(database, order_id, variant) for variant in (shop.mug, shop.voucher)]

    first = await fulfill(database, order_id, (mug, 1))
    assert await statuses_of(database, order_id) == ("PARTIALLY_SHIPPED", "PAID", "PARTIALLY_FULFILLED")
    await deliver(database, first)
    assert await statuses_of(database, order_id) == ("PARTIALLY_SHIPPED", "PAID", "PARTIALLY_FULFILLED")
    second = await fulfill(database, order_id, (mug, 1), (voucher, 1))
    assert await statuses_of(database, order_id) == ("SHIPPED", "PAID", "FULFILLED")
    await deliver(database, second)

    assert await statuses_of(database, order_id) == ("DELIVERED", "PAID", "FULFILLED")
    await assert_books_balance(database)


async def test_prepared_shipment_keeps_its_stock_until_it_leaves(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)

    fulfillment_id = await fulfill(database, order_id, (line_id, 2), is_shipped=False)

    assert await statuses_of(database, order_id) == ("PROCESSING", "PAID", "UNFULFILLED")
    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (level.on_hand, level.committed) == (10, 2)
    await ship(database, fulfillment_id, Tracking(number="9"))
    assert await statuses_of(database, order_id) == ("SHIPPED", "PAID", "FULFILLED")
    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (level.on_hand, level.committed) == (8, 0)
    await assert_books_balance(database)


async def test_second_change_without_a_new_status_is_only_an_update(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 3})
    line_id = await line_of(database, order_id, shop.mug)
    await fulfill(database, order_id, (line_id, 1))

    async with recording(database) as facts:
        await fulfill(database, order_id, (line_id, 1))

    assert facts.found == [("order.updated", {"order_id": str(order_id)})]


async def test_shipment_without_a_location_leaves_from_where_the_stock_is_committed(
    database: Database, shop: Shop
) -> None:
    order_id = await place_order(database, shop, {shop.shirt_small: 5})
    line_id = await line_of(database, order_id, shop.shirt_small)

    fulfillment_id = await fulfill(database, order_id, (line_id, 5))

    assert dict(await places_of(database, fulfillment_id)) == {shop.main_id: 3, shop.outlet_id: 2}
    levels = await stocks(database, shop.shirt_small)
    assert levels[shop.shirt_small, shop.main_id].on_hand == 0
    assert levels[shop.shirt_small, shop.outlet_id].on_hand == 3
    await assert_books_balance(database)


async def test_shipment_from_another_location_takes_its_stock(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.shirt_small: 3})  # all from main
    line_id = await line_of(database, order_id, shop.shirt_small)

    fulfillment_id = await fulfill(database, order_id, (line_id, 3), location_id=shop.outlet_id)

    assert await places_of(database, fulfillment_id) == [(shop.outlet_id, 3)]
    levels = await stocks(database, shop.shirt_small)
    main, outlet = levels[shop.shirt_small, shop.main_id], levels[shop.shirt_small, shop.outlet_id]
    assert (main.on_hand, main.committed) == (3, 0)
    assert (outlet.on_hand, outlet.committed) == (2, 0)
    await assert_books_balance(database)


async def test_location_without_the_stock_ships_nothing(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 1})
    line_id = await line_of(database, order_id, shop.mug)

    with pytest.raises(OutOfStock):
        await fulfill(database, order_id, (line_id, 1), location_id=shop.outlet_id)

    assert await statuses_of(database, order_id) == ("CONFIRMED", "PAID", "UNFULFILLED")
    await assert_books_balance(database)


async def test_location_whose_units_are_being_prepared_gives_others_or_none(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.shirt_small: 5})  # 3 from main, 2 from outlet
    line_id = await line_of(database, order_id, shop.shirt_small)
    prepared = await fulfill(database, order_id, (line_id, 3), is_shipped=False, location_id=shop.main_id)

    with pytest.raises(OutOfStock):
        await fulfill(database, order_id, (line_id, 2), location_id=shop.main_id)
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.shirt_small: 2})
    second = await fulfill(database, order_id, (line_id, 2), location_id=shop.main_id)

    assert await places_of(database, prepared) == [(shop.main_id, 3)]
    assert await places_of(database, second) == [(shop.main_id, 2)]
    await ship(database, prepared)
    levels = await stocks(database, shop.shirt_small)
    assert (levels[shop.shirt_small, shop.main_id].on_hand, levels[shop.shirt_small, shop.main_id].committed) == (0, 0)
    assert levels[shop.shirt_small, shop.outlet_id].committed == 0
    assert await sellable(database, shop.shirt_small) == 5
    assert await statuses_of(database, order_id) == ("SHIPPED", "PAID", "FULFILLED")
    await assert_books_balance(database)


@pytest.mark.parametrize("is_shipped", [True, False])
async def test_more_than_is_left_can_not_be_shipped(database: Database, shop: Shop, is_shipped: bool) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)
    await fulfill(database, order_id, (line_id, 1), is_shipped=is_shipped)

    with pytest.raises(NothingToFulfill) as caught:
        await fulfill(database, order_id, (line_id, 2))

    assert caught.value.field == ("lines", "0", "quantity")
    assert caught.value.message == "1 of this line are left to ship."
    with pytest.raises(NothingToFulfill):
        await fulfill(database, order_id, (line_id, 1), (line_id, 1))


async def test_malformed_shipments_are_refused(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)

    with pytest.raises(NothingToFulfill):
        await fulfill(database, order_id)
    with pytest.raises(InvalidQuantity):
        await fulfill(database, order_id, (line_id, 0))
    with pytest.raises(NotFound) as unknown_line:
        await fulfill(database, order_id, (uuid4(), 1))
    with pytest.raises(NotFound) as unknown_place:
        await fulfill(database, order_id, (line_id, 1), location_id=uuid4())
    with pytest.raises(NotFound) as unknown_order:
        await fulfill(database, uuid4(), (line_id, 1))

    assert unknown_line.value.field == ("lines", "0", "orderLineId")
    assert unknown_place.value.field == ("locationId",)
    assert unknown_order.value.field == ("orderId",)


async def test_shipment_goes_through_its_states_once_and_in_order(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)
    prepared = await fulfill(database, order_id, (line_id, 2), is_shipped=False)

    with pytest.raises(FulfillmentStatusInvalid):
        await deliver(database, prepared)
    await ship(database, prepared)
    with pytest.raises(FulfillmentStatusInvalid):
        await ship(database, prepared)
    await deliver(database, prepared)
    with pytest.raises(FulfillmentStatusInvalid):
        await deliver(database, prepared)
    with pytest.raises(NotFound):
        await deliver(database, uuid4())

    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].on_hand == 8


async def test_shipment_sent_off_twice_at_once_leaves_once(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)
    prepared = await fulfill(database, order_id, (line_id, 2), is_shipped=False)

    async def send() -> bool:
        try:
            await ship(database, prepared)
        except FulfillmentStatusInvalid:
            return False
        return True

    sent = await asyncio.gather(*(persistently(send) for _ in range(6)))

    assert sent.count(True) == 1
    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].on_hand == 8
    await assert_books_balance(database)


async def test_orders_with_the_same_variants_ship_from_elsewhere_at_once_without_deadlock(
    database: Database, shop: Shop
) -> None:
    async with database.transaction() as session:
        await stock(session, shop.outlet_id, {shop.mug: 10, shop.shirt_small: 20})
        await stock(session, shop.main_id, {shop.mug: 10, shop.shirt_small: 20})
    orders = [
        await place_order(database, shop, lines)
        for lines in ({shop.mug: 1, shop.shirt_small: 1}, {shop.shirt_small: 1, shop.mug: 1}) * 4
    ]
    lines = {
        order_id: [await line_of(database, order_id, variant) for variant in (shop.mug, shop.shirt_small)]
        for order_id in orders
    }

    await asyncio.gather(
        *(
            persistently(
                fulfill, database, order_id, *((line, 1) for line in lines[order_id]), location_id=shop.outlet_id
            )
            for order_id in orders
        )
    )

    levels = await stocks(database, shop.mug, shop.shirt_small)
    assert levels[shop.mug, shop.outlet_id].on_hand == 2
    assert levels[shop.mug, shop.main_id].on_hand == 10
    assert {level.committed for level in levels.values()} == {0}
    await assert_books_balance(database)


@pytest.mark.parametrize(("restock", "on_hand"), [(True, 10), (False, 8)])
async def test_cancelling_frees_or_writes_off_the_stock_and_gives_the_money_back(
    database: Database, shop: Shop, restock: bool, on_hand: int
) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2, shop.voucher: 1})

    async with recording(database) as facts:
        await cancel(database, order_id, restock=restock)
        before = await statuses_of(database, order_id)
        assert await settle_refunds(database, order_id) == 1
        assert await settle_refunds(database, order_id) == 0

    order = await order_of(database, order_id)
    assert before == ("CANCELLED", "PAID", "UNFULFILLED")
    assert await statuses_of(database, order_id) == ("CANCELLED", "REFUNDED", "UNFULFILLED")
    assert (order.cancel_reason, order.cancelled_at is not None) == ("CUSTOMER", True)
    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (level.on_hand, level.committed, level.available) == (on_hand, 0, on_hand)
    async with database.reading() as session:
        (refund,) = await session.execute(select(refunds))
        (charge,) = await session.execute(select(charges))
        lines = (await queries.lines_by_order(session, [order_id]))[order_id]
    assert (refund.status, refund.amount) == ("SUCCEEDED", 2 * 1290 + 2500 + 490)
    assert charge.returned_amount == charge.amount
    assert [(line.quantity, line.cancelled_quantity) for line in lines] == [(2, 2), (1, 1)]
    assert facts.topics == (["stock.changed"] if restock else []) + ["order.status_changed", "order.updated"]
    assert facts.of("order.status_changed") == [
        {"order_id": str(order_id), "status": "CANCELLED", "previous_status": "CONFIRMED", "version": 2}
    ]
    await assert_books_balance(database)


async def test_cancelling_an_authorized_order_voids_its_payment(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 1}, settled=AUTHORIZE_ONLY)

    await cancel(database, order_id)
    await settle_refunds(database)

    assert await statuses_of(database, order_id) == ("CANCELLED", "VOIDED", "UNFULFILLED")
    async with database.reading() as session:
        (payment,) = await session.execute(select(payments))
        (charge,) = await session.execute(select(charges))
    assert (payment.status, charge.status) == ("VOIDED", "VOIDED")


async def test_refunds_asked_for_at_once_give_back_once(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 1})
    await cancel(database, order_id)

    await asyncio.gather(*(persistently(settle_refunds, database) for _ in range(5)))

    async with database.reading() as session:
        (charge,) = await session.execute(select(charges))
        (refund,) = await session.execute(select(refunds))
    assert (charge.returned_amount, refund.status) == (charge.amount, "SUCCEEDED")
    assert await statuses_of(database, order_id) == ("CANCELLED", "REFUNDED", "UNFULFILLED")


async def test_prepared_shipment_is_cancelled_with_its_order(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)
    prepared = await fulfill(database, order_id, (line_id, 1), is_shipped=False)

    await cancel(database, order_id)

    assert await sellable(database, shop.mug) == 10
    with pytest.raises(FulfillmentStatusInvalid):
        await ship(database, prepared)
    with pytest.raises(OrderNotFulfillable):
        await fulfill(database, order_id, (line_id, 1))
    await assert_books_balance(database)


async def test_order_of_which_something_has_left_can_not_be_cancelled(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})
    line_id = await line_of(database, order_id, shop.mug)
    shipment = await fulfill(database, order_id, (line_id, 1))

    async with recording(database) as facts:
        with pytest.raises(OrderNotCancellable):
            await cancel(database, order_id)
    await deliver(database, shipment)
    with pytest.raises(OrderNotCancellable):
        await cancel(database, order_id)

    assert facts.found == []
    async with database.reading() as session:
        assert list(await session.execute(select(refunds))) == []


async def test_order_is_cancelled_once(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 2})

    async def go() -> bool:
        try:
            await cancel(database, order_id)
        except OrderNotCancellable:
            return False
        return True

    cancelled = await asyncio.gather(*(persistently(go) for _ in range(5)))

    assert cancelled.count(True) == 1
    async with database.reading() as session:
        assert len(list(await session.execute(select(refunds)))) == 1
    assert await sellable(database, shop.mug) == 10
    await assert_books_balance(database)


async def test_cancelling_and_shipping_at_once_have_one_winner(database: Database, shop: Shop) -> None:
    for _ in range(3):
        order_id = await place_order(database, shop, {shop.mug: 1})
        line_id = await line_of(database, order_id, shop.mug)

        await asyncio.gather(
            persistently(cancel, database, order_id),
            persistently(fulfill, database, order_id, (line_id, 1)),
            return_exceptions=True,
        )

        status = (await order_of(database, order_id)).status
        assert status in {"CANCELLED", "SHIPPED"}
        async with database.reading() as session:
            asked = list(await session.execute(select(refunds).where(refunds.c.order_id == order_id)))
        assert len(asked) == (1 if status == "CANCELLED" else 0)

    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].committed == 0
    await assert_books_balance(database)
