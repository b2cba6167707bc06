"""Are prices kept, told when they change, and right in lists?"""

import asyncio
from uuid import UUID

from sqlalchemy import select

from headless.catalog.models import listings
from headless.platform.db import Database
from headless.pricing import queries, service
from headless.pricing.service import NewPrice
from tests.builders import Shop, persistently, recording


async def set_prices(database: Database, shop: Shop, new: dict[UUID, NewPrice]) -> None:
    async with database.transaction() as session:
        await service.set_prices(session, shop.channel_id, new)


async def price_of(database: Database, shop: Shop, variant_id: UUID) -> tuple[int, int | None]:
    async with database.reading() as session:
        row = (await queries.prices_by_variant(session, [variant_id], shop.channel_id))[variant_id]
    return row.amount, row.compare_at_amount


async def range_of(database: Database, product_id: UUID) -> tuple[int, int, int | None, int | None]:
    c = listings.c
    async with database.reading() as session:
        row = (await session.execute(select(listings).where(c.product_id == product_id))).one()
    return row.min_amount, row.max_amount, row.min_compare_at_amount, row.max_compare_at_amount


async def test_prices_of_the_shop(database: Database, shop: Shop) -> None:
    assert await price_of(database, shop, shop.mug) == (1290, None)
    assert await price_of(database, shop, shop.shirt_large) == (2600, 3000)
    assert await range_of(database, shop.shirt_product) == (2400, 2600, 3000, 3000)


async def test_changed_prices_are_told_and_unchanged_ones_are_not(database: Database, shop: Shop) -> None:
    new = {shop.mug: NewPrice(1290), shop.shirt_small: NewPrice(2500), shop.shirt_large: NewPrice(2600, 3100)}

    async with recording(database) as facts:
        await set_prices(database, shop, new)
        await set_prices(database, shop, new)

    assert sorted(fact["variant_id"] for fact in facts.of("price.changed")) == sorted(
        [str(shop.shirt_small), str(shop.shirt_large)]
    )
    assert {fact["channel_id"] for fact in facts.of("price.changed")} == {str(shop.channel_id)}
    assert facts.topics == ["price.changed", "price.changed"]
    assert await range_of(database, shop.shirt_product) == (2500, 2600, 3100, 3100)


async def test_struck_through_price_can_be_taken_away(database: Database, shop: Shop) -> None:
    await set_prices(database, shop, {shop.shirt_large: NewPrice(2600)})

    assert await price_of(database, shop, shop.shirt_large) == (2600, None)
    assert await range_of(database, shop.shirt_product) == (2400, 2600, None, None)


async def test_no_prices_change_nothing(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        await set_prices(database, shop, {})

    assert facts.found == []


async def test_range_in_lists_is_right_after_changes_at_once(database: Database, shop: Shop) -> None:
    changes = [
        {variant: NewPrice(amount)} for amount in range(2000, 2010) for variant in (shop.shirt_small, shop.shirt_large)
    ]

    await asyncio.gather(*(persistently(set_prices, database, shop, new) for new in changes))

    now = [(await price_of(database, shop, variant))[0] for variant in (shop.shirt_small, shop.shirt_large)]
    assert await range_of(database, shop.shirt_product) == (min(now), max(now), None, None)
