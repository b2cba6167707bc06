"""Do transactions commit, roll back and queue alike on both databases?"""

import asyncio

import pytest
from sqlalchemy import select, text, update

from headless.platform import db
from headless.platform.db import Database, Tally
from headless.platform.errors import Unavailable
from headless.platform.outbox import log_heads
from headless.settings import Settings
from tests.plugin_servers import needs_postgres


async def position(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(select(log_heads.c.position)) or 0)


async def test_migrated_database_has_its_log_head(database: Database) -> None:
    async with database.reading() as session:
        assert [tuple(row) for row in await session.execute(select(log_heads))] == [(1, 0)]


async def test_postgres_runs_our_statements_without_compiling_them_and_in_one_process() -> None:
    database = Database(Settings(database_url=needs_postgres()).database)

    async with database.reading() as reading, database.transaction() as writing:
        assert [await session.scalar(text("SHOW jit")) for session in (reading, writing)] == ["off", "off"]
        assert await reading.scalar(text("SHOW max_parallel_workers_per_gather")) == "0"
    await database.close()


async def test_exception_rolls_everything_back(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            await session.execute(update(log_heads).values(position=5))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await position(database) == 0


async def test_additions_at_once_lose_none(database: Database) -> None:
    async def add() -> None:
        async with database.transaction() as session:
            await session.execute(update(log_heads).values(position=log_heads.c.position + 1))

    await asyncio.gather(*(add() for _ in range(50)))

    assert await position(database) == 50


async def test_reader_sees_nothing_of_what_is_not_committed(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(log_heads).values(position=7))
        assert await position(database) == 0

    assert await position(database) == 7


async def test_reader_sees_one_state_whatever_is_committed_meanwhile(database: Database) -> None:
    async with database.reading() as session:
        assert await session.scalar(select(log_heads.c.position)) == 0
        async with database.transaction() as writing:
            await writing.execute(update(log_heads).values(position=7))
        assert await session.scalar(select(log_heads.c.position)) == 0
    assert await position(database) == 7


async def test_postgres_reads_one_state_and_writes_on_the_newest_over_the_same_connections() -> None:
    database = Database(Settings(database_url=needs_postgres()).database, pool_size=1)
    levels = []
    for opened in (database.reading, database.transaction) * 2:
        async with opened() as session:
            levels.append(await session.scalar(text("SHOW transaction_isolation")))
    await database.close()

    assert levels == ["repeatable read", "read committed"] * 2


async def test_writer_that_gets_no_turn_is_refused_and_leaves_no_lock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Database(database.url, pool_size=1)
    small.engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    monkeypatch.setattr(db, "WAIT_SECONDS", 0.05)

    async with small.transaction() as first:
        await first.execute(update(log_heads).values(position=8))
        with pytest.raises(Unavailable):
            async with small.transaction() as second:
                await second.execute(update(log_heads).values(position=9))
    async with small.transaction() as session:
        await session.execute(update(log_heads).values(position=1))

    assert await position(small) == 1
    await small.close()


async def test_writer_with_patience_gets_his_connection_although_all_are_in_use_for_long(database: Database) -> None:
    small = Database(database.url, pool_size=1)
    small.engine.pool._timeout = 0.05  # type: ignore[attr-defined]

    async def write() -> None:
        async with small.transaction(patience=60) as session:
            await session.execute(update(log_heads).values(position=9))

    async with small.reading():
        patient = asyncio.create_task(write())
        for _ in range(3):
            with pytest.raises(Unavailable):
                async with small.reading():
                    pass
        assert not patient.done()
    await patient

    assert await position(small) == 9
    with pytest.raises(Unavailable):
        async with small.reading(), small.transaction(patience=0.1) as session:
            await session.execute(update(log_heads).values(position=1))
    assert await position(small) == 9
    await small.close()


async def test_cancelled_transaction_changes_nothing_and_gives_its_connection_back(database: Database) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        async with database.transaction() as session:
            await session.execute(update(log_heads).values(position=9))
            begun.set()
            await asyncio.Event().wait()

    for _ in range(12):
        begun.clear()
        task = asyncio.create_task(hang())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await position(database) == 0
    async with database.transaction() as session:
        await session.execute(update(log_heads).values(position=3))
    assert await position(database) == 3


async def test_statements_of_an_operation_are_counted(database: Database) -> None:
    counted = Tally()
    token = db.tally.set(counted)
    try:
        async with database.transaction() as session:
            await session.execute(select(log_heads))
            await session.execute(select(log_heads.c.id))
    finally:
        db.tally.reset(token)

    assert counted.statements == 2
    assert all(text.startswith("SELECT") for text in counted.texts)
