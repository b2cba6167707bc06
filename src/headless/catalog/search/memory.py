"""What was counted of lists, and is it still so? A count is kept together with the state of the log it was made at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

import structlog
from sqlalchemy import CTE, BigInteger, ColumnElement, Text, and_, case, cast, func, literal, null, select

from headless.catalog.metafields.models import definitions
from headless.catalog.models import listings
from headless.platform import clock
from headless.platform.db import Database, Session
from headless.platform.errors import Fault
from headless.platform.outbox import facts, log_heads

log = structlog.get_logger(__name__)

WIDE: Final = 10_000
"""Products from which on shoppers may be told, for a moment, what was right before the last change."""
PATIENCE_SECONDS: Final = 60.0
"""How long this moment lasts at most."""
PATIENCE: Final = 20
"""For how many times as long as counting took a wide list isn't counted again: that takes a twentieth of the time."""
MOST_KEPT: Final = 2_048
MOST_UNNUMBERED: Final = 1_000
"""Committed facts without a position, above which nothing is kept."""
NOWHERE: Final = -1
NEVER: Final = ""
"""The state of what isn't kept: no state of the log is equal to it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was counted of a list of a size, at which state and when, and how long it took."""

    state: str
    size: int
    at: float
    seconds: float
    rows: Sequence[Any] = ()

    @property
    def may_be_told(self) -> bool:
        """Whether shoppers may be told it though something changed: of a wide list, for a while."""
        return self.size > WIDE and self._age < PATIENCE_SECONDS

    @property
    def is_recent(self) -> bool:
        """Whether it needn't be counted anew yet, if it may be told."""
        return self._age < PATIENCE * self.seconds

    @property
    def _age(self) -> float:
        return monotonic() - self.at


class Memory:
    """What was counted in this process, for as long as nothing happens that may change it.

    Whoever counts asks in the same statement for the state of the log, so both are of one moment. Facts of the topics
    `besides` change no count. Metafields' definitions belong to the state, too. While a publication begins or ends by
    itself nothing is kept: nobody records a fact in the moment when it does. With a database, what may still be told is
    counted anew in the background.
    """

    def __init__(self, besides: Collection[str] = (), *, database: Database | None = None) -> None:
        self._besides = sorted(besides)
        self._database = database
        self._turn = asyncio.Lock()
        self._counting: dict[Hashable, asyncio.Task[None]] = {}
        self._kept: dict[object, Kept] = {}
        self._upto = NOWHERE
        """The position up to which the log was looked through."""
        self._last = NOWHERE
        """The last position there at which something may have changed a count."""

    def recall(self, key: object) -> Kept | None:
        """What was last counted of a list."""
        return self._kept.get(key)

    def renew(self, key: object, kept: Kept) -> None:
        """Take note that what is kept of a list is still so."""
        if self._kept.get(key) is kept:
            self._kept[key] = replace(kept, at=monotonic())

    def count_later(self, key: Hashable, count: Callable[[Session], Awaitable[object]]) -> bool:
        """Have something counted behind the back of those who ask; False if it can't be. One thing at a time."""
        if self._database is None:
            return False
        if key not in self._counting:
            task = self._counting[key] = asyncio.create_task(self._count(self._database, count))
            task.add_done_callback(lambda _task: self._counting.pop(key, None))
        return True

    async def close(self) -> None:
        """Stop counting."""
        counting = list(self._counting.values())
        for task in counting:
            task.cancel()
        await asyncio.gather(*counting, return_exceptions=True)

    async def _count(self, database: Database, count: Callable[[Session], Awaitable[object]]) -> None:
        try:
            async with self._turn, database.reading() as session:
                await count(session)
        except (Fault, OSError) as error:
            log.warning("postponed", work="count_products", error=str(error))
        except Exception:
            # Nobody waits for it: who asks when a minute is over counts himself, and is told.
            log.exception("failed", work="count_products")

    def state(self) -> CTE:
        """Read how far the log is (`head`) and the state of all that counts depend on (`now`); null: not to be kept."""
        f, d = facts.c, definitions.c
        matters = f.topic.not_in(self._besides)
        head = select(log_heads.c.position).scalar_subquery()
        new = and_(f.position > self._upto, f.position <= head)
        seen = select(func.count()).select_from(facts).where(new).scalar_subquery()
        last = select(func.max(f.position)).where(new, matters).scalar_subquery()
        begun = case(
            (literal(self._upto, BigInteger) == NOWHERE, head),
            (head < self._upto, null()),  # older than what another operation saw
            (seen < head - self._upto, head),  # some of the facts are forgotten
            else_=func.coalesce(last, literal(self._last, BigInteger)),
        )
        # The index of positions alone tells who waits: what the topics are is looked up of those few.
        waiting = select(f.seq).where(f.position.is_(None)).order_by(f.seq).limit(MOST_UNNUMBERED + 1)
        unnumbered = select(func.count()).select_from(waiting.subquery()).scalar_subquery()
        pending = select(func.count()).where(f.seq.in_(waiting), matters).scalar_subquery()
        due = select(func.count()).where(listings.c.turns_at <= clock.now()).scalar_subquery()
        defined = [
            select(func.coalesce(cast(what, Text), "-")).select_from(definitions).scalar_subquery()
            for what in (func.count(), func.sum(d.version), func.max(d.updated_at))
        ]
        # While a publication is due, another end of it may come before the worker has noted this one: nothing is kept.
        few = case((and_(unnumbered <= MOST_UNNUMBERED, due == 0), cast(pending, Text)))
        parts: list[ColumnElement[Any]] = [cast(begun, Text), few, *defined]
        now = parts[0]
        for part in parts[1:]:
            now = now + " " + part
        return select(head.label("head"), now.label("now")).cte("log_state")

    def learn(self, head: int, now: str | None) -> str:
        """Take note of the state that a statement read; answer it."""
        if now is None:
            return NEVER
        if head > self._upto:
            self._upto, self._last = head, int(now.split(" ", 1)[0])
        return now

    def keep(self, key: object, state: str, *, size: int, seconds: float, rows: Sequence[Any] = ()) -> None:
        if state == NEVER:
            return
        self._kept.pop(key, None)
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = Kept(state, size, monotonic(), seconds, rows)


def has_moved(kept: Kept | None, state: CTE) -> ColumnElement[bool]:
    """Whether a list has to be counted: nothing is kept of it, or something of another state."""
    now = select(state.c.now).scalar_subquery()
    return now.is_distinct_from(literal(NEVER if kept is None else kept.state, Text))
