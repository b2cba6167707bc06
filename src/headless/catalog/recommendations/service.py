"""How is it kept which products are bought together?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import permutations
from uuid import UUID

from sqlalchemy import select

from headless.catalog.models import products
from headless.catalog.recommendations.models import bought_together
from headless.platform.columns import any_of
from headless.platform.db import Session, insert_into

MOST_OF_AN_ORDER = 12
"""Products of one order that are paired; larger orders say little about taste."""
CHUNK = 1000


async def count_orders(session: Session, baskets: Iterable[Collection[UUID]]) -> None:
    """Add orders, each as the products that it holds."""
    pairs = Counter(pair for basket in baskets for pair in permutations(sorted(set(basket))[:MOST_OF_AN_ORDER], 2))
    if not pairs:
        return
    there = set(
        await session.scalars(
            select(products.c.id)
            .where(any_of(products.c.id, sorted({product_id for product_id, _other_id in pairs})))
            .order_by(products.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    rows = [
        {"product_id": product_id, "other_id": other_id, "orders": number}
        for (product_id, other_id), number in sorted(pairs.items())
        if product_id in there and other_id in there
    ]
    insertion = insert_into(session, bought_together)
    adding = insertion.on_conflict_do_update(
        index_elements=["product_id", "other_id"],
        set_={"orders": bought_together.c.orders + insertion.excluded.orders},
    )
    for start in range(0, len(rows), CHUNK):
        await session.execute(adding, rows[start : start + CHUNK])
