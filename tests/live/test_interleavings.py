"""Does one who resumes by cursor see everything exactly once and in order, whatever happens in between?

Processes commit facts, number them, hear of each other or don't, and are killed at any moment; clients connect to any
of them, lose their connection and come back with their last cursor.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headless.app import server_of
from headless.graphql.context import Context, Server
from headless.graphql.live.streams import WHOLE, Happening, Stream, Wants, logged, states
from headless.graphql.server.feeds import Feed, Member
from headless.graphql.server.sharing import Frame
from headless.platform import crypto, hub, ids, outbox
from headless.platform.db import Database
from headless.platform.hub import TooSlow
from headless.platform.outbox import Entry, Interest
from headless.settings import Settings
from tests.builders import persistently
from tests.live.bells import RINGING, ring

PROCESSES, CLIENTS, BELLS = 2, 6, 3
PATIENCE = 30

process = st.integers(0, PROCESSES - 1)
client = st.integers(0, CLIENTS - 1)
step = st.one_of(
    st.tuples(st.just("write"), process, st.integers(0, BELLS - 1), st.integers(1, 4)),
    st.tuples(st.just("number"), process, st.sets(process), st.integers(1, 3)),
    st.tuples(st.just("publish"), process, st.integers(0, BELLS - 1), st.integers(1, 4), st.sets(process)),
    st.tuples(st.just("follow"), process),
    st.tuples(st.just("kill"), process),
    st.tuples(st.just("connect"), client, process),
    st.tuples(st.just("disconnect"), client),
    st.tuples(st.just("read"), st.integers(1, 6)),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame of these tests: what was told, and how often the bell had rung when it was looked at."""

    happening: Happening
    rung: int


@dataclass(slots=True)
class Listening:
    """A client of one stream: what he was told, and where he would go on. He reads only when he is let."""

    keys: list[UUID] | None
    """None: a log of everything; else the states of these records."""
    has_receiver: bool = False
    """Whether he is told of news as sockets are, instead of waiting for them."""
    seen: list[Shown] = field(default_factory=list)
    cursor: str | None = None
    allowed: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    task: "asyncio.Task[None] | None" = None
    member: Member | None = None
    has_ended: bool = False

    @property
    def stream(self) -> Stream:
        interest = RINGING if self.keys is None else Interest(RINGING.topics, frozenset(self.keys))
        return Stream("bells", "Bell", interest)

    @property
    def is_whole(self) -> bool:
        """Whether he was told all of the first state, or the marker."""
        return any(is_whole(shown.happening) for shown in self.seen)

    def wants(self, entry: Entry) -> bool:
        return self.stream.interest.wants(entry)

    def connect(self, place: "Place") -> None:
        self.has_ended = False
        self.task = asyncio.create_task(self._follow(place))

    async def disconnect(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, TooSlow):
                await task
        member, self.member = self.member, None
        if member is not None:
            member.leave()

    async def send(self, frame: Frame) -> None:
        await self._take(frame)

    def ended(self, _error: Exception | None) -> None:
        self.has_ended = True

    async def _follow(self, place: "Place") -> None:
        def follow(stream: Stream, *, after: int, coalesces: bool, wants: Wants | None = None) -> None:
            self.member = place.feed(stream, coalesces=coalesces).join(after=after, wants=wants)

        context = Context(place.server, follow=follow)
        after = self.stream.place(place.server.signer, self.cursor)
        keys, stream = self.keys, self.stream
        past = logged(context, stream, after) if keys is None else states(context, stream, keys, after)
        try:
            async with aclosing(past) as happenings:
                async for happening in happenings:
                    await self._take(await place.show(happening))
            assert self.member is not None
            while (frame := await self.member.next(place.show, waits=not self.has_receiver)) is not None:
                await self._take(frame)
            self.member.receive(self)
        except TooSlow:
            self.has_ended = True

    async def _take(self, frame: Frame) -> None:
        await self.allowed.acquire()
        shown = cast("Shown", frame)
        self.seen.append(shown)
        self.cursor = shown.happening.cursor


class Place:
    """A process: its server and the feeds in it."""

    def __init__(self, server: Server, rung: Mapping[UUID, int]) -> None:
        self.server = server
        self._rung = rung
        self._feeds: dict[tuple[Interest, bool], Feed] = {}

    def feed(self, stream: Stream, *, coalesces: bool) -> Feed:
        name = stream.interest, coalesces
        if name not in self._feeds:
            self._feeds[name] = Feed(
                *(self.server.hub, self.server.signer, stream, self.show),
                coalesces=coalesces,
                give_way=asyncio.sleep,
                emptied=lambda: self._feeds.pop(name),
            )
        return self._feeds[name]

    async def show(self, happening: Happening) -> Frame:
        rung = self._rung[happening.key]
        # Whatever is read is older by the time that it is told.
        await asyncio.sleep(0.001)
        return cast("Frame", Shown(happening, rung))


class World:
    """A shop's processes on one database, and their clients."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = Settings(database_url=url, data_dir=folder, secret_key="a secret of the tests")
        self.bells = [ids.new() for _ in range(BELLS)]
        self.processes: list[Place] = []
        self.rung: dict[UUID, int] = defaultdict(int)
        self.clients = [
            Listening(keys, has_receiver)
            for keys in (None, [self.bells[0]], list(self.bells))
            for has_receiver in (False, True)
        ]
        self.places: dict[int, int] = {}

    async def open(self) -> None:
        """Start the processes; every client connects and is told the first thing."""
        self.processes = [await self._new() for _ in range(PROCESSES)]
        for nth in range(CLIENTS):
            await self.connect(nth, nth % PROCESSES)
        await self.read(1)

    async def close(self) -> None:
        for client in self.clients:
            await client.disconnect()
        for place in self.processes:
            await place.server.database.close()

    async def write(self, process: int, bell: int, times: int) -> None:
        for time in range(times):
            await persistently(ring, self._database(process), self.bells[bell], time)
            self.rung[self.bells[bell]] += 1

    async def publish(self, process: int, bell: int, times: int, hearing: set[int]) -> None:
        """Commit and number at once; only some of the processes hear of it, and what is there is read."""
        await self.write(process, bell, times)
        await self.number(process, hearing, outbox.BATCH)
        await self.read(times)

    async def number(self, process: int, hearing: set[int], limit: int) -> None:
        """Number some facts; only some of the processes hear of it at once."""
        async with self._database(process).transaction() as session:
            await outbox.number(session, limit=limit)
        for one in hearing:
            await self.follow(one)

    async def follow(self, process: int) -> None:
        await self.processes[process].server.hub._catch_up()

    async def kill(self, process: int) -> None:
        """What was committed and not numbered stays behind; the clients lose their connection."""
        for client, place in list(self.places.items()):
            if place == process:
                await self.disconnect(client)
        await self._database(process).close()
        self.processes[process] = await self._new()

    async def connect(self, client: int, process: int) -> None:
        await self.disconnect(client)
        self.places[client] = process
        self.clients[client].connect(self.processes[process])

    async def disconnect(self, client: int) -> None:
        self.places.pop(client, None)
        await self.clients[client].disconnect()

    async def read(self, count: int) -> None:
        """Let every client take messages that are there; how many come in time is left to chance."""
        readers = [client for client in self.clients if client.task is not None]
        for reader in readers:
            for _ in range(count):
                reader.allowed.release()
        for _ in range(10):
            if all(reader.allowed.locked() for reader in readers):
                return
            await asyncio.sleep(0.001)

    async def come_to_rest(self) -> None:
        """Number everything, let all processes follow, and all clients come back and read to the end."""
        while True:
            async with self._database(0).transaction() as session:
                if not await outbox.number(session):
                    break
        for process in range(PROCESSES):
            await self.follow(process)
        for nth, client in enumerate(self.clients):
            await self.connect(nth, nth % PROCESSES)
            for _ in range(10_000):
                client.allowed.release()

    async def _new(self) -> Place:
        server = server_of(self.settings, Database(self.settings.database, pool_size=3))
        await server.hub.start()
        return Place(server, self.rung)

    def _database(self, process: int) -> Database:
        return self.processes[process].server.database

    async def read_to_the_end(self) -> None:
        """Let every client read until he has been told of the last thing that is his."""
        async with asyncio.timeout(PATIENCE):
            for nth, client in enumerate(self.clients):
                wanted = max((entry.position for entry in await self.log() if client.wants(entry)), default=0)
                while not (client.is_whole and place_of(client.seen[-1].happening) >= wanted):
                    if client.has_ended:
                        await self.connect(nth, self.places[nth])
                    await asyncio.sleep(0.001)

    async def log(self) -> Sequence[Entry]:
        async with self._database(0).reading() as session:
            return await outbox.read_after(session, 0, limit=100_000)


def place_of(happening: Happening) -> int:
    return int.from_bytes(crypto.unb64(happening.cursor)[1:9])


def is_whole(happening: Happening) -> bool:
    return crypto.unb64(happening.cursor)[:1] == WHOLE


def check(client: Listening, log: Sequence[Entry], rung: Mapping[UUID, int]) -> None:
    """What the client was told at first, and since then of everything exactly once, or of the newest per record."""
    begun = next(nth for nth, shown in enumerate(client.seen) if is_whole(shown.happening))
    first = [shown.happening for shown in client.seen[: begun + 1]]
    told = [shown.happening for shown in client.seen[begun + 1 :]]
    mine = [entry for entry in log if client.wants(entry) and entry.position > place_of(first[-1])]
    places = [place_of(happening) for happening in told]
    known = {entry.position: entry.id for entry in mine}
    assert all(known[place] == happening.id for place, happening in zip(places, told, strict=True))
    if client.keys is None:
        assert first[-1].is_marker
        assert places == list(known)
    else:
        assert {happening.key for happening in first} == set(client.keys)
        assert places == sorted(set(places))
        newest = {entry.key: entry.position for entry in mine}
        assert {happening.key: place_of(happening) for happening in told} == newest
        for key in client.keys:
            states_of_it = [shown.rung for shown in client.seen if shown.happening.key == key]
            assert states_of_it == sorted(states_of_it)
            assert states_of_it[-1] == rung[key]


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let replays take several pages and slow readers be cut."""
    monkeypatch.setattr(hub, "REPLAY_SPAN", 3)
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 2)


@pytest.mark.usefixtures("_small")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(step, min_size=20, max_size=60))
async def test_who_resumes_is_told_of_everything_exactly_once(
    database_url: str, tmp_path: Path, steps: list[tuple[Any, ...]]
) -> None:
    world = World(database_url, tmp_path)
    await world.open()
    try:
        for name, *arguments in steps:
            await getattr(world, name)(*arguments)
        await world.come_to_rest()
        await world.read_to_the_end()
        log = await world.log()

        assert [entry.position for entry in log] == list(range(1, len(log) + 1))
        for client in world.clients:
            check(client, log, world.rung)
    finally:
        await world.close()
