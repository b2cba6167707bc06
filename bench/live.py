"""How soon do many sockets hear of one event, what does each cost, and how soon does another process hear?

The same sockets listen to a bare ASGI loop that sends them the same frames, in the same run.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from uuid import uuid4

import orjson

from bench import browsing, scenarios, servers
from bench.browsing import Window
from bench.client import Address, Connection, Conversation, Document, OperationFailed
from bench.listeners import Listener
from bench.load import percentile
from bench.processes import Program, SetupFailed, cpu_seconds, free_port, running
from bench.servers import HEADLESS, ROOT

ROUNDS = 7
STORM = 1000
"""Sockets that come back at one moment."""
IDLE_PAGES = 200
EVENTS = 200
"""Events that another process has to hear of, one after the other."""
AT_ONCE = 200
"""Sockets that are being opened at one time."""
JOIN_SECONDS, HEARD_SECONDS = 300.0, 60.0
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1000
PROTOCOL = "graphql-transport-ws"
FOLLOW = """subscription ($ids: [ID!]!) { stockChanged(variantIds: $ids) {
  id cursor occurredAt quantityAvailable availableForSale variant { id sku }
} }"""
LOCATION = Document("query Location { locations(first: 1) { nodes { id } } }")
QUANTITIES = Document(
    "query Quantities($ids: [ID!]!) { nodes(ids: $ids) { ... on ProductVariant { id quantityAvailable } } }"
)
ADJUST = Document("""
    mutation Adjust($input: InventoryAdjustInput!) { inventoryAdjust(input: $input) { userErrors { code message } } }
""")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Milliseconds until half and nearly all of the listeners had heard; the median of the rounds."""

    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float]]) -> Delivery:
        ordered = [sorted(one) for one in rounds]
        return cls(*(1000 * median(percentile(one, share) for one in ordered) for share in (0.5, 0.99)))


@dataclass(frozen=True, slots=True)
class Fanout:
    """One event on its way to many sockets, and what one of these costs while nothing happens."""

    sockets: int
    database: str
    ours: Delivery
    bare: Delivery
    kb: float
    bare_kb: float
    connected_s: float
    """Seconds until all had connected, subscribed and got the present state."""
    frame_bytes: int
    cpu_ms: float
    """CPU of one event in the server, for all sockets."""
    bare_cpu_ms: float
    storm: int
    storm_s: float
    """Seconds until those who came at one moment, beside the others, had the present state again."""
    page_p95_ms: float
    """A product page while nothing is told."""
    busy_page_p95_ms: float
    """A product page while all are being told."""

    @property
    def p99_to_bare(self) -> float:
        return self.ours.p99_ms / self.bare.p99_ms if self.bare.p99_ms else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """From the writing of an event in one process to its arrival at a client of another."""

    events: int
    carrier: str
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Crowd:
    """Many listeners, and when each heard what."""

    listeners: list[Listener] = field(default_factory=list)
    heard: list[float] = field(default_factory=list)
    last: bytes = b""
    failures: int = 0
    _wanted: int = 0
    _all: asyncio.Event = field(default_factory=asyncio.Event)

    async def join(
        self,
        address: Address,
        count: int,
        *,
        greeting: Sequence[object] = (),
        answers: int = 0,
        at_once: int = AT_ONCE,
    ) -> None:
        """Let so many connect; each says its greeting and waits for so many answers."""
        loop = asyncio.get_running_loop()
        turns = asyncio.Semaphore(at_once)

        async def one() -> None:
            ready = loop.create_future()
            left = answers + 1

            def told(listener: Listener, text: bytes | None) -> None:
                nonlocal left
                if ready.done():
                    self._told(text)
                    return
                left -= 1
                if text is None:
                    ready.set_exception(SetupFailed(f"A socket was closed with {listener.code}."))
                elif text == b"":
                    for message in greeting:
                        listener.say(message)  # type: ignore[arg-type]  # JSON objects
                if left == 0 and not ready.done():
                    ready.set_result(None)

            async with turns:
                protocol = PROTOCOL if greeting else ""
                _, listener = await loop.create_connection(
                    lambda: Listener(f"{address.host}:{address.port}", told, protocol=protocol),
                    address.host,
                    address.port,
                )
                self.listeners.append(listener)
                await ready

        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await asyncio.gather(*(one() for _ in range(count)))
        except TimeoutError:
            raise SetupFailed(f"Not all of {count} sockets could be opened in {JOIN_SECONDS:g} s.") from None

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator[None]:
        """Let something be told to everyone, and wait until everyone has heard it once."""
        self.heard = []
        self._wanted = len(self.listeners)
        self._all.clear()
        yield
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                await self._all.wait()
        except TimeoutError:
            missing = self._wanted - len(self.heard)
            raise SetupFailed(f"{missing} of {self._wanted} sockets heard nothing.") from None

    def leave(self) -> None:
        for listener in self.listeners:
            listener.close()

    def _told(self, text: bytes | None) -> None:
        if text is None:
            self.failures += 1
            return
        self.heard.append(time.time())
        self.last = text
        if len(self.heard) >= self._wanted:
            self._all.set()


@dataclass(frozen=True, slots=True)
class Stock:
    """A variant whose stock moves when it is told to."""

    connection: Connection
    variant: str
    location: str
    handle: str
    """Of a product to look at."""

    async def move(self) -> None:
        change = {"variantId": self.variant, "locationId": self.location, "delta": -1, "changeFromQuantity": None}
        wanted = {"reason": "bench", "idempotencyKey": str(uuid4()), "changes": [change]}
        data = await Conversation(self.connection).ask(ADJUST, input=wanted)
        if data["inventoryAdjust"]["userErrors"]:
            raise SetupFailed(str(data["inventoryAdjust"]["userErrors"]))


@dataclass(slots=True)
class Side:
    """A crowd, how one tells it something, and what that took."""

    crowd: Crowd
    pid: int
    tell: Callable[[], Awaitable[None]]
    idle_kb: float = 0.0
    cpu_ms: float = 0.0
    """Of all rounds."""
    rounds: list[list[float]] = field(default_factory=list)

    async def join(self, address: Address, count: int, *, greeting: Sequence[object] = (), answers: int = 0) -> None:
        before = resident_kb(self.pid)
        await self.crowd.join(address, count, greeting=greeting, answers=answers)
        self.idle_kb = (resident_kb(self.pid) - before) / count

    async def round(self) -> None:
        before = cpu_seconds(self.pid) or 0.0
        async with self.crowd.hearing():
            at = time.time()
            await self.tell()
        self.cpu_ms += 1000 * ((cpu_seconds(self.pid) or 0.0) - before)
        # Ours counts from when the event was written; the bare loop is sent the same text, which is older.
        at = max(at, _occurred_at(self.crowd.last))
        self.rounds.append([heard - at for heard in self.crowd.heard])


async def fan_out(directory: Path, database: str, *, sockets: int, say: Say) -> Fanout:
    """Tell so many sockets of one event, ours and bare ones in turns where so many files may be open."""
    takes_turns = allow(sockets)
    folder = directory / "fanout"
    folder.mkdir()
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(
            servers.on_postgres(folder, database) if database else servers.embedded(folder)
        )
        loop_address, loop_program = await exits.enter_async_context(_bare(folder))
        stock = await exits.enter_async_context(_stock(server.address, server.token))
        await stock.move()
        crowd, bare, late = Crowd(), Crowd(), Crowd()
        for each in (crowd, bare, late):
            exits.callback(each.leave)

        async def post() -> None:
            await _post(loop_address, crowd.last)

        ours, theirs = Side(crowd, server.weighed.apps[0], stock.move), Side(bare, loop_program.pid, post)
        started = time.monotonic()
        say(f"fanout, {sockets} sockets connect")
        greeting = greeting_of(stock.variant)
        await ours.join(server.address, sockets, greeting=greeting, answers=2)
        connected_s = time.monotonic() - started
        if takes_turns:
            await theirs.join(loop_address, sockets)
        for number in range(ROUNDS):
            say(f"fanout, round {number + 1} of {ROUNDS}")
            await ours.round()
            if takes_turns:
                await theirs.round()
        frame_bytes = len(crowd.last)
        pages = await _pages_meanwhile(folder, server.address, crowd, stock, say)
        say(f"fanout, {STORM} sockets come at once")
        started = time.monotonic()
        await late.join(server.address, STORM, greeting=greeting, answers=2, at_once=STORM)
        storm_s = time.monotonic() - started
        failures = crowd.failures
        if not takes_turns:
            crowd.leave()
            say(f"fanout, {sockets} bare sockets connect")
            await theirs.join(loop_address, sockets)
            for _ in range(ROUNDS):
                await theirs.round()
        if failures or bare.failures:
            raise SetupFailed(f"{failures} sockets of ours and {bare.failures} bare ones were closed.")
        return Fanout(
            sockets=sockets,
            database=server.database,
            ours=Delivery.of(ours.rounds),
            bare=Delivery.of(theirs.rounds),
            kb=ours.idle_kb,
            bare_kb=theirs.idle_kb,
            connected_s=connected_s,
            frame_bytes=frame_bytes,
            cpu_ms=ours.cpu_ms / ROUNDS,
            bare_cpu_ms=theirs.cpu_ms / ROUNDS,
            storm=STORM,
            storm_s=storm_s,
            page_p95_ms=pages[0],
            busy_page_p95_ms=pages[1],
        )


async def _pages_meanwhile(folder: Path, address: Address, crowd: Crowd, stock: Stock, say: Say) -> tuple[float, float]:
    """The p95 of a product page in milliseconds, while nothing is told and while everyone is being told."""
    say("fanout, somebody looks at a page meanwhile")
    busy: list[Window] = []
    async with _browsing(folder, address, stock.handle) as looking:
        while browsing.count(looking.log) < IDLE_PAGES:
            looking.check()
            await asyncio.sleep(0.1)
        idle = (0.0, time.time())
        for _ in range(ROUNDS):
            async with crowd.hearing():
                await stock.move()
            busy.append((_occurred_at(crowd.last), max(crowd.heard)))
        looking.check()
        return browsing.p95_ms(looking.log, [idle]), browsing.p95_ms(looking.log, busy)


async def latency(directory: Path, database: str, *, redis: str, say: Say) -> Latency:
    """Write in one process, listen at another."""
    say("latency between two processes")
    folder = directory / "latency"
    folder.mkdir()
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(
            servers.on_postgres(folder, database, HEADLESS_REDIS_URL=redis)
            if database
            else servers.embedded(folder, HEADLESS_REDIS_URL=redis)
        )
        port = free_port()
        environment = servers.environment_of(folder, port=port, database=database) | {"HEADLESS_REDIS_URL": redis}
        await exits.enter_async_context(servers.headless(["serve"], environment, folder, port))
        stock = await exits.enter_async_context(_stock(server.address, server.token))
        await stock.move()
        crowd = Crowd()
        exits.callback(crowd.leave)
        await crowd.join(Address("127.0.0.1", port), 1, greeting=greeting_of(stock.variant), answers=2)
        taken = []
        for _ in range(EVENTS):
            async with crowd.hearing():
                await stock.move()
            taken.append(1000 * (crowd.heard[0] - _occurred_at(crowd.last)))
    taken.sort()
    carrier = "redis" if redis else server.database
    return Latency(EVENTS, carrier, percentile(taken, 0.5), percentile(taken, 0.99))


def resident_kb(pid: int) -> float:
    """Memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB


def greeting_of(variant: str) -> list[object]:
    payload = {"query": FOLLOW, "variables": {"ids": [variant]}}
    return [{"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": payload}]


def _occurred_at(text: bytes) -> float:
    event = orjson.loads(text)["payload"]["data"]["stockChanged"]
    return datetime.fromisoformat(event["occurredAt"]).timestamp()


@asynccontextmanager
async def _stock(address: Address, token: str) -> AsyncIterator[Stock]:
    shelf = await scenarios.prepare(address, token=token)
    async with Connection(address, token=token) as connection:
        location = (await Conversation(connection).ask(LOCATION))["locations"]["nodes"][0]["id"]
        variants = (await Conversation(connection).ask(QUANTITIES, ids=shelf.variants))["nodes"]
        tracked = [variant["id"] for variant in variants if variant["quantityAvailable"] is not None]
        if not tracked:
            raise SetupFailed("The shop tracks no stock.")
        yield Stock(connection, tracked[0], location, shelf.handles[0])


@asynccontextmanager
async def _browsing(directory: Path, address: Address, handle: str) -> AsyncIterator[Program]:
    url = f"http://{address.host}:{address.port}{address.path}"
    command = [str(Path(HEADLESS).with_name("python")), "-m", "bench.browsing", url, handle]
    log = directory / "pages.log"
    async with running(command, environment=dict(os.environ), directory=ROOT, log=log) as program:
        yield program


@asynccontextmanager
async def _bare(directory: Path) -> AsyncIterator[tuple[Address, Program]]:
    """Run the bare loop on the same server program, as lean as ours."""
    address = Address("127.0.0.1", free_port())
    command = [
        *(str(Path(HEADLESS).with_name("python")), "-m", "uvicorn", "bench.bare_sockets:app"),
        *("--host", address.host, "--port", str(address.port), "--log-level", "warning", "--no-access-log"),
        *("--ws-per-message-deflate", "false", "--lifespan", "off"),
    ]
    log = directory / "bare.log"
    async with running(command, environment=dict(os.environ), directory=ROOT, log=log) as program:

        async def is_ready() -> bool:
            with suppress(OSError):
                await _post(address, b"x")
                return True
            return False

        await servers.until(is_ready, program)
        yield address, program


async def _post(address: Address, body: bytes) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        head = f"POST / HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        if not (await reader.read()).startswith(b"HTTP/1.1 204"):
            raise OperationFailed("The bare loop refused.")
    finally:
        writer.close()


def allow(sockets: int) -> bool:
    """Let this process and those it starts open so many sockets; answer whether twice as many fit, too."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    reserve = STORM + 100
    if sockets + reserve > hard:
        raise SetupFailed(f"This system allows a process {hard} open files: at most {hard - reserve} sockets.")
    return 2 * sockets + reserve <= hard
