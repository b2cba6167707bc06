"""How do metafields come about, change and go?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, false, or_, select

from headless.catalog.events import CollectionUpdated, ProductUpdated
from headless.catalog.metafields import queries, rules
from headless.catalog.metafields.models import metafields
from headless.catalog.metafields.rules import REFERENCES, MetafieldOwner, Shape
from headless.catalog.models import collections, products, variants
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound

MOST_AT_ONCE = 25
_TABLES = {
    MetafieldOwner.PRODUCT: products,
    MetafieldOwner.PRODUCT_VARIANT: variants,
    MetafieldOwner.COLLECTION: collections,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a metafield is: whose it is, and its name."""

    owner: MetafieldOwner
    owner_id: UUID
    namespace: str
    key: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A value as it travels; the type may be left out where a definition tells it."""

    place: Place
    value: str
    type: str | None = None


async def set_metafields(session: Session, wishes: Sequence[Wish]) -> list[UUID]:
    """Write values, all or none; answer the metafields' ids. Raises `NotFound` and `InvalidInput`."""
    _check_number(wishes)
    names = [(wish.place.owner.value, wish.place.namespace, wish.place.key) for wish in wishes]
    defined = await queries.definitions_named(session, names, lock=True)
    await _lock_owners(session, [wish.place for wish in wishes])
    at = clock.now()
    rows: list[dict[str, Any]] = []
    for index, (wish, name) in enumerate(zip(wishes, names, strict=True)):
        shape, value = _read(wish, defined.get(name), index)
        row = defined.get(name)
        rows.append(
            {
                "id": ids.new(),
                "owner_type": wish.place.owner.value,
                "owner_id": wish.place.owner_id,
                "namespace": wish.place.namespace,
                "key": wish.place.key,
                "type": shape.kind.value,
                "is_list": shape.is_list,
                "value": value,
                "filter_key": rules.filter_key(shape, value) if row is not None and row.is_filterable else None,
                "created_at": at,
                "updated_at": at,
            }
        )
    await _check_references(session, rows)
    if len({(row["owner_id"], row["namespace"], row["key"]) for row in rows}) < len(rows):
        raise InvalidInput("The same metafield is set twice.", field=("metafields",))
    kept = ("type", "is_list", "value", "filter_key", "updated_at")
    made = insert_into(session, metafields)
    written = (
        await session.execute(
            made.values(sorted(rows, key=lambda row: (row["owner_id"], row["namespace"], row["key"])))
            .on_conflict_do_update(
                index_elements=["owner_id", "namespace", "key"], set_={name: made.excluded[name] for name in kept}
            )
            .returning(metafields.c.id, metafields.c.owner_id, metafields.c.namespace, metafields.c.key)
        )
        if rows
        else ()
    )
    found = {(row.owner_id, row.namespace, row.key): row.id for row in written}
    await _tell(session, [wish.place for wish in wishes])
    return [found[row["owner_id"], row["namespace"], row["key"]] for row in rows]


async def delete_metafields(session: Session, places: Sequence[Place]) -> list[Place]:
    """Delete metafields; answer those that there were."""
    _check_number(places)
    c = metafields.c
    gone = await session.execute(
        delete(metafields)
        .where(
            or_(
                false(),
                *(
                    and_(c.owner_id == place.owner_id, c.namespace == place.namespace, c.key == place.key)
                    for place in places
                ),
            )
        )
        .returning(c.owner_id, c.namespace, c.key)
    )
    deleted = {tuple(row) for row in gone}
    found = [place for place in dict.fromkeys(places) if (place.owner_id, place.namespace, place.key) in deleted]
    await _tell(session, found)
    return found


async def forget_owners(session: Session, owner_ids: Sequence[UUID]) -> None:
    """Delete the metafields of records that are being deleted."""
    await session.execute(delete(metafields).where(any_of(metafields.c.owner_id, owner_ids)))


def _check_number(wanted: Sequence[object]) -> None:
    if len(wanted) > MOST_AT_ONCE:
        raise InvalidInput(f"A call carries at most {MOST_AT_ONCE} metafields.", field=("metafields",))


def _read(wish: Wish, defined: Record | None, index: int) -> tuple[Shape, Any]:
    path = ("metafields", index)
    rules.checked_name(wish.place.namespace, *path, "namespace")
    rules.checked_name(wish.place.key, *path, "key")
    asked = rules.shape_of(wish.type, *path, "type") if wish.type is not None else None
    if defined is None:
        if asked is None:
            message = "Nothing defines this metafield yet: give its type, or make a definition."
            raise InvalidInput(message, field=(*path, "type"))
        return asked, rules.parsed(asked, wish.value, rules.NO_VALIDATIONS, *path, "value")
    shape = Shape(rules.Kind(defined.type), defined.is_list)
    if asked not in {None, shape}:
        raise InvalidInput(f"Its definition says that this is {shape.name}.", field=(*path, "type"))
    return shape, rules.parsed(shape, wish.value, rules.validations_of(defined.validations), *path, "value")


async def _lock_owners(session: Session, places: Sequence[Place]) -> None:
    """Make sure that the records exist, and that they will until the transaction ends."""
    for owner, table in _TABLES.items():
        wanted = {place.owner_id for place in places if place.owner is owner}
        if not wanted:
            continue
        rows = await session.scalars(
            select(table.c.id)
            .where(any_of(table.c.id, sorted(wanted)))
            .order_by(table.c.id)
            .with_for_update(read=True, key_share=True)
        )
        missing = wanted.difference(rows)
        for index, place in enumerate(places):
            if place.owner is owner and place.owner_id in missing:
                raise NotFound(field=("metafields", index, "ownerId"))


async def _check_references(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    wanted: defaultdict[str, dict[UUID, int]] = defaultdict(dict)
    for index, row in enumerate(rows):
        prefix = REFERENCES.get(rules.Kind(row["type"]))
        if prefix is not None:
            for text in row["value"] if row["is_list"] else [row["value"]]:
                wanted[prefix][ids.decode(prefix, text)] = index
    for prefix, indices in wanted.items():
        table = _TABLES[MetafieldOwner(prefix)]
        known = set(await session.scalars(select(table.c.id).where(any_of(table.c.id, list(indices)))))
        for wanted_id, index in indices.items():
            if wanted_id not in known:
                raise NotFound(field=("metafields", index, "value"))


async def _tell(session: Session, places: Sequence[Place]) -> None:
    of = {owner: {place.owner_id for place in places if place.owner is owner} for owner in MetafieldOwner}
    variant_ids = of[MetafieldOwner.PRODUCT_VARIANT]
    owners = (
        await session.scalars(select(variants.c.product_id).where(any_of(variants.c.id, variant_ids)))
        if variant_ids
        else ()
    )
    outbox.record(
        session,
        *(ProductUpdated(product_id) for product_id in sorted(of[MetafieldOwner.PRODUCT].union(owners))),
        *(CollectionUpdated(collection_id) for collection_id in sorted(of[MetafieldOwner.COLLECTION])),
    )
