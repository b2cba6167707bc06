"""Does what is written in batches end as if each thing had been written alone?"""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from headless.merchandising import batches
from headless.merchandising.batches import Stopped
from headless.platform.db import SerializationFailure

REFUSED = "refused"


class Shelf:
    """What is kept, and how it came there. Things that are `bad` are refused, `racy` ones fail in a batch."""

    def __init__(self, bad: set[int], racy: set[int] | None = None) -> None:
        self.bad, self.racy = bad, racy or set()
        self.kept: list[int] = []
        self.batches: list[list[int]] = []

    async def together(self, items: Sequence[int]) -> list[str]:
        self.batches.append(list(items))
        for index, item in enumerate(items):
            if item in self.bad:
                raise Stopped(index)
            if item in self.racy:
                raise SerializationFailure if item % 2 else ZeroDivisionError
        self.kept += items
        return [f"kept {item}" for item in items]

    async def alone(self, item: int) -> str:
        if item in self.bad:
            return REFUSED
        self.kept.append(item)
        return f"kept {item}"


async def written(shelf: Shelf, count: int, *, most: int) -> list[str]:
    return await batches.write(
        range(count), together=shelf.together, alone=shelf.alone, weight=lambda item: 1 + item % 3, most=most
    )


@given(st.integers(0, 30), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)), st.integers(0, 12))
async def test_each_thing_ends_as_if_it_were_alone(count: int, bad: set[int], racy: set[int], most: int) -> None:
    shelf = Shelf(bad, racy)

    results = await written(shelf, count, most=most)

    assert results == [REFUSED if item in bad else f"kept {item}" for item in range(count)]
    assert shelf.kept == [item for item in range(count) if item not in bad]
    assert all(sum(1 + item % 3 for item in batch) <= most for batch in shelf.batches)
    assert all(len(batch) > 1 for batch in shelf.batches)


async def test_one_that_is_refused_leaves_the_others_in_batches() -> None:
    shelf = Shelf({3})

    await written(shelf, 8, most=100)

    assert shelf.batches == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2], [4, 5, 6, 7]]


async def test_nothing_is_written_together_that_may_not_be() -> None:
    shelf = Shelf(set())

    await written(shelf, 8, most=0)

    assert shelf.batches == []
    assert shelf.kept == list(range(8))
