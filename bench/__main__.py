"""Which scenarios run, against which server, and how long? `python -m bench --help` tells."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop
from rich.console import Console

from bench import cold, flash, grow, imports, live, report, scenarios, servers, waiting
from bench.client import Address
from bench.load import Bounds, Operation, Weighed, measure
from bench.processes import SetupFailed, listener_on
from bench.report import Report, Result
from bench.servers import Bare, Server
from headless.merchandising import generated

ALONE = ("flash", "fanout", "idle", "traffic", "latency", "import", "cold", "grow")
"""What starts servers of its own."""
NAMES = (*scenarios.LOADS, *ALONE)
EXIT_FAILED, EXIT_SETUP, EXIT_INTERRUPTED = 1, 2, 130
MOST_CONCURRENCY, MOST_SECONDS = 256, 600.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller asked for."""

    scenarios: list[str]
    concurrency: list[int]
    seconds: float
    most: int
    database: str
    address: Address | None
    token: str
    sockets: int
    redis: str
    sizes: list[int]


def main() -> int:
    wishes = _wishes(sys.argv[1:])
    found = Report(seconds=wishes.seconds)
    code = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(wishes, found))
    except SetupFailed as error:
        print(error, file=sys.stderr)
        code = EXIT_SETUP
    except (asyncio.CancelledError, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    if found.is_anything:
        report.show(found, Console(width=None if sys.stdout.isatty() else 160))
        print(f"Kept in {os.path.relpath(report.write(found))}")
    return code or (EXIT_FAILED if found.has_failed else 0)


def _wishes(arguments: list[str]) -> Wishes:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the shop under load.")
    parser.add_argument("--scenario", choices=NAMES, action="append", help="this one; may be repeated (default: all)")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8], help="clients at once (default: 1 8)")
    parser.add_argument("--seconds", type=float, default=5, help="how long each load lasts (default: 5)")
    parser.add_argument(
        "--most", type=int, default=200_000, help="operations after which a load ends (default: 200000)"
    )
    parser.add_argument("--database", default="", help="a scratch PostgreSQL database that may be written to")
    parser.add_argument("--url", type=_address, help="a server that runs already on this machine")
    parser.add_argument("--token", default="", help="with --url: a token that may set its stock; without, it isn't set")
    parser.add_argument("--sockets", type=int, default=2_000, help="listeners of fanout and idle (default: 2000)")
    parser.add_argument("--redis", default="", help="for latency: what carries events instead of the database")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=list(grow.SIZES), help="products of grow (default: 1000 100000)"
    )
    given = parser.parse_args(arguments)
    chosen = given.scenario or list(NAMES)
    if not all(1 <= number <= MOST_CONCURRENCY for number in given.concurrency):
        parser.error(f"--concurrency must be between 1 and {MOST_CONCURRENCY}")
    if not 0 < given.seconds <= MOST_SECONDS or given.most < 1:
        parser.error(f"--seconds must be positive and at most {MOST_SECONDS:g}, --most at least 1")
    if not all(1 <= size <= generated.MOST for size in given.sizes):
        parser.error(f"--sizes must be between 1 and {generated.MOST}")
    if given.url and (given.database or set(chosen) <= set(ALONE)):
        parser.error(
            "--url takes a server as it runs: neither --database nor what starts a server of its own goes with it"
        )
    if given.database and not given.database.startswith(("postgresql", "postgres:")):
        parser.error("--database must be postgresql://…; without it, a new SQLite shop is made")
    return Wishes(
        scenarios=[name for name in NAMES if name in chosen and not (name in ALONE and given.url)],
        concurrency=given.concurrency,
        seconds=given.seconds,
        most=given.most,
        database=given.database,
        address=given.url,
        token=given.token,
        sockets=given.sockets,
        redis=given.redis,
        sizes=sorted(set(given.sizes)),
    )


def _address(url: str) -> Address:
    try:
        return Address.parse(url)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


async def _run(wishes: Wishes, found: Report) -> None:
    """Add to a report what each scenario finds, so that what was measured before a failure is kept."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="headless-bench-") as scratch:
        directory = Path(scratch)
        loads = [name for name in wishes.scenarios if name not in ALONE]
        if loads:
            async with servers.bare(directory) as bare, _server(wishes, directory) as server:
                found.database = server.database
                shelf = await scenarios.prepare(server.address, token=server.token)
                for name in loads:
                    found.results += await _measure(name, scenarios.LOADS[name](shelf), wishes, server, bare)
        await _run_alone(wishes, found, directory)


async def _run_alone(wishes: Wishes, found: Report, directory: Path) -> None:
    """Run what starts servers of its own, one after the other."""
    database = wishes.database
    for name in wishes.scenarios:
        match name:
            case "flash":
                found.flash = await flash.hold(directory, database, most=wishes.most, say=_say)
            case "fanout":
                found.fanout = await live.fan_out(directory, database, sockets=wishes.sockets, say=_say)
            case "idle":
                found.idle = await waiting.idle(directory, database, sockets=wishes.sockets, say=_say)
            case "traffic":
                found.traffic = await waiting.traffic(directory, database, seconds=wishes.seconds, say=_say)
            case "latency":
                found.latency = await live.latency(directory, database, redis=wishes.redis, say=_say)
            case "import":
                found.imports = await imports.measure(directory, database, say=_say)
            case "cold":
                _say("cold")
                found.starts = await cold.measure(directory)
            case "grow":
                found.growth = await grow.measure(directory, database, sizes=wishes.sizes, say=_say)


@asynccontextmanager
async def _server(wishes: Wishes, directory: Path) -> AsyncIterator[Server]:
    if wishes.address is not None:
        pid = listener_on(wishes.address.port)
        weighed = Weighed((pid,) if pid is not None else ())
        yield Server(wishes.address, wishes.token, weighed, "a running server")
        return
    shop = directory / "shop"
    shop.mkdir()
    _say("starting the server")
    async with servers.on_postgres(shop, wishes.database) if wishes.database else servers.embedded(shop) as server:
        yield server


async def _measure(name: str, operation: Operation, wishes: Wishes, server: Server, bare: Bare) -> list[Result]:
    found = []
    for concurrency in wishes.concurrency:
        _say(f"{name}, {concurrency} at once")
        bounds = Bounds(concurrency=concurrency, seconds=wishes.seconds, most=wishes.most)
        beside = await measure(
            scenarios.ask_list, bare.address, bounds=replace(bounds, seconds=wishes.seconds / 2), weighed=bare.weighed
        )
        load = await measure(operation, server.address, bounds=bounds, weighed=server.weighed)
        found.append(Result.of(name, load, beside))
    return found


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
