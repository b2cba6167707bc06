"""How do we read from and write to the database, so that SQLite and PostgreSQL behave alike?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

import orjson
from sqlalchemy import URL, Connection, Row, Table, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from headless.platform.errors import Conflict, Unavailable

Session = AsyncSession
Record = Row[*tuple[Any, ...]]
"""A row of whatever columns were asked for."""

WAIT_SECONDS = 2.0
"""How long an operation waits for a connection or for SQLite's one writer before it is refused."""
RETRIABLE = {"40001", "40P01", "23503"}
"""PostgreSQL: serialization failure, deadlock, and what a row refers to was deleted just now."""
BUSY = {"55P03", "57014", "57P01", "57P02", "57P03", "53300", "08006", "08001", "08003", "25P03"}
"""PostgreSQL: lock or statement timeout, shutdown, too many connections, connection lost."""


class SerializationFailure(Conflict):
    """The database chose this transaction as the victim of a race; running it again may succeed."""

    code = Conflict.code


@dataclass(slots=True)
class Tally:
    """What one operation asked of the database."""

    statements: int = 0
    seconds: float = 0.0
    texts: list[str] = field(default_factory=list)


tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


class Database:
    """The engine, its write transactions and its read sessions."""

    def __init__(self, url: URL | str, *, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.facts_committed: list[Callable[[], None]] = []
        self._writer = asyncio.Lock()
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": WAIT_SECONDS}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": 10}
        else:
            options["connect_args"] = {
                "timeout": WAIT_SECONDS,
                "server_settings": {
                    "statement_timeout": "15000",
                    "lock_timeout": "8000",
                    "idle_in_transaction_session_timeout": "30000",
                    # Compiling our longer statements, or having them helped with, takes longer than running them.
                    "jit": "off",
                    "max_parallel_workers_per_gather": "0",
                    "application_name": "headless",
                },
            }
        self.engine = create_async_engine(
            self.url,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=_loaded,
            hide_parameters=True,  # errors are logged, and parameters hold people's names and addresses
            **options,
        )
        self._closing: set[asyncio.Future[None]] = set()
        # PostgreSQL would show each statement another state: a checkout before it, its order after it was completed.
        self._looking = (
            self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._writing = self.engine.execution_options(headless_write=True)
        if self.is_sqlite:
            _prepare_sqlite(self.engine)
        _count_statements(self.engine)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """Open a session for reads; it sees one state of the database, whatever is committed meanwhile."""
        async with self._session(self._looking) as session:
            with translated():
                # Now, not at the first read: an operation keeps the session open, and its reads are not in this block.
                await session.connection()
                yield session

    @asynccontextmanager
    async def transaction(self, *, patience: float | None = None) -> AsyncIterator[Session]:
        """Run a write transaction: commit at the end, roll back on any exception.

        `patience` is how many seconds it may queue for a connection and behind SQLite's other writers, for what must
        be written even when the server is so busy that others are sent away.

        Raises `Unavailable` when no connection or no turn to write comes in time, `SerializationFailure` when
        the database gave up on this transaction and running it again makes sense.
        """
        async with (
            self._turn_to_write(WAIT_SECONDS if patience is None else patience),
            self._session(self._writing) as session,
        ):
            with translated():
                if patience is not None:
                    await _connect(session, patience)
                yield session
                for write in session.info.get("before_commit", ()):
                    await write(session)
                await session.commit()
        if session.info.get("facts"):
            for tell in self.facts_committed:
                tell()

    @asynccontextmanager
    async def _turn_to_write(self, patience: float) -> AsyncIterator[None]:
        # SQLite's busy timeout is unfair: writers of this process queue here in order of arrival.
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(patience):
                await self._writer.acquire()
        except TimeoutError:
            raise Unavailable from None
        try:
            yield
        finally:
            self._writer.release()

    async def close(self) -> None:
        """Close all connections; those that are just being given back first come home."""
        if self._closing:
            await asyncio.wait(self._closing)
        await self.engine.dispose()

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine) -> AsyncIterator[Session]:
        session = AsyncSession(engine, expire_on_commit=False, autoflush=False)
        try:
            yield session
        finally:
            closing = asyncio.ensure_future(session.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            # Nothing is left to be saved: that a lost connection can't be rolled back is no news.
            with suppress(DBAPIError):
                await asyncio.shield(closing)


def _loaded(value: str | float) -> Any:
    """Read JSON; SQLite keeps one that is a bare number as a number."""
    return value if isinstance(value, int | float) else orjson.loads(value)


async def _connect(session: Session, patience: float) -> None:
    """Have a connection, although the pool gives up sooner than `patience` ends."""
    until = monotonic() + patience
    while True:
        try:
            await session.connection()
        except PoolTimeout:
            if monotonic() >= until:
                raise
        else:
            return


def before_commit(session: Session, write: Callable[[Session], Awaitable[None]]) -> None:
    """Have something written at the end of a transaction, after what was asked for before."""
    session.info.setdefault("before_commit", []).append(write)


@asynccontextmanager
async def savepoint(session: Session) -> AsyncIterator[None]:
    """Undo what the block did when it raises, and only that; what it wanted written at the end is forgotten, too."""
    kept = {name: _copied(value) for name, value in session.info.items()}
    try:
        async with session.begin_nested():
            yield
    except BaseException:
        session.info.clear()
        session.info.update(kept)
        raise


def _copied(waiting: Any) -> Any:
    if isinstance(waiting, dict):
        return {key: _copied(value) for key, value in waiting.items()}
    return type(waiting)(waiting) if isinstance(waiting, list | set) else waiting


def insert_into(session: Session, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the session's dialect."""
    dialect = session.get_bind().dialect.name
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


class translated:  # noqa: N801 - reads as a clause of `with`
    """Turn the driver's reports of overload and races into our faults."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # The last: this session's connection was lost at an earlier read of the operation.
        if isinstance(error, PoolTimeout | ConnectionError | TimeoutError | PendingRollbackError):
            raise Unavailable from error
        if not isinstance(error, DBAPIError):
            return
        state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
        if state in RETRIABLE:
            raise SerializationFailure from error
        busy = "database is locked" in str(error.orig) or "another operation is in progress" in str(error.orig)
        if state in BUSY or busy or error.connection_invalidated or (isinstance(error, InterfaceError) and not state):
            raise Unavailable from error
        if isinstance(error, OperationalError) and state is None and "unable to open" in str(error.orig):
            raise Unavailable from error


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        # The driver's own transaction control loses writes under concurrency: BEGIN is emitted below instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("headless_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _count_statements(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def before(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        count = tally.get()
        if count is not None and not statement.startswith("BEGIN"):
            count.statements += 1
            count.texts.append(statement)
            connection.info["headless_started"] = perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def after(connection: Connection, *_rest: object) -> None:
        count = tally.get()
        started = connection.info.pop("headless_started", None)
        if count is not None and started is not None:
            count.seconds += perf_counter() - started
