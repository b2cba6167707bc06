"""Does allocation give what is there, all or nothing?"""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.inventory.allocation import AllocationStrategy, Routing, Shelves
from headless.inventory.rules import Demand, Shortage, Stock, Take, sellable


def number(value: int) -> UUID:
    return UUID(int=value)


A, B = number(1), number(2)
NEAR, FAR = number(11), number(12)
ONE, TWO = number(21), number(22)


def stock(variant: UUID, place: UUID, free: int, *, position: int = 1, sells: bool = True) -> Stock:
    return Stock(variant, place, position, sells, on_hand=max(0, free), damaged=-min(free, 0))


@pytest.mark.parametrize(
    ("stocks", "demands", "takes", "shortages"),
    [
        pytest.param([], [Demand(ONE, A, 1)], [], [Shortage(A, 1, 0)], id="never stocked"),
        pytest.param([stock(A, NEAR, 2)], [Demand(ONE, A, 2)], [Take(ONE, A, NEAR, 2)], [], id="exactly enough"),
        pytest.param([stock(A, NEAR, 2)], [Demand(ONE, A, 3)], [], [Shortage(A, 3, 2)], id="one short"),
        pytest.param(
            [stock(A, FAR, 5, position=2), stock(A, NEAR, 1, position=1)],
            [Demand(ONE, A, 3)],
            [Take(ONE, A, NEAR, 1), Take(ONE, A, FAR, 2)],
            [],
            id="the nearer location first",
        ),
        pytest.param(
            [stock(A, NEAR, 1), stock(A, FAR, 2, position=2)],
            [Demand(ONE, A, 2), Demand(TWO, A, 1)],
            [Take(ONE, A, NEAR, 1), Take(ONE, A, FAR, 1), Take(TWO, A, FAR, 1)],
            [],
            id="two lines share",
        ),
        pytest.param(
            [stock(A, NEAR, 3)],
            [Demand(ONE, A, 2), Demand(TWO, A, 2)],
            [],
            [Shortage(A, 4, 3)],
            id="lines are summed before",
        ),
        pytest.param(
            [stock(A, NEAR, 5), stock(B, NEAR, 0)],
            [Demand(ONE, A, 1), Demand(TWO, B, 1)],
            [],
            [Shortage(B, 1, 0)],
            id="one short variant stops all",
        ),
        pytest.param(
            [stock(A, NEAR, 5, sells=False)], [Demand(ONE, A, 1)], [], [Shortage(A, 1, 0)], id="closed location"
        ),
        pytest.param(
            [stock(A, NEAR, -4), stock(A, FAR, 2, position=2)],
            [Demand(ONE, A, 2)],
            [Take(ONE, A, FAR, 2)],
            [],
            id="a debt here takes nothing there",
        ),
    ],
)
def test_allocation(stocks: list[Stock], demands: list[Demand], takes: list[Take], shortages: list[Shortage]) -> None:
    by_variant: dict[UUID, list[Stock]] = {}
    for level in stocks:
        by_variant.setdefault(level.variant_id, []).append(level)

    assert Shelves(by_variant).take(demands, Routing()) == (takes, shortages)


levels = st.builds(
    Stock,
    variant_id=st.sampled_from([A, B]),
    location_id=st.integers(1, 4).map(number),
    position=st.integers(0, 3),
    sells=st.booleans(),
    on_hand=st.integers(0, 9),
    reserved=st.integers(0, 9),
    committed=st.integers(0, 9),
    damaged=st.integers(0, 2),
    safety_stock=st.integers(0, 2),
)


@given(
    st.lists(levels, unique_by=lambda level: (level.variant_id, level.location_id)),
    st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 6)), max_size=5),
    st.sampled_from(AllocationStrategy),
    st.integers(0, 5),
)
def test_never_more_than_is_sellable_and_all_or_nothing(
    stocks: list[Stock], wanted: list[tuple[UUID, int]], strategy: AllocationStrategy, backorder_limit: int
) -> None:
    stocks = [replace(level, backorder_limit=backorder_limit) for level in stocks]
    by_variant = {variant: [level for level in stocks if level.variant_id == variant] for variant in (A, B)}
    demands = [Demand(number(100 + nth), variant, quantity) for nth, (variant, quantity) in enumerate(wanted)]

    takes, shortages = Shelves(by_variant).take(demands, Routing(strategy))

    total = {variant: sum(demand.quantity for demand in demands if demand.variant_id == variant) for variant in (A, B)}
    short = {variant for variant in (A, B) if total[variant] > sellable(by_variant[variant])}
    assert {shortage.variant_id for shortage in shortages} == short
    assert all(shortage.wanted == total[shortage.variant_id] for shortage in shortages)
    assert all(shortage.available == sellable(by_variant[shortage.variant_id]) for shortage in shortages)
    if shortages:
        assert takes == []
        return
    assert all(take.quantity > 0 for take in takes)
    assert len({(take.line_id, take.location_id) for take in takes}) == len(takes)
    for demand in demands:
        assert sum(take.quantity for take in takes if take.line_id == demand.line_id) == demand.quantity
    for variant in (A, B):
        owed = 0
        for level in by_variant[variant]:
            at = (variant, level.location_id)
            given_away = sum(take.quantity for take in takes if (take.variant_id, take.location_id) == at)
            assert level.sells or given_away == 0
            if level.sells:
                owed += max(0, -(level.available - given_away))
        already = sum(max(0, -level.available) for level in by_variant[variant] if level.sells)
        assert owed <= max(backorder_limit, already)


@given(levels)
def test_quantities_that_are_free_add_up(level: Stock) -> None:
    parts = level.reserved + level.committed + level.damaged + level.safety_stock

    assert level.quantity("available") + parts == level.quantity("on_hand")
