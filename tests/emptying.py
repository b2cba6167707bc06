"""How does a used database on PostgreSQL become as new? Copying one takes longer than most tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import URL, pool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

MOST_ROWS = 100
"""Of what a new database holds; one with more is copied anew for every test."""
MOST_DELETED = 20_000
"""Rows whose room isn't worth being taken up in later tests."""
SHAPE = """
    WITH ours AS (SELECT oid, relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT concat_ws(' ', relname, relkind) AS part FROM ours
        UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull)
            FROM pg_attribute WHERE attrelid IN (SELECT oid FROM ours) AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat_ws(' ', proname, prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT extname FROM pg_extension
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg_%'
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
    ) AS parts
"""
TABLES = "SELECT quote_ident(relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
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
    FROM jsonb_to_recordset(CAST(:sequences AS jsonb)) AS new (name text, value bigint, is_used boolean)
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a new database is made of, and the few rows that it holds, as JSON by table."""

    shape: str
    tables: tuple[str, ...]
    rows: dict[str, str]
    sequences: str


async def look(url: URL) -> Contents | None:
    """Remember a new database; None for one that holds too much to be filled again."""
    async with _connected(url) as connection:
        shape = str(await connection.scalar(text(SHAPE)))
        tables = tuple((await connection.scalars(text(TABLES))).all())
        filled = await _filled(connection, tables)
        rows = {}
        for table in filled:
            number = await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a name it told
            if number > MOST_ROWS:
                return None
            rows[table] = str(await connection.scalar(text(f"SELECT CAST(jsonb_agg(r) AS text) FROM {table} AS r")))  # noqa: S608
        return Contents(shape, tables, rows, str(await connection.scalar(text(SEQUENCES))))


async def empty(url: URL, new: Contents) -> bool:
    """Make a used database as new, without whoever is still connected; False when it is better thrown away."""
    try:
        async with _connected(url) as connection:
            await connection.execute(text(SEND_AWAY))
            if await connection.scalar(text(SHAPE)) != new.shape:
                return False
            await connection.execute(text(REWIND), {"sequences": new.sequences})
            # Neither keys nor triggers, so in any order. TRUNCATE would make all files of all tables anew.
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            deleted = 0
            for table in await _filled(connection, new.tables):
                deleted += (await connection.execute(text(f"DELETE FROM {table}"))).rowcount  # noqa: S608 - a name it told
            if deleted > MOST_DELETED:
                return False
            for table, rows in new.rows.items():
                put = f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, CAST(:rows AS jsonb))"  # noqa: S608
                await connection.execute(text(put), {"rows": rows})
            await connection.commit()
    except (SQLAlchemyError, OSError):
        return False
    return True


async def _filled(connection: AsyncConnection, tables: tuple[str, ...]) -> list[str]:
    asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)  # noqa: S608
    return list((await connection.scalars(text(asked))).all())


@asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
