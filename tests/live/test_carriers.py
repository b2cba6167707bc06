"""Do processes hear of each other at once, and again after the connection was lost?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from headless.platform import carriers, outbox
from headless.platform.carriers import Carrier, backoff
from headless.platform.carriers.postgres import PostgresChannel
from headless.platform.carriers.redis import RedisChannel
from headless.platform.carriers.sqlite import SqliteFile
from headless.platform.db import Database
from tests.live.bells import ring
from tests.plugin_servers import needs_own_redis, needs_redis

PATIENCE = 20


class Ear:
    """Remembers what was heard."""

    def __init__(self) -> None:
        self.heard: list[int | None] = []
        self._news = asyncio.Event()

    def __call__(self, position: int | None) -> None:
        self.heard.append(position)
        self._news.set()

    async def until(self, is_enough: Callable[[list[int | None]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_enough(self.heard):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def listening(carrier: Carrier) -> AsyncIterator[Ear]:
    """Listen, from the moment on at which the carrier is connected."""
    ear = Ear()
    tasks = [asyncio.create_task(carrier.listen(ear)), asyncio.create_task(carrier.speak())]
    try:
        await ear.until(lambda heard: len(heard) > 0)
        yield ear
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def number(database: Database, carrier: Carrier) -> int:
    """Record a fact and number it as a process does; answer its position."""
    await ring(database)
    async with database.transaction() as session:
        given = await outbox.number(session)
        await carrier.announce(session, given[-1])
    carrier.tell(given[-1])
    return given[-1]


async def announce_and_fail(database: Database, carrier: Carrier) -> None:
    async with database.transaction() as session:
        await carrier.announce(session, 99)
        raise ZeroDivisionError


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "LONGEST_SECONDS", 0.05)


async def test_database_itself_tells_another_process_of_its_facts(database: Database) -> None:
    mine, theirs = carriers.carrier_of(database, ""), carriers.carrier_of(Database(database.url), "")
    assert isinstance(mine, SqliteFile if database.is_sqlite else PostgresChannel)

    async with listening(theirs) as ear:
        for expected in (1, 2):
            assert await number(database, mine) == expected
            await ear.until(lambda heard: heard[-1] == expected)  # noqa: B023 - awaited in the same round


async def test_redis_tells_another_process_of_its_facts(database: Database) -> None:
    url = needs_redis()
    mine, theirs = carriers.carrier_of(database, url), carriers.carrier_of(database, url)
    assert isinstance(mine, RedisChannel)

    async with listening(theirs) as ear, listening(mine) as own:
        for expected in (1, 2):
            assert await number(database, mine) == expected
            await ear.until(lambda heard: heard[-1] == expected)  # noqa: B023 - awaited in the same round
        await own.until(lambda heard: heard[-1] == expected)


async def test_shops_on_one_redis_do_not_wake_each_other() -> None:
    url = needs_redis()
    mine, other = RedisChannel(url, shop="mine"), RedisChannel(url, shop="other")

    async with listening(mine) as ear, listening(other) as others:
        mine.tell(5)
        await ear.until(lambda heard: heard[-1] == 5)
        other.tell(7)
        await others.until(lambda heard: heard[-1] == 7)

    assert ear.heard == [None, 5]
    assert others.heard == [None, 7]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_nobody_on_postgres_is_told_of_a_numbering_that_was_rolled_back(database: Database) -> None:
    carrier = PostgresChannel(database.url)

    async with listening(carrier) as ear:
        with pytest.raises(ZeroDivisionError):
            await announce_and_fail(database, carrier)
        await number(database, carrier)
        await ear.until(lambda heard: heard[-1] == 1)

    assert ear.heard == [None, 1]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_postgres_is_heard_again_after_it_cut_the_connection(database: Database) -> None:
    carrier = PostgresChannel(database.url)
    cut = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'headless live' AND datname = current_database()"
    )

    async with listening(carrier) as ear:
        for _ in range(3):
            before = len(ear.heard)
            async with database.transaction() as session:
                assert len((await session.execute(cut)).all()) == 1
            # Once more connected, it says that something may have been missed.
            await ear.until(lambda heard: heard[before:] == [None])  # noqa: B023 - awaited in the same round
            last = await number(database, carrier)
            await ear.until(lambda heard: heard[-1] == last)  # noqa: B023 - likewise


async def test_redis_is_heard_again_after_it_died_and_what_was_told_meanwhile_is_told_then() -> None:
    with needs_own_redis() as server:
        carrier = RedisChannel(server.url, shop="mine")
        async with listening(carrier) as ear:
            carrier.tell(1)
            await ear.until(lambda heard: heard[-1] == 1)
            server.crash()
            for position in (2, 3):
                carrier.tell(position)
                await asyncio.sleep(0.1)
            assert ear.heard == [None, 1]
            server.start()
            await ear.until(lambda heard: None in heard[2:])
            carrier.tell(4)
            await ear.until(lambda heard: heard[-1] == 4)


async def test_redis_that_is_flushed_or_throws_its_clients_out_is_heard_again() -> None:
    with needs_own_redis() as server:
        carrier = RedisChannel(server.url, shop="mine")
        async with Redis.from_url(server.url) as admin, listening(carrier) as ear:
            await admin.flushall()
            carrier.tell(1)
            await ear.until(lambda heard: heard[-1] == 1)
            await admin.client_kill_filter(_type="pubsub")
            await ear.until(lambda heard: heard[2:] == [None])
            carrier.tell(2)
            await ear.until(lambda heard: heard[-1] == 2)


async def test_redis_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its machine vanishes: the connection stands, and nothing comes any more."""
    monkeypatch.setattr("headless.platform.carriers.redis.CHECK_SECONDS", 0.1)
    with needs_own_redis() as server:
        carrier = RedisChannel(server.url, shop="mine")
        async with Redis.from_url(server.url) as admin, listening(carrier) as ear:
            await admin.client_pause(1500)
            await ear.until(lambda heard: heard[1:] == [None])
            carrier.tell(2)
            await ear.until(lambda heard: heard[-1] == 2)


async def test_redis_that_was_never_there_stops_nobody(database: Database) -> None:
    carrier = carriers.carrier_of(database, "redis://127.0.0.1:1/0")
    ear = Ear()
    tasks = [asyncio.create_task(carrier.listen(ear)), asyncio.create_task(carrier.speak())]

    for expected in (1, 2, 3):
        assert await number(database, carrier) == expected
        await asyncio.sleep(0.05)

    assert ear.heard == []
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_sqlite_file_is_left_alone_by_who_only_looks(database: Database) -> None:
    """Commits that number nothing tell the same position again: the hub isn't woken."""
    carrier = SqliteFile(database.url)

    async with listening(carrier) as ear:
        await ring(database)
        await ear.until(lambda heard: len(heard) == 2)
        last = await number(database, carrier)
        await ear.until(lambda heard: heard[-1] == last)

    assert ear.heard[:2] == [0, 0]
