"""What do all commands share: settings, the database, a server, and errors in one line?"""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import socket

    from sqlalchemy.exc import DBAPIError

    from headless.platform.db import Database
    from headless.settings import Settings

T = TypeVar("T")

NEWER = "The database is newer than this headless. Install the version that migrated it, or a later one."
DRIVERS = ("aiosqlite", "asyncpg")
REFUSALS = ("08", "28", "3D", "53", "57P")
"""Classes of PostgreSQL's error codes: connection, authorization, unknown database, no resources, shutdown."""
TOO_LONG = ("55P03", "57014")
"""PostgreSQL: a statement waited too long for a lock, or was ended because it ran too long."""
BEHIND = "The database isn't migrated to this version. Run `headless migrate`."


class Stop(Exception):
    """The command can't go on; the message is one line for the operator, the exit code 2."""


def settings_from_environment(**given: Any) -> Settings:
    from pydantic import ValidationError

    from headless.settings import Settings

    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = [
            f"HEADLESS_{'_'.join(str(part) for part in found['loc']).upper()}: "
            + found["msg"].removeprefix("Value error, ")
            for found in error.errors(include_input=False, include_url=False)
        ]
        raise Stop("; ".join(wrong)) from None


def make_data_dir(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(f"{settings.data_dir} can't be made: {error.strerror}. Check HEADLESS_DATA_DIR.") from None


def shown(settings: Settings) -> str:
    url = settings.database
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def run(work: Coroutine[Any, Any, T], settings: Settings) -> T:
    """Run to the end what uses the database; what stops it becomes one line. `NotFound` is left to the caller."""
    try:
        return asyncio.run(work)
    except Exception as error:
        line = _line_about(error, settings)
        if line is None:
            raise
        raise Stop(line) from None


def _line_about(error: Exception, settings: Settings) -> str | None:
    """Tell what is the operator's to repair; None for our own bugs."""
    from sqlalchemy.exc import DBAPIError

    from headless.platform.errors import Fault, NotFound, Refusal, Unavailable
    from headless.platform.storage import StorageUnavailable

    match error:
        case NotFound():
            return None
        case Fault() | Refusal() if not isinstance(error, Unavailable):
            return error.message
        case StorageUnavailable():
            return f"{error} Check HEADLESS_MEDIA_STORAGE."
        case ModuleNotFoundError() if error.name in DRIVERS:
            return f"The database's driver {error.name} isn't installed. Run `pip install {error.name}`."
        case OSError() if error.filename:
            return f"{error.filename} can't be used: {error.strerror}."
        case DBAPIError() if not _is_about_the_database(error):
            return None
        case Unavailable() | DBAPIError() | OSError():
            reason = _root(error)
            text = " ".join(str(reason).split()).rstrip(".") or type(reason).__name__
            what, advice = "can't be reached", "Check HEADLESS_DATABASE_URL."
            if getattr(reason, "sqlstate", None) in TOO_LONG:
                what, advice = "took too long", "What was done before is kept; try again."
            return f"The database {shown(settings)} {what}: {text}. {advice}"
        case _:
            return None


def _is_about_the_database(error: DBAPIError) -> bool:
    """Tell an unknown database, a wrong password, a server that is down or too slow from a fault of a statement."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        # What SQLite says of a file it can't open, that is locked, or that is no database.
        return any(words in str(error.orig) for words in ("unable to open", "is locked", "not a database"))
    return str(state).startswith(REFUSALS + TOO_LONG)


def _root(error: BaseException) -> BaseException:
    while (cause := getattr(error, "orig", None) or error.__cause__) is not None:
        error = cause
    return error


async def check_schema(settings: Settings) -> None:
    from headless.platform.schema import State, state

    found = await state(settings.database)
    if found is not State.CURRENT:
        raise Stop(NEWER if found is State.NEWER else BEHIND)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    from headless.platform.db import Database
    from headless.platform.outbox import Numberer

    await check_schema(settings)
    database = Database(settings.database, pool_size=2)
    numberer = Numberer(database)
    try:
        yield database
        await numberer.finish()
    finally:
        await database.close()


async def migrate(settings: Settings, say: Callable[[str], None]) -> None:
    from headless.catalog.search import index as search
    from headless.merchandising import opening
    from headless.platform import schema

    state = await schema.state(settings.database)
    if state is schema.State.NEWER:
        raise Stop(NEWER)
    await schema.upgrade(settings.database)
    say(f"{'Is up to date' if state is schema.State.CURRENT else 'Migrated'}: {shown(settings)}")
    async with opened(settings) as database:
        if await opening.open_default_shop(database):
            say(f"Opened {opening.NAME} with the channel `default` in {opening.CURRENCY}")
        if indexed := await search.complete(database):
            say(f"Indexed {indexed} products for searching")


async def migrate_if_empty(settings: Settings) -> None:
    from headless.platform import schema

    if await schema.state(settings.database) is schema.State.EMPTY:
        await schema.upgrade(settings.database)


async def seed(database: Database, settings: Settings, say: Callable[[str], None], *, is_asked: bool = True) -> None:
    from headless.merchandising import demo
    from headless.platform.storage import storage_at

    seeded = await demo.seed(database, storage_at(settings.media_location), on_step=say)
    if seeded is not None:
        say(f"{seeded.products} products, {seeded.variants} variants, {seeded.pictures} pictures")
    elif is_asked:
        say("The shop has products already, or had: nothing was changed.")


def listen(settings: Settings) -> socket.socket:
    """Take the address before anything else is done."""
    from headless import app

    try:
        return app.listen(settings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            advice = f"Choose another one: HEADLESS_PORT={settings.port + 1}"
            raise Stop(f"Port {settings.port} on {settings.host} is in use. {advice}.") from None
        where = f"{settings.host}:{settings.port}"
        raise Stop(f"Can't listen on {where}: {error.strerror}. Check HEADLESS_HOST and HEADLESS_PORT.") from None


def serve(settings: Settings, listener: socket.socket, *, with_worker: bool) -> None:
    """Serve until told to end, which is no error."""
    from headless.app import create_app, web_server
    from headless.platform.storage import StorageUnavailable

    try:
        server = web_server(create_app(settings, with_worker=with_worker), settings)
    except StorageUnavailable as error:
        raise Stop(f"{error} Check HEADLESS_MEDIA_STORAGE.") from None
    # After an orderly end uvicorn raises the signals again that asked for it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


async def work(settings: Settings) -> None:
    """Do the background work until told to end, which is no error."""
    from headless.app import server_of
    from headless.platform import carriers, failpoints, observe
    from headless.platform.db import Database
    from headless.worker import work

    observe.configure(settings.log_level)
    failpoints.arm(settings.failpoint)
    database = Database(settings.database, pool_size=settings.database_pool_size)
    loops = (work(server_of(settings, database)), *carriers.loops(database, settings.redis_url))
    tasks = asyncio.gather(*loops)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, tasks.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await tasks
    finally:
        await database.close()
