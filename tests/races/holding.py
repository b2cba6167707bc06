"""How is a server process made to stop, or to fail, in the middle of what it does? By triggers in its database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from sqlalchemy import text

from headless.platform.db import Database

ENDLESS = "CREATE VIEW endless AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
LOCK = 4711
SURE = 30
"""How often in a row a SQLite file must be found locked: other writers hold it for a moment only."""


@asynccontextmanager
async def trigger(database: Database, event: str, *, sqlite: str, postgres: str) -> AsyncIterator[None]:
    """Have the database do something before an event such as `INSERT ON orders`."""
    if database.is_sqlite:
        made = [f"CREATE TRIGGER trap BEFORE {event} BEGIN {sqlite}; END"]
        gone = ["DROP TRIGGER trap"]
    else:
        body = f"BEGIN {postgres}; RETURN NEW; END"
        made = [
            f"CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER trap BEFORE {event} FOR EACH ROW EXECUTE FUNCTION trap()",
        ]
        gone = ["DROP FUNCTION trap CASCADE"]
    await _run(database, made)
    try:
        yield
    finally:
        await _run(database, gone)


@asynccontextmanager
async def failing(database: Database, event: str) -> AsyncIterator[None]:
    """Let every write of this kind fail in a way that nobody foresaw."""
    async with trigger(database, event, sqlite="SELECT RAISE(ABORT, 'trapped')", postgres="RAISE EXCEPTION 'trapped'"):
        yield


@asynccontextmanager
async def stuck(database: Database, event: str) -> AsyncIterator["Stuck"]:
    """Let whoever writes this stand still inside his transaction, until the block ends or he is killed."""
    if database.is_sqlite:
        await _run(database, [ENDLESS])
        async with trigger(database, event, sqlite="SELECT sum(x) FROM endless", postgres=""):
            yield Stuck(database)
        await _run(database, ["DROP VIEW endless"])
        return
    async with (
        trigger(database, event, sqlite="", postgres=f"PERFORM pg_advisory_xact_lock({LOCK})"),
        database.engine.connect() as holder,
    ):
        await holder.execute(text(f"SELECT pg_advisory_lock({LOCK})"))
        try:
            yield Stuck(database)
        finally:
            await holder.execute(text(f"SELECT pg_advisory_unlock({LOCK})"))


class Stuck:
    """Tells when somebody stands still."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reached(self) -> None:
        """Wait until somebody does."""
        found = 0
        while found < (SURE if self._database.is_sqlite else 1):
            await asyncio.sleep(0.01)
            is_there = self._is_locked() if self._database.is_sqlite else await self._is_awaited()
            found = found + 1 if is_there else 0

    def _is_locked(self) -> bool:
        with closing(sqlite3.connect(self._database.url.database or "", timeout=0, isolation_level=None)) as own:
            try:
                own.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            own.execute("ROLLBACK")
            return False

    async def _is_awaited(self) -> bool:
        waiting = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        async with self._database.reading() as session:
            return bool(await session.scalar(waiting))


async def _run(database: Database, statements: list[str]) -> None:
    async with database.transaction(patience=10) as session:
        for statement in statements:
            await session.execute(text(statement))
