"""Do the books stay right when many buyers come at once, over connections of their own and from two pools?"""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import func, select

from headless.cart import queries as cart_queries
from headless.cart import service as cart
from headless.cart.rules import Wanted
from headless.inventory import service as inventory
from headless.inventory.models import allocations
from headless.inventory.rules import Demand
from headless.inventory.service import Change, Request
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import Refused
from tests.builders import (
    MONTH,
    WHY,
    Form,
    Shop,
    assert_levels_balance,
    cart_with,
    lines_of,
    make_product,
    persistently,
    sellable,
    stock,
    stocks,
)


@pytest.fixture
async def pools(database: Database) -> AsyncIterator[list[Database]]:
    """The same database through two pools, as two server processes have it."""
    second = Database(database.url)
    yield [database, second]
    await second.close()


async def reserve(database: Database, demands: list[Demand]) -> UUID | None:
    """Answer the owner of the reservation, or None where stock was short."""
    owner_id = ids.new()

    async def once() -> UUID | None:
        try:
            async with database.transaction() as session:
                await inventory.reserve(session, Request(owner_id, demands, WHY))
        except Refused as refused:
            if {refusal.code for refusal in refused.refusals} != {"OUT_OF_STOCK"}:
                raise
            return None
        return owner_id

    return await persistently(once)


async def test_sixty_buyers_of_ten_units_get_exactly_ten(pools: list[Database], shop: Shop) -> None:
    wishes = [(pools[nth % 2], [Demand(ids.new(), shop.mug, 1)]) for nth in range(60)]

    owners = await asyncio.gather(*(reserve(database, demands) for database, demands in wishes))

    level = (await stocks(pools[0], shop.mug))[shop.mug, shop.main_id]
    assert sum(owner is not None for owner in owners) == 10
    assert (level.on_hand, level.reserved, level.committed) == (10, 10, 0)
    async with pools[0].reading() as session:
        assert await session.scalar(select(func.sum(allocations.c.quantity))) == 10
    await assert_levels_balance(pools[0])


async def test_units_in_two_locations_and_on_two_lines_are_sold_once(pools: list[Database], shop: Shop) -> None:
    wishes = [
        (pools[nth % 2], [Demand(ids.new(), shop.shirt_small, 1), Demand(ids.new(), shop.shirt_small, 2)])
        for nth in range(20)
    ]

    owners = await asyncio.gather(*(reserve(database, demands) for database, demands in wishes))

    levels = await stocks(pools[0], shop.shirt_small)
    assert sum(owner is not None for owner in owners) == 2
    assert levels[shop.shirt_small, shop.main_id].reserved == 3
    assert levels[shop.shirt_small, shop.outlet_id].reserved == 3
    await assert_levels_balance(pools[0])


@pytest.mark.parametrize(("seed", "carts"), [(1, 40), (2, 40), (3, 1000)])
async def test_mixed_carts_in_any_order_never_deadlock_and_the_books_are_right(
    pools: list[Database], shop: Shop, seed: int, carts: int
) -> None:
    chance, turns = random.Random(seed), asyncio.Semaphore(40)
    async with pools[0].transaction() as session:
        _, variants = await make_product(session, shop.channel_id, "Box", *(Form(value=str(nth)) for nth in range(6)))
        third_id = await inventory.create_location(session, handle="third", name="Third", position=3)
        for location_id, share in ((shop.main_id, 2), (shop.outlet_id, 1), (third_id, 1)):
            await stock(session, location_id, dict.fromkeys(variants, share * carts // 10))

    async def buy(nth: int) -> None:
        async with turns:
            await buy_in_turn(nth)

    async def buy_in_turn(nth: int) -> None:
        database = pools[nth % 2]
        wanted = chance.sample(variants, k=chance.randint(2, 5))
        owner = await reserve(database, [Demand(ids.new(), variant, chance.randint(1, 2)) for variant in wanted])
        if owner is None:
            return
        if nth % 3 == 0:
            await persistently(give_back, database, owner)
        elif nth % 3 == 1:
            await persistently(commit, database, owner)

    # A deadlock would be a Conflict here: only a busy database is asked again.
    await asyncio.gather(*(buy(nth) for nth in range(carts)))

    levels = await stocks(pools[0], *variants)
    async with pools[0].reading() as session:
        rows = await session.execute(
            select(
                allocations.c.variant_id,
                allocations.c.location_id,
                allocations.c.is_committed,
                func.sum(allocations.c.quantity),
            ).group_by(allocations.c.variant_id, allocations.c.location_id, allocations.c.is_committed)
        )
        promised = {(variant, place, committed): int(units) for variant, place, committed, units in rows}
    for (variant, place), level in levels.items():
        assert level.available >= 0
        assert level.reserved == promised.get((variant, place, False), 0)
        assert level.committed == promised.get((variant, place, True), 0)
    await assert_levels_balance(pools[0])


async def give_back(database: Database, owner_id: UUID) -> None:
    async with database.transaction() as session:
        await inventory.release(session, owner_id, WHY)


async def commit(database: Database, owner_id: UUID) -> None:
    async with database.transaction() as session:
        await inventory.commit(session, owner_id, WHY)


async def test_two_that_give_back_the_same_reservation_give_it_back_once(pools: list[Database], shop: Shop) -> None:
    owner = await reserve(pools[0], [Demand(ids.new(), shop.mug, 4)])
    assert owner is not None

    await asyncio.gather(*(persistently(give_back, pool, owner) for pool in pools * 5))

    assert await sellable(pools[0], shop.mug) == 10
    await assert_levels_balance(pools[0])


async def test_release_and_commit_at_once_have_one_winner(pools: list[Database], shop: Shop) -> None:
    for _ in range(4):
        owner = await reserve(pools[0], [Demand(ids.new(), shop.mug, 1), Demand(ids.new(), shop.shirt_large, 1)])
        if owner is None:
            continue

        await asyncio.gather(
            persistently(give_back, pools[0], owner),
            persistently(commit, pools[1], owner),
        )

        levels = await stocks(pools[0], shop.mug, shop.shirt_large)
        assert [level.reserved for level in levels.values()] == [0, 0]
        assert len({level.committed for level in levels.values()}) == 1

    await assert_levels_balance(pools[0])


async def test_adjustments_at_once_all_count(pools: list[Database], shop: Shop) -> None:
    async def adjust(nth: int) -> None:
        change = Change(shop.mug, shop.main_id, "available", delta=1 if nth % 4 else -1)
        async with pools[nth % 2].transaction() as session:
            await inventory.change(session, [change], WHY)

    await asyncio.gather(*(persistently(adjust, nth) for nth in range(20)))

    assert await sellable(pools[0], shop.mug) == 10 + 15 - 5
    await assert_levels_balance(pools[0])


async def test_first_levels_of_a_variant_written_at_once_become_one_level(pools: list[Database], shop: Shop) -> None:
    async def adjust(nth: int) -> None:
        places = [shop.main_id, shop.outlet_id]
        changes = [Change(shop.poster, place, "available", delta=1) for place in (places, places[::-1])[nth % 2]]
        async with pools[nth % 2].transaction() as session:
            await inventory.change(session, changes, WHY)

    await asyncio.gather(*(persistently(adjust, nth) for nth in range(10)))

    assert await sellable(pools[0], shop.poster) == 20
    await assert_levels_balance(pools[0])


async def test_twenty_additions_to_one_cart_at_once_all_count(pools: list[Database], shop: Shop) -> None:
    async with pools[0].transaction() as session:
        made = await cart_with(session, shop, {})

    async def add(nth: int) -> None:
        variant = shop.voucher if nth % 4 else shop.mug
        async with pools[nth % 2].transaction() as session:
            locked = await cart.change(session, made.id, lifetime=MONTH)
            await cart.add_lines(session, locked, [Wanted(variant)])

    await asyncio.gather(*(persistently(add, nth) for nth in range(20)))

    assert dict(await lines_of(pools[0], made.id)) == {shop.voucher: 15, shop.mug: 5}
    async with pools[0].reading() as session:
        assert (await cart_queries.carts_by_id(session, [made.id]))[made.id].version == 21
