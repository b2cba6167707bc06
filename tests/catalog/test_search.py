"""Are the same products found in the same order, whichever database looks?"""

from typing import Any

import pytest

from headless.catalog import publishing, service
from headless.catalog.queries import ProductSortKey
from headless.catalog.search import index, lists
from headless.catalog.search.models import documents
from headless.platform.db import Database
from headless.platform.errors import BadUserInput
from headless.platform.pages import Window
from tests.builders import Shop
from tests.catalog.shelves import Item, fill, found, page, wish

CORPUS = (
    Item("Linen shirt", "Acme", "Shirts", ("Summer sale",), ("Sky Blue",), 2900, "Airy and light.", ("LS-1",)),
    Item("Shirt", "Zed", "Shirts", ("basics",), (), 1900, "The plain one."),
    Item("Shirt box", "Box & Co", "Boxes", (), (), 900),
    Item("Skirt", "Acme", "Skirts", ("summer", "sale"), ("Black",), 3900, "Goes with a shirt."),
    Item("Hanger", "Acme", "Accessories", ("shirt care",), (), 400),
    Item("Straßenkarte Łódź", "Mapa", "Maps", (), (), 1200, "Ørsted's café: 50% more crème brûlée"),
    Item("T-Shirt Nº 5", "Zed", "Shirts", ("Summer sale",), ("White", "Black"), 1500, "", ("TS-W", "TS-B")),
    Item("東京タワーの模型", "工房", "模型", (), (), 8000),
    Item("Waterproof backpack", "Trek", "Bags", ("outdoor",), (), 12900, "Two litres, 100 % dry"),
    Item("Back scratcher", "Trek", "Garden", ("outdoor",), (), 1100),
    Item("Hidden shirt", "Acme", "Shirts", (), (), 2900, is_published=False),
)
QUERIES: list[tuple[str, list[str]]] = [
    ("shirt", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5", "Skirt", "Hanger"]),
    ("SHIRT b", ["Shirt box", "Linen shirt", "Shirt", "Skirt", "T-Shirt Nº 5"]),
    ("shi", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5", "Skirt", "Hanger"]),
    ("linen shirt", ["Linen shirt"]),
    ("shirt linen", ["Linen shirt"]),
    ('"linen shirt"', ["Linen shirt"]),
    ('"shirt linen"', []),
    ('"summer sale"', ["Linen shirt", "T-Shirt Nº 5"]),
    ("summer sale", ["Linen shirt", "Skirt", "T-Shirt Nº 5"]),
    ("sale summer", ["Linen shirt", "Skirt", "T-Shirt Nº 5"]),
    ("shirt -linen", ["Shirt", "Shirt box", "T-Shirt Nº 5", "Skirt", "Hanger"]),
    ('shirt -"summer sale" -box', ["Shirt", "Skirt", "Hanger"]),
    ("-shirt vendor:acme", []),
    ("linen OR box", ["Linen shirt", "Shirt box"]),
    ("linen OR vendor:trek", ["Linen shirt", "Waterproof backpack", "Back scratcher"]),
    ("vendor:acme", ["Linen shirt", "Skirt", "Hanger"]),
    ("vendor:ac*", ["Linen shirt", "Skirt", "Hanger"]),
    ("vendor:'box & co'", ["Shirt box"]),
    ("tag:'summer sale'", ["Linen shirt", "T-Shirt Nº 5"]),
    ("tag:summer", ["Skirt"]),
    ("product_type:shirts price:<20", ["Shirt", "T-Shirt Nº 5"]),
    ("price:>=129", ["Waterproof backpack"]),
    ("price:>129", []),
    ("price:4", ["Hanger"]),
    ("price:<=9.00 shirt", ["Shirt box", "Hanger"]),
    ("title:shirt", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5"]),
    ("title:shirt vendor:zed", ["Shirt", "T-Shirt Nº 5"]),
    ("sku:ts-w", ["T-Shirt Nº 5"]),
    ("sku:LS*", ["Linen shirt"]),
    ("ts-b", ["T-Shirt Nº 5"]),
    ("handle:shirt-box", ["Shirt box"]),
    ("status:active hanger", ["Hanger"]),
    ("status:draft", []),
    ("available:false", []),
    ("t-shirt", ["T-Shirt Nº 5"]),
    ("strassenkarte", ["Straßenkarte Łódź"]),
    ("lodz", ["Straßenkarte Łódź"]),
    ("ORSTED creme", ["Straßenkarte Łódź"]),
    ("東京", ["東京タワーの模型"]),
    ("タワー", ["東京タワーの模型"]),
    ("東タ", []),
    ("100 dry", ["Waterproof backpack"]),
    ("created_at:>2020-01-01 hanger", ["Hanger"]),
    ("created_at:<2020-01-01", []),
    ("foo:bar", []),
    ("vendor:nobody", []),
    ('"', []),
    ("OR", []),
    ("-", []),
    ("shirt OR", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5", "Skirt", "Hanger"]),
    ("' OR 1=1 --", []),
    ('title : "shirt" *) NOT (', []),
    ("shirt) & !(x", []),
    ("\ue000 shirt \ue001", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5", "Skirt", "Hanger"]),
]
SLIPS = [
    ("shrit linen", ["Linen shirt"]),
    ("hangr", ["Hanger"]),
    ("waterprof bakpack", ["Waterproof backpack"]),
    ("strasenkarte", ["Straßenkarte Łódź"]),
    ("back -scratcher", ["Waterproof backpack"]),
    ("shirx", ["Shirt", "Shirt box", "Linen shirt", "T-Shirt Nº 5", "Skirt", "Hanger"]),
    ("zzzzzz", []),
    ("bax", []),
]


@pytest.fixture
async def library(database: Database, shop: Shop) -> Shop:
    """The corpus, in a shop that sells nothing else."""
    for product in (shop.mug_product, shop.shirt_product, shop.voucher_product, shop.poster_product):
        async with database.transaction() as session:
            await publishing.unpublish(session, product, channel_id=shop.channel_id)
    await fill(database, shop, *CORPUS)
    return shop


async def test_same_hits_in_the_same_order_on_both_databases(database: Database, library: Shop) -> None:
    got = [(query, await found(database, library, query)) for query, _titles in QUERIES]
    assert got == QUERIES


async def test_slips_are_forgiven_where_nothing_else_is_found(database: Database, library: Shop) -> None:
    assert [(query, await found(database, library, query)) for query, _titles in SLIPS] == SLIPS


@pytest.mark.parametrize("query", ["shirt", "shrit", "summer sale", "linen OR box OR skirt"])
@pytest.mark.parametrize("is_reversed", [False, True])
async def test_hits_can_be_read_page_by_page_both_ways(
    database: Database, library: Shop, query: str, *, is_reversed: bool
) -> None:
    whole = await found(database, library, query, is_reversed=is_reversed)
    assert len(whole) > 2

    for is_backward in (False, True):
        seen: list[str] = []
        cursor = None
        while True:
            window = Window(1, is_backward, **{"before" if is_backward else "after": cursor})
            part = (await page(database, wish(library, query), window, is_reversed=is_reversed)).slice
            seen += [row.title for row in part.rows]
            if not (part.has_previous if is_backward else part.has_next):
                break
            cursor = part.cursors[0]
        assert seen == (whole[::-1] if is_backward else whole)


async def test_a_query_can_be_sorted_by_anything(database: Database, library: Shop) -> None:
    by_price = await found(database, library, "shirt", sort=ProductSortKey.PRICE)
    slip = await found(database, library, "hangr OR skrit", sort=ProductSortKey.TITLE)

    assert by_price == ["Hanger", "Shirt box", "T-Shirt Nº 5", "Shirt", "Linen shirt", "Skirt"]
    assert slip == ["Hanger", "Skirt"]
    assert await found(database, library, "shirt", sort=ProductSortKey.ID) == [
        "Linen shirt", "Shirt", "Shirt box", "Skirt", "Hanger", "T-Shirt Nº 5",
    ]  # fmt: skip


async def test_cursor_of_a_corrected_query_leads_on_and_of_another_order_nowhere(
    database: Database, library: Shop
) -> None:
    first = await page(database, wish(library, "shrit"), Window(limit=2))
    rest = await page(database, wish(library, "shrit"), Window(after=first.slice.cursors[-1]))

    assert [row.title for row in [*first.slice.rows, *rest.slice.rows]] == await found(database, library, "shirt")
    assert await _count(database, first) == 6
    assert (await page(database, wish(library, "shirt"), Window(after=first.slice.cursors[-1]))).slice.rows
    with pytest.raises(BadUserInput):
        await page(database, wish(library, "shrit"), Window(after=first.slice.cursors[-1]), sort=ProductSortKey.TITLE)


async def _count(database: Database, listed: Any) -> int:
    async with database.reading() as session:
        return int(await lists.count(session, listed.wish))


async def test_hidden_products_are_found_by_staff_alone(database: Database, library: Shop) -> None:
    assert await found(database, library, "hidden") == []
    assert await found(database, library, "hidden", sees_hidden=True) == ["Hidden shirt"]
    assert await found(database, library, "status:draft shirt", sees_hidden=True) == ["Hidden shirt"]


async def test_index_follows_the_product(database: Database, library: Shop) -> None:
    ids = await fill(database, library, Item("Candle", "Wax", text="Burns for hours"))
    async with database.transaction() as session:
        await service.update_product(
            session, ids["Candle"], expected_version=2, actor="anna",
            changes={"title": "Lantern", "description_html": "<p>Shines &amp; <b>glows</b></p>"},
        )  # fmt: skip

    for query, titles in (("candle", []), ("hours", []), ("lantern", ["Lantern"]), ("wax glows", ["Lantern"])):
        assert await found(database, library, query) == titles


async def test_products_older_than_the_index_are_indexed_piece_by_piece(database: Database, library: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(documents.delete())
    assert await found(database, library, "shirt") == []

    assert await index.complete(database) == len(CORPUS) + 5
    assert await index.complete(database) == 0
    assert sorted(await found(database, library, "shirt")) == sorted(dict(QUERIES)["shirt"])
