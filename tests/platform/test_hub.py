"""Does each listener get what it asked for, and is it told when something had to be dropped?"""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from headless.platform import clock, hub, ids, outbox
from headless.platform.db import Database
from headless.platform.errors import ResyncRequired
from headless.platform.hub import Backlog, Hub, TooSlow
from headless.platform.outbox import Entry, Interest, Place
from tests.live.bells import RINGING, ring


async def publish(database: Database, *bells: UUID) -> None:
    """Ring bells and number that."""
    for bell in bells:
        await ring(database, bell)
    async with database.transaction() as session:
        await outbox.number(session)


class Ear:
    """A follower that keeps what it is told."""

    def __init__(self, interest: Interest = RINGING, *, coalesces: bool) -> None:
        self.interest = interest
        self.coalesces = coalesces
        self.told: list[Entry] = []
        self.replaced = 0
        self.was_cut = False
        self.is_closed = False

    @property
    def waiting(self) -> int:
        return len(self.told)

    @property
    def positions(self) -> list[int]:
        return [entry.position for entry in self.told]

    def put(self, entry: Entry, *, replacing: int = 0) -> None:
        self.told.append(entry)
        self.replaced += replacing

    def cut(self) -> None:
        self.was_cut = True

    def close(self) -> None:
        self.is_closed = True


class Past:
    """A replay, and up to where it said that its entries reach."""

    def __init__(self, followed: Hub, after: int, *, coalesce: bool) -> None:
        self.reaches: list[int] = []
        self.entries = followed.past(RINGING, Place(after), coalesce=coalesce, caught_up=self.reaches.append)

    async def take(self, count: int) -> list[int]:
        return [(await anext(self.entries)).position for _ in range(count)]

    async def rest(self) -> list[int]:
        return [entry.position async for entry in self.entries]


def following(followed: Hub, interest: Interest = RINGING, *, coalesces: bool) -> Ear:
    ear = Ear(interest, coalesces=coalesces)
    followed.add(ear)
    return ear


async def test_past_of_a_log_is_everything_and_of_states_the_newest_of_each(database: Database) -> None:
    followed, bells = Hub(database), [ids.new(), ids.new()]
    await publish(database, bells[0], bells[1], bells[0], bells[1])
    await followed._catch_up()
    log, state, nothing = (
        Past(followed, after, coalesce=coalesce) for after, coalesce in ((1, False), (0, True), (4, True))
    )

    assert await log.rest() == [2, 3, 4]
    assert await state.rest() == [3, 4]
    assert await nothing.rest() == []
    assert log.reaches == state.reaches == nothing.reaches == [4]


async def test_follower_is_told_of_its_own_records_alone_in_order(database: Database) -> None:
    followed = Hub(database)
    mine, also_mine, other = ids.new(), ids.new(), ids.new()
    interest = Interest(RINGING.topics, frozenset({mine, also_mine}))
    log, state = (following(followed, interest, coalesces=coalesces) for coalesces in (False, True))
    await publish(database, mine, other, also_mine, mine, other)
    await followed._catch_up()

    assert log.positions == [1, 3, 4]
    assert [(entry.position, entry.key) for entry in state.told] == [(3, also_mine), (4, mine)]
    followed.remove(log)
    await publish(database, mine)
    await followed._catch_up()
    assert log.positions == [1, 3, 4]
    assert state.positions == [3, 4, 6]


async def test_whoever_follows_across_what_was_forgotten_is_cut(database: Database) -> None:
    followed, bell = Hub(database), ids.new()
    await publish(database, bell, bell, bell)
    async with database.transaction() as session:
        assert await outbox.forget(session, before=clock.now() - timedelta(days=1), most=1) == 2
    log, state = (following(followed, coalesces=coalesces) for coalesces in (False, True))
    await followed._catch_up()

    assert log.was_cut
    assert state.was_cut
    assert followed.position == 3
    with pytest.raises(ResyncRequired):
        await Past(followed, 0, coalesce=True).rest()


async def test_past_that_is_forgotten_in_the_middle_of_a_replay_is_no_silent_gap(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "REPLAY_SPAN", 2)
    followed, bell = Hub(database), ids.new()
    await publish(database, *[bell] * 6)
    await followed._catch_up()
    past = Past(followed, 0, coalesce=False)
    assert await past.take(2) == [1, 2]
    async with database.transaction() as session:
        await outbox.forget(session, before=clock.now() - timedelta(days=1), most=1)
    with pytest.raises(ResyncRequired):
        await past.rest()


async def test_replay_says_how_far_it_reaches_as_soon_as_it_is_near_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "REPLAY_SPAN", 2)
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 4)
    followed, bell = Hub(database), ids.new()
    await publish(database, *[bell] * 5)
    await followed._catch_up()
    past = Past(followed, 0, coalesce=False)
    assert await past.take(3) == [1, 2, 3]
    assert past.reaches == []
    await publish(database, *[bell] * 2)
    await followed._catch_up()
    assert await past.take(4) == [4, 5, 6, 7]
    assert past.reaches == [7]
    await publish(database, bell)
    await followed._catch_up()

    assert await past.rest() == []


async def test_process_behind_the_cursor_leaves_out_what_the_client_has(database: Database) -> None:
    ahead, behind, bell = Hub(database), Hub(database), ids.new()
    await publish(database, bell, bell)
    await ahead._catch_up()
    past = Past(behind, ahead.position, coalesce=False)

    assert await past.rest() == []
    assert past.reaches == [2]


async def test_position_that_was_never_reached_is_refused(database: Database) -> None:
    past = Past(Hub(database), 1, coalesce=False)
    with pytest.raises(ResyncRequired):
        await past.rest()
    assert past.reaches == []


async def test_state_that_changed_often_at_once_is_handed_out_once_and_a_log_gets_all(database: Database) -> None:
    followed, bells = Hub(database), [ids.new(), ids.new()]
    log, state = (following(followed, coalesces=coalesces) for coalesces in (False, True))
    one = following(followed, Interest(RINGING.topics, frozenset(bells[:1])), coalesces=True)
    await publish(database, *[bells[0]] * 3, *[bells[1]] * 2, bells[0])
    await followed._catch_up()

    # In the order of the log, however they came about: a cursor never goes back.
    assert log.positions == [1, 2, 3, 4, 5, 6]
    assert (state.positions, one.positions) == ([5, 6], [6])
    assert (log.replaced, state.replaced, one.replaced) == (0, 1 + 3, 3)
    assert followed.waiting == 6 + 2 + 1


async def test_states_that_differ_in_what_they_say_are_handed_out_each(database: Database) -> None:
    """As prices of several channels: for whom the newest is of no interest, the one before is."""
    followed, bell = Hub(database), ids.new()
    ear = following(followed, Interest(RINGING.topics, frozenset([bell])), coalesces=True)
    for times in (2, 2, 1):
        await ring(database, bell, times)
    await publish(database)
    await followed._catch_up()

    assert ear.positions == [2, 3]
    assert ear.replaced == 1


async def test_many_followers_of_a_state_leave_others_their_turn(database: Database) -> None:
    followed, bell = Hub(database), ids.new()
    interest = Interest(RINGING.topics, frozenset([bell]))
    ears = [following(followed, interest, coalesces=True) for _ in range(10 * hub.AT_ONCE)]
    await publish(database, bell)
    catching_up = asyncio.create_task(followed._catch_up())
    shares = set()
    while not catching_up.done():
        shares.add(sum(ear.waiting for ear in ears))
        await asyncio.sleep(0)
    await catching_up

    assert all(ear.waiting == 1 for ear in ears)
    assert shares >= {hub.AT_ONCE * nth for nth in range(1, 10)}


def entry(position: int, key: UUID) -> Entry:
    return Entry(position, ids.new(), "bell.rang", key, {}, clock.now())


def test_backlog_of_a_log_keeps_everything_in_order_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 2)
    backlog: Backlog[str] = Backlog(coalesces=False)
    key = ids.new()
    assert not backlog.put(entry(1, key), "first")
    assert not backlog.put(entry(2, key), "second")
    with pytest.raises(TooSlow):
        backlog.put(entry(3, key), "third")

    assert [backlog.take(), backlog.take()] == ["first", "second"]
    assert len(backlog) == 0
    with pytest.raises(LookupError):
        backlog.take()


def test_backlog_of_states_keeps_the_newest_of_each_in_the_order_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 0)
    backlog: Backlog[str] = Backlog(coalesces=True)
    one, two = ids.new(), ids.new()
    replaced = [backlog.put(entry(position, key), str(position)) for position, key in enumerate((one, two, one), 1)]

    assert replaced == [False, False, True]
    assert [backlog.take() for _ in range(len(backlog))] == ["2", "3"]


async def test_hub_is_woken_by_news_alone(database: Database) -> None:
    followed = Hub(database)
    await publish(database, ids.new())
    await followed.start()
    for known in (0, 1):
        followed.heard(known)
    assert not followed._wake.is_set()

    for news in (2, None):
        followed._wake.clear()
        followed.heard(news)
        assert followed._wake.is_set()


async def test_who_comes_when_the_process_ends_is_sent_away(database: Database) -> None:
    followed = Hub(database)
    here = following(followed, coalesces=False)
    followed.close()
    late = following(followed, coalesces=True)
    assert here.is_closed
    assert late.is_closed

    for ear in (here, late):
        followed.remove(ear)
    assert followed._followers == {}
