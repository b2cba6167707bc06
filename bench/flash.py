"""How many buyers a second get a unit of one hot variant, beside as many who want a thousand different ones?

First through the API, then from the reservation service alone. Hot and spread take turns, so that whatever else the
machine does harms both; afterwards levels, ledger and allocations must agree with what was sold.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import orjson

from bench import buyers, scenarios, servers
from bench.buyers import Order, Served
from bench.client import Address, Conversation
from bench.crowd import Buyer, Stall, database_at, open_stall
from bench.load import SHOWN_REASONS, Bounds, Load, Weighed, measure
from bench.processes import Dialogue, SetupFailed, cpu_seconds, free_port, output_of, talking
from bench.servers import HEADLESS, ROOT
from headless.platform import ids

ROUNDS = 3
CROWD = 1000
"""Buyers of one process in one round of the service, and of all servers in one round of the API."""
AT_ONCE = {buyers.ALONE: buyers.POOL_SIZE, buyers.DESK: 64}
"""Buyers whom one process serves at a time: alone each needs a connection."""
CLIENTS = 32
WARM_UP = 128
LONG_SECONDS = 300.0
API = "checkoutComplete"


@dataclass(frozen=True, slots=True)
class Sale:
    """One round; CPU milliseconds of one success. `app` is whoever reserves: servers, or processes of buyers."""

    per_second: float
    successes: int
    app_cpu_ms: float | None
    database_cpu_ms: float | None
    statements: float | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """The medians of several rounds."""

    per_second: float
    app_cpu_ms: float | None
    database_cpu_ms: float | None
    statements: float | None
    rounds: list[Sale]

    @classmethod
    def of(cls, rounds: list[Sale]) -> Side:
        return cls(
            median(sale.per_second for sale in rounds),
            _median([sale.app_cpu_ms for sale in rounds]),
            _median([sale.database_cpu_ms for sale in rounds]),
            _median([sale.statements for sale in rounds]),
            rounds,
        )


@dataclass(frozen=True, slots=True)
class Rush:
    """One way to reserve, for one variant and for a thousand; the ratio is the median of the rounds' own ratios."""

    way: str
    processes: int
    hot: Side
    spread: Side
    hot_to_spread: float
    failures: int
    reasons: list[str]

    @classmethod
    def of(cls, way: str, processes: int, pairs: Sequence[tuple[Sale, Sale]], failures: Counter[str]) -> Rush:
        ratios = [hot.per_second / spread.per_second if spread.per_second else 0.0 for hot, spread in pairs]
        reasons = [f"{count} x {reason}" for reason, count in failures.most_common(SHOWN_REASONS)]
        hot, spread = (Side.of(list(side)) for side in zip(*pairs, strict=True))
        return cls(way, processes, hot, spread, median(ratios), failures.total(), reasons)


@dataclass(slots=True)
class Flash:
    """Everything about the flash sale; `wrong` is empty when every unit was sold exactly once."""

    database: str
    rushes: list[Rush] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sale is."""

    directory: Path
    environment: dict[str, str]
    url: str
    version: str
    database_pid: int | None
    stall: Stall

    @property
    def has_one_writer(self) -> bool:
        return self.stall.database.is_sqlite


async def hold(directory: Path, url: str, *, most: int, say: Callable[[str], None]) -> Flash:
    """Hold the sale on a PostgreSQL database, or on a new SQLite file."""
    folder = directory / "flash"
    folder.mkdir()
    version, pid = await servers.postgres_at(url) if url else ("", None)
    environment = servers.environment_of(folder, port=0, database=url)
    await output_of([HEADLESS, "migrate"], environment=environment, directory=folder)
    url = url or f"sqlite:///{folder / '.headless' / 'headless.db'}"
    database = database_at(url, pool_size=2)
    try:
        say("flash: filling the shelves")
        stall = await open_stall(database)
        place = Place(folder, environment, url, version, pid, stall)
        found = Flash(f"postgresql {version}" if version else "sqlite")
        size = min(CROWD, most)
        found.rushes.append(await _through_the_api(place, found, size, say))
        for way in (buyers.ALONE, buyers.DESK):
            for processes in (1,) if place.has_one_writer else (1, 2):
                found.rushes.append(await _without_http(place, found, way, processes, size, say))
        found.wrong += await stall.faults()
        return found
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class Sold:
    """What a round sold, its warm-up included. For the `unsure`, without answer or order, a unit may be held yet."""

    sale: Sale
    units: int
    unsure: int


Round = Callable[[Sequence[UUID]], Awaitable[Sold]]
"""Sells to a crowd that wants these variants."""


async def _rounds(place: Place, found: Flash, sell: Round) -> list[tuple[Sale, Sale]]:
    return [
        (await _checked(place, found, sell, place.stall.variant_ids[:1]), await _checked(place, found, sell))
        for _round in range(ROUNDS)
    ]


async def _checked(place: Place, found: Flash, sell: Round, variant_ids: Sequence[UUID] | None = None) -> Sale:
    wanted = place.stall.variant_ids if variant_ids is None else variant_ids
    before = await place.stall.units_gone(wanted)
    sold = await sell(wanted)
    gone = await place.stall.units_gone(wanted) - before
    if not sold.units <= gone <= sold.units + sold.unsure:
        found.wrong.append(
            f"{sold.units} buyers were served from {len(wanted)} variants and {sold.unsure} are unsure; "
            f"{gone} units are gone"
        )
    return sold.sale


async def _through_the_api(place: Place, found: Flash, size: int, say: Callable[[str], None]) -> Rush:
    count = 1 if place.has_one_writer else 2
    failures: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        addresses, pids = [], []
        for _server in range(count):
            port = free_port()
            environment = {**place.environment, "HEADLESS_PORT": str(port)}
            server = await stack.enter_async_context(servers.headless(["serve"], environment, place.directory, port))
            addresses.append(Address("127.0.0.1", port))
            pids.append(server.pid)
        weighed = Weighed(tuple(pids), place.database_pid)

        async def sell(variant_ids: Sequence[UUID]) -> Sold:
            say(f"flash: {API}, {count} processes, {len(variant_ids)} variants")
            queue = Queue(await place.stall.crowd(size + WARM_UP, variant_ids))
            bounds = Bounds(concurrency=CLIENTS, seconds=LONG_SECONDS, most=size, warm_up=WARM_UP)
            load = await measure(queue.pay, *addresses, bounds=bounds, weighed=weighed)
            failures.update({reason.partition(" x ")[2]: int(reason.partition(" x ")[0]) for reason in load.reasons})
            return Sold(_sale(load), queue.orders, queue.asked - queue.orders)

        return Rush.of(API, count, await _rounds(place, found, sell), failures)


class Queue:
    """Carts that wait to be paid for, each once."""

    def __init__(self, crowd: Sequence[Buyer]) -> None:
        self._waiting = deque(ids.encode("cart", cart_id) for cart_id, _variant_id in crowd)
        self.asked = self.orders = 0

    async def pay(self, buyer: Conversation) -> None:
        self.asked += 1
        await scenarios.complete(buyer, self._waiting.popleft())
        self.orders += 1


def _sale(load: Load) -> Sale:
    return Sale(load.per_second, load.operations, load.app_cpu_ms, load.database_cpu_ms, load.statements)


async def _without_http(
    place: Place, found: Flash, way: str, processes: int, size: int, say: Callable[[str], None]
) -> Rush:
    failures: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        clerks = [
            await stack.enter_async_context(
                talking(
                    [sys.executable, "-m", "bench.buyers"],
                    environment=place.environment,
                    directory=ROOT,
                    log=place.directory / "buyers.log",
                )
            )
            for _process in range(processes)
        ]

        async def sell(variant_ids: Sequence[UUID]) -> Sold:
            say(f"flash: {way}, {processes} processes, {len(variant_ids)} variants")
            crowds = [await place.stall.crowd(size + WARM_UP, variant_ids) for _clerk in clerks]
            for clerk, crowd in zip(clerks, crowds, strict=True):
                wanted = [(str(cart_id), str(variant_id)) for cart_id, variant_id in crowd]
                await clerk.say(orjson.dumps(asdict(Order(place.url, way, wanted, WARM_UP, AT_ONCE[way]))))
            for clerk in clerks:
                await _expect_ready(clerk)
            spent = cpu_seconds(place.database_pid)
            for clerk in clerks:
                await clerk.say(b"go")
            served = [Served(**orjson.loads(await clerk.hear())) for clerk in clerks]
            now = cpu_seconds(place.database_pid)
            for one in served:
                failures.update(one.failures)
            in_database = now - spent if now is not None and spent is not None else None
            units = sum(one.successes + one.warm_up_successes for one in served)
            return Sold(_added(served, in_database), units, sum(sum(one.failures.values()) for one in served))

        return Rush.of(way, processes, await _rounds(place, found, sell), failures)


async def _expect_ready(clerk: Dialogue) -> None:
    said = await clerk.hear()
    if said != buyers.READY.encode():
        raise SetupFailed(f"The buyers' process said {said[:200]!r}.")


def _added(served: Sequence[Served], database_seconds: float | None) -> Sale:
    successes = sum(one.successes for one in served)
    elapsed = max(one.ended for one in served) - min(one.began for one in served)
    each = 1000 / successes if successes else 0.0
    return Sale(
        per_second=successes / elapsed,
        successes=successes,
        app_cpu_ms=each * sum(one.cpu_seconds for one in served),
        database_cpu_ms=None if database_seconds is None else each * database_seconds,
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
