"""Is a list read page by page whole, whatever is made, deleted and priced anew between its pages?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from headless.catalog import queries
from headless.catalog.models import listings, products
from headless.catalog.queries import ProductSortKey
from headless.catalog.search.lists import SORTS
from headless.catalog.search.wishes import Wish
from headless.merchandising import deleting
from headless.platform.db import Database, Session
from headless.platform.pages import Window
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop
from tests.catalog.shelves import Item, page, put, wish

WORDS = ("Lamp", "öl", "lamp", "Zebra", "Straße")
ITEMS = st.builds(
    Item,
    title=st.sampled_from(WORDS),
    vendor=st.sampled_from(("", "Acme", "Österreich")),
    product_type=st.sampled_from(("", "Lights")),
    price=st.sampled_from((100, 200, 300)),
)
DEEDS = st.lists(
    st.tuples(st.sampled_from(("insert", "delete", "reprice")), st.integers(0, 20), ITEMS), min_size=1, max_size=3
)


async def keys_of(database: Database, asked: Wish, sort: ProductSortKey) -> Mapping[UUID, Sequence[Any]]:
    """The sort key of every product that the list shows."""
    shown = select(products.c.id, *SORTS[sort]).select_from(products.join(listings, asked.eye.listed))
    async with database.reading() as session:
        return {row[0]: tuple(row)[1:] for row in await session.execute(shown.where(asked.eye.sees()))}


async def _do(session: Session, shop: Shop, deed: tuple[str, int, Item]) -> None:
    kind, which, item = deed
    if kind == "insert":
        await put(session, shop, item)
        return
    ids = list(await session.scalars(select(products.c.id).where(products.c.title.in_(WORDS)).order_by(products.c.id)))
    if not ids:
        return
    product_id = ids[which % len(ids)]
    if kind == "delete":
        await deleting.delete_product(session, product_id, expected_version=None, actor="tester")
        return
    rows = (await queries.variants_by_product(session, [product_id]))[product_id]
    await pricing.set_prices(session, shop.channel_id, {row.id: NewPrice(item.price) for row in rows})


@pytest.mark.parametrize("is_backward", [False, True])
@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("sort", list(SORTS))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(ITEMS, min_size=3, max_size=6), between=st.lists(DEEDS, max_size=5), size=st.integers(1, 3))
async def test_a_row_whose_key_stays_comes_once_whatever_is_written_between_pages(
    database: Database,
    shop: Shop,
    *,
    sort: ProductSortKey,
    is_reversed: bool,
    is_backward: bool,
    first: Sequence[Item],
    between: Sequence[Sequence[tuple[str, int, Item]]],
    size: int,
) -> None:
    async with database.transaction() as session:
        for item in first:
            await put(session, shop, item)
    asked = wish(shop)
    staying = dict(await keys_of(database, asked, sort))
    window = Window(limit=size, is_backward=is_backward)
    seen: Counter[UUID] = Counter()
    left = list(between)

    while True:
        found = (await page(database, asked, window, sort=sort, is_reversed=is_reversed)).slice
        seen.update(row.id for row in found.rows)
        if not (found.has_previous if is_backward else found.has_next):
            break
        window = replace(window, before=found.cursors[0]) if is_backward else replace(window, after=found.cursors[-1])
        for deed in left.pop() if left else ():
            async with database.transaction() as session:
                await _do(session, shop, deed)
            now = await keys_of(database, asked, sort)
            staying = {product_id: key for product_id, key in staying.items() if now.get(product_id) == key}

    assert {product_id: seen[product_id] for product_id in staying} == dict.fromkeys(staying, 1)
