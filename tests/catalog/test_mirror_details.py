"""Do the sets in memory agree with the database where that is hard: in spellings, old sessions, half-done work?"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from headless.catalog import publishing
from headless.catalog.categories import service as categories
from headless.catalog.categories.models import categories as category_rows
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.metafields import defining
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place
from headless.catalog.metafields.service import Wish as MetafieldWish
from headless.catalog.models import products
from headless.catalog.queries import Eye
from headless.catalog.search import counting, facets, lists
from headless.catalog.search import mirror as mirrors
from headless.catalog.search.filters import Available, Has, Metafield, Price
from headless.catalog.search.mirror import Mirror
from headless.catalog.search.news import News
from headless.catalog.search.parsing import parse
from headless.catalog.search.wishes import Wish
from headless.graphql.context import COUNTLESS, OF_VARIANTS
from headless.inventory import service as inventory
from headless.inventory.service import Change
from headless.merchandising import channels
from headless.platform import outbox
from headless.platform.db import Database
from headless.shop.service import ChannelDraft
from tests.builders import WHY, Shop
from tests.catalog.mirrors import assert_is_right_now, loaded, number, told
from tests.catalog.shelves import Item, fill, wish


async def define(database: Database) -> UUID:
    draft = DefinitionDraft(
        MetafieldOwner.PRODUCT, "facts", "stuff", "Stuff", "text", is_filterable=True, is_public=True
    )
    async with database.transaction() as session:
        return await defining.create(session, draft, actor="anna")


async def write(database: Database, values: Mapping[UUID, str]) -> None:
    async with database.transaction() as session:
        places = {product_id: Place(MetafieldOwner.PRODUCT, product_id, "facts", "stuff") for product_id in values}
        wishes = [MetafieldWish(places[product_id], value) for product_id, value in values.items()]
        await metafields.set_metafields(session, wishes)


async def labels(database: Database, mirror: Mirror, asked: Wish) -> list[str]:
    await assert_is_right_now(database, mirror, asked)
    async with database.reading() as session:
        found = await facets.of(session, asked, mirror)
    return [value.label for facet in found.others if facet.key == "metafield.facts.stuff" for value in facet.values]


async def test_a_value_is_written_as_the_products_of_the_list_write_it(database: Database, shop: Shop) -> None:
    await define(database)
    ids = await fill(database, shop, Item("A", "Left"), Item("B", "Right"))
    await write(database, {ids["A"]: "WOOL", ids["B"]: "Wool"})
    mirror = await loaded(database)

    assert await labels(database, mirror, wish(shop)) == ['"WOOL"']
    assert await labels(database, mirror, wish(shop, "", Has("vendor", "right"))) == ['"Wool"']
    await write(database, {ids["A"]: "Wool"})
    assert await labels(database, mirror, wish(shop)) == ['"Wool"']


@pytest.mark.parametrize("text", ["a\0b", "x" * 70_000])
async def test_what_can_not_be_a_value_finds_nothing(database: Database, shop: Shop, text: str) -> None:
    await define(database)
    await write(database, {shop.mug_product: "   "})
    mirror = await loaded(database)

    await assert_is_right_now(database, mirror, wish(shop, "", Metafield("facts", "stuff", text)))


async def test_values_that_begin_so_are_a_range(database: Database, shop: Shop) -> None:
    await fill(database, shop, Item("A", "ab\U0010ffffc"), Item("B", "abc"), Item("C", "ac"))
    mirror = await loaded(database)

    await assert_is_right_now(database, mirror, wish(shop, "vendor:ab*"), wish(shop, "-vendor:a*"))


async def test_more_sets_than_are_worth_reading_are_left_to_the_database(database: Database, shop: Shop) -> None:
    mirror = await loaded(database)
    few, many = (" ".join(f"created_at:>20{year}-01-01" for year in range(20, upto)) for upto in (23, 24))

    async with database.reading() as session:
        asked = [Wish(Eye(shop.channel_id), "EUR", query=parse(query)) for query in (few, many)]
        assert await told(session, mirror, asked[0]) is not None
        assert await told(session, mirror, asked[1]) is None
        assert await lists.count(session, asked[1], mirror) == await lists.count(session, asked[1])


async def test_of_a_channel_that_is_just_being_listed_staff_are_told_by_the_database(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "AT_ONCE", 2)
    async with database.transaction() as session:
        channel = await channels.create_channel(session, ChannelDraft("us", "USD", "US", "en"))
    mirror, asked = await loaded(database), Wish(Eye(channel.id, sees_hidden=True), "USD")

    async with database.reading() as session:
        assert await told(session, mirror, asked) is None
        assert await told(session, mirror, wish(shop)) is not None
    await channels.list_products(database)
    await number(database)
    async with database.reading() as session:
        assert await told(session, mirror, asked) is None
    await mirror._load(database)

    await assert_is_right_now(database, mirror, asked, wish(shop), wish(shop, sees_hidden=True))


async def test_an_old_session_forgets_nothing_of_newer_definitions(database: Database, shop: Shop) -> None:
    definition_id = await define(database)
    mirror = await loaded(database)
    async with database.reading() as older:
        await lists.count(older, wish(shop))
        async with database.transaction() as session:
            changes = {"name": "Other"}
            await defining.change(session, definition_id, expected_version=1, changes=changes, actor="anna")
        async with database.reading() as newer:
            assert await told(newer, mirror, wish(shop)) is None
        await number(database)
        await mirror._load(database)
        assert await told(older, mirror, wish(shop)) is not None
    assert mirror.size


async def test_definitions_that_filter_no_products_change_nothing(database: Database, shop: Shop) -> None:
    mirror = await loaded(database)
    async with database.transaction() as session:
        for owner, is_filterable in ((MetafieldOwner.COLLECTION, True), (MetafieldOwner.PRODUCT, False)):
            draft = DefinitionDraft(owner, "facts", "text", "Text", "text", is_filterable=is_filterable)
            await defining.create(session, draft, actor="anna")

    await assert_is_right_now(database, mirror, wish(shop), wish(shop, sees_hidden=True))


async def test_a_category_that_was_seen_elsewhere_is_found_where_it_is(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        top = await categories.create(session, CategoryDraft("Top"), actor="anna")
        other = await categories.create(session, CategoryDraft("Other"), actor="anna")
        await session.execute(update(products).where(products.c.id == shop.mug_product).values(category_id=top))
    mirror = await loaded(database)
    path = select(category_rows.c.path).where(category_rows.c.id == top)
    async with database.reading() as older:
        asked = replace(wish(shop), category_path=await older.scalar(path))
        assert await lists.count(older, asked) == 1
        async with database.transaction() as session:
            await categories.move(session, top, parent_id=other, actor="anna")
        async with database.reading() as newer:
            now = replace(wish(shop), category_path=await newer.scalar(path))
            assert await counting.size(newer, mirror, now) == 1
        assert await counting.size(older, mirror, asked) == 1


@pytest.mark.parametrize("is_numbered", [True, False])
async def test_products_of_categories_that_go_are_in_those_above(
    database: Database, shop: Shop, *, is_numbered: bool
) -> None:
    async with database.transaction() as session:
        top = await categories.create(session, CategoryDraft("Top"), actor="anna")
        middle = await categories.create(session, CategoryDraft("Middle", parent_id=top), actor="anna")
        low = await categories.create(session, CategoryDraft("Low", parent_id=middle), actor="anna")
        await session.execute(update(products).where(products.c.id == shop.mug_product).values(category_id=low))
    mirror = await loaded(database)
    async with database.reading() as session:
        path = await session.scalar(select(category_rows.c.path).where(category_rows.c.id == top))
    async with database.transaction() as session:
        await categories.remove(session, low)
        await categories.remove(session, middle)
    if is_numbered:
        await number(database)

    await assert_is_right_now(database, mirror, wish(shop), replace(wish(shop), category_path=path))
    assert set(mirror._bitmaps.categories) == {top} if mirror._bitmaps is not None else False


async def test_a_database_brought_back_from_a_backup_is_read_anew(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "POLL_SECONDS", 0.02)
    await number(database)
    async with database.reading() as session:
        then = await outbox.position(session)
        size = await lists.count(session, wish(shop))
    await fill(database, shop, Item("New", "Acme"))
    await number(database)
    async with database.reading() as session:
        head = await outbox.position(session)
    mirror = Mirror(besides=COUNTLESS, of_variants=OF_VARIANTS)
    following = asyncio.create_task(mirror.follow(database, lambda: head))
    async with asyncio.timeout(20):
        while not mirror.size:
            await asyncio.sleep(0.01)

    async with database.transaction() as session:
        await session.execute(delete(outbox.facts).where(outbox.facts.c.position > then))
        await session.execute(update(outbox.log_heads).values(position=then))
        await session.execute(delete(products).where(products.c.title == "New"))
    async with asyncio.timeout(20):
        while mirror._place.position != then:
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

    await assert_is_right_now(database, mirror, wish(shop), wish(shop, sees_hidden=True))
    async with database.reading() as session:
        assert await counting.size(session, mirror, wish(shop)) == size


async def test_what_was_taken_in_before_it_had_a_position_is_not_read_again(database: Database, shop: Shop) -> None:
    mirror = await loaded(database)
    await fill(database, shop, Item("New", "Acme"))
    await assert_is_right_now(database, mirror, wish(shop))
    kept = dict(mirror._kept)

    await assert_is_right_now(database, mirror, wish(shop))
    await number(database)
    await assert_is_right_now(database, mirror, wish(shop))

    assert mirror._kept == kept != {}


async def test_what_is_not_looked_for_because_it_is_known_is_looked_for_when_that_is_forgotten_meanwhile(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, asked = await loaded(database), wish(shop, "mug")
    await assert_is_right_now(database, mirror, asked)
    ask = mirror._log.news
    answers = []

    async def asked_meanwhile(*of: Any, **how: Any) -> News:
        answers.append(await ask(*of, **how))
        mirror._kept.clear()
        return answers[-1]

    monkeypatch.setattr(mirror._log, "news", asked_meanwhile)
    async with database.reading() as session:
        assert await counting.size(session, mirror, asked) == 1
    assert [len(found.sets) for found in answers] == [0, 1]


async def test_no_more_is_kept_than_has_room(database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "MOST_KEPT", 60)
    mirror = await loaded(database)
    wishes = [wish(shop, "", Price(least, None)) for least in range(30)]

    await assert_is_right_now(database, mirror, *wishes, *wishes)

    assert 0 < sum(len(told) if isinstance(told, list) else 1 for told in mirror._kept.values()) <= 60


async def test_who_asked_earlier_and_comes_later_spoils_nothing(database: Database, shop: Shop) -> None:
    mirror, asked = await loaded(database), wish(shop, "", Available(is_available=True))
    await fill(database, shop, Item("New", "Acme"))
    async with database.reading() as older:
        found = await mirror._log.news(older, mirror._place, with_rows=True)
        async with database.transaction() as session:
            new = (await session.scalars(select(products.c.id).where(products.c.title == "New"))).one()
            await publishing.unpublish(session, new, channel_id=shop.channel_id)
        await assert_is_right_now(database, mirror, asked)
        assert await mirror._read_anew(older, found), "as if it had waited for its turn"
    await assert_is_right_now(database, mirror, asked)
    await number(database)

    await assert_is_right_now(database, mirror, asked, wish(shop, sees_hidden=True))


async def test_whoever_goes_away_while_it_reads_spoils_nothing(database: Database, shop: Shop) -> None:
    mirror, asked = await loaded(database), wish(shop, "", Available(is_available=True))

    async def ask() -> None:
        async with database.reading() as session:
            await counting.size(session, mirror, asked)

    for nth in range(12):
        async with database.transaction() as session:
            change = Change(shop.mug, shop.main_id, "available", quantity=nth % 2)
            await inventory.change(session, [change], WHY)
        asking = [asyncio.create_task(ask()) for _ in range(3)]
        await asyncio.sleep(0.002 * nth)
        asking[0].cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        if nth % 3 == 0:
            await number(database)
        await assert_is_right_now(database, mirror, asked, wish(shop, sees_hidden=True))
