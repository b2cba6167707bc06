"""How do collections come about, change and go, and who puts products into them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import history
from headless.catalog import rules as catalog_rules
from headless.catalog.collections import membership, rules
from headless.catalog.collections.rules import RuleSet
from headless.catalog.errors import CollectionHasRules
from headless.catalog.events import CollectionDeleted, CollectionUpdated
from headless.catalog.metafields import queries as metafield_queries
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.rules import Kind, MetafieldOwner, Shape, wished_key
from headless.catalog.models import collection_products, collections, products
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Taken
from headless.teamwork import revisions

MOST_AT_ONCE = 250
MAX_PRODUCTS = 100_000
"""Products in a collection that people put together."""


@dataclass(frozen=True, slots=True)
class CollectionDraft:
    """What a new collection is made of: rules, or products in an order."""

    title: str
    handle: str | None = None
    description_html: str = ""
    external_reference: str | None = None
    rule_set: RuleSet | None = None
    product_ids: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A product that is to stand at a place, counted from 0."""

    product_id: UUID
    new_position: int


async def create(session: Session, draft: CollectionDraft, *, actor: str) -> UUID:
    """Make a collection; raises `Taken`, `InvalidInput` or `NotFound`."""
    collection_id, at = ids.new(), clock.now()
    title = catalog_rules.checked_title(draft.title)
    handle = catalog_rules.checked_handle(draft.handle) if draft.handle else await _free_handle(session, title)
    if draft.rule_set is not None and draft.product_ids:
        raise CollectionHasRules(field=("productIds",))
    values = {
        "id": collection_id,
        "handle": handle,
        **_texts(title, draft.description_html),
        "external_reference": _reference(draft.external_reference),
        "rules": await _rules(session, draft.rule_set),
        "version": 1,
        "changed_by": actor,
        "created_at": at,
        "updated_at": at,
    }
    try:
        await session.execute(insert(collections).values(values))
    except IntegrityError as error:
        raise _taken(error) from None
    revisions.record(session, "collection", collection_id, version=1, actor=actor)
    if draft.rule_set is not None:
        await membership.rebuild(session, [collection_id])
    await _append(session, collection_id, draft.product_ids)
    outbox.record(session, CollectionUpdated(collection_id))
    return collection_id


async def change(
    session: Session, collection_id: UUID, *, expected_version: int, changes: Mapping[str, Any], actor: str
) -> None:
    """Change the named values of a collection; new rules are true of its products a moment later.

    Without rules any more it keeps its products, for people to arrange. Raises `NotFound`, `StaleObject`, `Taken` or
    `InvalidInput`.
    """
    current = await _locked(session, collection_id)
    if current.version != expected_version:
        raise await revisions.stale(session, "collection", current, expected_version)
    values = dict(changes)
    if "handle" in values:
        values["handle"] = catalog_rules.checked_handle(values["handle"])
    if "external_reference" in values:
        values["external_reference"] = _reference(values["external_reference"])
    if values.keys() & {"title", "description_html"}:
        title = catalog_rules.checked_title(values.pop("title", current.title))
        values |= _texts(title, values.pop("description_html", current.description_html))
    has_new_rules = "rule_set" in values
    if has_new_rules:
        values["rules"] = await _rules(session, values.pop("rule_set"))
    try:
        await session.execute(
            update(collections)
            .where(collections.c.id == collection_id)
            .values(**values, version=collections.c.version + 1, updated_at=clock.now(), changed_by=actor)
        )
    except IntegrityError as error:
        raise _taken(error) from None
    history.record_collection(session, current, values, actor=actor)
    if has_new_rules and values["rules"] != current.rules:
        await _turn(session, current, has_rules=values["rules"] is not None)
    outbox.record(session, CollectionUpdated(collection_id))


async def remove(session: Session, collection_id: UUID, *, expected_version: int | None = None) -> None:
    """Delete a collection; its products stay. Raises `NotFound` or `StaleObject`."""
    current = await _locked(session, collection_id, is_deleted=True)
    if expected_version is not None and current.version != expected_version:
        raise await revisions.stale(session, "collection", current, expected_version)
    await metafields.forget_owners(session, [collection_id])
    await session.execute(delete(collections).where(collections.c.id == collection_id))
    outbox.record(session, CollectionDeleted(collection_id))


async def add_products(session: Session, collection_id: UUID, product_ids: Sequence[UUID]) -> None:
    """Put products at the end; those that are in it stay where they are."""
    await _locked_manual(session, collection_id)
    await _append(session, collection_id, product_ids)
    outbox.record(session, CollectionUpdated(collection_id))


async def remove_products(session: Session, collection_id: UUID, product_ids: Sequence[UUID]) -> None:
    """Take products out, where they are in it."""
    _check_number(product_ids, "productIds")
    await _locked_manual(session, collection_id)
    c = collection_products.c
    await session.execute(
        delete(collection_products).where(c.collection_id == collection_id, any_of(c.product_id, product_ids))
    )
    outbox.record(session, CollectionUpdated(collection_id))


async def reorder_products(session: Session, collection_id: UUID, moves: Sequence[Move]) -> None:
    """Move products one after the other; a place beyond the last means the end."""
    _check_number(moves, "moves")
    await _locked_manual(session, collection_id)
    for index, move in enumerate(moves):
        if move.new_position < 0:
            raise InvalidInput("Places are counted from 0.", field=("moves", index, "newPosition"))
        await _move(session, collection_id, move, index)
    outbox.record(session, CollectionUpdated(collection_id))


async def _move(session: Session, collection_id: UUID, move: Move, index: int) -> None:
    c = collection_products.c
    of = c.collection_id == collection_id
    if await session.scalar(select(c.position).where(of, c.product_id == move.product_id)) is None:
        raise NotFound(field=("moves", index, "id"))
    others = select(c.position).where(of, c.product_id != move.product_id).order_by(c.position, c.product_id)
    place = await session.scalar(others.offset(move.new_position).limit(1))
    if place is None:
        place = (await session.scalar(select(func.max(c.position)).where(of)) or 0) + 1
    else:
        await session.execute(
            update(collection_products)
            .where(of, c.position >= place, c.product_id != move.product_id)
            .values(position=c.position + 1)
        )
    await session.execute(update(collection_products).where(of, c.product_id == move.product_id).values(position=place))


async def _turn(session: Session, current: Record, *, has_rules: bool) -> None:
    """Have new rules applied; or number the products that rules had chosen, so that people can move them."""
    c = collection_products.c
    of = c.collection_id == current.id
    if has_rules:
        if current.rules is None:
            await session.execute(update(collection_products).where(of).values(position=0))
        await membership.rebuild(session, [current.id])
        return
    await membership.forget_rebuild(session, current.id)
    numbered = (
        select(c.product_id, func.row_number().over(order_by=(c.position, c.product_id)).label("nth"))
        .where(of)
        .subquery()
    )
    await session.execute(
        update(collection_products).where(of, c.product_id == numbered.c.product_id).values(position=numbered.c.nth)
    )


async def _append(session: Session, collection_id: UUID, product_ids: Sequence[UUID]) -> None:
    _check_number(product_ids, "productIds")
    if not product_ids:
        return
    c = collection_products.c
    of = c.collection_id == collection_id
    known = set(
        await session.scalars(
            select(products.c.id)
            .where(any_of(products.c.id, product_ids))
            .order_by(products.c.id)
            .with_for_update(read=True, key_share=True)
        )
    )
    for index, product_id in enumerate(product_ids):
        if product_id not in known:
            raise NotFound(field=("productIds", index))
    held = set(await session.scalars(select(c.product_id).where(of, any_of(c.product_id, product_ids))))
    count, last = (await session.execute(select(func.count(), func.max(c.position)).where(of))).one()
    new = [product_id for product_id in dict.fromkeys(product_ids) if product_id not in held]
    if count + len(new) > MAX_PRODUCTS:
        raise InvalidInput(f"A collection holds at most {MAX_PRODUCTS} products.", field=("productIds",))
    if new:
        await session.execute(
            insert(collection_products),
            [
                {"collection_id": collection_id, "product_id": product_id, "position": (last or 0) + nth}
                for nth, product_id in enumerate(new, start=1)
            ],
        )


async def _rules(session: Session, rule_set: RuleSet | None) -> dict[str, Any] | None:
    if rule_set is None:
        return None
    checked = rules.checked(rule_set)
    names = [(MetafieldOwner.PRODUCT.value, namespace, key) for namespace, key in sorted(checked.metafields)]
    defined = await metafield_queries.definitions_named(session, names, lock=True)
    for index, rule in enumerate(checked.rules):
        if not rule.namespace or not rule.key:
            continue
        row = defined.get((MetafieldOwner.PRODUCT.value, rule.namespace, rule.key))
        path = ("ruleSet", "rules", index)
        if row is None or not row.is_filterable:
            message = "Nothing is found by this metafield: make a filterable definition for products first."
            raise InvalidInput(message, field=(*path, "metafield"))
        shape = Shape(Kind(row.type), row.is_list)
        if rule.relation not in rules.ONLY_SET and wished_key(shape, rule.condition) is None:
            raise InvalidInput(f"This is no {shape.kind}.", field=(*path, "condition"))
    return rules.row_of(checked)


def _texts(title: str, description_html: str) -> dict[str, str]:
    clean = catalog_rules.sanitize(description_html)
    return {
        "title": title,
        "title_key": catalog_rules.fold(title),
        "description_html": clean,
        "description": catalog_rules.plain_text(clean),
    }


def _reference(text: str | None) -> str | None:
    return catalog_rules.checked_label(text, "externalReference") if text else None


def _taken(error: IntegrityError) -> Taken:
    name = "externalReference" if "external_reference" in str(error.orig) else "handle"
    return Taken(f"Another collection has this {name}. Choose a different one.", field=(name,))


def _check_number(wanted: Sequence[object], name: str) -> None:
    if len(wanted) > MOST_AT_ONCE:
        raise InvalidInput(f"A call carries at most {MOST_AT_ONCE} of these.", field=(name,))


async def _free_handle(session: Session, title: str) -> str:
    base = catalog_rules.slug(title)
    c = collections.c
    taken = set(await session.scalars(select(c.handle).where(c.handle.startswith(base, autoescape=True))))
    candidates = (base, *(f"{base}-{nth}" for nth in range(1, len(taken) + 2)))
    return next(handle for handle in candidates if handle not in taken)


async def _locked_manual(session: Session, collection_id: UUID) -> Record:
    row = await _locked(session, collection_id)
    if row.rules is not None:
        raise CollectionHasRules(field=("id",))
    return row


async def _locked(session: Session, collection_id: UUID, *, is_deleted: bool = False) -> Record:
    # Not against foreign keys, unless it goes: what its rules choose may be written meanwhile.
    wanted = select(collections).where(collections.c.id == collection_id).with_for_update(key_share=not is_deleted)
    row: Record | None = (await session.execute(wanted)).first()
    if row is None:
        raise NotFound(field=("id",))
    return row
