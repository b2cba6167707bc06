"""How fast does a server do an operation, and what does it cost?"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil

from bench.client import Address, Connection, Conversation, OperationFailed, Unreachable
from bench.processes import cpu_seconds

Operation = Callable[[Conversation], Awaitable[None]]

WARM_UP_SECONDS = 1.0
HOPELESS = 50
"""Failures without one success after which a load gives up."""
SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True)
class Weighed:
    """The processes whose CPU time counts, where they are known."""

    apps: tuple[int, ...] = ()
    database: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many clients do an operation at once, for how long, and how often at most; `warm_up` times before."""

    concurrency: int
    seconds: float
    most: int
    warm_up: int = 200_000


@dataclass(slots=True)
class Tally:
    """What the operations of a load add up to."""

    latencies: list[float] = field(default_factory=list)
    requests: int = 0
    bytes: int = 0
    statements: int | None = 0
    failures: Counter[str] = field(default_factory=Counter)
    started: int = 0

    def add(self, conversation: Conversation) -> None:
        self.latencies.append(conversation.seconds)
        self.requests += conversation.requests
        self.bytes += conversation.bytes
        known = self.statements is not None and conversation.statements is not None
        self.statements = (self.statements or 0) + (conversation.statements or 0) if known else None

    @property
    def is_hopeless(self) -> bool:
        return not self.latencies and self.failures.total() >= HOPELESS


@dataclass(frozen=True, slots=True)
class Load:
    """The figures of one operation at one concurrency; those per operation count successes only."""

    concurrency: int
    operations: int
    failures: int
    reasons: list[str]
    per_second: float
    p50_ms: float
    p95_ms: float
    requests: float
    bytes: float
    statements: float | None
    app_cpu_ms: float | None
    database_cpu_ms: float | None
    client_busy: float
    """Share of its core that the load's own client used: near 1, the client is what is measured."""


async def measure(operation: Operation, *addresses: Address, bounds: Bounds, weighed: Weighed) -> Load:
    """Do an operation again and again within its bounds, after a short warm-up; clients take turns with addresses."""
    before = replace(bounds, seconds=min(WARM_UP_SECONDS, bounds.seconds / 2), most=min(bounds.most, bounds.warm_up))
    await _drive(operation, addresses, before)
    app, database = cpu_seconds(*weighed.apps), cpu_seconds(weighed.database)
    busy, started = time.process_time(), time.perf_counter()
    tally = await _drive(operation, addresses, bounds)
    elapsed, busy = time.perf_counter() - started, time.process_time() - busy
    done = len(tally.latencies)
    latencies = sorted(tally.latencies)
    return Load(
        concurrency=bounds.concurrency,
        operations=done,
        failures=tally.failures.total(),
        reasons=[f"{count} x {reason}" for reason, count in tally.failures.most_common(SHOWN_REASONS)],
        per_second=done / elapsed,
        p50_ms=1000 * percentile(latencies, 0.50),
        p95_ms=1000 * percentile(latencies, 0.95),
        requests=tally.requests / done if done else 0,
        bytes=tally.bytes / done if done else 0,
        statements=tally.statements / done if tally.statements is not None and done else None,
        app_cpu_ms=_spent(app, cpu_seconds(*weighed.apps), done),
        database_cpu_ms=_spent(database, cpu_seconds(weighed.database), done),
        client_busy=busy / elapsed,
    )


def percentile(ordered: list[float], share: float) -> float:
    """Nearest rank; 0 when there is nothing."""
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


def _spent(before: float | None, after: float | None, operations: int) -> float | None:
    """Milliseconds for one operation."""
    return None if before is None or after is None or not operations else 1000 * (after - before) / operations


async def _drive(operation: Operation, addresses: Sequence[Address], bounds: Bounds) -> Tally:
    tally = Tally()
    deadline = time.perf_counter() + bounds.seconds

    async def client(nth: int) -> None:
        async with Connection(addresses[nth % len(addresses)]) as connection:
            while time.perf_counter() < deadline and tally.started < bounds.most and not tally.is_hopeless:
                tally.started += 1
                conversation = Conversation(connection)
                try:
                    await operation(conversation)
                except (OperationFailed, Unreachable) as error:
                    tally.failures[str(error)] += 1
                else:
                    tally.add(conversation)

    async with asyncio.TaskGroup() as group:
        for nth in range(bounds.concurrency):
            group.create_task(client(nth))
    return tally
