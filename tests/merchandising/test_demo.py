"""Does the demo shop come up whole, once, and only where there was no shop?"""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.catalog.categories import queries as category_queries
from headless.catalog.metafields import queries as metafield_queries
from headless.catalog.models import collection_products, collections, products
from headless.catalog.queries import Eye
from headless.catalog.search import lists
from headless.catalog.search.wishes import Wish
from headless.catalog.translations import queries as translation_queries
from headless.fulfillment import queries as fulfillment_queries
from headless.inventory import queries as inventory_queries
from headless.merchandising import collecting, demo, opening
from headless.platform import outbox, pages
from headless.platform.db import Database
from headless.platform.storage import Disk
from headless.shop import queries as shop_queries
from tests.builders import Shop, assert_books_balance


def be_silent(_step: str) -> None: ...


def start_of(picture: Path) -> str:
    return picture.read_text(encoding="utf-8")[:39]


async def test_empty_database_becomes_the_demo_shop(database: Database, tmp_path: Path) -> None:
    steps: list[str] = []

    seeded = await demo.seed(database, Disk(tmp_path), on_step=steps.append)

    assert seeded == demo.Seeded(products=60, variants=162, pictures=117)
    assert steps == ["Drawing the demo shop's pictures", "Filling the demo shop"]
    async with database.reading() as session:
        shop = await shop_queries.shop(session)
        channel = await shop_queries.channel(session)
        products = (await lists.page(session, Wish(Eye(channel.id), "EUR"), pages.Window(limit=100))).slice
        shelves = await catalog_queries.collection_page(session, pages.Window())
        assert shop is not None
        assert (shop.name, channel.handle, channel.currency_code) == ("Fieldnotes Supply", "default", "EUR")
        assert len(products.rows) == 60
        assert len(shelves.rows) == 6
        assert list(await inventory_queries.location_ids_by_handle(session)) == ["main", "outlet"]
    await assert_books_balance(database)


async def test_demo_shop_shows_categories_materials_german_titles_and_a_collection_by_a_rule(
    database: Database, tmp_path: Path
) -> None:
    await demo.seed(database, Disk(tmp_path), on_step=be_silent)
    async with database.transaction() as session:
        await outbox.number(session)
    while await collecting.collect(database):
        pass

    async with database.reading() as session:
        channel = await shop_queries.channel(session)
        known = await catalog_queries.products_by_handle(session, ["stoneware-mug", "oak-chopping-board"])
        mug = known["stoneware-mug"]
        row = await catalog_queries.product(session, Eye(channel.id), handle="stoneware-mug")
        (category,) = (await category_queries.categories_by_id(session, [row.category_id if row else mug])).values()
        keys = await metafield_queries.filter_keys_by_owner(session, [mug])
        german = await translation_queries.texts_by_owner(session, [mug], "product", ["de"])
        (gifts,) = await session.scalars(select(collections.c.id).where(collections.c.handle == "gifts"))
        members = list(
            await session.scalars(
                select(products.c.tags)
                .join(collection_products, collection_products.c.product_id == products.c.id)
                .where(collection_products.c.collection_id == gifts)
            )
        )

    assert category.title == "Cups and mugs"
    assert keys == {mug: {("details", "material"): ["ceramic"]}}
    assert german == {mug: {"title": "Becher aus Steinzeug"}}
    assert len(members) == 11
    assert all("gift" in tags for tags in members)


async def test_demo_shop_delivers_everywhere(database: Database, tmp_path: Path) -> None:
    await demo.seed(database, Disk(tmp_path), on_step=be_silent)

    async with database.reading() as session:
        channel = await shop_queries.channel(session)
        rates = await fulfillment_queries.rates_for(session, ["DE", "FR", "JP"], channel.id)
    assert {country: [(rate.title, rate.amount) for rate in found] for country, found in rates.items()} == {
        "DE": [("Standard delivery", 490)],
        "FR": [("Standard delivery", 990)],
        "JP": [("International delivery", 2490)],
    }


async def test_every_picture_of_the_demo_shop_is_a_file(database: Database, tmp_path: Path) -> None:
    await demo.seed(database, Disk(tmp_path), on_step=be_silent)

    async with database.reading() as session:
        (mug_id,) = (await catalog_queries.products_by_handle(session, ["stoneware-mug"])).values()
        media = (await catalog_queries.media_by_product(session, [mug_id]))[mug_id]
    assert [(row.url, row.width, row.height) for row in media] == [
        (f"demo/stoneware-mug-{nth}.svg", 1200, 1200) for nth in (1, 2, 3)
    ]
    assert [start_of(tmp_path / row.url) for row in media] == ['<svg xmlns="http://www.w3.org/2000/svg"'] * 3


async def test_second_seed_changes_nothing(database: Database, tmp_path: Path) -> None:
    await demo.seed(database, Disk(tmp_path), on_step=be_silent)

    assert await demo.seed(database, Disk(tmp_path), on_step=be_silent) is None


async def test_two_seeds_at_once_fill_one_shop(database: Database, tmp_path: Path) -> None:
    other = Database(database.url)

    results = await asyncio.gather(*(demo.seed(each, Disk(tmp_path), on_step=be_silent) for each in (database, other)))

    await other.close()
    assert sum(result is not None for result in results) == 1


async def test_crash_leaves_nothing_half_done(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "create_collection", None)
        with pytest.raises(TypeError):
            await demo.seed(database, Disk(tmp_path), on_step=be_silent)
    async with database.reading() as session:
        assert await shop_queries.shop(session) is None

    assert await demo.seed(database, Disk(tmp_path), on_step=be_silent) is not None


async def test_shop_that_sells_something_is_never_touched(database: Database, shop: Shop, tmp_path: Path) -> None:
    steps: list[str] = []

    assert await demo.seed(database, Disk(tmp_path), on_step=steps.append) is None
    assert steps == []


async def test_shop_opened_by_migrate_gets_the_demo_catalog(database: Database, tmp_path: Path) -> None:
    assert await opening.open_default_shop(database) is True
    assert await opening.open_default_shop(database) is False

    assert await demo.seed(database, Disk(tmp_path), on_step=be_silent) is not None

    async with database.reading() as session:
        shop = await shop_queries.shop(session)
        assert shop is not None
        assert shop.name == "My shop"
        assert list(await inventory_queries.location_ids_by_handle(session)) == ["main", "outlet"]
