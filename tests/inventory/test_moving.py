"""Do moved units stay as many as they were, wherever they go?"""

from uuid import UUID

import pytest

from headless.inventory import bundles, moving, places, queries
from headless.inventory.moving import Relocation, Spot
from headless.inventory.rules import MAX_QUANTITY, Stock
from headless.inventory.service import Change, change
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import Refused
from tests.builders import WHY, Form, Shop, assert_levels_balance, make_product, recording, sellable, stocks


async def relocate(database: Database, *relocations: Relocation) -> UUID:
    async with database.transaction() as session:
        return await moving.relocate(session, relocations, WHY)


async def refused(database: Database, *relocations: Relocation) -> list[tuple[str, tuple[str, ...] | None]]:
    with pytest.raises(Refused) as caught:
        await relocate(database, *relocations)
    return [(refusal.code, refusal.field) for refusal in caught.value.refusals]


async def level(database: Database, variant_id: UUID, place: UUID) -> Stock:
    return (await stocks(database, variant_id))[variant_id, place]


async def test_units_go_from_one_location_to_the_other_in_one_group(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        group = await relocate(
            database,
            Relocation(shop.mug, 4, Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available"), seen=10),
        )

    here, there = await level(database, shop.mug, shop.main_id), await level(database, shop.mug, shop.outlet_id)
    assert ((here.on_hand, here.available), (there.on_hand, there.available)) == ((6, 6), (4, 4))
    async with database.reading() as session:
        entries = (await queries.movements_by_group(session, [group]))[group]
    assert sorted((entry.location_id, entry.name, entry.delta) for entry in entries) == sorted(
        [(shop.main_id, "on_hand", -4), (shop.outlet_id, "on_hand", 4)]
    )
    assert await sellable(database, shop.mug) == 10
    assert facts.of("stock.changed") == []  # as many as before can be sold
    await assert_levels_balance(database)


async def test_units_become_damaged_and_are_no_longer_sold(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        await relocate(database, Relocation(shop.mug, 10, Spot(shop.main_id, "on_hand"), Spot(shop.main_id, "damaged")))

    here = await level(database, shop.mug, shop.main_id)
    assert (here.on_hand, here.damaged, here.available) == (10, 10, 0)
    assert facts.of("stock.changed") == [{"variant_id": str(shop.mug)}]
    await assert_levels_balance(database)


async def test_damaged_units_travel_as_damaged_ones_and_are_repaired_there(database: Database, shop: Shop) -> None:
    main, outlet = shop.main_id, shop.outlet_id
    await relocate(database, Relocation(shop.mug, 3, Spot(main, "available"), Spot(main, "damaged")))
    await relocate(database, Relocation(shop.mug, 3, Spot(main, "damaged"), Spot(outlet, "damaged"), seen=3))

    here, there = await level(database, shop.mug, main), await level(database, shop.mug, outlet)
    assert ((here.on_hand, here.damaged), (there.on_hand, there.damaged, there.available)) == ((7, 0), (3, 3, 0))

    await relocate(database, Relocation(shop.mug, 2, Spot(outlet, "damaged"), Spot(main, "available")))

    here, there = await level(database, shop.mug, main), await level(database, shop.mug, outlet)
    assert ((here.on_hand, here.available), (there.on_hand, there.damaged)) == ((9, 9), (1, 1))
    await assert_levels_balance(database)


async def test_units_are_kept_back_and_given_free(database: Database, shop: Shop) -> None:
    main = shop.main_id
    await relocate(
        database,
        Relocation(shop.mug, 6, Spot(main, "available"), Spot(main, "safety_stock")),
        Relocation(shop.mug, 1, Spot(main, "safety_stock"), Spot(main, "damaged"), seen=6),
        Relocation(shop.mug, 2, Spot(main, "safety_stock"), Spot(main, "available"), seen=5),
    )

    here = await level(database, shop.mug, main)
    assert (here.on_hand, here.safety_stock, here.damaged, here.available) == (10, 3, 1, 6)
    await assert_levels_balance(database)


async def test_later_changes_of_a_call_see_the_earlier_ones(database: Database, shop: Shop) -> None:
    there, back = Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available")

    await relocate(
        database, Relocation(shop.mug, 10, there, back, seen=10), Relocation(shop.mug, 1, back, there, seen=10)
    )

    assert (await level(database, shop.mug, shop.main_id)).on_hand == 1
    assert await refused(
        database, Relocation(shop.mug, 1, there, back, seen=1), Relocation(shop.mug, 1, there, back)
    ) == [("OUT_OF_STOCK", ("changes", "1", "quantity"))]
    assert (await level(database, shop.mug, shop.main_id)).on_hand == 1


async def test_whatever_is_wrong_stops_all_and_is_named(database: Database, shop: Shop) -> None:
    main, outlet = Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available")
    good = Relocation(shop.mug, 1, main, outlet)
    nowhere = Spot(ids.new(), "available")

    assert await refused(
        database,
        good,
        Relocation(ids.new(), 1, main, outlet),
        Relocation(shop.mug, 1, nowhere, outlet),
        Relocation(shop.mug, 1, main, nowhere),
        Relocation(shop.mug, 1, main, Spot(shop.main_id, "reserved")),
        Relocation(shop.mug, 1, Spot(shop.main_id, "incoming"), main),
        Relocation(shop.mug, 1, main, Spot(shop.main_id, "on_hand")),
        Relocation(shop.mug, 0, main, outlet),
        Relocation(shop.mug, MAX_QUANTITY + 1, main, outlet),
    ) == [
        ("NOT_FOUND", ("changes", "1", "variantId")),
        ("NOT_FOUND", ("changes", "2", "from", "locationId")),
        ("NOT_FOUND", ("changes", "3", "to", "locationId")),
        ("UNKNOWN_QUANTITY_NAME", ("changes", "4", "to", "name")),
        ("UNKNOWN_QUANTITY_NAME", ("changes", "5", "from", "name")),
        ("INVALID_INPUT", ("changes", "6", "to")),
        ("INVALID_QUANTITY", ("changes", "7", "quantity")),
        ("INVALID_QUANTITY", ("changes", "8", "quantity")),
    ]
    assert await refused(
        database,
        good,
        Relocation(shop.mug, 1, main, outlet, seen=8),
        Relocation(shop.mug, 10, main, outlet),
        Relocation(shop.mug, 1, Spot(shop.main_id, "damaged"), main),
    ) == [
        ("CHANGE_FROM_QUANTITY_STALE", ("changes", "1", "from", "changeFromQuantity")),
        ("OUT_OF_STOCK", ("changes", "2", "quantity")),
        ("OUT_OF_STOCK", ("changes", "3", "quantity")),
    ]
    assert (await level(database, shop.mug, shop.main_id)).on_hand == 10


async def test_closed_location_gives_and_takes_nothing(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await places.deactivate(session, shop.outlet_id)
    main, outlet = Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available")

    assert await refused(
        database, Relocation(shop.shirt_small, 1, main, outlet), Relocation(shop.shirt_small, 1, outlet, main)
    ) == [
        ("LOCATION_INACTIVE", ("changes", "0", "to", "locationId")),
        ("LOCATION_INACTIVE", ("changes", "1", "from", "locationId")),
    ]


async def test_no_place_holds_more_than_can_be_counted(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await change(session, [Change(shop.mug, shop.outlet_id, "on_hand", quantity=MAX_QUANTITY)], WHY)

    assert await refused(
        database, Relocation(shop.mug, 1, Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available"))
    ) == [("INVALID_QUANTITY", ("changes", "0", "quantity"))]


async def test_bundle_has_no_units_to_move(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        _, (bundle,) = await make_product(session, shop.channel_id, "Set", Form(3000, sku="SET"))
        await bundles.set_parts(session, bundle, {shop.mug: 2}, expected_version=1, actor="tester")

    assert await refused(
        database, Relocation(bundle, 1, Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available"))
    ) == [("BUNDLE_INVALID", ("changes", "0", "variantId"))]
