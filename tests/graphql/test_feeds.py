"""Is what happens shown once to all who follow the same, in order, and never older than what someone knows?"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from headless.graphql.live.streams import Happening, Stream, Wants
from headless.graphql.server import feeds
from headless.graphql.server.feeds import Feed, Member
from headless.graphql.server.sharing import Frame
from headless.platform import clock, hub, ids
from headless.platform.crypto import Signer
from headless.platform.db import Database
from headless.platform.hub import Hub, TooSlow
from headless.platform.outbox import Entry
from tests.graphql.client import PATIENCE
from tests.live.bells import RINGING

BELL, OTHER = UUID(int=1), UUID(int=2)


def entry(position: int, key: UUID = BELL) -> Entry:
    return Entry(position, ids.new(), "bell.rang", key, {"position": position}, clock.now())


@dataclass
class Showing:
    """What is shown says when it was looked at; while `gate` is closed it takes its time."""

    shown: list[tuple[int, bool]] = field(default_factory=list)
    looks: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, happening: Happening) -> Frame:
        position = happening.payload["position"]
        self.shown.append((position, happening.is_state))
        self.looks += 1
        text = f"{position} seen by look {self.looks}"
        await self.gate.wait()
        return Frame(text)


class Client:
    """A receiver that takes what it is sent, unless it is stuck."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.end: list[Exception | None] = []
        self.free = asyncio.Event()
        self.free.set()

    @property
    def positions(self) -> list[int]:
        return [int(text.split()[0]) for text in self.got]

    async def send(self, frame: Frame) -> None:
        await self.free.wait()
        self.got.append(frame.text)

    def ended(self, error: Exception | None) -> None:
        self.end.append(error)


class Room:
    """A feed, and what is shown in it."""

    def __init__(self, database: Database, *, coalesces: bool) -> None:
        self.hub = Hub(database)
        self.show = Showing()
        self.emptied = 0
        stream = Stream("bells", "Bell", RINGING)
        self.told_before_a_break: list[float] = []
        self.feed = Feed(
            *(self.hub, Signer((b"secret",)), stream, self.show),
            coalesces=coalesces,
            give_way=self._take_a_break,
            emptied=self._emptied,
        )

    def join(self, *, after: int = 0, wants: Wants | None = None) -> Member:
        return self.feed.join(after=after, wants=wants)

    async def receiving(self, *, after: int = 0, wants: Wants | None = None) -> tuple[Member, Client]:
        """A member who has caught up and gets what comes."""
        member, client = self.join(after=after, wants=wants), Client()
        assert await member.next(self.show, waits=False) is None
        member.receive(client)
        return member, client

    async def settled(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.feed._running is not None:
                await asyncio.sleep(0)

    async def _take_a_break(self, seconds: float) -> None:
        self.told_before_a_break.append(seconds)
        await asyncio.sleep(0)

    def _emptied(self) -> None:
        self.emptied += 1


@pytest.fixture
def database_kind() -> str:
    """Nothing is read here."""
    return "sqlite"


@pytest.mark.parametrize("coalesces", [False, True])
async def test_entry_is_shown_once_to_everyone_who_wants_it(database: Database, coalesces: bool) -> None:
    room = Room(database, coalesces=coalesces)
    members = [await room.receiving() for _ in range(24)]
    _, late = await room.receiving(after=1)
    _, choosy = await room.receiving(wants=lambda entry: entry.key == OTHER)
    for told in (entry(1), entry(2, OTHER)):
        room.feed.put(told)
    await room.settled()

    assert room.show.shown == [(1, False), (2, False)]
    assert all(client.positions == [1, 2] for _, client in members)
    assert (late.positions, choosy.positions) == ([2], [2])
    assert (room.hub.counters.queued, room.hub.counters.cut) == (2 * len(members) + 2, 0)


async def test_others_have_their_turn_while_many_are_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(database, coalesces=True)
    seconds = itertools.count()
    members = [await room.receiving() for _ in range(10)]
    room.feed.put(entry(1))
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: next(seconds) * feeds.SLICE_SECONDS / 2)
    await room.settled()

    assert all(client.positions == [1] for _, client in members)
    # Three look-ups of the time make more than a slice, after which it is looked up once more.
    assert room.told_before_a_break == pytest.approx([1.5 * feeds.SLICE_SECONDS] * 3)


async def test_state_that_changes_while_it_is_shown_is_shown_once_more(database: Database) -> None:
    room = Room(database, coalesces=True)
    _, client = await room.receiving()
    room.show.gate.clear()
    room.feed.put(entry(1))
    await asyncio.sleep(0)
    for position in (2, 3, 4):
        room.feed.put(entry(position))
    room.show.gate.set()
    await room.settled()

    assert client.positions == [1, 4]
    assert (room.hub.counters.queued, room.hub.counters.coalesced) == (2, 2)


async def test_receiver_that_is_stuck_holds_up_nobody_and_gets_the_newest_state(database: Database) -> None:
    room = Room(database, coalesces=True)
    (_, stuck), (_, free) = [await room.receiving() for _ in range(2)]
    stuck.free.clear()
    for position, key in ((1, BELL), (2, OTHER), (3, BELL), (4, OTHER), (5, BELL)):
        room.feed.put(entry(position, key))
        await room.settled()
    assert free.positions == [1, 2, 3, 4, 5]
    assert room.feed.waiting == 2
    stuck.free.set()
    async with asyncio.timeout(PATIENCE):
        while stuck.positions != [1, 4, 5]:
            await asyncio.sleep(0)
    assert room.feed.waiting == 0
    assert room.hub.counters.queued + room.hub.counters.coalesced == 10


async def test_log_whose_reader_is_stuck_ends_for_him_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 2)
    room = Room(database, coalesces=False)
    (member, stuck), (_, free) = [await room.receiving() for _ in range(2)]
    stuck.free.clear()
    for position in range(1, 6):
        room.feed.put(entry(position))
        await room.settled()

    assert [type(error) for error in stuck.end] == [TooSlow]
    assert (free.positions, free.end) == ([1, 2, 3, 4, 5], [])
    assert room.hub.counters.cut == 1
    member.leave()
    stuck.free.set()
    await asyncio.sleep(0)
    assert stuck.positions == []


async def test_frame_that_was_begun_before_a_state_was_read_is_not_shown_after_it(database: Database) -> None:
    room = Room(database, coalesces=True)
    _, first = await room.receiving()
    room.show.gate.clear()
    room.feed.put(entry(1))
    await asyncio.sleep(0)
    # He was told the state at 0, and it is being shown at 1 by now: his own look at it is a new one.
    late = room.join()
    catching_up = asyncio.create_task(late.next(room.show, waits=False))
    await asyncio.sleep(0)
    assert not catching_up.done()
    room.show.gate.set()

    assert await catching_up == Frame("1 seen by look 2")
    assert await late.next(room.show, waits=False) is None
    await room.settled()
    assert first.got == ["1 seen by look 1"]
    assert room.show.shown == [(1, False), (1, True)]
    client = Client()
    late.receive(client)
    room.feed.put(entry(2))
    await room.settled()
    assert client.got == ["2 seen by look 3"] == first.got[1:]


async def test_what_comes_while_the_past_of_a_log_is_told_follows_in_order_without_a_second_look(
    database: Database,
) -> None:
    room = Room(database, coalesces=False)
    member, client = room.join(after=1), Client()
    for position in (1, 2, 3):
        room.feed.put(entry(position))
    await room.settled()

    assert await frames(room, member, 2) == ["2 seen by look 2", "3 seen by look 3"]
    assert await member.next(room.show, waits=False) is None
    member.receive(client)
    room.feed.put(entry(4))
    await room.settled()
    assert client.positions == [4]


async def test_one_who_waits_for_each_frame_gets_all_until_the_end(database: Database) -> None:
    room = Room(database, coalesces=True)
    member = room.join()
    waiting = asyncio.create_task(member.next(room.show, waits=True))
    await asyncio.sleep(0)
    room.feed.put(entry(1))
    assert await waiting == Frame("1 seen by look 1")
    room.feed.put(entry(2))
    room.feed.close()

    assert await frames(room, member, 1) == ["2 seen by look 2"]
    assert await member.next(room.show, waits=True) is None


async def test_end_comes_after_what_was_being_told(database: Database) -> None:
    room = Room(database, coalesces=False)
    (_, client), (_, stuck) = [await room.receiving() for _ in range(2)]
    stuck.free.clear()
    room.feed.put(entry(1))
    room.feed.close()
    await room.settled()
    assert (client.positions, client.end) == ([1], [None])
    assert stuck.end == []
    stuck.free.set()
    async with asyncio.timeout(PATIENCE):
        while not stuck.end:
            await asyncio.sleep(0)
    assert (stuck.positions, stuck.end) == ([1], [None])

    _, late = await room.receiving()
    assert (late.got, late.end) == ([], [None])


async def test_feed_that_overflows_or_is_cut_ends_for_everyone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 1)
    room = Room(database, coalesces=False)
    clients = [(await room.receiving())[1] for _ in range(2)]
    for position in (1, 2):
        room.feed.put(entry(position))
    assert [[type(error) for error in client.end] for client in clients] == [[TooSlow], [TooSlow]]

    held = room.join()
    room.feed.cut()
    with pytest.raises(TooSlow):
        await held.next(room.show, waits=False)
    assert room.hub.counters.cut == 3


async def test_what_can_not_be_shown_is_told_to_everyone(database: Database) -> None:
    room = Room(database, coalesces=True)

    async def fail(_happening: Happening) -> Frame:
        raise LookupError

    room.feed._show = fail
    _, client = await room.receiving()
    held = room.join()
    room.feed.put(entry(1))
    await room.settled()

    assert [type(error) for error in client.end] == [LookupError]
    with pytest.raises(LookupError):
        await held.next(room.show, waits=True)
    assert room.hub.counters.cut == 0


async def test_feed_lasts_as_long_as_its_members(database: Database) -> None:
    room = Room(database, coalesces=True)
    (one, gone), (two, _) = [await room.receiving() for _ in range(2)]
    one.leave()
    room.feed.put(entry(1))
    await room.settled()
    assert gone.got == []
    assert room.emptied == 0
    room.show.gate.clear()
    room.feed.put(entry(2))
    await asyncio.sleep(0)
    running = room.feed._running
    two.leave()

    assert room.emptied == 1
    assert room.hub._followers == {}
    assert running is not None
    await asyncio.wait([running], timeout=PATIENCE)
    assert running.cancelled()


async def frames(room: Room, member: Member, count: int) -> Sequence[str]:
    found = [await member.next(room.show, waits=True) for _ in range(count)]
    return [frame.text for frame in found if frame is not None]
