"""How is a coroutine begun at once, with a task only if it has to wait?"""

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any


def begin(started: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
    """Run a coroutine until it waits for something; the task that goes on with it, None when it is done.

    What it raises before it waits is raised here. Until then it has no task of its own: `asyncio.current_task` is the
    caller's, or none.
    """
    try:
        awaited = started.send(None)
    except StopIteration:
        return None
    return asyncio.create_task(_rest(started, awaited))


async def _rest(started: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _driven(started, awaited)


@coroutine
def _driven(started: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Hand what a coroutine awaits on to the loop, and what comes of it back."""
    while True:
        try:
            answer = yield awaited
        except GeneratorExit:
            started.close()
            raise
        except BaseException as error:  # noqa: BLE001 - a cancellation, or what the awaited raised: the coroutine's own
            step = partial(started.throw, error)
        else:
            step = partial(started.send, answer)
        try:
            awaited = step()
        except StopIteration:
            return
