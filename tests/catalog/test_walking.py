"""Is a page the same whether what comes next is looked at one by one, or the whole list is gathered?"""

from typing import Any

import pytest

from headless.catalog.queries import ProductSortKey
from headless.catalog.search import rules, walking
from headless.catalog.search.filters import Available, Filter, Has, Price
from headless.catalog.search.lists import SORTS
from headless.platform.db import Database, Tally, tally
from headless.platform.pages import Window
from tests.builders import Shop
from tests.catalog.shelves import Item, fill, page, wish

WAYS = [(1000, 1), (2, 1), (5, 0)]
"""How many rows are looked at one by one, and from how many products on a set is large."""
SHIRT, SALE, ACME = Has(rules.TYPE, "shirts"), Has(rules.TAG, "sale"), Has(rules.VENDOR, "acme")
LISTS: list[tuple[str, tuple[Filter, ...]]] = [
    ("", (SHIRT,)),
    ("", (SHIRT, SALE)),
    ("", (ACME, Has(rules.VENDOR, "zed"), SALE)),
    ("", (Available(is_available=True), Price(1500, 4000))),
    ("", (Has(rules.VENDOR, "nobody"),)),
    ("shirt", ()),
    ("shirt", (SALE,)),
    ("shirt -linen", (SHIRT,)),
    ("linen OR wool vendor:acme", ()),
    ("title:shirt price:<30", (SALE,)),
    ('"linen shirt" OR skirt', ()),
    ("shirt lin", ()),
    ("-shirt", ()),
    ("nothing", (SALE,)),
]
TITLES = ("Shirt", "Shirt of linen", "Linen shirt", "Wool shirt", "Shirts and skirts", "Skirt", "Shirt", "Hat")


@pytest.fixture
async def wardrobe(database: Database, shop: Shop) -> Shop:
    """Forty products that have much in common."""
    await fill(
        database,
        shop,
        *(
            Item(
                TITLES[nth % len(TITLES)],
                ("Acme", "Zed", "")[nth % 3],
                "Shirts" if nth % 4 else "Hats",
                ("sale",) if nth % 5 else (),
                price=1000 + 500 * (nth % 7),
                text="Goes with a shirt of wool." if nth % 2 else "",
                is_available=nth % 6 > 0,
                is_published=nth % 11 > 0,
            )
            for nth in range(40)
        ),
    )
    return shop


async def read(database: Database, asked: Any, window: Window, **arguments: Any) -> list[Any]:
    """The ids of all pages of a list, one after the other."""
    seen: list[Any] = []
    cursor = None
    while True:
        name = "before" if window.is_backward else "after"
        part = (
            await page(database, asked, Window(window.limit, window.is_backward, **{name: cursor}), **arguments)
        ).slice
        assert len(part.rows) <= window.limit
        seen += part.rows[::-1] if window.is_backward else part.rows
        if not (part.has_previous if window.is_backward else part.has_next):
            return [row.id for row in seen]
        cursor = part.cursors[0 if window.is_backward else -1]


@pytest.mark.parametrize(
    ("sort", "is_reversed"),
    [(None, False), (None, True), (ProductSortKey.PRICE, False), (ProductSortKey.TITLE, True)],
)
async def test_pages_are_the_same_whichever_way_they_are_read(
    database: Database,
    wardrobe: Shop,
    monkeypatch: pytest.MonkeyPatch,
    *,
    sort: ProductSortKey | None,
    is_reversed: bool,
) -> None:
    lists = [wish(wardrobe, query, *filters) for query, filters in LISTS]
    arguments = {"sort": sort, "is_reversed": is_reversed}
    whole = [await read(database, asked, Window(250), **arguments) for asked in lists]
    assert [len(ids) for ids in whole[:2]] == [27, 21]
    assert [len(ids) for ids in whole if not ids] == [0, 0]

    for steps, many in WAYS:
        monkeypatch.setattr(walking, "STEPS", steps)
        monkeypatch.setattr(walking, "MANY", many)
        for asked, ids in zip(lists, whole, strict=True):
            assert len(set(ids)) == len(ids)
            for window in (Window(7), Window(9, is_backward=True)):
                found = await read(database, asked, window, **arguments)
                assert found == (ids[::-1] if window.is_backward else ids), (steps, many, asked)


async def test_a_page_takes_one_statement_and_another_one_where_nothing_is_found(
    database: Database, wardrobe: Shop
) -> None:
    for sort in (None, *SORTS):
        for query, filters in LISTS:
            count = Tally()
            tally.set(count)
            await page(database, wish(wardrobe, query, *filters), Window(3), sort=sort)
            assert count.statements == (2 if query == "nothing" else 1)
