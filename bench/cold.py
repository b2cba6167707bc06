"""How long from nothing to the first product list, and from a stopped shop to the next one?"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import scenarios
from bench.client import Address
from bench.processes import cpu_seconds, free_port, running
from bench.servers import HEADLESS, ROOT, answers, bare_command, environment_of, until

RUNS = 3


@dataclass(frozen=True, slots=True)
class Start:
    """The starts of one kind: the median, and all of them in seconds."""

    name: str
    median_s: float
    runs_s: list[float]
    median_cpu_s: float | None


async def measure(directory: Path) -> list[Start]:
    """Start a bare ASGI app, a shop that doesn't exist yet, and the same shop once more; each three times."""
    timed: dict[str, list[tuple[float, float | None]]] = {"bare ASGI": [], "empty directory": [], "existing shop": []}
    for run in range(RUNS):
        timed["bare ASGI"].append(
            await _time(bare_command, answers, environment=os.environ, directory=ROOT, log=directory / "bare.log")
        )
        shop = directory / f"cold-{run}"
        shop.mkdir()
        environment = environment_of(shop, port=0)
        for name in ("empty directory", "existing shop"):
            timed[name].append(
                await _time(
                    lambda _: [HEADLESS, "dev"],
                    scenarios.is_open,
                    environment=environment,
                    directory=shop,
                    log=directory / f"cold-{run}.log",
                )
            )
    return [_start(name, times) for name, times in timed.items()]


async def _time(
    command: Callable[[int], list[str]],
    is_ready: Callable[[Address], Awaitable[bool]],
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
) -> tuple[float, float | None]:
    """Seconds, and CPU seconds, from starting a program to its first answer."""
    address = Address("127.0.0.1", free_port())
    environment = {**environment, "HEADLESS_PORT": str(address.port)}
    began = time.perf_counter()
    async with running(command(address.port), environment=environment, directory=directory, log=log) as program:
        await until(lambda: is_ready(address), program)
        return time.perf_counter() - began, cpu_seconds(program.pid)


def _start(name: str, times: list[tuple[float, float | None]]) -> Start:
    cpu = [spent for _, spent in times if spent is not None]
    seconds = [taken for taken, _ in times]
    return Start(name, median(seconds), seconds, median(cpu) if cpu else None)
