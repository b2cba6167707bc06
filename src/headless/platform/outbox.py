"""What happened, in which order? Facts are recorded in the writer's transaction and numbered after its commit."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Index, delete, func, insert, select, text, update
from sqlmodel import Field, SQLModel

from headless.platform import clock, columns, failpoints, ids, jobs
from headless.platform.columns import any_of
from headless.platform.db import Database, Session, before_commit
from headless.platform.errors import ResyncRequired, Unavailable

BATCH = 1000
POLL_SECONDS = 1.0
PATIENCE = 10.0
"""Seconds that numbering may queue behind SQLite's other writers: nobody waits for its answer."""

MARK_SIZE = 4
"""Bytes of a fact's id that tell it from another one at its position: the last ones, which are random."""
NO_MARK = bytes(MARK_SIZE)

Announce = Callable[[Session, int], Awaitable[None]]


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
class Place:
    """Where one is in the log: a position, and a mark of the fact that is there.

    A log that was brought back from a backup has other facts at the positions that it gives out again.
    """

    position: int
    mark: bytes = NO_MARK
    """`NO_MARK` where there is no fact, or none any more."""

    @classmethod
    def of(cls, position: int, fact_id: UUID | None) -> Place:
        return cls(position, NO_MARK if fact_id is None else fact_id.bytes[-MARK_SIZE:])

    def is_of_the_log_of(self, other: Place) -> bool:
        """Whether a place at the same position is in the same log, as far as can be told."""
        return NO_MARK in (self.mark, other.mark) or self.mark == other.mark


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A numbered fact, as consumers see it."""

    position: int
    id: UUID
    topic: str
    key: UUID
    payload: dict[str, Any]
    occurred_at: datetime

    @property
    def place(self) -> Place:
        return Place.of(self.position, self.id)


@dataclasses.dataclass(frozen=True, slots=True)
class Interest:
    """Which facts a consumer wants: of these topics, about these records, with these values in their payload."""

    topics: frozenset[str]
    keys: frozenset[UUID] | None = None
    """None: about any record."""
    payload: tuple[tuple[str, Any], ...] = ()

    def wants(self, entry: Entry) -> bool:
        return (
            entry.topic in self.topics
            and (self.keys is None or entry.key in self.keys)
            and all(entry.payload.get(name) == value for name, value in self.payload)
        )


_ENTRIES = select(facts.c.position, facts.c.id, facts.c.topic, facts.c.key, facts.c.payload, facts.c.occurred_at)


def record(session: Session, *recorded: Fact) -> None:
    """Have facts written at the end of the caller's transaction; they are numbered after its commit."""
    waiting: list[Fact] = session.info.setdefault("facts", [])
    if recorded and not waiting:
        before_commit(session, _write)
    waiting.extend(recorded)


async def _write(session: Session) -> None:
    at = clock.now()
    rows = [
        {"id": ids.new(), "topic": fact.topic, "key": fact.key, "payload": _payload(fact), "occurred_at": at}
        for fact in dict.fromkeys(session.info["facts"])
    ]
    await session.execute(insert(facts), rows)


def _payload(fact: Fact) -> dict[str, Any]:
    # Not `asdict`: it copies every value deeply, which takes longer than all the rest of a fact.
    names = [field.name for field in dataclasses.fields(fact)]  # type: ignore[arg-type]  # every fact is a dataclass
    values = ((name, getattr(fact, name)) for name in names)
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values}


async def position(session: Session) -> int:
    """The last position given out."""
    return int(await session.scalar(select(log_heads.c.position)) or 0)


async def place_at(session: Session, position: int) -> Place:
    """A position as a place."""
    return Place.of(position, await session.scalar(select(facts.c.id).where(facts.c.position == position)))


async def horizon(session: Session) -> int:
    """The position before the oldest fact that is kept: from there on nothing is missing."""
    oldest = await session.scalar(select(func.min(facts.c.position)))
    return await position(session) if oldest is None else int(oldest) - 1


async def read_after(session: Session, after: int, *, limit: int = BATCH) -> Sequence[Entry]:
    """Numbered facts in order, the first of them right after a position."""
    rows = await session.execute(_ENTRIES.where(facts.c.position > after).order_by(facts.c.position).limit(limit))
    return [Entry(*row) for row in rows]


async def read_between(session: Session, after: int, upto: int, interest: Interest) -> Sequence[Entry]:
    """Facts of interest in order: those after one position up to another; raises `ResyncRequired` if some are gone."""
    c = facts.c
    wanted = _ENTRIES.where(c.position > after, c.position <= upto, any_of(c.topic, sorted(interest.topics)))
    if interest.keys is not None:
        wanted = wanted.where(any_of(c.key, sorted(interest.keys)))
    rows = await session.execute(wanted.order_by(c.position))
    found = [entry for row in rows if interest.wants(entry := Entry(*row))]
    # Asked afterwards: what was forgotten while we read is noticed, too.
    if await horizon(session) > after:
        raise ResyncRequired
    return found


async def number(session: Session, *, limit: int = BATCH) -> range:
    """Give committed facts gap-free positions in the order of their sequence; answer the positions given.

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
    given = range(head + 1, head + len(numbered.all()) + 1)
    if given:
        await session.execute(update(log_heads).values(position=given[-1]))
    return given


async def forget(session: Session, *, before: datetime, most: int, limit: int = BATCH) -> int:
    """Delete the oldest numbered facts that are older than an instant or more than `most`; answer how many.

    Always from the oldest on, so that what is kept has no gap. At most `limit` at once: call again until it is less.
    """
    c = facts.c
    surplus = await position(session) - most
    oldest = await session.execute(
        select(c.position, c.occurred_at).where(c.position.is_not(None)).order_by(c.position).limit(limit)
    )
    last = 0
    for row in oldest:
        if row.position > surplus and row.occurred_at >= before:
            break
        last = row.position
    gone = await session.execute(delete(facts).where(c.position <= last).returning(c.position)) if last else None
    return len(gone.all()) if gone is not None else 0


class Numberer:
    """Numbers what this process commits, one transaction at a time, and polls for what others left behind."""

    def __init__(
        self, database: Database, *, tell: Callable[[int], None] | None = None, announce: Announce | None = None
    ) -> None:
        """`tell` hears the last position after each commit, `announce` before it, inside the transaction."""
        self._database = database
        self._tell = tell
        self._announce = announce
        self._wake = asyncio.Event()
        self._has_committed = False
        database.facts_committed.append(self._committed)

    async def run(self) -> None:
        """Number until cancelled."""
        await jobs.whenever(self._wake, self._number_all, poll_seconds=POLL_SECONDS, name="number_facts")

    async def finish(self) -> None:
        """Number what this process has committed, without waiting for a turn to `run`.

        For a process that ends: who serves the shop next needn't do it first. A busy database leaves it to others.
        """
        if self._has_committed:
            with suppress(Unavailable):
                await self._number_all()

    def _committed(self) -> None:
        self._has_committed = True
        self._wake.set()

    async def _number_all(self) -> None:
        # After a commit of our own there is something; a poll looks first, because writing takes a lock.
        is_sure, self._has_committed = self._has_committed, False
        if not is_sure and not await self._is_anything_left():
            return
        while True:
            failpoints.reach("outbox.before_numbering")
            async with self._database.transaction(patience=PATIENCE) as session:
                given = await number(session)
                if given and self._announce is not None:
                    await self._announce(session, given[-1])
                failpoints.reach("outbox.before_numbering_commit")
            failpoints.reach("outbox.after_numbering")
            if given and self._tell is not None:
                self._tell(given[-1])
            if len(given) < BATCH:
                return

    async def _is_anything_left(self) -> bool:
        async with self._database.reading() as session:
            return await session.scalar(select(facts.c.seq).where(facts.c.position.is_(None)).limit(1)) is not None
