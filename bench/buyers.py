"""How fast does one process hold stock for buyers who all come at once? No HTTP, and nothing but the holding is timed.

Run by `bench.flash`. Each line of standard input is an order; `ready` is the answer, and after another line what came
of it, as JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

import orjson
import uvloop

from bench.crowd import Buyer, database_at
from headless.checkout import starting
from headless.checkout.desk import Desk
from headless.checkout.service import Terms
from headless.checkout.starting import Changed
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.rules import Demand
from headless.inventory.service import Request
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import Fault, Refusal, Refused

POOL_SIZE = 10
"""As many connections as a server process has by default."""
TERMS = Terms(reservation=timedelta(minutes=15), cart_lifetime=timedelta(days=30))
READY = "ready"
ALONE, DESK = "reserve, alone", "Desk.hold"


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants to be served, in which way, and how many of them at once. The first `warm_up` aren't counted."""

    url: str
    way: str
    buyers: list[tuple[str, str]]
    warm_up: int
    at_once: int


@dataclass(frozen=True, slots=True)
class Served:
    """What came of an order; `began` and `ended` are this machine's monotonic clock."""

    began: float
    ended: float
    cpu_seconds: float
    successes: int
    warm_up_successes: int
    failures: dict[str, int]


Hold = Callable[[], Awaitable[None]]


class Clerk:
    """Serves one order after the other from one pool of connections."""

    def __init__(self, url: str) -> None:
        self.database = database_at(url, pool_size=POOL_SIZE)
        self._desk = Desk(self.database, TERMS)

    async def prepare(self, order: Order) -> list[Hold]:
        """Do for every buyer whatever comes before the holding."""
        buyers: list[Buyer] = [(UUID(cart_id), UUID(variant_id)) for cart_id, variant_id in order.buyers]
        if order.way == ALONE:
            return [_alone(self.database, variant_id) for _cart_id, variant_id in buyers]
        holds: list[Hold] = []
        async with self.database.reading() as session:
            for cart_id, _variant_id in buyers:
                wish = await starting.prepare(session, cart_id, accept_price_changes=False)
                if wish is None:
                    raise RuntimeError(f"cart {cart_id} has a checkout already")
                holds.append(_together(self._desk, wish))
        return holds


def _alone(database: Database, variant_id: UUID) -> Hold:
    async def hold() -> None:
        owner_id = ids.new()
        why = Why("checkout_started", "bench", ids.encode("checkout", owner_id))
        async with database.transaction() as session:
            await inventory.reserve(session, Request(owner_id, [Demand(ids.new(), variant_id, 1)], why))

    return hold


def _together(desk: Desk, wish: starting.Prepared) -> Hold:
    async def hold() -> None:
        if isinstance(await desk.hold(wish), Changed):
            raise RuntimeError(f"cart {wish.cart.id} changed")  # noqa: TRY004 - an answer, not an argument

    return hold


async def serve(holds: Sequence[Hold], at_once: int) -> Served:
    """Serve buyers, so many at a time."""
    failures: Counter[str] = Counter()
    waiting: Iterator[Hold] = iter(holds)

    async def buyer() -> None:
        for hold in waiting:
            try:
                await hold()
            except (Fault, Refusal, Refused) as error:
                failures[f"{type(error).__name__}: {error}"] += 1

    cpu, began = time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(buyer())
    ended = time.perf_counter()
    cpu = time.process_time() - cpu
    return Served(began, ended, cpu, len(holds) - failures.total(), 0, dict(failures))


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        clerk: Clerk | None = None
        for line in sys.stdin:
            order = Order(**orjson.loads(line))
            clerk = clerk or Clerk(order.url)
            holds = runner.run(clerk.prepare(order))
            warm = runner.run(serve(holds[: order.warm_up], order.at_once))
            print(READY, flush=True)
            sys.stdin.readline()
            served = runner.run(serve(holds[order.warm_up :], order.at_once))
            failures = Counter(warm.failures) + Counter(served.failures)
            told = asdict(served) | {"warm_up_successes": warm.successes, "failures": failures}
            print(orjson.dumps(told).decode(), flush=True)
        if clerk is not None:
            runner.run(clerk.database.close())


if __name__ == "__main__":
    main()
