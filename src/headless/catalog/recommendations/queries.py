"""What else may a buyer of a product like?"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, cast, func, literal_column, null, or_, select, union_all

from headless.catalog.models import collection_products, listings, products
from headless.catalog.queries import Eye, visible_products
from headless.catalog.recommendations.models import bought_together
from headless.catalog.search import rules
from headless.catalog.search.models import facets, product_facets
from headless.platform import columns
from headless.platform.db import Record, Session

MOST_TRAITS, OF_EACH = 12, 120
"""How many labels and collections are looked into, and how many visible products of each: what is alike stays cheap to
find, and products that nobody sees take nobody's place."""
_COLLECTION = "collection"
_WEIGHTS = {
    kind: literal_column(weight, Integer).label("weight")
    for kind, weight in ((_COLLECTION, "1000"), (rules.TAG, "10"), (rules.TYPE, "1"))
}
"""A shared collection outweighs all tags that are looked into, a tag the type."""


async def recommended(session: Session, eye: Eye, product_id: UUID, limit: int) -> Sequence[Record]:
    """Visible products: those most often bought together with one, then those that share most with it."""
    together = bought_together.c
    bought = (
        visible_products(eye)
        .join(bought_together, together.other_id == products.c.id)
        .where(together.product_id == product_id)
        .order_by(together.orders.desc(), together.other_id.desc())
        .limit(limit)
    )
    found = list(await session.execute(bought))
    if len(found) < limit:
        known = {row.id for row in found}
        alike = await _alike(session, eye, product_id, limit + len(known))
        found += [row for row in alike if row.id not in known]
    return found[:limit]


async def _alike(session: Session, eye: Eye, product_id: UUID, limit: int) -> Sequence[Record]:
    """Visible products that share most collections with one, then most tags, then its type."""
    traits = await _traits(session, eye, product_id)
    if not traits:
        return []
    near = union_all(*(select(one.subquery()) for one in traits)).subquery()
    counted = (
        select(near.c.product_id, func.sum(near.c.weight).label("shared"))
        .where(near.c.product_id != product_id)
        .group_by(near.c.product_id)
        .subquery()
    )
    wanted = (
        visible_products(eye)
        .join(counted, counted.c.product_id == products.c.id)
        .order_by(counted.c.shared.desc(), products.c.id.desc())
        .limit(limit)
    )
    found: Sequence[Record] = (await session.execute(wanted)).all()
    return found


async def _traits(session: Session, eye: Eye, product_id: UUID) -> list[Select[tuple[UUID, int]]]:
    """Visible products of each collection and label that a product has, with what sharing it weighs."""
    f, of, member = facets.c, product_facets.c, collection_products.c
    labels = (
        select(f.key, f.id.label("facet_id"), cast(null(), Uuid).label("collection_id"))
        .join(product_facets, of.facet_id == f.id)
        .where(of.product_id == product_id, or_(f.key == rules.TAG, f.key == rules.TYPE))
        .order_by(f.key, f.id)
        .limit(MOST_TRAITS)
    )
    collections = (
        select(literal_column(f"'{_COLLECTION}'").label("key"), cast(null(), columns.Sequence), member.collection_id)
        .where(member.product_id == product_id)
        .order_by(member.collection_id)
        .limit(MOST_TRAITS)
    )
    rows = await session.execute(union_all(select(labels.subquery()), select(collections.subquery())))
    sees = eye.sees()
    members, labelled = (
        table.join(products, products.c.id == table.c.product_id).join(listings, eye.listed)
        for table in (collection_products, product_facets)
    )
    return [
        select(member.product_id, _WEIGHTS[_COLLECTION])
        .select_from(members)
        .where(member.collection_id == row.collection_id, sees)
        .order_by(member.position, member.product_id)
        .limit(OF_EACH)
        if row.key == _COLLECTION
        else select(of.product_id, _WEIGHTS[row.key])
        .select_from(labelled)
        .where(of.facet_id == row.facet_id, sees)
        .order_by(of.product_id.desc())
        .limit(OF_EACH)
        for row in rows
    ]
