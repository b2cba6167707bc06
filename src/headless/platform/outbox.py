"""What happened, in which order? Facts are recorded in the writer's transaction and numbered after its commit."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Index, func, insert, select, text, update
from sqlmodel import Field, SQLModel

from headless.platform import clock, columns, ids, jobs
from headless.platform.db import Database, Session

BATCH = 1000
POLL_SECONDS = 1.0


class Fact:
    """Something that happened. Subclasses are frozen dataclasses of JSON-ready values and UUIDs."""

    topic: ClassVar[str]

    @property
    def key(self) -> UUID:
        """The record it happened to: streams of one record are ordered by it."""
        raise AssertionError(type(self))


class LoggedFact(SQLModel, table=True):
    """A recorded fact. `position` is null until the fact is numbered."""

    __tablename__ = "fact"
    __table_args__ = (
        Index(
            "ix_fact_unnumbered",
            "seq",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_column=Column(columns.Sequence, primary_key=True, autoincrement=True))
    position: int | None = Field(default=None, sa_column=Column(columns.Sequence, unique=True))
    id: UUID = Field(unique=True)
    topic: str
    key: UUID
    payload: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    occurred_at: datetime = Field(sa_type=columns.UtcDateTime)


class LogHead(SQLModel, table=True):
    """One row: the last position given out. Whoever locks it numbers."""

    __tablename__ = "log_head"

    id: int = Field(primary_key=True)
    position: int = Field(sa_type=columns.Sequence)


facts = columns.table_of(LoggedFact)
log_heads = columns.table_of(LogHead)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A numbered fact, as consumers see it."""

    position: int
    id: UUID
    topic: str
    key: UUID
    payload: dict[str, Any]
    occurred_at: datetime


def record(session: Session, *recorded: Fact) -> None:
    """Have facts written at the end of the caller's transaction; they are numbered after its commit."""
    waiting: list[Fact] = session.info.setdefault("facts", [])
    if recorded and not waiting:
        session.info.setdefault("before_commit", []).append(_write)
    waiting.extend(recorded)


async def _write(session: Session) -> None:
    at = clock.now()
    rows = [
        {"id": ids.new(), "topic": fact.topic, "key": fact.key, "payload": _payload(fact), "occurred_at": at}
        for fact in dict.fromkeys(session.info["facts"])
    ]
    await session.execute(insert(facts), rows)


def _payload(fact: Fact) -> dict[str, Any]:
    values = dataclasses.asdict(fact)  # type: ignore[call-overload]  # every fact is a dataclass
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}


async def position(session: Session) -> int:
    """The last position given out."""
    return int(await session.scalar(select(log_heads.c.position)) or 0)


async def read_after(session: Session, after: int, *, limit: int = BATCH) -> Sequence[Entry]:
    """Numbered facts in order, the first of them right after a position."""
    c = facts.c
    rows = await session.execute(
        select(c.position, c.id, c.topic, c.key, c.payload, c.occurred_at)
        .where(c.position > after)
        .order_by(c.position)
        .limit(limit)
    )
    return [Entry(*row) for row in rows]


async def number(session: Session, *, limit: int = BATCH) -> int:
    """Give committed facts gap-free positions in the order of their sequence; answer how many.

    Sequence numbers are taken inside writers' transactions and become visible out of order; positions are given
    under the lock of the head row to what is committed, so a reader who has seen position n never misses n - 1.
    """
    head = (await session.execute(select(log_heads.c.position).with_for_update())).scalar_one()
    fresh = (
        select(facts.c.seq, func.row_number().over(order_by=facts.c.seq).label("nth"))
        .where(facts.c.position.is_(None))
        .order_by(facts.c.seq)
        .limit(limit)
        .subquery()
    )
    numbered = await session.execute(
        update(facts).where(facts.c.seq == fresh.c.seq).values(position=head + fresh.c.nth).returning(facts.c.seq)
    )
    count = len(numbered.all())
    await session.execute(update(log_heads).values(position=head + count))
    return count


class Numberer:
    """Numbers what this process commits, one transaction at a time, and polls for what others left behind."""

    def __init__(self, database: Database, *, tell: Callable[[], None]) -> None:
        self._database = database
        self._tell = tell
        self._wake = asyncio.Event()
        database.facts_committed.append(self._wake.set)

    async def run(self) -> None:
        """Number until cancelled."""
        await jobs.whenever(self._wake, self._number_all, poll_seconds=POLL_SECONDS, name="number_facts")

    async def _number_all(self) -> None:
        async with self._database.reading() as session:
            waiting = await session.scalar(select(facts.c.seq).where(facts.c.position.is_(None)).limit(1))
        while waiting is not None:
            async with self._database.transaction() as session:
                count = await number(session)
            if count:
                self._tell()
            if count < BATCH:
                return
