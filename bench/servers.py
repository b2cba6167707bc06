"""Which servers does a run start, and where are their processes?"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import asyncpg  # type: ignore[import-untyped]

from bench import scenarios
from bench.client import Address, Connection, Conversation, OperationFailed, Unreachable
from bench.load import Weighed
from bench.processes import Program, SetupFailed, free_port, last_lines, output_of, running, title

HEADLESS = str(Path(sys.executable).with_name("headless"))
ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0
LOOK_SECONDS = 0.01
BACKEND = "postgres:"
"""How the title of every PostgreSQL process but the first begins."""


@dataclass(frozen=True, slots=True)
class Server:
    address: Address
    token: str
    weighed: Weighed
    database: str


@dataclass(frozen=True, slots=True)
class Bare:
    address: Address
    weighed: Weighed


def environment_of(directory: Path, *, port: int, database: str = "") -> dict[str, str]:
    """Our own environment with exactly the settings of a bench: none leaks in from the caller's shell."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADLESS_")}
    settings = {
        "HEADLESS_DATA_DIR": str(directory / ".headless"),
        "HEADLESS_HOST": "127.0.0.1",
        "HEADLESS_PORT": str(port),
        "HEADLESS_SECRET_KEY": token_hex(32),
        "HEADLESS_LOG_LEVEL": "warning",
        "HEADLESS_SERVER_TIMING": "true",
    }
    return inherited | settings | ({"HEADLESS_DATABASE_URL": database} if database else {})


@asynccontextmanager
async def bare(directory: Path) -> AsyncIterator[Bare]:
    """Run the bare ASGI answer on the same server program."""
    address = Address("127.0.0.1", free_port())
    async with running(
        bare_command(address.port), environment=dict(os.environ), directory=ROOT, log=directory / "bare.log"
    ) as program:
        await until(lambda: answers(address), program)
        yield Bare(address, Weighed((program.pid,)))


def bare_command(port: int) -> list[str]:
    uvicorn = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--host", "127.0.0.1", "--port", str(port)]
    return [*uvicorn, "--log-level", "warning", "--no-access-log"]


@asynccontextmanager
async def embedded(directory: Path, **settings: str) -> AsyncIterator[Server]:
    """Run a new shop on SQLite as `headless dev` makes it."""
    port = free_port()
    environment = environment_of(directory, port=port) | settings
    async with headless(["dev"], environment, directory, port) as program:
        token = await token_for(environment, directory)
        yield Server(Address("127.0.0.1", port), token, Weighed((program.pid,)), "sqlite")


@asynccontextmanager
async def on_postgres(directory: Path, url: str, **settings: str) -> AsyncIterator[Server]:
    """Run a shop on a PostgreSQL database, which is migrated and seeded first."""
    port = free_port()
    environment = environment_of(directory, port=port, database=url) | settings
    for command in ("migrate", "seed"):
        await output_of([HEADLESS, command], environment=environment, directory=directory)
    version, pid = await postgres_at(url)
    async with headless(["serve"], environment, directory, port) as program:
        token = await token_for(environment, directory)
        yield Server(Address("127.0.0.1", port), token, Weighed((program.pid,), pid), f"postgresql {version}")


@asynccontextmanager
async def headless(
    arguments: list[str], environment: dict[str, str], directory: Path, port: int
) -> AsyncIterator[Program]:
    """Run a server that a list of products comes from."""
    command = [HEADLESS, *arguments]
    async with running(
        command, environment=environment, directory=directory, log=directory / "headless.log"
    ) as program:
        await until(lambda: scenarios.is_open(Address("127.0.0.1", port)), program)
        yield program


async def token_for(environment: dict[str, str], directory: Path) -> str:
    """Make a token that may do what preparing a shop and reading its metrics need, and nothing else."""
    permissions = ("READ_INVENTORY", "WRITE_INVENTORY", "READ_SETTINGS")
    command = [HEADLESS, "token", "create", "--name", "bench", *(part for one in permissions for part in ("-p", one))]
    return await output_of(command, environment=environment, directory=directory)


async def until(is_ready: Callable[[], Awaitable[bool]], program: Program) -> None:
    """Look again and again until a program is ready; SetupFailed when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    reason = "no answer"
    while time.monotonic() < deadline:
        program.check()
        try:
            if await is_ready():
                return
        except OperationFailed as error:
            reason = str(error)
        await asyncio.sleep(LOOK_SECONDS)
    raise SetupFailed(f"Not ready after {START_SECONDS:.0f} s ({reason}):\n{last_lines(program.log)}")


async def answers(address: Address) -> bool:
    async with Connection(address) as connection:
        try:
            await Conversation(connection).ask(scenarios.LIST)
        except Unreachable:
            return False
        return True


async def postgres_at(url: str) -> tuple[str, int | None]:
    """Answer the version of a PostgreSQL server and, if it runs on this machine, its first process."""
    scheme, _, rest = url.partition("://")
    try:
        connection = await asyncpg.connect(f"{scheme.partition('+')[0]}://{rest}", timeout=10)
    except (OSError, asyncpg.PostgresError) as error:
        raise SetupFailed(f"PostgreSQL can't be reached: {error}") from error
    try:
        version = str(await connection.fetchval("SHOW server_version")).split()[0]
        address = await connection.fetchval("SELECT host(inet_server_addr())")
        is_near = address is None or ipaddress.ip_address(address).is_loopback
        return version, _parent(await connection.fetchval("SELECT pg_backend_pid()")) if is_near else None
    finally:
        await connection.close()


def _parent(backend: int) -> int | None:
    # In another pid namespace the number would mean another process, so its title has to agree.
    if not title(backend).startswith(BACKEND):
        return None
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{backend}/status").read_text().splitlines():
            if line.startswith("PPid:"):
                return int(line.split()[1])
    return None
