"""Who in this process wants to hear of which facts, and how does one who was away catch up?"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Hashable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from uuid import UUID

import orjson
import structlog

from headless.platform import jobs, outbox
from headless.platform.db import Database
from headless.platform.errors import ResyncRequired
from headless.platform.outbox import Entry, Interest

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
QUEUE_LIMIT = 1000
REPLAY_SPAN = 2000
"""Positions that one statement of a replay looks at: what bounds its time and memory."""
REPLAYS = 3
"""Replays that read at once in a process: those who come back must not take all connections."""

AT_ONCE = 8
"""Followers of a state that are told before others have their turn: ten thousand mustn't hold up those who shop."""

Channel = tuple[bool, str, UUID | None]
"""Whether for states or for logs, a topic, and one record or any."""


class TooSlow(Exception):
    """A consumer of a log fell so far behind that it must reconnect and resume."""


@dataclass(slots=True)
class Counters:
    """What became of entries on their way to consumers, since the process began."""

    queued: int = 0
    coalesced: int = 0
    """Entries that a newer one of the same key replaced before they were taken."""
    cut: int = 0
    """Consumers whose queue ran over, or who were behind when the log was forgotten."""


class Listener:
    """One consumer's bounded queue. With `coalesce` only the newest entry of each key waits."""

    def __init__(self, interest: Interest, *, coalesce: bool, counters: Counters | None = None) -> None:
        self.interest = interest
        self.counters = counters or Counters()
        self._coalesce = coalesce
        # Thousands wait with nothing in it: an empty deque takes more room than all the rest.
        self._queue: deque[Entry] | None = None
        self._latest: dict[tuple[str, UUID], Entry] = {}
        self._waiting: asyncio.Future[None] | None = None
        self._overflown = False
        self._closed = False

    @property
    def channels(self) -> set[Channel]:
        keys: Sequence[UUID | None] = [None] if self.interest.keys is None else list(self.interest.keys)
        return {(self._coalesce, topic, key) for topic in self.interest.topics for key in keys}

    def put(self, entry: Entry, *, replacing: int = 0) -> None:
        """Have an entry wait for the consumer, in place of so many older ones that were never put."""
        if not self.interest.wants(entry):
            return
        self.counters.coalesced += replacing
        if self._coalesce:
            # Popped first, so that a key that changed again goes to the end of the line: positions stay ascending.
            replaced = self._latest.pop((entry.topic, entry.key), None)
            self.counters.queued += replaced is None
            self.counters.coalesced += replaced is not None
            self._latest[entry.topic, entry.key] = entry
        elif len(self._queue or ()) >= QUEUE_LIMIT:
            self.cut()
        else:
            self.counters.queued += 1
            if self._queue is None:
                self._queue = deque()
            self._queue.append(entry)
        self._wake()

    @property
    def waiting(self) -> int:
        """Entries that the consumer hasn't taken."""
        return len(self._latest) + len(self._queue or ())

    def cut(self) -> None:
        """Have the consumer resume from the log."""
        self.counters.cut += not self._overflown
        self._overflown = True
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    async def entries(self) -> AsyncGenerator[Entry, None]:
        """Entries as they come; raises `TooSlow` when some had to be dropped."""
        while True:
            if self._overflown:
                raise TooSlow
            if self._latest:
                first = next(iter(self._latest))
                yield self._latest.pop(first)
            elif self._queue:
                yield self._queue.popleft()
            elif self._closed:
                return
            else:
                self._queue = None
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Hub:
    """Follows the log of numbered facts and hands each to whoever listens in this process."""

    def __init__(self, database: Database) -> None:
        self.position = 0
        self.counters = Counters()
        self._database = database
        self._listeners: dict[Channel, set[Listener]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._replays = asyncio.Semaphore(REPLAYS)
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """Entries that wait for their consumers now."""
        return sum(listener.waiting for listener in self._everyone())

    def heard(self, position: int | None) -> None:
        """Hear that the log has grown to a position, or that it may have."""
        if position is None or position > self.position:
            self._wake.set()

    @contextmanager
    def listening(self, interest: Interest, *, coalesce: bool) -> Iterator[Listener]:
        """Register a listener: it gets what comes after the hub's present position."""
        listener = Listener(interest, coalesce=coalesce, counters=self.counters)
        channels = listener.channels
        for channel in channels:
            self._listeners[channel].add(listener)
        if self._is_closed:
            listener.close()
        try:
            yield listener
        finally:
            for channel in channels:
                self._listeners[channel].discard(listener)
                if not self._listeners[channel]:
                    del self._listeners[channel]

    async def resumed(self, interest: Interest, after: int, *, coalesce: bool) -> AsyncGenerator[Entry, None]:
        """Entries after a position: those of the past from the log, then live ones; no gap, no duplicate in between.

        With `coalesce` the past brings only the newest entry of each key. Memory stays bounded however long the past
        is. Raises `ResyncRequired` when the log doesn't reach back to the position or has never come to it, `TooSlow`
        like a listener.
        """
        if after > self.position:
            await self._check_reached(after)
        latest: dict[tuple[str, UUID], Entry] = {}
        position = after
        while position < self.position:
            page, position = await self._past(interest, position)
            for entry in page:
                if coalesce:
                    latest.pop((entry.topic, entry.key), None)
                    latest[entry.topic, entry.key] = entry
                else:
                    yield entry
        # Nothing was awaited since the comparison: what comes after `position` goes to the listener.
        with self.listening(interest, coalesce=coalesce) as listener:
            for entry in latest.values():
                yield entry
            async with aclosing(listener.entries()) as live:
                async for entry in live:
                    if entry.position > position:
                        yield entry

    async def start(self) -> None:
        """Begin at the log's present end."""
        async with self._database.reading() as session:
            self.position = await outbox.position(session)

    async def run(self) -> None:
        """Follow the log until cancelled; the poll finds what no carrier told of."""
        await jobs.whenever(self._wake, self._catch_up, poll_seconds=POLL_SECONDS, name="follow_the_log")

    def close(self) -> None:
        """End every listener's stream, and those that come later."""
        self._is_closed = True
        for listener in self._everyone():
            listener.close()

    async def _catch_up(self) -> None:
        while True:
            async with self._database.reading() as session:
                fresh = await outbox.read_after(session, self.position)
            if fresh and fresh[0].position > self.position + 1:
                log.warning("log_forgotten_unread", after=self.position, oldest=fresh[0].position)
                for listener in self._everyone():
                    listener.cut()
            await self._hand_out(fresh)
            if len(fresh) < outbox.BATCH:
                return

    async def _hand_out(self, fresh: Sequence[Entry]) -> None:
        """Logs get every entry at once; states, little by little, the newest of those that tell the same."""
        newest: dict[Hashable, tuple[Entry, int]] = {}
        for entry in fresh:
            self.position = entry.position
            for listener in self._followers(entry, of_states=False):
                listener.put(entry)
            if next(self._followers(entry, of_states=True), None) is not None:
                name = entry.topic, entry.key, orjson.dumps(entry.payload, option=orjson.OPT_SORT_KEYS)
                _, replaced = newest.pop(name, (entry, -1))
                newest[name] = entry, replaced + 1
        # Nothing was awaited yet: who begins to listen from here on begins behind all of these.
        told = [(*each, list(self._followers(each[0], of_states=True))) for each in newest.values()]
        count = 0
        for entry, replaced, listeners in told:
            for listener in listeners:
                listener.put(entry, replacing=replaced)
                count += 1
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _followers(self, entry: Entry, *, of_states: bool) -> Iterator[Listener]:
        for key in (entry.key, None):
            yield from self._listeners.get((of_states, entry.topic, key), ())

    async def _past(self, interest: Interest, after: int) -> tuple[Sequence[Entry], int]:
        """One page of what a consumer missed, and the position up to which it reaches."""
        async with self._replays, self._database.reading() as session:
            upto = min(self.position, after + REPLAY_SPAN)
            return await outbox.read_between(session, after, upto, interest), upto

    async def _check_reached(self, after: int) -> None:
        async with self._database.reading() as session:
            if after > await outbox.position(session):
                raise ResyncRequired

    def _everyone(self) -> set[Listener]:
        return {listener for listeners in self._listeners.values() for listener in listeners}
