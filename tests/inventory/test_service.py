"""Does stock move as it should, with a ledger that explains it and facts only where there is news?"""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from headless.catalog.models import listings
from headless.inventory import queries, service
from headless.inventory.errors import (
    ChangeFromQuantityStale,
    InvalidQuantity,
    LocationInactive,
    OutOfStock,
    UnknownQuantityName,
)
from headless.inventory.ledger import Why
from headless.inventory.models import allocations, levels, locations, movements
from headless.inventory.rules import Demand, Stock, Take
from headless.inventory.service import Change, Request
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import NotFound, Refusal, Refused
from tests.builders import WHY, Shop, assert_levels_balance, recording, sellable, stocks


async def reserve(database: Database, *demands: Demand) -> UUID:
    owner_id = ids.new()
    async with database.transaction() as session:
        await service.reserve(session, Request(owner_id, demands, WHY))
    return owner_id


async def commit(database: Database, owner_id: UUID) -> None:
    async with database.transaction() as session:
        await service.commit(session, owner_id, WHY)


async def change(database: Database, *changes: Change) -> UUID:
    async with database.transaction() as session:
        return await service.change(session, changes, WHY)


async def refused(database: Database, *changes: Change) -> Sequence[Refusal]:
    with pytest.raises(Refused) as caught:
        await change(database, *changes)
    return caught.value.refusals


async def mug_level(database: Database, shop: Shop) -> Stock:
    return (await stocks(database, shop.mug))[shop.mug, shop.main_id]


async def is_available(database: Database, product_id: UUID) -> bool:
    async with database.reading() as session:
        found = await session.scalar(select(listings.c.is_available).where(listings.c.product_id == product_id))
    return bool(found)


def told(*variant_ids: UUID) -> list[tuple[str, dict[str, str]]]:
    return [("stock.changed", {"variant_id": str(variant_id)}) for variant_id in variant_ids]


async def test_reserving_holds_units_and_writes_the_ledger(database: Database, shop: Shop) -> None:
    line_id, owner_id = ids.new(), ids.new()

    async with recording(database) as facts, database.transaction() as session:
        why = Why("checkout_started", "checkout", "checkout_1")
        await service.reserve(session, Request(owner_id, [Demand(line_id, shop.mug, 4)], why))

    level = await mug_level(database, shop)
    assert (level.on_hand, level.reserved, level.committed, level.available) == (10, 4, 0, 6)
    async with database.reading() as session:
        (held,) = await session.execute(select(allocations))
        (entry,) = await session.execute(select(movements).where(movements.c.name == "reserved"))
    assert (held.owner_id, held.line_id, held.quantity, held.is_committed) == (owner_id, line_id, 4, False)
    assert (entry.delta, entry.reason, entry.actor, entry.reference) == (
        4,
        "checkout_started",
        "checkout",
        "checkout_1",
    )
    assert facts.found == told(shop.mug)
    await assert_levels_balance(database)


async def test_one_short_variant_holds_nothing_of_any(database: Database, shop: Shop) -> None:
    short, other = Demand(ids.new(), shop.shirt_large, 3), Demand(ids.new(), shop.mug, 1)

    async with recording(database) as facts:
        with pytest.raises(Refused) as caught:
            await reserve(database, other, short)

    (refusal,) = caught.value.refusals
    assert isinstance(refusal, OutOfStock)
    assert refusal.target == short.line_id
    assert await sellable(database, shop.mug) == 10
    assert await sellable(database, shop.shirt_large) == 2
    assert facts.found == []


async def test_releasing_gives_back_once(database: Database, shop: Shop) -> None:
    owner_id = await reserve(database, Demand(ids.new(), shop.mug, 4))

    async with recording(database) as facts:
        for _ in range(2):
            async with database.transaction() as session:
                await service.release(session, owner_id, WHY)

    assert await sellable(database, shop.mug) == 10
    assert facts.found == told(shop.mug)
    await assert_levels_balance(database)


async def test_committing_changes_nothing_that_can_be_sold_and_tells_nobody(database: Database, shop: Shop) -> None:
    owner_id = await reserve(database, Demand(ids.new(), shop.mug, 4))

    async with recording(database) as facts:
        await commit(database, owner_id)
        async with database.transaction() as session:
            await service.release(session, owner_id, WHY)

    level = await mug_level(database, shop)
    assert (level.on_hand, level.reserved, level.committed, level.available) == (10, 0, 4, 6)
    assert facts.found == []
    await assert_levels_balance(database)


async def test_shipping_takes_committed_units_off_the_shelf(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.mug, 4)))

    async with recording(database) as facts:
        for units in (1, 3):
            async with database.transaction() as session:
                await service.ship(session, [Take(line_id, shop.mug, shop.main_id, units)], WHY)

    level = await mug_level(database, shop)
    assert (level.on_hand, level.committed, level.available) == (6, 0, 6)
    assert facts.found == []
    async with database.reading() as session:
        assert await queries.committed_by_line(session, [line_id]) == {}
    await assert_levels_balance(database)


async def test_more_than_is_owed_can_not_be_shipped(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.mug, 2)))

    with pytest.raises(OutOfStock):
        async with database.transaction() as session:
            await service.ship(session, [Take(line_id, shop.mug, shop.main_id, 3)], WHY)

    level = await mug_level(database, shop)
    assert (level.on_hand, level.committed) == (10, 2)
    await assert_levels_balance(database)


async def test_what_is_only_reserved_can_not_be_shipped(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await reserve(database, Demand(line_id, shop.mug, 2))

    with pytest.raises(OutOfStock):
        async with database.transaction() as session:
            await service.ship(session, [Take(line_id, shop.mug, shop.main_id, 2)], WHY)

    assert (await mug_level(database, shop)).on_hand == 10


async def test_units_that_a_count_did_not_find_can_not_be_shipped(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.mug, 4)))
    await change(database, Change(shop.mug, shop.main_id, "on_hand", quantity=3))
    assert (await mug_level(database, shop)).available == -1

    with pytest.raises(OutOfStock):
        async with database.transaction() as session:
            await service.ship(session, [Take(line_id, shop.mug, shop.main_id, 4)], WHY)

    level = await mug_level(database, shop)
    assert (level.on_hand, level.committed) == (3, 4)
    await assert_levels_balance(database)


@pytest.mark.parametrize(("restock", "on_hand", "free"), [(True, 10, 10), (False, 6, 6)])
async def test_uncommitting_frees_or_writes_off(
    database: Database, shop: Shop, restock: bool, on_hand: int, free: int
) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.mug, 4)))

    async with recording(database) as facts, database.transaction() as session:
        await service.uncommit(session, [Take(line_id, shop.mug, shop.main_id, 4)], WHY, restock=restock)

    level = await mug_level(database, shop)
    assert (level.on_hand, level.committed, level.available) == (on_hand, 0, free)
    assert facts.found == (told(shop.mug) if restock else [])
    await assert_levels_balance(database)


async def test_owing_from_another_location_moves_the_promise(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.shirt_small, 4)))  # 3 from main, 1 from outlet

    async with database.transaction() as session:
        await service.recommit(
            session,
            line_id,
            variant_id=shop.shirt_small,
            quantity=4,
            location_id=shop.outlet_id,
            spoken_for={},
            why=WHY,
        )

    found = await stocks(database, shop.shirt_small)
    assert found[shop.shirt_small, shop.main_id].committed == 0
    assert found[shop.shirt_small, shop.outlet_id].committed == 4
    async with database.reading() as session:
        owed = (await queries.committed_by_line(session, [line_id]))[line_id]
    assert owed == [Take(line_id, shop.shirt_small, shop.outlet_id, 4)]
    await assert_levels_balance(database)


async def test_owing_from_a_location_without_enough_is_refused(database: Database, shop: Shop) -> None:
    line_id = ids.new()
    await commit(database, await reserve(database, Demand(line_id, shop.mug, 2)))

    with pytest.raises(OutOfStock):
        async with database.transaction() as session:
            await service.recommit(
                session, line_id, variant_id=shop.mug, quantity=2, location_id=shop.outlet_id, spoken_for={}, why=WHY
            )

    assert (await mug_level(database, shop)).committed == 2
    await assert_levels_balance(database)


async def test_last_unit_makes_the_product_unavailable_and_its_return_available(database: Database, shop: Shop) -> None:
    assert await is_available(database, shop.mug_product) is True
    await reserve(database, Demand(ids.new(), shop.mug, 9))
    assert await is_available(database, shop.mug_product) is True

    last = await reserve(database, Demand(ids.new(), shop.mug, 1))

    assert await is_available(database, shop.mug_product) is False
    async with database.transaction() as session:
        await service.release(session, last, WHY)
    assert await is_available(database, shop.mug_product) is True


async def test_product_is_available_while_any_variant_is(database: Database, shop: Shop) -> None:
    await reserve(database, Demand(ids.new(), shop.shirt_large, 2))

    assert await sellable(database, shop.shirt_large) == 0
    assert await is_available(database, shop.shirt_product) is True


async def test_untracked_is_available_and_never_stocked_is_not(database: Database, shop: Shop) -> None:
    assert await is_available(database, shop.voucher_product) is True
    assert await is_available(database, shop.poster_product) is False


async def test_first_stock_makes_a_product_available_and_is_told(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        await change(database, Change(shop.poster, shop.outlet_id, "available", delta=2))

    assert await is_available(database, shop.poster_product) is True
    assert facts.found == told(shop.poster)
    await assert_levels_balance(database)


async def test_writing_available_moves_what_is_on_hand(database: Database, shop: Shop) -> None:
    await reserve(database, Demand(ids.new(), shop.mug, 4))

    group_id = await change(database, Change(shop.mug, shop.main_id, "available", quantity=20, seen=6))

    level = await mug_level(database, shop)
    assert (level.on_hand, level.reserved, level.available) == (24, 4, 20)
    async with database.reading() as session:
        rows = list(await session.execute(select(movements).where(movements.c.group_id == group_id)))
    assert [(row.name, row.delta) for row in rows] == [("on_hand", 14)]


@pytest.mark.parametrize("name", ["damaged", "safety_stock"])
async def test_what_is_set_aside_can_not_be_sold(database: Database, shop: Shop, name: str) -> None:
    async with recording(database) as facts:
        await change(database, Change(shop.mug, shop.main_id, name, delta=3))

    level = await mug_level(database, shop)
    assert (level.on_hand, level.available) == (10, 7)
    assert facts.found == told(shop.mug)
    await assert_levels_balance(database)


async def test_change_to_the_same_quantity_is_no_news(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        group_id = await change(database, Change(shop.mug, shop.main_id, "available", quantity=10))

    assert facts.found == []
    async with database.reading() as session:
        assert list(await session.execute(select(movements).where(movements.c.group_id == group_id))) == []


async def test_changes_of_one_level_in_one_call_add_up(database: Database, shop: Shop) -> None:
    await change(
        database,
        Change(shop.mug, shop.main_id, "available", delta=5, seen=10),
        Change(shop.mug, shop.main_id, "on_hand", delta=-3, seen=15),
    )

    assert (await mug_level(database, shop)).on_hand == 12
    await assert_levels_balance(database)


async def test_each_bad_change_is_named_and_nothing_is_written(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        stale, negative = await refused(
            database,
            Change(shop.voucher, shop.main_id, "available", delta=1),
            Change(shop.mug, shop.main_id, "available", delta=1, seen=9),
            Change(shop.shirt_small, shop.main_id, "on_hand", delta=-4),
        )

    assert isinstance(stale, ChangeFromQuantityStale)
    assert stale.field == ("changes", "1", "changeFromQuantity")
    assert stale.message == "You saw 9; available is now 10. Read it again and repeat your change."
    assert isinstance(negative, InvalidQuantity)
    assert negative.field == ("changes", "2", "delta")
    assert facts.found == []
    async with database.reading() as session:
        assert list(await session.execute(select(levels).where(levels.c.variant_id == shop.voucher))) == []
    await assert_levels_balance(database)


async def test_places_and_names_that_do_not_exist_are_refused(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(update(locations).where(locations.c.id == shop.outlet_id).values(is_active=False))

    found = await refused(
        database,
        Change(uuid4(), shop.main_id, "available", delta=1),
        Change(shop.mug, uuid4(), "available", delta=1),
        Change(shop.mug, shop.outlet_id, "available", delta=1),
        Change(shop.mug, shop.main_id, "reserved", delta=1),
    )

    assert [(type(refusal), refusal.field) for refusal in found] == [
        (NotFound, ("changes", "0", "variantId")),
        (NotFound, ("changes", "1", "locationId")),
        (LocationInactive, ("changes", "2", "locationId")),
        (UnknownQuantityName, ("changes", "3", "name")),
    ]


async def test_stock_of_a_closed_location_is_not_for_sale(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(update(locations).where(locations.c.id == shop.outlet_id).values(is_active=False))

    assert await sellable(database, shop.shirt_small) == 3
    with pytest.raises(Refused):
        await reserve(database, Demand(ids.new(), shop.shirt_small, 4))
