"""Does a new channel list every product, whatever is made or changed at the same moment?"""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select

from headless.catalog import queries as catalog_queries
from headless.catalog.models import listings, products
from headless.catalog.queries import Eye
from headless.catalog.service import ProductDraft
from headless.fulfillment import rates
from headless.merchandising import channels, service
from headless.merchandising.channels import DeliveryRate
from headless.merchandising.repricing import VariantChange
from headless.merchandising.service import NewVariant
from headless.platform.db import Database, Record, SerializationFailure
from headless.platform.errors import InvalidInput, Taken
from headless.shop import queries as shop_queries
from headless.shop.errors import CurrencyInUse
from headless.shop.service import ChannelDraft
from tests.builders import (
    Shop,
    assert_books_balance,
    assert_levels_balance,
    persistently,
    place_order,
    recording,
    stock,
)

US = ChannelDraft(handle="us", currency="USD", country="US", language="en_us")


@pytest.fixture
async def second(database: Database) -> AsyncIterator[Database]:
    """The same database through another pool, as another process has it."""
    opened = Database(database.url)
    yield opened
    await opened.close()


async def open_channel(database: Database, draft: ChannelDraft = US) -> Record:
    async with database.transaction() as session:
        return await channels.create_channel(session, draft)


async def make_product(database: Database, title: str) -> UUID:
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        new = [NewVariant(price=Decimal(1))]
        return await service.create_product(session, ProductDraft(title=title), new, channel=channel, actor="tester")


async def listed(database: Database, channel_id: UUID) -> tuple[int, int]:
    """How many products a channel lists, and how many there are."""
    async with database.reading() as session:
        here = select(func.count()).select_from(listings).where(listings.c.channel_id == channel_id)
        return await session.scalar(here) or 0, await session.scalar(select(func.count()).select_from(products)) or 0


async def price(database: Database, product_id: UUID, variant_id: UUID, channel: Record, amount: str = "9.99") -> None:
    async with database.transaction() as session:
        found = (await catalog_queries.variants_by_product(session, [product_id]))[product_id]
        version = next(row.version for row in found if row.id == variant_id)
        change = VariantChange(variant_id, version, price=Decimal(amount))
        await service.update_variants(session, product_id, [change], channel=channel, actor="tester")


async def test_new_channel_lists_every_product_without_a_price(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        channel = await open_channel(database)

    assert facts.topics == ["channel.created", "channel.updated"]
    assert (channel.name, channel.default_language, channel.is_default) == ("us", "en-US", False)
    assert await listed(database, channel.id) == (5, 5)
    async with database.reading() as session:
        for eye, count in ((Eye(channel.id), 0), (Eye(channel.id, sees_hidden=True), 1)):
            assert len(await catalog_queries.products_by_id(session, [shop.mug_product], eye)) == count
    await assert_levels_balance(database)


async def test_products_are_listed_in_parts_by_several_workers(
    database: Database, second: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "AT_ONCE", 2)
    channel = await open_channel(database)
    first = await listed(database, channel.id)
    async with database.reading() as session:
        codes = [problem.code for problem in await channels.problems(session, channel)]

    await asyncio.gather(*(persistently(channels.list_products, one) for one in (database, second)))

    assert first == (2, 5)
    assert "LISTING_PRODUCTS" in codes
    assert await listed(database, channel.id) == (5, 5)
    async with database.reading() as session:
        assert await shop_queries.unlisted(session) == []
    assert await channels.list_products(database) == 0


async def test_price_and_publication_of_a_product_that_is_not_listed_yet_are_kept(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "AT_ONCE", 1)
    channel = await open_channel(database)
    await price(database, shop.poster_product, shop.poster, channel)
    await price(database, shop.shirt_product, shop.shirt_small, channel, "20")
    async with database.transaction() as session:
        await service.publish(session, shop.shirt_product, channel_id=channel.id)
        await service.publish(session, shop.voucher_product, channel_id=channel.id)

    await channels.list_products(database)

    assert await listed(database, channel.id) == (5, 5)
    async with database.reading() as session:
        everything = [shop.mug_product, shop.poster_product, shop.shirt_product, shop.voucher_product]
        found = await catalog_queries.products_by_id(session, everything, Eye(channel.id))
        rows = [(row.title, row.min_amount, row.is_available) for row in found.values()]
    assert rows == [("Shirt", 2000, True)]
    await assert_levels_balance(database)


async def test_products_made_at_the_same_moment_are_listed(database: Database, second: Database, shop: Shop) -> None:
    made = [persistently(make_product, (database, second)[nth % 2], f"P{nth}") for nth in range(8)]
    handles = ["us", "at"]
    drafts = [ChannelDraft(handle, "EUR", "AT", "de") for handle in handles]
    opened = [persistently(open_channel, second, draft) for draft in drafts]

    await asyncio.gather(*made[:4], opened[0], *made[4:6], opened[1], *made[6:])

    async with database.reading() as session:
        found = {row.handle: row.id for row in await shop_queries.all_channels(session)}
    for handle in ("default", *handles):
        assert await listed(database, found[handle]) == (13, 13)


async def test_product_is_available_where_something_of_it_has_a_price_and_stock(database: Database, shop: Shop) -> None:
    channel = await open_channel(database)

    async def is_available(product_id: UUID) -> dict[str, bool]:
        async with database.reading() as session:
            rows = await session.execute(
                select(listings.c.channel_id, listings.c.is_available).where(listings.c.product_id == product_id)
            )
            return {"us" if row.channel_id == channel.id else "default": row.is_available for row in rows}

    unpriced = await is_available(shop.shirt_product)
    await price(database, shop.shirt_product, shop.shirt_large, channel)
    priced = await is_available(shop.shirt_product)
    async with database.transaction() as session:
        await stock(session, shop.outlet_id, {shop.shirt_large: 0})
    await assert_levels_balance(database)

    assert unpriced == {"default": True, "us": False}
    assert priced == {"default": True, "us": True}
    assert await is_available(shop.shirt_product) == {"default": True, "us": False}


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (ChannelDraft("Us", "USD", "US", "en"), "handle"),
        (ChannelDraft("", "USD", "US", "en"), "handle"),
        (ChannelDraft("x" * 65, "USD", "US", "en"), "handle"),
        (ChannelDraft("us", "XYZ", "US", "en"), "currencyCode"),
        (ChannelDraft("us", "USD", "ZZ", "en"), "defaultCountry"),
        (ChannelDraft("us", "USD", "US", "e"), "defaultLanguage"),
        (ChannelDraft("us", "USD", "US", "english language"), "defaultLanguage"),
        (ChannelDraft("us", "USD", "US", "en", name=" "), "name"),
        (ChannelDraft("us", "USD", "US", "en", name="x" * 256), "name"),
    ],
)
async def test_malformed_channel_is_refused_where_it_is_malformed(
    database: Database, shop: Shop, draft: ChannelDraft, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await open_channel(database, draft)

    assert refusal.value.field == (field,)
    async with database.reading() as session:
        assert [row.handle for row in await shop_queries.all_channels(session)] == ["default"]


async def test_handle_is_given_once(database: Database, second: Database, shop: Shop) -> None:
    outcomes = await asyncio.gather(
        *(persistently(open_channel, one) for one in (database, second)), return_exceptions=True
    )

    (refused,) = (one for one in outcomes if isinstance(one, BaseException))
    assert isinstance(refused, Taken)
    assert refused.field == ("handle",)
    async with database.transaction() as session:
        with pytest.raises(Taken):
            await channels.update_channel(session, shop.channel_id, {"handle": "us"})


async def test_delivery_rates_are_copied_for_the_same_currency_only(database: Database, shop: Shop) -> None:
    same = await open_channel(database, ChannelDraft("at", "EUR", "AT", "de"))
    other = await open_channel(database)

    async with database.reading() as session:
        found = await rates.rates_by_channel(session, [shop.channel_id, same.id, other.id])
    seen = {key: sorted((row.title, row.amount, tuple(row.countries)) for row in rows) for key, rows in found.items()}
    assert seen[same.id] == seen[shop.channel_id] == [("Air mail", 1200, ()), ("Parcel", 490, ("DE",))]
    assert other.id not in seen


async def test_delivery_rates_share_the_zones_of_others(database: Database, shop: Shop) -> None:
    wanted = [DeliveryRate("Post", Decimal("3.50"), ["DE"]), DeliveryRate("Ship", Decimal(9), ["AT", "CH"])]
    async with database.transaction() as session:
        channel = await channels.create_channel(session, US, delivery_rates=wanted)
        await channels.update_channel(
            session, channel.id, {}, delivery_rates=[*wanted, DeliveryRate("Any", Decimal(1))]
        )
    async with database.reading() as session:
        found = await rates.rates_by_channel(session, [shop.channel_id, channel.id])

    zones = {tuple(row.countries): row.zone_id for row in found[shop.channel_id]}
    assert [(row.title, row.amount) for row in found[channel.id]] == [("Post", 350), ("Ship", 900), ("Any", 100)]
    assert {tuple(row.countries): row.zone_id for row in found[channel.id]}.items() >= zones.items()


@pytest.mark.parametrize("amount", ["-1", "1.001", "1e20"])
async def test_bad_delivery_rate_opens_no_channel(database: Database, shop: Shop, amount: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        async with database.transaction() as session:
            await channels.create_channel(session, US, delivery_rates=[DeliveryRate("Post", Decimal(amount))])

    assert refusal.value.field == ("deliveryRates", "0", "amount")


async def test_currency_changes_as_long_as_nothing_costs_something_in_it(database: Database, shop: Shop) -> None:
    channel = await open_channel(database)

    async def change(channel_id: UUID, currency: str) -> str:
        async with database.transaction() as session:
            changed = await channels.update_channel(session, channel_id, {"currency_code": currency})
        return str(changed.currency_code)

    assert await change(channel.id, "JPY") == "JPY"
    assert await change(shop.channel_id, "EUR") == "EUR"
    async with database.reading() as session:
        current = await shop_queries.channel_by_id(session, channel.id)
    await price(database, shop.mug_product, shop.mug, current, "1200")
    with pytest.raises(CurrencyInUse):
        await change(channel.id, "USD")
    await place_order(database, shop, {shop.mug: 1})
    with pytest.raises(CurrencyInUse):
        await change(shop.channel_id, "USD")
    await assert_books_balance(database)


async def test_price_in_a_currency_that_the_channel_has_no_more_is_not_written(database: Database, shop: Shop) -> None:
    channel = await open_channel(database)
    async with database.transaction() as session:
        await channels.update_channel(session, channel.id, {"currency_code": "JPY"})

    with pytest.raises(SerializationFailure):
        await price(database, shop.mug_product, shop.mug, channel)
