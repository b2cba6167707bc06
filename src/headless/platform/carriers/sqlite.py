"""How is another process's write to the same SQLite file noticed? By a counter in shared memory, asked often."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

from sqlalchemy import URL

from headless.platform.carriers.backoff import again_and_again
from headless.platform.db import Session

POLL_SECONDS = 0.02


class SqliteFile:
    """Carries nothing: the file itself tells. The look takes microseconds, so it is made on the event loop."""

    def __init__(self, url: URL) -> None:
        self._path = str(url.database)

    async def announce(self, session: Session, position: int) -> None: ...

    def tell(self, position: int) -> None: ...

    async def speak(self) -> None: ...

    async def listen(self, heard: Callable[[int | None], None]) -> None:
        """Look at the file's version until cancelled."""

        async def hold(connected: Callable[[], None]) -> None:
            with closing(sqlite3.connect(self._path, timeout=0, isolation_level=None)) as connection:
                connection.execute("PRAGMA query_only = ON")
                connected()
                await _watch(connection, heard)

        await again_and_again("sqlite", hold, (sqlite3.Error,))


async def _watch(connection: sqlite3.Connection, heard: Callable[[int | None], None]) -> None:
    seen = None
    while True:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != seen:
            seen = version
            # Only some commits number facts; the rest would wake the hub for nothing.
            heard(_position(connection))
        await asyncio.sleep(POLL_SECONDS)


def _position(connection: sqlite3.Connection) -> int | None:
    try:
        return int(connection.execute("SELECT position FROM log_head").fetchone()[0])
    except sqlite3.OperationalError:
        # Locked just now, and waiting would hold up everybody.
        return None
