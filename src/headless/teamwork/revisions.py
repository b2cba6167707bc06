"""Who changed what of a record, and when? Every version of a record has its revision, from its own transaction.

The versioned row's lock, or a condition on its version, is what makes a version somebody's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import func, insert, select

from headless.platform import clock, ids, pages
from headless.platform.db import Record, Session, before_commit
from headless.platform.errors import StaleObject
from headless.teamwork import rules
from headless.teamwork.errors import VersionUnknown
from headless.teamwork.models import revisions
from headless.teamwork.rules import Change, Json, Revised

MOST = 20
"""Revisions that come along with a refusal, the newest ones."""


class Versioned(Protocol):
    """A row of a record that has versions."""

    id: UUID
    version: int
    changed_by: str
    updated_at: datetime


@dataclass(slots=True)
class _Pending:
    record_type: str
    record_id: UUID
    version: int
    actor: str
    changed_at: datetime
    changes: list[Change] = field(default_factory=list)


def record(
    session: Session,
    record_type: str,
    record_id: UUID,
    *,
    version: int,
    actor: str,
    changes: Sequence[Change] = (),
) -> None:
    """Have it written at the end of the transaction how a record came to be this version.

    All of a transaction go in one statement: an import of a product costs no more than one.
    """
    waiting: dict[tuple[str, UUID], list[_Pending]] = session.info.setdefault("revisions", {})
    if not waiting:
        before_commit(session, _write)
    made = _Pending(record_type, record_id, version, actor, clock.now(), list(changes))
    waiting.setdefault((record_type, record_id), []).append(made)


def add(session: Session, record_type: str, record_id: UUID, *changes: Change) -> None:
    """Say more of what a version recorded in this transaction changed: its prices, say, which aren't its columns."""
    session.info["revisions"][record_type, record_id][-1].changes.extend(changes)


async def _write(session: Session) -> None:
    pending = [one for of_record in session.info["revisions"].values() for one in of_record]
    await session.execute(
        insert(revisions),
        [
            {
                "id": ids.new(),
                "record_type": one.record_type,
                "record_id": one.record_id,
                "version": one.version,
                "actor": one.actor,
                "changed_at": one.changed_at,
                "before": {change.field: change.before for change in one.changes},
                "after": {change.field: change.after for change in one.changes},
            }
            for one in pending
        ],
    )


async def stale(session: Session, record_type: str, row: Versioned, seen: int) -> StaleObject:
    """The refusal of a write to a record that isn't the version any more that its writer saw."""
    history = await since(session, record_type, row.id, seen, limit=MOST) if seen < row.version else []
    message = rules.stale_message(seen, row.version, history, changed_by=row.changed_by, changed_at=row.updated_at)
    refusal = StaleObject(message, field=("expectedVersion",))
    refusal.revisions = history
    return refusal


async def since(
    session: Session, record_type: str, record_id: UUID, version: int, *, limit: int | None = None
) -> list[Revised]:
    """A record's revisions after a version in their order; at most the newest `limit`."""
    c = revisions.c
    wanted = (
        select(revisions)
        .where(c.record_type == record_type, c.record_id == record_id, c.version > version)
        .order_by(c.version.desc())
        .limit(limit)
    )
    found = (await session.execute(wanted)).all()
    return [revised(row) for row in reversed(found)]


async def values_at(session: Session, record_type: str, row: Versioned, version: int) -> dict[str, Json]:
    """The values that fields had at an earlier version, for those that were changed since; raises `VersionUnknown`."""
    history = await since(session, record_type, row.id, version) if 0 < version <= row.version else []
    if len(history) != row.version - version:
        raise VersionUnknown(field=("toVersion",))
    return {name: change.before for name, change in rules.folded(history).items()}


async def page(session: Session, record_type: str, record_id: UUID, window: pages.Window) -> pages.Slice:
    """One page of a record's revisions, the newest first."""
    c = revisions.c
    of_record = (c.record_type == record_type, c.record_id == record_id)
    order = pages.Order("VERSION", (c.version,), is_descending=True)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(revisions).where(*of_record)) or 0)

    return await pages.fetch(session, select(revisions).where(*of_record), order=order, window=window, count=count)


def revised(row: Record) -> Revised:
    # Sorted: only one of the databases keeps the order of names.
    changes = tuple(Change(name, row.before.get(name), value) for name, value in sorted(row.after.items()))
    return Revised(row.version, row.actor, row.changed_at, changes)
