"""Which products belong into collections by their rules, and what differs from what the collections hold?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from sqlalchemy import and_, delete, select, tuple_, update

from headless.catalog.collections import rules
from headless.catalog.collections.models import rebuilds
from headless.catalog.collections.rules import Candidate, RuleSet
from headless.catalog.events import CollectionUpdated
from headless.catalog.metafields import queries as metafield_queries
from headless.catalog.metafields.rules import Kind, MetafieldOwner, Shape, wished_key
from headless.catalog.models import collection_products, collections, listings, products
from headless.catalog.rules import fold
from headless.platform import money, outbox
from headless.platform.columns import any_of
from headless.platform.db import Session, insert_into
from headless.shop import queries as shop_queries

CHUNK = 1000
"""Products that one transaction of a rebuild looks at."""

Member = tuple[UUID, UUID]
"""A collection and a product."""


@dataclass(frozen=True, slots=True)
class Differences:
    """What some products' places in collections by rules are not as the rules say."""

    missing: Sequence[Member]
    surplus: Sequence[Member]

    @property
    def collection_ids(self) -> set[UUID]:
        return {collection_id for collection_id, _product_id in (*self.missing, *self.surplus)}


async def differences(
    session: Session, product_ids: Collection[UUID], *, collection_ids: Collection[UUID] | None = None
) -> Differences:
    """Compare what collections by rules hold of some products with what their rules say, now."""
    rule_sets = await _rule_sets(session, collection_ids)
    if not rule_sets or not product_ids:
        return Differences((), ())
    candidates = await _candidates(
        session, product_ids, with_metafields=any(one.metafields for one in rule_sets.values())
    )
    wanted = {
        (collection_id, product_id)
        for collection_id, rule_set in rule_sets.items()
        for product_id, candidate in candidates.items()
        if rules.matches(rule_set, candidate)
    }
    c = collection_products.c
    held = {
        (row.collection_id, row.product_id)
        for row in await session.execute(
            select(c.collection_id, c.product_id).where(
                any_of(c.product_id, product_ids), any_of(c.collection_id, list(rule_sets))
            )
        )
    }
    return Differences(sorted(wanted - held), sorted(held - wanted))


async def evaluate(
    session: Session, product_ids: Collection[UUID], *, collection_ids: Collection[UUID] | None = None
) -> Differences:
    """Make collections by rules hold of some products what their rules say; answer what wasn't so.

    One at a time: whoever calls this holds the reader's row of `platform.consumers`, so that nobody writes what an
    older look at the same product found.
    """
    found = await differences(session, product_ids, collection_ids=collection_ids)
    c = collection_products.c
    if found.surplus:
        await session.execute(
            delete(collection_products).where(
                tuple_(c.collection_id, c.product_id).in_(found.surplus),
            )
        )
    if found.missing:
        await _add(session, found.missing)
    outbox.record(session, *(CollectionUpdated(collection_id) for collection_id in sorted(found.collection_ids)))
    return found


async def rebuild(session: Session, collection_ids: Collection[UUID] | None = None) -> None:
    """Have collections by rules, by default all, looked through from their first product on."""
    if collection_ids is None:
        collection_ids = list(await session.scalars(select(collections.c.id).where(collections.c.rules.is_not(None))))
    if collection_ids:
        made = insert_into(session, rebuilds)
        await session.execute(
            made.values(
                [{"collection_id": collection_id, "generation": 1} for collection_id in sorted(collection_ids)]
            ).on_conflict_do_update(
                index_elements=["collection_id"], set_={"generation": rebuilds.c.generation + 1, "after": None}
            )
        )


async def rebuild_by_metafield(session: Session, namespace: str, key: str) -> None:
    """Have those collections looked through whose rules are about a metafield of products."""
    rows = await session.execute(select(collections.c.id, collections.c.rules).where(collections.c.rules.is_not(None)))
    await rebuild(session, [row.id for row in rows if (namespace, key) in rules.rule_set_of(row.rules).metafields])


async def forget_rebuild(session: Session, collection_id: UUID) -> None:
    """Leave a collection as it is: it has no rules any more."""
    await session.execute(delete(rebuilds).where(rebuilds.c.collection_id == collection_id))


async def is_rebuild_waiting(session: Session) -> bool:
    return (await session.execute(select(rebuilds.c.collection_id).limit(1))).first() is not None


async def rebuild_some(session: Session, *, limit: int = CHUNK) -> bool:
    """Look through the next products of one collection that waits for it; answer whether there was one."""
    c = rebuilds.c
    waiting = (await session.execute(select(rebuilds).order_by(c.collection_id).limit(1))).first()
    if waiting is None:
        return False
    beyond = (products.c.id > waiting.after,) if waiting.after is not None else ()
    page = list(await session.scalars(select(products.c.id).where(*beyond).order_by(products.c.id).limit(limit)))
    await evaluate(session, page, collection_ids=[waiting.collection_id])
    # After the members, whose foreign keys wait for whoever edits the collection: he may want it from the start again.
    same = and_(c.collection_id == waiting.collection_id, c.generation == waiting.generation)
    if len(page) < limit:
        await session.execute(delete(rebuilds).where(same))
    else:
        await session.execute(update(rebuilds).where(same).values(after=page[-1]))
    return True


async def _add(session: Session, members: Sequence[Member]) -> None:
    """Put products in, those that are still there into collections that are still there."""
    there = set(
        await session.scalars(
            select(products.c.id)
            .where(any_of(products.c.id, sorted({product_id for _collection_id, product_id in members})))
            .order_by(products.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    open_to = set(
        await session.scalars(
            select(collections.c.id)
            .where(
                any_of(collections.c.id, sorted({collection_id for collection_id, _product_id in members})),
                collections.c.rules.is_not(None),
            )
            .order_by(collections.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    rows = [
        {"collection_id": collection_id, "product_id": product_id, "position": 0}
        for collection_id, product_id in members
        if collection_id in open_to and product_id in there
    ]
    for start in range(0, len(rows), CHUNK):
        await session.execute(
            insert_into(session, collection_products).on_conflict_do_nothing(), rows[start : start + CHUNK]
        )


async def _rule_sets(session: Session, collection_ids: Collection[UUID] | None) -> Mapping[UUID, RuleSet]:
    c = collections.c
    chosen = (any_of(c.id, collection_ids),) if collection_ids is not None else ()
    rows = (await session.execute(select(c.id, c.rules).where(c.rules.is_not(None), *chosen).order_by(c.id))).all()
    found = {row.id: rules.rule_set_of(row.rules) for row in rows}
    named = frozenset(name for rule_set in found.values() for name in rule_set.metafields)
    if not named:
        return found
    defined = await metafield_queries.definitions_named(
        session, [(MetafieldOwner.PRODUCT.value, namespace, key) for namespace, key in named]
    )
    shapes = {(row.namespace, row.key): Shape(Kind(row.type), row.is_list) for row in defined.values()}
    return {collection_id: _with_keys(rule_set, shapes) for collection_id, rule_set in found.items()}


def _with_keys(rule_set: RuleSet, shapes: Mapping[tuple[str, str], Shape]) -> RuleSet:
    """Say what conditions on metafields are compared by."""
    return replace(
        rule_set,
        rules=tuple(
            replace(rule, filter_key=wished_key(shape, rule.condition))
            if (shape := shapes.get((rule.namespace or "", rule.key or ""))) is not None
            else rule
            for rule in rule_set.rules
        ),
    )


async def _candidates(
    session: Session, product_ids: Collection[UUID], *, with_metafields: bool
) -> Mapping[UUID, Candidate]:
    channel = await shop_queries.channel(session)
    places = money.digits(channel.currency_code)
    c = products.c
    joined = products.outerjoin(listings, and_(listings.c.product_id == c.id, listings.c.channel_id == channel.id))
    rows = (
        await session.execute(
            select(c.id, c.title_key, c.type_key, c.vendor_key, c.tags, listings.c.min_amount, listings.c.is_available)
            .select_from(joined)
            .where(any_of(c.id, product_ids))
        )
    ).all()
    keys = await metafield_queries.filter_keys_by_owner(session, list(product_ids)) if with_metafields else {}
    return {
        row.id: Candidate(
            title=row.title_key,
            product_type=row.type_key,
            vendor=row.vendor_key,
            tags=frozenset(fold(tag) for tag in row.tags),
            price=None if row.min_amount is None else Decimal(row.min_amount).scaleb(-places),
            is_available=bool(row.is_available),
            metafields=keys.get(row.id, {}),
        )
        for row in rows
    }
