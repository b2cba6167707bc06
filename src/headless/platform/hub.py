"""Who in this process wants to hear of which facts?"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from headless.platform import jobs, outbox
from headless.platform.db import Database
from headless.platform.outbox import Entry

POLL_SECONDS = 1.0
QUEUE_LIMIT = 1000


class TooSlow(Exception):
    """A consumer of a log fell so far behind that it must reconnect and resume."""


class Listener:
    """One consumer's bounded queue. With `coalesce` only the newest entry of each key waits."""

    def __init__(self, *, coalesce: bool) -> None:
        self._coalesce = coalesce
        self._queue: deque[Entry] = deque()
        self._latest: dict[tuple[str, UUID], Entry] = {}
        self._ready = asyncio.Event()
        self._overflown = False
        self._closed = False

    def put(self, entry: Entry) -> None:
        if self._coalesce:
            # Popped first, so that a key that changed again goes to the end of the line: positions stay ascending.
            self._latest.pop((entry.topic, entry.key), None)
            self._latest[entry.topic, entry.key] = entry
        elif len(self._queue) >= QUEUE_LIMIT:
            self._overflown = True
        else:
            self._queue.append(entry)
        self._ready.set()

    def close(self) -> None:
        self._closed = True
        self._ready.set()

    async def entries(self) -> AsyncIterator[Entry]:
        """Entries as they come; raises `TooSlow` when some had to be dropped."""
        while True:
            await self._ready.wait()
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
                self._ready.clear()


class Hub:
    """Follows the log of numbered facts and hands each to whoever listens in this process."""

    def __init__(self, database: Database) -> None:
        self.position = 0
        self._database = database
        self._listeners: dict[tuple[str, UUID], set[Listener]] = defaultdict(set)
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be something new in the log."""
        self._wake.set()

    @contextmanager
    def listening(self, topic: str, keys: Iterable[UUID], *, coalesce: bool) -> Iterator[Listener]:
        """Register a listener for some records of a topic."""
        listener = Listener(coalesce=coalesce)
        channels = {(topic, key) for key in keys}
        for channel in channels:
            self._listeners[channel].add(listener)
        try:
            yield listener
        finally:
            for channel in channels:
                self._listeners[channel].discard(listener)
                if not self._listeners[channel]:
                    del self._listeners[channel]

    async def start(self) -> None:
        """Begin at the log's present end."""
        async with self._database.reading() as session:
            self.position = await outbox.position(session)

    async def run(self) -> None:
        """Follow the log until cancelled; the poll finds what other processes numbered."""
        await jobs.whenever(self._wake, self._catch_up, poll_seconds=POLL_SECONDS, name="follow_the_log")

    async def _catch_up(self) -> None:
        while True:
            async with self._database.reading() as session:
                fresh = await outbox.read_after(session, self.position)
            for entry in fresh:
                self.position = entry.position
                for listener in self._listeners.get((entry.topic, entry.key), ()):
                    listener.put(entry)
            if len(fresh) < outbox.BATCH:
                return

    def close(self) -> None:
        """End every listener's stream."""
        for listeners in list(self._listeners.values()):
            for listener in listeners:
                listener.close()
