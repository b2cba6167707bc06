"""Which metafields and definitions are there, and who may see them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, tuple_

from headless.catalog.metafields.models import definitions, items, metafields
from headless.catalog.metafields.rules import MetafieldOwner
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

Name = tuple[str, str, str]
"""Owner type, namespace and key."""


def _visible(*, sees_private: bool) -> Select[Any]:
    """Metafields; those without a public definition only for staff."""
    defined = and_(
        definitions.c.owner_type == metafields.c.owner_type,
        definitions.c.namespace == metafields.c.namespace,
        definitions.c.key == metafields.c.key,
    )
    selection = select(metafields, definitions.c.id.label("definition_id")).select_from(
        metafields.outerjoin(definitions, defined)
    )
    return selection if sees_private else selection.where(definitions.c.is_public)


async def metafields_by_owner(
    session: Session, keys: Sequence[UUID], sees_private: bool
) -> Mapping[UUID, Sequence[Record]]:
    """All visible metafields of records, by namespace and key."""
    c = metafields.c
    rows = await session.execute(
        _visible(sees_private=sees_private).where(any_of(c.owner_id, keys)).order_by(c.owner_id, c.namespace, c.key)
    )
    found: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        found[row.owner_id].append(row)
    return found


async def metafields_by_id(session: Session, keys: Sequence[UUID], sees_private: bool) -> Mapping[UUID, Record]:
    rows = await session.execute(_visible(sees_private=sees_private).where(any_of(metafields.c.id, keys)))
    return {row.id: row for row in rows}


async def definitions_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(definitions).where(any_of(definitions.c.id, keys)))
    return {row.id: row for row in rows}


async def definition_page(
    session: Session, window: pages.Window, *, owner: MetafieldOwner, namespace: str | None = None
) -> pages.Slice:
    """One page of the definitions for a kind of record, by namespace and key."""
    c = definitions.c
    condition: ColumnElement[bool] = and_(
        c.owner_type == owner, c.namespace == namespace if namespace is not None else true()
    )

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(definitions).where(condition)) or 0)

    order = pages.Order("ID", (c.id,))
    return await pages.fetch(session, select(definitions).where(condition), order=order, window=window, count=count)


async def definitions_named(session: Session, names: Sequence[Name], *, lock: bool = False) -> Mapping[Name, Record]:
    """Definitions by what they define; locked, they stay as they are until the transaction ends."""
    c = definitions.c
    if not names:
        return {}
    wanted = select(definitions).where(
        or_(*(tuple_(c.owner_type, c.namespace, c.key) == tuple_(*name) for name in sorted(set(names))))
    )
    rows = await session.execute(wanted.order_by(c.id).with_for_update(read=True) if lock else wanted)
    return {(row.owner_type, row.namespace, row.key): row for row in rows}


async def filter_keys_by_owner(
    session: Session, keys: Sequence[UUID]
) -> Mapping[UUID, Mapping[tuple[str, str], Collection[str]]]:
    """What records can be found by: `(namespace, key)` with the value's filter key, or those of a list's items."""
    c = metafields.c
    key = func.coalesce(items.c.filter_key, c.filter_key)
    rows = await session.execute(
        select(c.owner_id, c.namespace, c.key, key.label("filter_key"))
        .select_from(metafields.outerjoin(items, items.c.metafield_id == c.id))
        .where(any_of(c.owner_id, keys), key.is_not(None))
    )
    found: defaultdict[UUID, defaultdict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row.owner_id][row.namespace, row.key].append(row.filter_key)
    return found
