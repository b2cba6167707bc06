"""How is it kept which products are bought together?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import permutations
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select, update

from headless.catalog.models import products
from headless.catalog.recommendations.models import bought_together
from headless.platform.columns import any_of
from headless.platform.db import Session, insert_into

MOST_OF_AN_ORDER = 12
"""Products of one order that are paired; larger orders say little about taste."""
CHUNK = 1000


def pairs_of(baskets: Iterable[Collection[UUID]]) -> Mapping[tuple[UUID, UUID], int]:
    """In how many orders, each given as the products that it holds, a product stands beside another one."""
    return Counter(pair for basket in baskets for pair in permutations(sorted(set(basket))[:MOST_OF_AN_ORDER], 2))


async def count_orders(session: Session, baskets: Iterable[Collection[UUID]]) -> None:
    """Add orders, each as the products that it holds."""
    rows = await _rows(session, pairs_of(baskets))
    insertion = insert_into(session, bought_together)
    adding = insertion.on_conflict_do_update(
        index_elements=["product_id", "other_id"],
        set_={"orders": bought_together.c.orders + insertion.excluded.orders},
    )
    for start in range(0, len(rows), CHUNK):
        await session.execute(adding, rows[start : start + CHUNK])


async def discount_orders(session: Session, baskets: Iterable[Collection[UUID]]) -> None:
    """Take orders off that were added before."""
    c = bought_together.c
    pairs = sorted(pairs_of(baskets).items())
    taking = (
        update(bought_together)
        .where(c.product_id == bindparam("of_product"), c.other_id == bindparam("beside"))
        .values(orders=c.orders - bindparam("number"))
    )
    rows = [{"of_product": one, "beside": other, "number": number} for (one, other), number in pairs]
    connection = await session.connection()
    for start in range(0, len(rows), CHUNK):
        await connection.execute(taking, rows[start : start + CHUNK])
    touched = sorted({one for (one, _other), _number in pairs})
    await session.execute(delete(bought_together).where(any_of(c.product_id, touched), c.orders <= 0))


async def rewrite(session: Session, product_ids: AbstractSet[UUID], pairs: Mapping[tuple[UUID, UUID], int]) -> None:
    """Have products stand beside others as often as `pairs` says, and beside no others."""
    c, ids = bought_together.c, sorted(product_ids)
    await session.execute(delete(bought_together).where(or_(any_of(c.product_id, ids), any_of(c.other_id, ids))))
    mine = {pair: number for pair, number in pairs.items() if not product_ids.isdisjoint(pair)}
    rows = await _rows(session, mine)
    for start in range(0, len(rows), CHUNK):
        await session.execute(insert(bought_together), rows[start : start + CHUNK])


async def _rows(session: Session, pairs: Mapping[tuple[UUID, UUID], int]) -> list[dict[str, object]]:
    """Pairs of products that are there, and stay for as long as the transaction lasts."""
    if not pairs:
        return []
    there = set(
        await session.scalars(
            select(products.c.id)
            .where(any_of(products.c.id, sorted({product_id for product_id, _other_id in pairs})))
            .order_by(products.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    return [
        {"product_id": product_id, "other_id": other_id, "orders": number}
        for (product_id, other_id), number in sorted(pairs.items())
        if product_id in there and other_id in there
    ]
