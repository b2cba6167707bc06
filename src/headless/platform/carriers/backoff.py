"""How is a lost connection made again, without a storm?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 5.0


async def again_and_again(
    name: str, hold: Callable[[Callable[[], None]], Awaitable[None]], lost: tuple[type[Exception], ...]
) -> None:
    """Hold a connection until cancelled: when it is lost, wait a little longer each time and make it again.

    `hold` calls what it is given once it is connected. The first loss is logged, and the next connection.
    """
    attempts = 0

    def connected() -> None:
        nonlocal attempts
        if attempts:
            log.info("carrier_connected", carrier=name, attempts=attempts)
        attempts = 0

    while True:
        try:
            await hold(connected)
        except lost as error:
            if not attempts:
                log.warning("carrier_lost", carrier=name, error=f"{type(error).__name__}: {error}")
        attempts += 1
        longest = min(SHORTEST_SECONDS * 2 ** min(attempts, 10), LONGEST_SECONDS)
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - spreads reconnects, guards nothing
