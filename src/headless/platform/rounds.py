"""How are many who ask the same at one moment answered at the cost of a few?"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Rounds:
    """Work that is done once for all who wait for it.

    Whoever asks is answered by a round that begins after he asked, so no answer is older than its question: those who
    come while one runs share the next.
    """

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}

    async def ask(self, name: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of work that does the same for everyone who asks by this name; raises what it raises.

        It goes on though he who brought it goes away, so it must not use what is his alone.
        """
        coming = self._next.get(name)
        if coming is None:
            coming = self._next[name] = asyncio.create_task(self._run(name, work, self._running.get(name)))
            coming.add_done_callback(_retrieve)
        answer: Answer = await asyncio.shield(coming)
        return answer

    async def _run(
        self, name: Hashable, work: Callable[[], Awaitable[Answer]], before: "asyncio.Task[Any] | None"
    ) -> Answer:
        if before is not None:
            await asyncio.wait([before])
        mine = self._running[name] = self._next.pop(name)
        try:
            return await work()
        finally:
            if self._running[name] is mine:
                del self._running[name]


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Nobody may be left to hear of an error: it was told to those who were there."""
    if not task.cancelled():
        task.exception()
