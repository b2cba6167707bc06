"""Is work done once for all who ask at one moment, and never answered from before the question?"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headless.platform.rounds import Rounds

PATIENCE = 10


class Work:
    """Work that waits to be let go, and answers how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.gates: list[asyncio.Future[None]] = []

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return mine

    async def until(self, begun: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.begun < begun:
                await asyncio.sleep(0)


@pytest.fixture
async def rounds() -> AsyncIterator[Rounds]:
    made = Rounds()
    yield made
    assert (made._next, made._running) == ({}, {})


def asking(rounds: Rounds, name: str, work: Work, count: int) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(rounds.ask(name, work)) for _ in range(count)]


async def test_who_asks_while_work_runs_gets_the_next_round(rounds: Rounds) -> None:
    work = Work()
    first = asking(rounds, "a", work, 3)
    await work.until(1)
    late = asking(rounds, "a", work, 5)
    await asyncio.sleep(0)
    assert work.begun == 1
    work.gates[0].set_result(None)
    await work.until(2)
    latest = asking(rounds, "a", work, 1)
    work.gates[1].set_result(None)
    await work.until(3)
    work.gates[2].set_result(None)

    assert await asyncio.gather(*first, *late, *latest) == [1] * 3 + [2] * 5 + [3]


async def test_other_questions_have_rounds_of_their_own(rounds: Rounds) -> None:
    one, other = Work(), Work()
    tasks = asking(rounds, "a", one, 2) + asking(rounds, "b", other, 2)
    await one.until(1)
    await other.until(1)
    other.gates[0].set_result(None)
    assert await asyncio.gather(*tasks[2:]) == [1, 1]
    one.gates[0].set_result(None)
    assert await asyncio.gather(*tasks[:2]) == [1, 1]


async def test_who_brought_the_work_may_go_away(rounds: Rounds) -> None:
    work = Work()
    gone, *others = asking(rounds, "a", work, 3)
    await work.until(1)
    gone.cancel()
    await asyncio.sleep(0)
    work.gates[0].set_result(None)

    assert await asyncio.gather(*others) == [1, 1]
    assert gone.cancelled()


async def test_error_is_told_to_all_who_waited_and_not_kept(rounds: Rounds) -> None:
    work = Work()
    waiting = asking(rounds, "a", work, 2)
    await work.until(1)
    late = asking(rounds, "a", work, 1)
    await asyncio.sleep(0)
    work.gates[0].set_exception(OSError("gone"))
    assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == ["gone", "gone"]
    await work.until(2)
    work.gates[1].set_result(None)

    assert await asyncio.gather(*late) == [2]


async def test_error_that_nobody_waits_for_is_no_warning(rounds: Rounds) -> None:
    work = Work()
    (gone,) = asking(rounds, "a", work, 1)
    await work.until(1)
    gone.cancel()
    await asyncio.sleep(0)
    work.gates[0].set_exception(OSError("gone"))
    async with asyncio.timeout(PATIENCE):
        while rounds._running:
            await asyncio.sleep(0)
