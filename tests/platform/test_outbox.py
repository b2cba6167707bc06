"""Does every committed fact get its place in one gap-free order?"""

import asyncio
import dataclasses
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import func, select

from headless.platform import clock, ids, outbox
from headless.platform.db import Database, Session
from headless.platform.errors import ResyncRequired, Unavailable
from headless.platform.outbox import Fact, Interest, Numberer
from tests.builders import persistently, recording


@dataclasses.dataclass(frozen=True, slots=True)
class Rang(Fact):
    topic: ClassVar[str] = "bell.rang"

    bell_id: UUID
    times: int = 1

    @property
    def key(self) -> UUID:
        return self.bell_id


@dataclasses.dataclass(frozen=True, slots=True)
class Whistled(Fact):
    topic: ClassVar[str] = "bell.whistled"

    bell_id: UUID

    @property
    def key(self) -> UUID:
        return self.bell_id


async def ring(database: Database, *facts: Fact) -> None:
    async with database.transaction() as session:
        outbox.record(session, *facts)


async def ring_and_fail(database: Database, *facts: Fact) -> None:
    async with database.transaction() as session:
        outbox.record(session, *facts)
        raise ZeroDivisionError


async def number(database: Database, *, limit: int = outbox.BATCH) -> int:
    async with database.transaction() as session:
        return len(await outbox.number(session, limit=limit))


async def positions(database: Database) -> list[int]:
    async with database.reading() as session:
        return [entry.position for entry in await outbox.read_after(session, 0, limit=10_000)]


async def test_fact_is_readable_once_it_is_numbered(database: Database) -> None:
    bell = ids.new()
    await ring(database, Rang(bell, 3))
    assert await positions(database) == []

    assert await number(database) == 1

    async with database.reading() as session:
        (entry,) = await outbox.read_after(session, 0)
        assert await outbox.position(session) == 1
    assert (entry.position, entry.topic, entry.key) == (1, "bell.rang", bell)
    assert entry.payload == {"bell_id": str(bell), "times": 3}
    assert entry.occurred_at.tzinfo is not None


async def test_rolled_back_facts_leave_no_gap(database: Database) -> None:
    bell = ids.new()
    await ring(database, Rang(bell, 1))
    with pytest.raises(ZeroDivisionError):
        await ring_and_fail(database, Rang(bell, 2))
    await ring(database, Rang(bell, 3))

    await number(database)

    async with database.reading() as session:
        entries = await outbox.read_after(session, 0)
    assert [(entry.position, entry.payload["times"]) for entry in entries] == [(1, 1), (2, 3)]


async def test_same_fact_twice_in_a_transaction_is_recorded_once(database: Database) -> None:
    bell = ids.new()

    async with recording(database) as facts, database.transaction() as session:
        outbox.record(session, Rang(bell), Rang(ids.new()))
        outbox.record(session, Rang(bell))
        outbox.record(session)

    assert len(facts.found) == 2
    assert facts.found[0] == ("bell.rang", {"bell_id": str(bell), "times": 1})


async def test_transaction_without_facts_wakes_nobody(database: Database) -> None:
    woken: list[int] = []
    database.facts_committed.append(lambda: woken.append(1))

    async with database.transaction() as session:
        outbox.record(session)
        await session.execute(select(1))
    assert woken == []
    await ring(database, Rang(ids.new()))

    assert woken == [1]


async def test_positions_are_given_in_batches_and_only_once(database: Database) -> None:
    for times in range(5):
        await ring(database, Rang(ids.new(), times))

    counts = [await number(database, limit=2) for _ in range(4)]

    assert counts == [2, 2, 1, 0]
    assert await positions(database) == [1, 2, 3, 4, 5]
    async with database.reading() as session:
        after_two = await outbox.read_after(session, 2, limit=2)
    assert [entry.position for entry in after_two] == [3, 4]


async def test_numbering_among_concurrent_writers_leaves_no_gap_and_no_reader_misses_any(database: Database) -> None:
    second = Database(database.url)
    bells = [ids.new() for _ in range(4)]
    is_writing = True
    seen: list[int] = []

    async def write(nth: int) -> None:
        pool = (database, second)[nth % 2]
        await persistently(ring, pool, Rang(bells[nth % 4], 2 * nth), Rang(bells[nth % 4], 2 * nth + 1))

    async def keep_numbering(pool: Database) -> None:
        while is_writing:
            await persistently(number, pool, limit=7)
            await asyncio.sleep(0.002)

    async def follow() -> None:
        while is_writing:
            async with database.reading() as session:
                fresh = await outbox.read_after(session, seen[-1] if seen else 0)
            seen.extend(entry.position for entry in fresh)
            await asyncio.sleep(0.001)

    others = [asyncio.create_task(job) for job in (keep_numbering(database), keep_numbering(second), follow())]
    await asyncio.gather(*(write(nth) for nth in range(40)))
    is_writing = False
    await asyncio.gather(*others)
    while await number(database):
        pass
    await second.close()

    assert await positions(database) == list(range(1, 81))
    assert seen == list(range(1, len(seen) + 1))
    async with database.reading() as session:
        entries = await outbox.read_after(session, 0)
        assert await session.scalar(select(func.count()).select_from(outbox.facts)) == 80
    assert sorted(entry.payload["times"] for entry in entries) == list(range(80))


async def test_numberer_numbers_what_is_committed_and_tells(database: Database) -> None:
    told: asyncio.Queue[int] = asyncio.Queue()
    numberer = asyncio.create_task(Numberer(database, tell=told.put_nowait).run())

    await ring(database, Rang(ids.new()), Rang(ids.new()))

    assert await told.get() == 2
    assert await positions(database) == [1, 2]
    numberer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await numberer


async def test_numberer_of_a_process_that_ends_numbers_what_was_committed_in_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    await ring(database, Rang(ids.new()))
    numberer = Numberer(database)

    await numberer.finish()
    assert await positions(database) == []
    await ring(database, *(Rang(ids.new()) for _ in range(4)))
    await numberer.finish()
    assert await positions(database) == [1, 2, 3, 4, 5]


async def test_numberer_that_gets_no_turn_at_the_end_leaves_it_to_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def be_busy(_session: Session) -> range:
        raise Unavailable

    numberer = Numberer(database)
    await ring(database, Rang(ids.new()))
    monkeypatch.setattr(outbox, "number", be_busy)

    await numberer.finish()

    assert await positions(database) == []


async def forget(database: Database, *, before: datetime, most: int, limit: int = outbox.BATCH) -> int:
    async with database.transaction() as session:
        return await outbox.forget(session, before=before, most=most, limit=limit)


async def horizon(database: Database) -> int:
    async with database.reading() as session:
        return await outbox.horizon(session)


async def ring_at(database: Database, moment: datetime, count: int) -> None:
    with time_machine.travel(moment, tick=False):
        await ring(database, *(Rang(ids.new(), times) for times in range(count)))
    await number(database)


async def test_old_facts_are_forgotten_from_the_oldest_on(database: Database) -> None:
    start = clock.now()
    assert await horizon(database) == 0
    for day in range(3):
        await ring_at(database, start + timedelta(days=day), 2)

    assert await forget(database, before=start + timedelta(days=1), most=100) == 2

    assert await positions(database) == [3, 4, 5, 6]
    assert await horizon(database) == 2


async def test_surplus_facts_are_forgotten_however_young(database: Database) -> None:
    await ring_at(database, clock.now(), 10)

    assert await forget(database, before=clock.now() - timedelta(days=1), most=4) == 6
    assert await forget(database, before=clock.now() - timedelta(days=1), most=4) == 0

    assert await positions(database) == [7, 8, 9, 10]
    assert await horizon(database) == 6


async def test_old_fact_behind_a_young_one_is_kept_so_that_no_gap_comes_about(database: Database) -> None:
    now = clock.now()
    for moment in (now, now - timedelta(days=9), now):
        await ring_at(database, moment, 1)

    assert await forget(database, before=now - timedelta(days=1), most=100) == 0
    assert await positions(database) == [1, 2, 3]


async def test_facts_are_forgotten_a_batch_at_a_time_but_never_before_they_are_numbered(database: Database) -> None:
    past, now = clock.now() - timedelta(days=9), clock.now()
    await ring_at(database, past, 5)
    with time_machine.travel(past, tick=False):
        await ring(database, Rang(ids.new(), 99))

    counts = [await forget(database, before=now, most=100, limit=2) for _ in range(4)]

    assert counts == [2, 2, 1, 0]
    assert await horizon(database) == 5
    assert await number(database) == 1
    assert await positions(database) == [6]
    assert await horizon(database) == 5


async def test_nothing_is_read_across_what_is_forgotten(database: Database) -> None:
    await ring_at(database, clock.now(), 6)
    await forget(database, before=clock.now() - timedelta(days=1), most=3)
    every = Interest(frozenset({Rang.topic}))

    async with database.reading() as session:
        for after in (0, 1, 2):
            with pytest.raises(ResyncRequired):
                await outbox.read_between(session, after, 6, every)
        found = await outbox.read_between(session, 3, 5, every)

    assert [entry.position for entry in found] == [4, 5]


async def test_only_facts_of_interest_are_read(database: Database) -> None:
    bell, other = ids.new(), ids.new()
    await ring(database, Rang(bell, 1), Rang(other, 2), Rang(bell, 3), Whistled(bell))
    await number(database)
    rang = frozenset({Rang.topic})

    async def read(interest: Interest) -> list[int]:
        async with database.reading() as session:
            return [entry.position for entry in await outbox.read_between(session, 0, 4, interest)]

    assert await read(Interest(rang)) == [1, 2, 3]
    assert await read(Interest(rang, frozenset({bell}))) == [1, 3]
    assert await read(Interest(rang, frozenset({bell}), (("times", 3),))) == [3]
    assert await read(Interest(frozenset({Rang.topic, Whistled.topic}), frozenset({bell}))) == [1, 3, 4]
    assert await read(Interest(frozenset())) == []


async def test_facts_that_a_dead_process_left_behind_are_numbered_by_whoever_lives(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "POLL_SECONDS", 0.05)
    dead = Database(database.url)
    await ring(dead, Rang(ids.new()))
    await dead.close()
    told: asyncio.Queue[int] = asyncio.Queue()

    numberer = asyncio.create_task(Numberer(database, tell=told.put_nowait).run())

    assert await told.get() == 1
    numberer.cancel()
    await asyncio.gather(numberer, return_exceptions=True)


async def test_what_is_announced_is_announced_inside_the_numbering(database: Database) -> None:
    heard: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def announce(session: Session, position: int) -> None:
        assert await outbox.position(session) == position
        assert await positions(database) == []
        heard.put_nowait(("inside", position))

    numberer = Numberer(database, tell=lambda position: heard.put_nowait(("after", position)), announce=announce)
    task = asyncio.create_task(numberer.run())
    await ring(database, Rang(ids.new()), Rang(ids.new()))

    assert [await heard.get(), await heard.get()] == [("inside", 2), ("after", 2)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
