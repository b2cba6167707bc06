"""How does the background process follow the log of facts, so that none is missed and none is lost with it?

What a reader does and how far it has come are committed together: whatever dies, the next one goes on where it was.
Several processes may try at once; one reads, the others leave it to him.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select, update
from sqlmodel import Field, SQLModel

from headless.platform import clock, columns, failpoints, outbox
from headless.platform.db import Database, Session, insert_into
from headless.platform.errors import ResyncRequired
from headless.platform.outbox import Entry, Interest

log = structlog.get_logger(__name__)

SPAN = 1000
"""Positions of the log that one transaction takes in."""
PATIENCE = 10.0
"""Seconds that it may queue behind SQLite's other writers."""


class Consumer(SQLModel, table=True):
    """How far one reader of the log has come. Whoever locks the row reads on."""

    __tablename__ = "consumer"

    name: str = Field(primary_key=True)
    position: int = Field(sa_type=columns.Sequence)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


consumers = columns.table_of(Consumer)


@dataclass(frozen=True, slots=True)
class Reader:
    """What is done with facts of some topics, inside the transaction that remembers that it was."""

    name: str
    topics: frozenset[str]
    handle: Callable[[Session, Sequence[Entry]], Awaitable[None]]
    """Make true what follows from these facts; done twice it makes no difference."""
    resync: Callable[[Session], Awaitable[None]]
    """Have everything looked at again: facts were forgotten unread, or the reader is new."""
    is_work_left: Callable[[Session], Awaitable[bool]]
    work: Callable[[Session], Awaitable[bool]]
    """Do a part of what `resync` or others left to be done; answer whether there was any."""


async def read_on(database: Database, reader: Reader) -> int:
    """Take in what is new, and do some of what is left to be done; answer how much it was, 0: nothing is left."""
    async with database.reading() as session:
        known = await session.scalar(select(consumers.c.position).where(consumers.c.name == reader.name))
        is_behind = known is None or known < await outbox.position(session)
        if not is_behind and not await reader.is_work_left(session):
            return 0
    async with database.transaction(patience=PATIENCE) as session:
        done = await _turn(session, reader)
        failpoints.reach("consumers.before_commit")
    failpoints.reach("consumers.after_commit")
    return done


async def _turn(session: Session, reader: Reader) -> int:
    c = consumers.c
    mine = select(c.position).where(c.name == reader.name).with_for_update(skip_locked=True)
    after = await session.scalar(mine)
    if after is None:
        return await _begin(session, reader)
    # Read first: what is forgotten or comes while everything is looked at again isn't skipped.
    head = await outbox.position(session)
    upto = min(head, after + SPAN)
    entries: Sequence[Entry] = ()
    if after < upto:
        try:
            entries = await outbox.read_between(session, after, upto, Interest(reader.topics))
        except ResyncRequired:
            log.warning("log_forgotten_unread", reader=reader.name, after=after)
            await reader.resync(session)
            upto = head
    if entries:
        await reader.handle(session, entries)
    has_worked = await reader.work(session)
    if upto != after:
        await session.execute(
            update(consumers).where(c.name == reader.name).values(position=upto, updated_at=clock.now())
        )
    return int(upto - after) + has_worked


async def _begin(session: Session, reader: Reader) -> int:
    """Start at the log's end with everything looked at; unless another process reads, or has begun just now."""
    values = {"name": reader.name, "position": await outbox.position(session), "updated_at": clock.now()}
    begun = await session.execute(
        insert_into(session, consumers).values(values).on_conflict_do_nothing().returning(consumers.c.name)
    )
    if begun.first() is None:
        return 0
    await reader.resync(session)
    return 1
