"""Is the database at the migrations of this code, and how does it get there?"""

from __future__ import annotations

from enum import Enum, auto
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, pool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

LOCK = 0x6865_6164_6C65_7373
"""The key under which PostgreSQL lets one process at a time migrate."""
WAIT_SECONDS = 60
"""How long a second migration waits for the first."""
CONNECT_SECONDS = 5


class State(Enum):
    """Where a database stands, seen from this code."""

    EMPTY = auto()
    BEHIND = auto()
    CURRENT = auto()
    NEWER = auto()


async def state(url: URL) -> State:
    """Compare a database with the migrations of this code, without changing or creating it."""
    if _is_missing_file(url):
        return State.EMPTY
    engine = _engine(url)
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(_heads)
    finally:
        await engine.dispose()
    script = ScriptDirectory.from_config(_config())
    if not found:
        return State.EMPTY
    if not found <= {revision.revision for revision in script.walk_revisions()}:
        return State.NEWER
    return State.CURRENT if found == set(script.get_heads()) else State.BEHIND


async def upgrade(url: URL) -> None:
    """Run the missing migrations in one transaction; a second process waits and then finds nothing to do."""
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _is_missing_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and bool(url.database) and not Path(str(url.database)).exists()


def _engine(url: URL) -> AsyncEngine:
    options: dict[str, Any] = {"timeout": WAIT_SECONDS if url.get_backend_name() == "sqlite" else CONNECT_SECONDS}
    return create_async_engine(url, poolclass=pool.NullPool, connect_args=options)


def _prepare_sqlite(engine: AsyncEngine) -> None:
    # The driver would commit each CREATE TABLE by itself and leave half a schema behind after a crash.
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA foreign_keys = OFF")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _heads(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _upgrade(connection: Connection) -> None:
    is_postgres = connection.dialect.name == "postgresql"
    if is_postgres:
        connection.exec_driver_sql(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        connection.commit()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _folder() -> Path:
    """Find the migrations: inside an installed package, else beside the sources."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"
