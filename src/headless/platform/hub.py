"""Who in this process wants to hear of which facts, and how does one who was away catch up?"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from uuid import UUID

import orjson
import structlog

from headless.platform import jobs, outbox
from headless.platform.db import Database
from headless.platform.errors import ResyncRequired
from headless.platform.outbox import Entry, Interest, Place

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
QUEUE_LIMIT = 1000
REPLAY_SPAN = 2000
"""Positions that one statement of a replay looks at: what bounds its time and memory."""
REPLAYS = 3
"""Replays that read at once in a process: those who come back must not take all connections."""

AT_ONCE = 8
"""Followers of a state that are told before others have their turn: ten thousand mustn't hold up those who shop."""

Item = TypeVar("Item")
Channel = tuple[bool, str, UUID | None]
"""Whether for states or for logs, a topic, and one record or any."""


class TooSlow(Exception):
    """A consumer of a log fell so far behind that it must reconnect and resume."""


@dataclass(slots=True)
class Counters:
    """What became of entries on their way to consumers, since the process began."""

    queued: int = 0
    """Entries told to a consumer, each as often as there are consumers."""
    coalesced: int = 0
    """Entries that a newer one of the same key replaced before they were taken."""
    cut: int = 0
    """Consumers whose queue ran over, or who were behind when the log was forgotten."""


class Follower(Protocol):
    """Whoever is told of entries in the moment that they come, and must not linger over them."""

    interest: Interest
    coalesces: bool
    """Whether the newest entry of each key says all, as of a state; else every entry is wanted, as of a log."""

    @property
    def waiting(self) -> int:
        """Entries that it was told of and whose consumers haven't taken them."""

    def put(self, entry: Entry, *, replacing: int = 0) -> None:
        """Take an entry, in place of so many older ones that are never told."""

    def cut(self) -> None:
        """Have consumers resume from the log: some entries can't be told."""

    def close(self) -> None:
        """Nothing more will come."""


class Backlog(Generic[Item]):
    """What waits for a consumer, at most `QUEUE_LIMIT`. With `coalesces` only the newest of each key waits."""

    __slots__ = ("_coalesces", "_items")

    def __init__(self, *, coalesces: bool) -> None:
        self._coalesces = coalesces
        # Thousands wait with nothing in it.
        self._items: OrderedDict[Hashable, Item] | None = None

    def put(self, entry: Entry, item: Item) -> bool:
        """Have something wait that tells of an entry; whether it replaced what was older. Raises `TooSlow`."""
        if self._items is None:
            self._items = OrderedDict()
        if not self._coalesces:
            if len(self._items) >= QUEUE_LIMIT:
                raise TooSlow
            self._items[entry.position] = item
            return False
        # Popped first, so that a key that changed again goes to the end of the line: positions stay ascending.
        key = entry.topic, entry.key
        replaced = self._items.pop(key, None) is not None
        self._items[key] = item
        return replaced

    def take(self) -> Item:
        """Take what has waited longest."""
        if self._items is None:
            raise LookupError
        _, item = self._items.popitem(last=False)
        if not self._items:
            self._items = None
        return item

    def __len__(self) -> int:
        return len(self._items or ())


class Hub:
    """Follows the log of numbered facts and hands each to whoever follows it in this process."""

    def __init__(self, database: Database) -> None:
        self.place = Place(0)
        """The end of what has been handed out."""
        self.counters = Counters()
        self._database = database
        self._followers: dict[Channel, set[Follower]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._replays = asyncio.Semaphore(REPLAYS)
        self._is_closed = False

    @property
    def position(self) -> int:
        return self.place.position

    @property
    def waiting(self) -> int:
        """Entries that wait for their consumers now."""
        return sum(follower.waiting for follower in self._everyone())

    def heard(self, position: int | None) -> None:
        """Hear that the log has grown to a position, or that it may have."""
        if position is None or position > self.position:
            self._wake.set()

    def add(self, follower: Follower) -> None:
        """Tell someone of what comes after the present position."""
        for channel in _channels(follower):
            self._followers[channel].add(follower)
        if self._is_closed:
            follower.close()

    def remove(self, follower: Follower) -> None:
        """Tell him no more."""
        for channel in _channels(follower):
            self._followers[channel].discard(follower)
            if not self._followers[channel]:
                del self._followers[channel]

    async def past(
        self, interest: Interest, after: Place, *, coalesce: bool, caught_up: Callable[[int], None]
    ) -> AsyncGenerator[Entry, None]:
        """Entries after a place from the log; with `coalesce` only the newest of each key.

        Near the log's end `caught_up` is called with the position up to which they reach: what comes after it has to
        be followed from that moment on, and waits in memory until the rest is told. Memory stays bounded however long
        the past is. Raises `ResyncRequired` when
        the log doesn't reach back to the place or has never come to it.
        """
        await self._check(after)
        latest: dict[tuple[str, UUID], Entry] = {}
        position, end = after.position, None
        while end is None or position < end:
            if end is None and self.position - position <= QUEUE_LIMIT // 2:
                end = max(position, self.position)
                caught_up(end)
                continue
            page, position = await self._past(interest, position, self.position if end is None else end)
            for entry in page:
                if coalesce:
                    latest.pop((entry.topic, entry.key), None)
                    latest[entry.topic, entry.key] = entry
                else:
                    yield entry
        for entry in latest.values():
            yield entry

    async def start(self) -> None:
        """Begin at the log's present end."""
        async with self._database.reading() as session:
            self.place = await outbox.place_at(session, await outbox.position(session))

    async def run(self) -> None:
        """Follow the log until cancelled; the poll finds what no carrier told of."""
        await jobs.whenever(self._wake, self._catch_up, poll_seconds=POLL_SECONDS, name="follow_the_log")

    def close(self) -> None:
        """Tell everyone, and those who come later, that nothing more will come."""
        self._is_closed = True
        for follower in self._everyone():
            follower.close()

    async def _catch_up(self) -> None:
        while True:
            async with self._database.reading() as session:
                fresh = await outbox.read_after(session, self.position)
            if fresh and fresh[0].position > self.position + 1:
                log.warning("log_forgotten_unread", after=self.position, oldest=fresh[0].position)
                for follower in self._everyone():
                    follower.cut()
            await self._hand_out(fresh)
            if len(fresh) < outbox.BATCH:
                return

    async def _hand_out(self, fresh: Sequence[Entry]) -> None:
        """Logs get every entry at once; states, little by little, the newest of those that tell the same."""
        newest: dict[Hashable, tuple[Entry, int]] = {}
        for entry in fresh:
            self.place = entry.place
            for follower in list(self._told(entry, of_states=False)):
                follower.put(entry)
            if next(self._told(entry, of_states=True), None) is not None:
                name = entry.topic, entry.key, orjson.dumps(entry.payload, option=orjson.OPT_SORT_KEYS)
                _, replaced = newest.pop(name, (entry, -1))
                newest[name] = entry, replaced + 1
        # Nothing was awaited yet: who begins to follow from here on begins behind all of these.
        told = [(*each, list(self._told(each[0], of_states=True))) for each in newest.values()]
        count = 0
        for entry, replaced, followers in told:
            for follower in followers:
                follower.put(entry, replacing=replaced)
                count += 1
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _told(self, entry: Entry, *, of_states: bool) -> Iterator[Follower]:
        for key in (entry.key, None):
            yield from self._followers.get((of_states, entry.topic, key), ())

    async def _past(self, interest: Interest, after: int, end: int) -> tuple[Sequence[Entry], int]:
        """One page of what a consumer missed, and the position up to which it reaches."""
        async with self._replays, self._database.reading() as session:
            upto = min(end, after + REPLAY_SPAN)
            return await outbox.read_between(session, after, upto, interest), upto

    async def _check(self, after: Place) -> None:
        """Raise `ResyncRequired` for a place that the log has never come to."""
        if after.position == self.position:
            known = self.place
        else:
            async with self._replays, self._database.reading() as session:
                if after.position > self.position and after.position > await outbox.position(session):
                    raise ResyncRequired
                known = await outbox.place_at(session, after.position)
        if not after.is_of_the_log_of(known):
            raise ResyncRequired

    def _everyone(self) -> set[Follower]:
        return {follower for followers in self._followers.values() for follower in followers}


def _channels(follower: Follower) -> set[Channel]:
    interest = follower.interest
    keys: Iterable[UUID | None] = [None] if interest.keys is None else interest.keys
    return {(follower.coalesces, topic, key) for topic in interest.topics for key in keys}
