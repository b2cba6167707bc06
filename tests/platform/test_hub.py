"""Does each listener get what it asked for, and is it told when something had to be dropped?"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from datetime import timedelta
from uuid import UUID

import pytest

from headless.platform import clock, hub, ids, outbox
from headless.platform.db import Database
from headless.platform.errors import ResyncRequired
from headless.platform.hub import Hub, TooSlow
from headless.platform.outbox import Entry, Interest
from tests.live.bells import RINGING, ring


async def publish(database: Database, *bells: UUID) -> None:
    """Ring bells and number that."""
    for bell in bells:
        await ring(database, bell)
    async with database.transaction() as session:
        await outbox.number(session)


async def take(entries: AsyncGenerator[Entry, None], count: int) -> list[int]:
    return [(await anext(entries)).position for _ in range(count)]


async def test_log_listener_is_cut_rather_than_left_with_a_gap(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 2)
    followed, bell = Hub(database), ids.new()
    with followed.listening(RINGING, coalesce=False) as slow, followed.listening(RINGING, coalesce=True) as coalescing:
        await publish(database, bell, bell, bell)
        await followed._catch_up()
        async with aclosing(slow.entries()) as entries, aclosing(coalescing.entries()) as newest:
            with pytest.raises(TooSlow):
                await anext(entries)
            assert await take(newest, 1) == [3]

    async with aclosing(followed.resumed(RINGING, 0, coalesce=False)) as entries:
        assert await take(entries, 3) == [1, 2, 3]


async def test_listener_gets_its_own_records_alone_in_order_and_the_newest_of_each(database: Database) -> None:
    followed = Hub(database)
    mine, also_mine, other = ids.new(), ids.new(), ids.new()
    interest = Interest(RINGING.topics, frozenset({mine, also_mine}))
    with followed.listening(interest, coalesce=True) as listener:
        await publish(database, mine, other, also_mine, mine, other)
        await followed._catch_up()
        async with aclosing(listener.entries()) as entries:
            found = [await anext(entries) for _ in range(2)]
            listener.close()
            assert [entry async for entry in entries] == []

    assert [(entry.position, entry.key) for entry in found] == [(3, also_mine), (4, mine)]


async def test_whoever_follows_across_what_was_forgotten_is_cut(database: Database) -> None:
    followed, bell = Hub(database), ids.new()
    await publish(database, bell, bell, bell)
    async with database.transaction() as session:
        assert await outbox.forget(session, before=clock.now() - timedelta(days=1), most=1) == 2
    with followed.listening(RINGING, coalesce=True) as listener:
        await followed._catch_up()
        async with aclosing(listener.entries()) as entries:
            with pytest.raises(TooSlow):
                await anext(entries)

    assert followed.position == 3
    async with aclosing(followed.resumed(RINGING, 0, coalesce=True)) as entries:
        with pytest.raises(ResyncRequired):
            await anext(entries)


async def test_past_that_is_forgotten_in_the_middle_of_a_replay_is_no_silent_gap(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "REPLAY_SPAN", 2)
    followed, bell = Hub(database), ids.new()
    await publish(database, *[bell] * 6)
    await followed._catch_up()
    async with aclosing(followed.resumed(RINGING, 0, coalesce=False)) as entries:
        assert await take(entries, 2) == [1, 2]
        async with database.transaction() as session:
            await outbox.forget(session, before=clock.now() - timedelta(days=1), most=1)
        with pytest.raises(ResyncRequired):
            await anext(entries)


async def test_process_behind_the_cursor_leaves_out_what_the_client_has(database: Database) -> None:
    ahead, behind, bell = Hub(database), Hub(database), ids.new()
    await publish(database, bell, bell)
    await ahead._catch_up()
    async with aclosing(behind.resumed(RINGING, ahead.position, coalesce=False)) as entries:
        first = asyncio.ensure_future(anext(entries))
        while not behind._listeners:
            await asyncio.sleep(0.001)
        await publish(database, bell)
        await behind._catch_up()

        assert (await first).position == 3


async def test_position_that_was_never_reached_is_refused(database: Database) -> None:
    followed = Hub(database)
    async with aclosing(followed.resumed(RINGING, 1, coalesce=False)) as entries:
        with pytest.raises(ResyncRequired):
            await anext(entries)


async def test_state_that_changed_often_at_once_is_handed_out_once_and_a_log_gets_all(database: Database) -> None:
    followed, bells = Hub(database), [ids.new(), ids.new()]
    with (
        followed.listening(RINGING, coalesce=False) as log,
        followed.listening(RINGING, coalesce=True) as state,
        followed.listening(Interest(RINGING.topics, frozenset(bells[:1])), coalesce=True) as one,
    ):
        await publish(database, *[bells[0]] * 3, *[bells[1]] * 2, bells[0])
        await followed._catch_up()

        assert (log.waiting, state.waiting, one.waiting) == (6, 2, 1)
        async with aclosing(state.entries()) as states, aclosing(one.entries()) as ones:
            # In the order of the log, however they came about: a cursor never goes back.
            assert await take(states, 2) == [5, 6]
            assert await take(ones, 1) == [6]
    assert (followed.counters.queued, followed.counters.coalesced) == (6 + 2 + 1, (1 + 3) + 3)


async def test_states_that_differ_in_what_they_say_are_handed_out_each(database: Database) -> None:
    """As prices of several channels: for whom the newest is of no interest, the one before is."""
    followed, bell = Hub(database), ids.new()
    twice = Interest(RINGING.topics, frozenset([bell]), (("times", 2),))
    with followed.listening(twice, coalesce=True) as listener:
        for times in (2, 2, 1):
            await ring(database, bell, times)
        await publish(database)
        await followed._catch_up()

        async with aclosing(listener.entries()) as entries:
            assert await take(entries, 1) == [2]
    assert (followed.counters.queued, followed.counters.coalesced) == (1, 1)


async def test_many_followers_of_a_state_leave_others_their_turn(database: Database) -> None:
    followed, bell = Hub(database), ids.new()
    interest = Interest(RINGING.topics, frozenset([bell]))
    with ExitStack() as exits:
        listeners = [exits.enter_context(followed.listening(interest, coalesce=True)) for _ in range(10 * hub.AT_ONCE)]
        await publish(database, bell)
        catching_up = asyncio.create_task(followed._catch_up())
        shares = set()
        while not catching_up.done():
            shares.add(sum(listener.waiting for listener in listeners))
            await asyncio.sleep(0)
        await catching_up

        assert all(listener.waiting == 1 for listener in listeners)
    assert shares >= {hub.AT_ONCE * nth for nth in range(1, 10)}


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
    followed.close()
    with followed.listening(RINGING, coalesce=False) as listener:
        assert [entry async for entry in listener.entries()] == []
    assert followed._listeners == {}
