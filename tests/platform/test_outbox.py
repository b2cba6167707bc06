"""Does every committed fact get its place in one gap-free order?"""

import asyncio
import dataclasses
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import func, select

from headless.platform import ids, outbox
from headless.platform.db import Database
from headless.platform.outbox import Fact, Numberer
from tests.builders import persistently, recording


@dataclasses.dataclass(frozen=True, slots=True)
class Rang(Fact):
    topic: ClassVar[str] = "bell.rang"

    bell_id: UUID
    times: int = 1

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
        return await outbox.number(session, limit=limit)


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
    told = asyncio.Event()
    numberer = asyncio.create_task(Numberer(database, tell=told.set).run())

    await ring(database, Rang(ids.new()), Rang(ids.new()))
    await told.wait()

    assert await positions(database) == [1, 2]
    numberer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await numberer
