"""How is much written in few transactions, to the same end as if each thing had one of its own?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from headless.platform.db import SerializationFailure
from headless.platform.errors import Fault
from headless.platform.storage import StorageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Stopped(Exception):
    """A thing of a batch, by its index, is refused; nothing of the batch is kept."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(index)


async def write(
    items: Sequence[Item],
    *,
    together: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
    alone: Callable[[Item], Awaitable[Result]],
    weight: Callable[[Item], int],
    most: int,
) -> list[Result]:
    """Write things in their order, as many `together` as weigh no more than `most`; answer each one's result.

    What stops a batch is written `alone` when it is its turn, which says why it is refused. A batch that the database
    gives up on, or that a fault of ours ends, is written one by one.
    """
    results: list[Result] = []
    apart: set[int] = set()
    while len(results) < len(items):
        begin = end = len(results)
        left = most
        while end < len(items) and end not in apart and weight(items[end]) <= left:
            left -= weight(items[end])
            end += 1
        if end - begin < 2:  # noqa: PLR2004 - one is no batch
            results.append(await alone(items[begin]))
            continue
        try:
            results += await together(items[begin:end])
        except Stopped as stopped:
            apart.add(begin + stopped.index)
        except SerializationFailure:
            apart.update(range(begin, end))
        except (Fault, OSError, StorageUnavailable):
            raise
        except Exception:  # noqa: BLE001 - nobody foresaw it: it comes up again where what it is about is written alone
            apart.update(range(begin, end))
    return results
