"""On which databases does a test run, and what is in the shop?

A database is migrated, and the small shop opened in another, once per worker of pytest-xdist; every test has a copy of
its own while it runs.
"""

import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from asyncpg import PostgresError  # type: ignore[import-untyped]
from sqlalchemy import URL, Connection, make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine

from headless.platform.db import Database
from headless.settings import DRIVERS
from tests import builders, compiling, emptying
from tests.builders import Shop
from tests.plugin_servers import needs_postgres

pytest_plugins = ["tests.plugin_servers"]

ROOT = Path(__file__).parent.parent


class Templates:
    """One migrated database of each kind, made when the first test asks, and copies of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sqlite: Path | None = None
        self._postgres: emptying.Server | None = None
        self._prefix = f"headless_test_{uuid4().hex[:12]}"
        self._numbers = count(1)
        self._new: emptying.Contents | None = None
        self._copies: set[str] = set()
        self._emptied: list[str] = []

    @asynccontextmanager
    async def sqlite(self) -> AsyncIterator[str]:
        """Copy the migrated file."""
        if self._sqlite is None:
            self._sqlite = self._folder / "template.db"
            await self.prepare(make_url(f"sqlite+aiosqlite:///{self._sqlite}"))
        copy = self._folder / f"{next(self._numbers)}.db"
        shutil.copyfile(self._sqlite, copy)
        try:
            yield f"sqlite+aiosqlite:///{copy}"
        finally:
            _remove(copy)

    @asynccontextmanager
    async def postgres(self, server: str) -> AsyncIterator[str]:
        """Let PostgreSQL copy the migrated database, or take a copy that was emptied again: that is much quicker."""
        if self._postgres is None:
            given = make_url(server)
            admin = given.set(drivername=DRIVERS.get(given.drivername, given.drivername))
            self._postgres = emptying.Server(admin)
            await self._postgres.execute(f"CREATE DATABASE {self._prefix}")
            await self.prepare(admin.set(database=self._prefix))
            self._new = await self._postgres.look(self._prefix)
        copy = self._emptied.pop() if self._emptied else await self._another(self._postgres)
        try:
            yield self._postgres.url.set(database=copy).render_as_string(hide_password=False)
        finally:
            await self._take_back(self._postgres, copy)

    async def _another(self, server: emptying.Server) -> str:
        copy = f"{self._prefix}_{next(self._numbers)}"
        await server.execute(f"CREATE DATABASE {copy} TEMPLATE {self._prefix}")
        self._copies.add(copy)
        return copy

    async def _take_back(self, server: emptying.Server, copy: str) -> None:
        """Empty a copy and give it another name, under which nothing that a test left behind finds it."""
        self._copies.remove(copy)
        if self._new is not None and await server.empty(copy, self._new):
            name = f"{self._prefix}_{next(self._numbers)}"
            with suppress(PostgresError):  # somebody came late, and has it open
                await server.execute(f"ALTER DATABASE {copy} RENAME TO {name}")
                self._copies.add(name)
                self._emptied.append(name)
                return
        await server.execute(f"DROP DATABASE {copy} WITH (FORCE)")

    async def prepare(self, url: URL) -> None:
        """Fill a template; what fills it with more than tables overrides this."""
        await migrate(url)

    async def close(self) -> None:
        if self._postgres is not None:
            for name in (*self._copies, self._prefix):
                await self._postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await self._postgres.close()


class ShopTemplates(Templates):
    """Databases in which the small shop was opened: making it takes longer than most tests."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.made: dict[str, Shop] = {}

    async def prepare(self, url: URL) -> None:
        await super().prepare(url)
        opened = Database(url)
        try:
            async with opened.transaction() as session:
                self.made[url.get_backend_name()] = await builders.make_shop(session)
        finally:
            await opened.close()


async def migrate(url: URL) -> None:
    """Run the real migrations."""

    def upgrade(connection: Connection) -> None:
        config = Config(ROOT / "alembic.ini")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
            await connection.commit()
    finally:
        await engine.dispose()


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def pytest_collection_finish() -> None:
    """What was imported stays for ever: the collector is told so, as in the server's own processes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once() -> Iterator[None]:
    with compiling.shared():
        yield


@pytest.fixture(scope="session")
async def templates(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Templates]:
    made = Templates(tmp_path_factory.mktemp("databases"))
    yield made
    await made.close()


@pytest.fixture(scope="session")
async def shop_templates(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShopTemplates]:
    made = ShopTemplates(tmp_path_factory.mktemp("shops"))
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Which of the two databases this run of the test is on."""
    kind: str = request.param
    if kind == "postgres":
        needs_postgres()
    return kind


@pytest.fixture
async def database_url(
    request: pytest.FixtureRequest, database_kind: str, templates: Templates, shop_templates: ShopTemplates
) -> AsyncIterator[str]:
    """The address of a migrated database of this test alone: empty, or with the small shop if the test asks for it."""
    used = shop_templates if "shop" in request.fixturenames else templates
    copies = used.sqlite() if database_kind == "sqlite" else used.postgres(needs_postgres())
    async with copies as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of this test alone, open."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def shop(database: Database, shop_templates: ShopTemplates) -> Shop:
    """A small shop in `database`; see `tests.builders.Shop` for what it sells."""
    return shop_templates.made[database.url.get_backend_name()]
