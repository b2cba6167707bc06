"""Does a coroutine that doesn't wait need no task, and one that waits go on like any other?"""

import asyncio
from contextlib import suppress

import pytest

from headless.platform.tasks import begin


async def test_what_does_not_wait_is_done_at_once() -> None:
    done = []

    async def work() -> None:
        done.append(1)

    assert begin(work()) is None
    assert done == [1]


async def test_what_waits_goes_on_in_a_task_of_its_own() -> None:
    gate, done = asyncio.get_running_loop().create_future(), []

    async def work() -> None:
        done.append("begun")
        done.append(await gate)
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await asyncio.sleep(0.001)
        done.append("through")

    task = begin(work())
    assert task is not None
    await asyncio.sleep(0)
    assert done == ["begun"]
    gate.set_result("opened")
    await task
    assert done == ["begun", "opened", "through"]


async def test_what_is_awaited_raises_in_the_coroutine() -> None:
    gate, caught = asyncio.get_running_loop().create_future(), []

    async def work() -> None:
        try:
            await gate
        except OSError as error:
            caught.append(str(error))
        raise LookupError

    task = begin(work())
    assert task is not None
    gate.set_exception(OSError("gone"))
    with pytest.raises(LookupError):
        await task
    assert caught == ["gone"]


async def test_error_before_anything_is_awaited_is_the_callers() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        begin(work())


async def test_cancelling_runs_what_the_coroutine_does_at_its_end() -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    task = begin(work())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert cleaned == [1]
