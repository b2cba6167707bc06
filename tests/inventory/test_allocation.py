"""Does each strategy ask locations in its order, and sell beyond the stock only as far as it may?"""

from collections.abc import Sequence
from uuid import UUID

import pytest

from headless.inventory.allocation import AllocationStrategy, Routing, Shelves
from headless.inventory.rules import Demand, Shortage, Stock, Take, sellable


def number(value: int) -> UUID:
    return UUID(int=value)


MUG, SHIRT = number(1), number(2)
BERLIN, PARIS, LYON = number(11), number(12), number(13)
COUNTRIES = {BERLIN: "DE", PARIS: "FR", LYON: "FR"}
ONE, TWO, THREE = number(21), number(22), number(23)


def stock(variant: UUID, place: UUID, free: int, *, backorder_limit: int = 0) -> Stock:
    position = list(COUNTRIES).index(place)
    return Stock(
        variant, place, position, sells=True, on_hand=max(0, free), damaged=max(0, -free),
        country_code=COUNTRIES[place], backorder_limit=backorder_limit,
    )  # fmt: skip


def shelves(*stocks: Stock) -> Shelves:
    by_variant: dict[UUID, list[Stock]] = {}
    for level in stocks:
        by_variant.setdefault(level.variant_id, []).append(level)
    return Shelves(by_variant)


def take(stocks: Sequence[Stock], demands: Sequence[Demand], routing: Routing) -> set[Take]:
    takes, shortages = shelves(*stocks).take(demands, routing)
    assert shortages == []
    return set(takes)


EVERYWHERE = [stock(variant, place, 5) for variant in (MUG, SHIRT) for place in COUNTRIES]


def test_nearest_serves_from_the_buyers_country_first() -> None:
    nearest = Routing(AllocationStrategy.NEAREST, "FR")

    assert take(EVERYWHERE, [Demand(ONE, MUG, 5)], nearest) == {Take(ONE, MUG, PARIS, 5)}
    assert take(EVERYWHERE, [Demand(ONE, MUG, 12)], nearest) == {
        Take(ONE, MUG, PARIS, 5),
        Take(ONE, MUG, LYON, 5),
        Take(ONE, MUG, BERLIN, 2),
    }


def test_nearest_without_a_location_in_the_country_goes_by_position() -> None:
    routing = Routing(AllocationStrategy.NEAREST, "JP")

    assert take(EVERYWHERE, [Demand(ONE, MUG, 1)], routing) == {Take(ONE, MUG, BERLIN, 1)}


def test_fewest_splits_prefers_the_location_that_has_everything() -> None:
    stocks = [stock(MUG, BERLIN, 9), stock(MUG, LYON, 2), stock(SHIRT, PARIS, 9), stock(SHIRT, LYON, 2)]
    demands = [Demand(ONE, MUG, 1), Demand(TWO, SHIRT, 2), Demand(THREE, MUG, 1)]

    by_splits = take(stocks, demands, Routing(AllocationStrategy.FEWEST_SPLITS))
    by_position = take(stocks, demands, Routing())

    assert {each.location_id for each in by_splits} == {LYON}
    assert {each.location_id for each in by_position} == {BERLIN, PARIS}


def test_fewest_splits_splits_a_line_only_when_no_location_can_serve_it_alone() -> None:
    stocks = [stock(MUG, BERLIN, 3), stock(MUG, PARIS, 4)]

    takes = take(stocks, [Demand(ONE, MUG, 4), Demand(TWO, MUG, 3)], Routing(AllocationStrategy.FEWEST_SPLITS))
    assert takes == {Take(ONE, MUG, PARIS, 4), Take(TWO, MUG, BERLIN, 3)}

    takes = take(stocks, [Demand(ONE, MUG, 6)], Routing(AllocationStrategy.FEWEST_SPLITS))
    assert takes == {Take(ONE, MUG, BERLIN, 3), Take(ONE, MUG, PARIS, 3)}


def test_what_is_sold_beyond_the_stock_is_owed_by_the_first_location() -> None:
    stocks = [stock(MUG, BERLIN, 1, backorder_limit=3), stock(MUG, PARIS, 2, backorder_limit=3)]

    assert sellable(stocks) == 6
    assert take(stocks, [Demand(ONE, MUG, 6)], Routing()) == {Take(ONE, MUG, BERLIN, 4), Take(ONE, MUG, PARIS, 2)}
    assert shelves(*stocks).take([Demand(ONE, MUG, 7)], Routing()) == ([], [Shortage(MUG, 7, 6)])


def test_what_is_owed_already_uses_the_limit_up() -> None:
    stocks = [stock(MUG, BERLIN, -2, backorder_limit=3), stock(MUG, PARIS, 0, backorder_limit=3)]

    assert sellable(stocks) == 1


def test_a_location_that_sells_nothing_owes_nothing() -> None:
    closed = Stock(MUG, BERLIN, 0, sells=False, on_hand=5, backorder_limit=9)

    assert sellable([closed]) == 0
    assert shelves(closed).take([Demand(ONE, MUG, 1)], Routing()) == ([], [Shortage(MUG, 1, 0)])


@pytest.mark.parametrize("strategy", AllocationStrategy)
def test_several_buyers_share_what_is_there_in_their_order(strategy: AllocationStrategy) -> None:
    left = shelves(stock(MUG, BERLIN, 2), stock(MUG, PARIS, 1))

    first, no_shortage = left.take([Demand(ONE, MUG, 2)], Routing(strategy))
    nothing, short = left.take([Demand(TWO, MUG, 2)], Routing(strategy))
    last, none_left = left.take([Demand(THREE, MUG, 1)], Routing(strategy))

    assert (sum(each.quantity for each in first), no_shortage) == (2, [])
    assert (nothing, short) == ([], [Shortage(MUG, 2, 1)])
    assert (last, none_left) == ([Take(THREE, MUG, PARIS, 1)], [])
