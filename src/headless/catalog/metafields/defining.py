"""How do definitions of metafields come about, change and go, with what can be found by them in step?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from headless.catalog.collections import membership
from headless.catalog.errors import MetafieldTypeConflict
from headless.catalog.events import MetafieldDefinitionChanged
from headless.catalog.metafields import items, rules
from headless.catalog.metafields.models import definitions, metafields
from headless.catalog.metafields.rules import Kind, MetafieldOwner, Shape, Validations
from headless.catalog.rules import checked_title
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Taken
from headless.teamwork import revisions
from headless.teamwork.rules import differences

RECORD_TYPE = "metafield_definition"
CHUNK = 1000
MAX_DESCRIPTION = 1000


@dataclass(frozen=True, slots=True)
class DefinitionDraft:
    """What a new definition says."""

    owner: MetafieldOwner
    namespace: str
    key: str
    name: str
    type: str
    description: str = ""
    is_filterable: bool = False
    is_public: bool = False
    validations: Validations = rules.NO_VALIDATIONS


async def create(session: Session, draft: DefinitionDraft, *, actor: str) -> UUID:
    """Define metafields; those that are there already must have the type. Raises `Taken`, `MetafieldTypeConflict`."""
    shape = rules.shape_of(draft.type, "type")
    definition_id, at = ids.new(), clock.now()
    values = {
        "id": definition_id,
        "owner_type": draft.owner.value,
        "namespace": rules.checked_name(draft.namespace, "namespace"),
        "key": rules.checked_name(draft.key, "key"),
        "name": _name(draft.name),
        "description": _description(draft.description),
        "type": shape.kind.value,
        "is_list": shape.is_list,
        "is_filterable": _filterable(shape, wanted=draft.is_filterable),
        "is_public": draft.is_public,
        "validations": rules.checked_validations(shape, draft.validations).row(),
        "version": 1,
        "changed_by": actor,
        "created_at": at,
        "updated_at": at,
    }
    try:
        await session.execute(insert(definitions).values(values))
    except IntegrityError:
        message = "There is a definition of this namespace and key already."
        raise Taken(message, field=("key",)) from None
    revisions.record(session, RECORD_TYPE, definition_id, version=1, actor=actor)
    row = await _locked(session, definition_id)
    c = metafields.c
    other = (c.type != shape.kind.value) | (c.is_list != shape.is_list)
    if (await session.execute(select(c.id).where(_of(row), other).limit(1))).first() is not None:
        raise MetafieldTypeConflict(field=("type",))
    if row.is_filterable:
        await refresh_filter_keys(session, row)
    _tell(session, row)
    return definition_id


async def change(
    session: Session, definition_id: UUID, *, expected_version: int, changes: Mapping[str, Any], actor: str
) -> None:
    """Change what a definition says, other than whose and which metafields it is about; old values stay as they are.

    Raises `NotFound`, `StaleObject` or `InvalidInput`.
    """
    row = await _locked(session, definition_id)
    if row.version != expected_version:
        raise await revisions.stale(session, RECORD_TYPE, row, expected_version)
    shape = Shape(Kind(row.type), row.is_list)
    values = dict(changes)
    if "name" in values:
        values["name"] = _name(values["name"])
    if "description" in values:
        values["description"] = _description(values["description"])
    if "is_filterable" in values:
        _filterable(shape, wanted=values["is_filterable"])
    if "validations" in values:
        values["validations"] = rules.checked_validations(shape, values["validations"]).row()
    await session.execute(
        update(definitions)
        .where(definitions.c.id == definition_id)
        .values(**values, version=definitions.c.version + 1, updated_at=clock.now(), changed_by=actor)
    )
    changed = differences(row, values, without=frozenset())
    revisions.record(session, RECORD_TYPE, row.id, version=row.version + 1, actor=actor, changes=changed)
    if values.get("is_filterable", row.is_filterable) != row.is_filterable:
        await refresh_filter_keys(session, await _locked(session, definition_id))
    _tell(session, row, will_filter=values.get("is_filterable", False))


async def remove(session: Session, definition_id: UUID, *, with_metafields: bool) -> None:
    """Take a definition back: its metafields are deleted, or stay for staff alone to see, and nothing finds by them."""
    row = await _locked(session, definition_id)
    await session.execute(delete(definitions).where(definitions.c.id == definition_id))
    if with_metafields:
        await session.execute(delete(metafields).where(_of(row)))
    else:
        await session.execute(update(metafields).where(_of(row)).values(filter_key=None))
    await membership.rebuild_by_metafield(session, row.namespace, row.key)
    _tell(session, row)


def _tell(session: Session, definition: Record, *, will_filter: bool = False) -> None:
    if definition.owner_type == MetafieldOwner.PRODUCT.value and (definition.is_filterable or will_filter):
        outbox.record(session, MetafieldDefinitionChanged(definition.id))


async def refresh_filter_keys(session: Session, definition: Record) -> None:
    """Write again what all metafields of a definition can be found by."""
    if definition.is_list:
        await items.forget(session, definition.id)
    if definition.is_filterable:
        await _write_keys(session, definition)
    elif not definition.is_list:
        await session.execute(update(metafields).where(_of(definition)).values(filter_key=None))
    await membership.rebuild_by_metafield(session, definition.namespace, definition.key)


async def _write_keys(session: Session, definition: Record) -> None:
    c = metafields.c
    shape = Shape(Kind(definition.type), definition.is_list)
    after: UUID | None = None
    connection = await session.connection()
    while True:
        beyond = (c.id > after,) if after is not None else ()
        wanted = select(c.id, c.value).where(_of(definition), *beyond).order_by(c.id).limit(CHUNK)
        rows = (await session.execute(wanted)).all()
        if rows and definition.is_list:
            await items.write(session, definition, {row.id: row.value for row in rows})
        elif rows:
            await connection.execute(
                update(metafields).where(c.id == bindparam("of_id")).values(filter_key=bindparam("new_key")),
                [{"of_id": row.id, "new_key": rules.filter_key(shape, row.value)} for row in rows],
            )
        if len(rows) < CHUNK:
            break
        after = rows[-1].id


def _of(definition: Record) -> ColumnElement[bool]:
    c = metafields.c
    return and_(c.owner_type == definition.owner_type, c.namespace == definition.namespace, c.key == definition.key)


async def _locked(session: Session, definition_id: UUID) -> Record:
    wanted = select(definitions).where(definitions.c.id == definition_id).with_for_update()
    row: Record | None = (await session.execute(wanted)).first()
    if row is None:
        raise NotFound(field=("id",))
    return row


def _filterable(shape: Shape, *, wanted: bool) -> bool:
    if wanted and shape.kind is Kind.JSON:
        message = (
            "Nothing can be found by json: it has no one value to compare. Use a list, or a metafield for each value."
        )
        raise InvalidInput(message, field=("filterable",))
    return wanted


def _name(name: str) -> str:
    try:
        return checked_title(name)
    except InvalidInput as refusal:
        raise refusal.at("name") from None


def _description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise InvalidInput(f"A description has at most {MAX_DESCRIPTION} characters.", field=("description",))
    return text
