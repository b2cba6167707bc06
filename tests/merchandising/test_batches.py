"""Does what is written in batches end as if each thing had been written alone?"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.merchandising import batches
from headless.merchandising.batches import Stopped
from headless.platform.db import SerializationFailure
from headless.platform.errors import Unavailable

REFUSED = "refused"


class Shelf:
    """What is kept, and how it came there. Things that are `bad` are refused, `racy` ones fail in a batch.

    At `faulty` ones the server itself fails, in a batch and alone.
    """

    def __init__(self, bad: set[int], racy: set[int] | None = None, faulty: set[int] | None = None) -> None:
        self.bad, self.racy, self.faulty = bad, racy or set(), faulty or set()
        self.kept: list[int] = []
        self.batches: list[list[int]] = []

    async def together(self, items: Sequence[int]) -> list[str]:
        self.batches.append(list(items))
        for index, item in enumerate(items):
            if item in self.bad:
                raise Stopped(index)
            if item in self.racy:
                raise SerializationFailure
            if item in self.faulty:
                raise ZeroDivisionError
        self.kept += items
        return [f"kept {item}" for item in items]

    async def alone(self, item: int) -> str:
        if item in self.bad:
            return REFUSED
        if item in self.faulty:
            raise ZeroDivisionError
        self.kept.append(item)
        return f"kept {item}"


async def written(shelf: Shelf, count: int, *, most: int) -> list[str]:
    return await batches.write(
        range(count),
        together=shelf.together,
        alone=shelf.alone,
        refused=lambda item, refusal: f"{item} {refusal.code}",
        weight=lambda item: 1 + item % 3,
        most=most,
    )


@given(st.integers(0, 30), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)), st.integers(0, 12))
async def test_each_thing_ends_as_if_it_were_alone(count: int, bad: set[int], racy: set[int], most: int) -> None:
    shelf = Shelf(bad, racy)

    results = await written(shelf, count, most=most)

    assert results == [REFUSED if item in bad else f"kept {item}" for item in range(count)]
    assert shelf.kept == [item for item in range(count) if item not in bad]
    assert all(sum(1 + item % 3 for item in batch) <= most for batch in shelf.batches)
    assert all(len(batch) > 1 for batch in shelf.batches)


@pytest.mark.parametrize("most", [0, 4, 12])
@pytest.mark.parametrize("faulty", [{3}, {0, 4, 9}])
async def test_a_fault_of_the_server_is_told_of_what_it_fails_at_alone(faulty: set[int], most: int) -> None:
    shelf = Shelf(set(), faulty=faulty)

    results = await written(shelf, 10, most=most)

    assert results == [f"{item} INTERNAL_SERVER_ERROR" if item in faulty else f"kept {item}" for item in range(10)]
    assert shelf.kept == [item for item in range(10) if item not in faulty]


@pytest.mark.parametrize("outage", [Unavailable(), OSError(), SerializationFailure()])
async def test_an_outage_is_no_fault_of_what_is_written(outage: Exception) -> None:
    async def be_down(_items: object) -> Any:
        raise outage

    with pytest.raises(type(outage)):
        await batches.write(
            [1], together=be_down, alone=be_down, refused=lambda _item, refusal: refusal, weight=lambda _item: 1, most=1
        )


async def test_one_that_is_refused_leaves_the_others_in_batches() -> None:
    shelf = Shelf({3})

    await written(shelf, 8, most=100)

    assert shelf.batches == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2], [4, 5, 6, 7]]


async def test_nothing_is_written_together_that_may_not_be() -> None:
    shelf = Shelf(set())

    await written(shelf, 8, most=0)

    assert shelf.batches == []
    assert shelf.kept == list(range(8))
