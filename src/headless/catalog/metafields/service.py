"""How do metafields come about, change and go?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, tuple_

from headless.catalog.events import CollectionUpdated, ProductUpdated
from headless.catalog.metafields import items, queries, rules
from headless.catalog.metafields.models import metafields
from headless.catalog.metafields.rules import REFERENCES, MetafieldOwner, Shape
from headless.catalog.models import collections, products, variants
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound

MOST_AT_ONCE = 25
MOST_OF_OWNER = 250
"""Metafields that a record can be given at once."""
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


@dataclass(frozen=True, slots=True)
class Value:
    """A metafield of one record, as it travels."""

    namespace: str
    key: str
    value: str
    type: str | None = None


async def set_metafields(session: Session, wishes: Sequence[Wish]) -> list[UUID]:
    """Write values, all or none; answer the metafields' ids. Raises `NotFound` and `InvalidInput`."""
    _check_number(wishes)
    written = await _write(session, dict(enumerate(wishes)))
    await _tell(session, [wish.place for wish in wishes])
    return written


async def replace(session: Session, owner: MetafieldOwner, owner_id: UUID, values: Sequence[Value]) -> bool:
    """Give a record exactly these metafields; answer whether anything differed.

    A value that is sent as it is stays, whatever its definition asks for since. Raises `NotFound` and `InvalidInput`.
    """
    found = (await queries.metafields_by_owner(session, [owner_id], True)).get(owner_id, ())  # noqa: FBT003 - a loader's key
    known = {(row.namespace, row.key): row for row in found}
    named = {(value.namespace, value.key) for value in values}
    if len(named) < len(values):
        raise _set_twice()
    changed = {
        index: Wish(Place(owner, owner_id, value.namespace, value.key), value.value, value.type)
        for index, value in enumerate(values)
        if not _is_same(known.get((value.namespace, value.key)), value)
    }
    if len(changed) > MOST_OF_OWNER:
        raise InvalidInput(f"A record is given at most {MOST_OF_OWNER} metafields at once.", field=("metafields",))
    gone = [Place(owner, owner_id, *name) for name in known if name not in named]
    if changed:
        await _write(session, changed)
    if gone:
        await _delete(session, gone)
    if changed or gone:
        await _tell(session, [Place(owner, owner_id, "", "")])
    return bool(changed or gone)


def _is_same(row: Record | None, wished: Value) -> bool:
    if row is None:
        return False
    shape = Shape(rules.Kind(row.type), row.is_list)
    try:
        return (
            wished.type in {None, shape.name} and rules.parsed(shape, wished.value, rules.NO_VALIDATIONS) == row.value
        )
    except (InvalidInput, NotFound):
        return False


async def _write(session: Session, wishes: Mapping[int, Wish]) -> list[UUID]:
    """Write values; refusals name them by their keys."""
    places = [wish.place for wish in wishes.values()]
    names = [(place.owner.value, place.namespace, place.key) for place in places]
    defined = await queries.definitions_named(session, names, lock=True)
    await _lock_owners(session, {index: wish.place for index, wish in wishes.items()})
    at = clock.now()
    rows: list[dict[str, Any]] = []
    for (index, wish), name in zip(wishes.items(), names, strict=True):
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
    await _check_references(session, dict(zip(wishes, rows, strict=True)))
    if len({(row["owner_id"], row["namespace"], row["key"]) for row in rows}) < len(rows):
        raise _set_twice()
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
    await _write_items(session, defined.values(), rows, found)
    return [found[row["owner_id"], row["namespace"], row["key"]] for row in rows]


async def _write_items(
    session: Session,
    defined: Iterable[Record],
    rows: Sequence[Mapping[str, Any]],
    ids_by_place: Mapping[tuple[UUID, str, str], UUID],
) -> None:
    """Have lists found by their items, where their definition is filterable."""
    for definition in defined:
        name = (definition.owner_type, definition.namespace, definition.key)
        if definition.is_list and definition.is_filterable:
            values = {
                ids_by_place[row["owner_id"], row["namespace"], row["key"]]: row["value"]
                for row in rows
                if (row["owner_type"], row["namespace"], row["key"]) == name
            }
            await items.write(session, definition, values)


async def delete_metafields(session: Session, places: Sequence[Place]) -> list[Place]:
    """Delete metafields; answer those that there were."""
    _check_number(places)
    deleted = await _delete(session, places)
    found = [place for place in dict.fromkeys(places) if (place.owner_id, place.namespace, place.key) in deleted]
    await _tell(session, found)
    return found


async def _delete(session: Session, places: Sequence[Place]) -> set[tuple[UUID, str, str]]:
    c = metafields.c
    named = [(place.owner_id, place.namespace, place.key) for place in places]
    gone = await session.execute(
        delete(metafields)
        .where(tuple_(c.owner_id, c.namespace, c.key).in_(named))
        .returning(c.owner_id, c.namespace, c.key)
    )
    return {(row.owner_id, row.namespace, row.key) for row in gone}


async def forget_owners(session: Session, owner_ids: Sequence[UUID]) -> None:
    """Delete the metafields of records that are being deleted."""
    await session.execute(delete(metafields).where(any_of(metafields.c.owner_id, owner_ids)))


def _set_twice() -> InvalidInput:
    return InvalidInput("The same metafield is set twice.", field=("metafields",))


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


async def _lock_owners(session: Session, places: Mapping[int, Place]) -> None:
    """Make sure that the records exist, and that they will until the transaction ends."""
    for owner, table in _TABLES.items():
        wanted = {place.owner_id for place in places.values() if place.owner is owner}
        if not wanted:
            continue
        rows = await session.scalars(
            select(table.c.id)
            .where(any_of(table.c.id, sorted(wanted)))
            .order_by(table.c.id)
            .with_for_update(read=True, key_share=True)
        )
        missing = wanted.difference(rows)
        for index, place in places.items():
            if place.owner is owner and place.owner_id in missing:
                raise NotFound(field=("metafields", index, "ownerId"))


async def _check_references(session: Session, rows: Mapping[int, Mapping[str, Any]]) -> None:
    wanted: defaultdict[str, dict[UUID, int]] = defaultdict(dict)
    for index, row in rows.items():
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
