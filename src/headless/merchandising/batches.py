"""How is much written in few transactions, to the same end as if each thing had one of its own?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog

from headless.platform.db import SerializationFailure
from headless.platform.errors import Fault, Refusal
from headless.platform.storage import StorageUnavailable

log = structlog.get_logger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

OUTAGES: Final = (Fault, OSError, StorageUnavailable, SerializationFailure)
"""What isn't about the thing that is written, and may be over when it is tried again."""


class InternalServerError(Refusal):
    """The server fails at this, which is a fault of ours; its log says more. All the rest goes on without it."""


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
    refused: Callable[[Item, Refusal], Result],
    weight: Callable[[Item], int],
    most: int,
) -> list[Result]:
    """Write things in their order, as many `together` as weigh no more than `most`; answer each one's result.

    What stops a batch is written `alone` when it is its turn, which says why it is refused. A batch that the database
    gives up on, or that a fault of ours ends, is written one by one; what ends by such a fault alone is `refused` as an
    `InternalServerError`.
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
            results.append(await _alone(items[begin], alone, refused))
            continue
        try:
            results += await together(items[begin:end])
        except Stopped as stopped:
            apart.add(begin + stopped.index)
        except SerializationFailure:
            apart.update(range(begin, end))
        except OUTAGES:
            raise
        except Exception:
            # It comes up again where what it is about is written alone; if it doesn't, batches are at fault.
            log.exception("batch_failed", things=end - begin)
            apart.update(range(begin, end))
    return results


async def _alone(
    item: Item, alone: Callable[[Item], Awaitable[Result]], refused: Callable[[Item, Refusal], Result]
) -> Result:
    try:
        return await alone(item)
    except OUTAGES:
        raise
    except Exception:
        # The edge of what is written: the others have nothing to do with it.
        log.exception("writing_failed")
        return refused(item, InternalServerError())
