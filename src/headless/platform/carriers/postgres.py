"""How do processes on one PostgreSQL hear of each other? By LISTEN and NOTIFY, on one connection of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, func, pool, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from headless.platform.carriers.backoff import again_and_again
from headless.platform.db import WAIT_SECONDS, Session

CHANNEL = "headless_log"
LOST = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
CHECK_SECONDS = 10.0
"""How often the silent connection is asked whether it is still there."""


class PostgresChannel:
    """NOTIFY takes a database-wide lock at commit: only the numbering transaction does it, once for many facts."""

    def __init__(self, url: URL) -> None:
        self._url = url

    async def announce(self, session: Session, position: int) -> None:
        await session.execute(select(func.pg_notify(CHANNEL, str(position))))

    def tell(self, position: int) -> None: ...

    async def speak(self) -> None: ...

    async def listen(self, heard: Callable[[int | None], None]) -> None:
        """Hear notifications until cancelled."""

        async def hold(connected: Callable[[], None]) -> None:
            engine = create_async_engine(
                self._url,
                poolclass=pool.NullPool,
                isolation_level="AUTOCOMMIT",
                connect_args={"timeout": WAIT_SECONDS, "server_settings": {"application_name": "headless live"}},
            )
            async with engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.add_listener(CHANNEL, lambda *said: heard(_position(said[-1])))
                connected()
                # What was told before the connection was made is in the log.
                heard(None)
                await _until_lost(driver)

        await again_and_again("postgres", hold, LOST)


async def _until_lost(driver: Any) -> None:
    """Wait for the connection's end, asking now and then: one whose other side vanished says nothing."""
    ended = asyncio.Event()
    driver.add_termination_listener(lambda _connection: ended.set())
    while True:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await ended.wait()
        except TimeoutError:
            await driver.execute("SELECT 1", timeout=CHECK_SECONDS)
        else:
            message = "the server closed the connection"
            raise ConnectionError(message)


def _position(payload: str) -> int | None:
    return int(payload) if payload.isdecimal() else None
