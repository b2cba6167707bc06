"""How is background work done piece by piece, so that one piece that fails doesn't stop the others?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import structlog

from headless.platform.errors import Fault

log = structlog.get_logger(__name__)
T = TypeVar("T")

AT_ONCE = 8


async def each(pieces: Iterable[T], do: Callable[[T], Awaitable[object]], *, name: str) -> None:
    """Do something with every piece, a few at a time; what fails is logged and left for the next round."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(piece: T) -> None:
        async with turns:
            try:
                await do(piece)
            except (Fault, OSError) as error:
                log.warning("piece_postponed", work=name, error=str(error))
            except Exception:
                # The edge of the background process: the other pieces have nothing to do with this one.
                log.exception("piece_failed", work=name)

    await asyncio.gather(*(one(piece) for piece in pieces))


async def whenever(wake: asyncio.Event, do: Callable[[], Awaitable[object]], *, poll_seconds: float, name: str) -> None:
    """Do something whenever woken, and now and then without, until cancelled; what fails is tried again."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(poll_seconds):
                await wake.wait()
        wake.clear()
        try:
            await do()
        except (Fault, OSError) as error:
            log.warning("postponed", work=name, error=str(error))
            await asyncio.sleep(poll_seconds)
        except Exception:
            # The edge of the process: without this loop nothing would be live any more.
            log.exception("failed", work=name)
            await asyncio.sleep(poll_seconds)
