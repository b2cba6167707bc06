"""How long does a product page take meanwhile? A shopper of his own process, who says so for every page."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.client import Address, Connection, Conversation
from bench.load import percentile
from bench.scenarios import PAGE

PAUSE_SECONDS = 0.005
ARGUMENTS = 3

Window = tuple[float, float]
"""From when to when, by the clock."""


def count(log: Path) -> int:
    """How many pages there were so far."""
    return log.read_bytes().count(b"\n")


def p95_ms(log: Path, windows: Sequence[Window]) -> float:
    """What all but the slowest pages took of those that were under way in some windows; raises ValueError without."""
    taken = sorted(
        1000 * (ended - started)
        for started, ended in _pages(log.read_text().splitlines())
        if any(started < end and ended > begin for begin, end in windows)
    )
    if not taken:
        raise ValueError(log)
    return percentile(taken, 0.95)


def _pages(lines: Iterable[str]) -> Iterable[Window]:
    for line in lines:
        # The last line may be half written.
        started, _, ended = line.partition(" ")
        if ended:
            yield float(started), float(ended)


async def browse(address: Address, handle: str) -> None:
    """Look at one page again and again until killed."""
    async with Connection(address) as connection:
        while True:
            started = time.time()
            await Conversation(connection).ask(PAGE, handle=handle)
            print(f"{started:.6f} {time.time():.6f}", flush=True)
            await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    if len(sys.argv) != ARGUMENTS:
        sys.exit("python -m bench.browsing URL HANDLE")
    asyncio.run(browse(Address.parse(sys.argv[1]), sys.argv[2]))
