"""How does a used database on PostgreSQL become as new? Copying one takes longer than most tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from asyncpg import InterfaceError, PostgresError
from sqlalchemy import URL

MOST_ROWS = 100
"""Of what a new database holds; one with more is copied anew for every test."""
MOST_DELETED = 20_000
"""Rows whose room isn't worth being taken up in later tests."""
SHAPE = """
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT concat_ws(' ', 'pg_class', oid, xmin, relkind) AS part FROM pg_class WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'pg_attribute', attrelid, attnum, xmin)
            FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0
        UNION ALL SELECT concat_ws(' ', 'pg_attrdef', oid, xmin) FROM pg_attrdef WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'pg_constraint', oid, xmin) FROM pg_constraint WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'pg_trigger', oid, xmin) FROM pg_trigger
        UNION ALL SELECT concat_ws(' ', 'pg_proc', oid, xmin) FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT concat_ws(' ', 'pg_extension', oid, xmin) FROM pg_extension
        UNION ALL SELECT concat_ws(' ', 'pg_namespace', oid, xmin) FROM pg_namespace WHERE nspname NOT LIKE 'pg_t%'
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
    ) AS parts
"""
"""Which rows of the catalog there are, and which transactions wrote them: whoever changes a table writes new ones."""
TABLES = "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
WITH_PAGES = TABLES + " AND pg_relation_size(oid) > 0"
INSIDE = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
PATIENCE = 1_000
"""Milliseconds until a closed connection must be gone."""
SEND_AWAY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
SEQUENCES = """
    SELECT CAST(coalesce(jsonb_agg(jsonb_build_object(
        'name', format('%I.%I', schemaname, sequencename),
        'value', coalesce(last_value, start_value), 'is_used', last_value IS NOT NULL
    )), '[]') AS text) FROM pg_sequences
"""
REWIND = """
    SELECT setval(CAST(name AS regclass), value, is_used)
    FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS new (name text, value bigint, is_used boolean)
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a new database is made of, and the few rows that it holds, as JSON by table."""

    shape: str
    tables: tuple[str, ...]
    rows: dict[str, str]
    sequences: str


class Server:
    """A PostgreSQL on which databases are made, emptied and removed, over one connection that stays open."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._connection: Any = None

    async def execute(self, statement: str) -> None:
        """Carry out what concerns whole databases; raises `PostgresError`."""
        if self._connection is None:
            self._connection = await self._connect()
        await self._connection.execute(statement)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def look(self, name: str) -> Contents | None:
        """Remember a new database; None for one that holds too much to be filled again."""
        async with self._inside(name) as connection:
            shape = await connection.fetchval(SHAPE)
            tables = tuple(row[0] for row in await connection.fetch(TABLES))
            rows = {}
            for table in await _filled(connection, tables):
                if await connection.fetchval(f"SELECT count(*) FROM {table}") > MOST_ROWS:  # noqa: S608 - a name it told
                    return None
                rows[table] = await connection.fetchval(f"SELECT CAST(jsonb_agg(r) AS text) FROM {table} AS r")  # noqa: S608
            return Contents(shape, tables, rows, await connection.fetchval(SEQUENCES))

    async def empty(self, name: str, new: Contents) -> bool:
        """Make a used database as new, without whoever is still connected; False when it is better thrown away."""
        try:
            async with self._inside(name) as connection, connection.transaction():
                await connection.execute(SEND_AWAY)
                if await connection.fetchval(SHAPE) != new.shape:
                    return False
                await connection.fetch(REWIND, new.sequences)
                # Neither keys nor triggers, so in any order. TRUNCATE would make all files of all tables anew.
                await connection.execute("SET LOCAL session_replication_role = replica")
                filled = await _filled(connection, new.tables)
                deleted = [await connection.execute(f"DELETE FROM {table}") for table in filled]  # noqa: S608 - a name it told
                if sum(int(said.removeprefix("DELETE ")) for said in deleted) > MOST_DELETED:
                    return False
                for table, rows in new.rows.items():
                    put = (
                        f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, CAST($1 AS jsonb))"  # noqa: S608
                    )
                    await connection.execute(put, rows)
            await self._until_nobody_is_inside(name)
        except (PostgresError, InterfaceError, OSError):
            return False
        return True

    async def _until_nobody_is_inside(self, name: str) -> None:
        """A connection that was closed is still there for a moment; renaming would wait for it a tenth of a second."""
        for _ in range(PATIENCE):
            if not await self._connection.fetchval(INSIDE, name):
                return
            await asyncio.sleep(0.001)

    @asynccontextmanager
    async def _inside(self, name: str) -> AsyncIterator[Any]:
        connection = await self._connect(database=name)
        try:
            yield connection
        finally:
            await connection.close()

    async def _connect(self, **other: Any) -> Any:
        _, given = self.url.get_dialect()().create_connect_args(self.url)
        return await asyncpg.connect(**{**given, **other})


async def _filled(connection: Any, tables: tuple[str, ...]) -> list[str]:
    """Which tables hold rows. A file without pages holds none, and is told quickly."""
    with_pages = [row[0] for row in await connection.fetch(WITH_PAGES)]
    asked = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})"  # noqa: S608 - a name it told
        for table in with_pages
        if table in tables
    )
    return [row[0] for row in await connection.fetch(asked)] if asked else []
