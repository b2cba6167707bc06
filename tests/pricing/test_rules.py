"""Do totals add up to the minor unit?"""

from hypothesis import given
from hypothesis import strategies as st

from headless.platform.money import MAX_AMOUNT
from headless.pricing.rules import MAX_UNITS, Totals, totals


def test_totals_of_a_cart() -> None:
    found = totals([(2, 1290), (1, 2500)], delivery_amount=490)

    assert found == Totals(subtotal_amount=5080, discount_amount=0, delivery_amount=490, tax_amount=0)
    assert found.total_amount == 5570


def test_nothing_costs_only_its_delivery() -> None:
    assert totals([], delivery_amount=490).total_amount == 490


amounts = st.integers(0, MAX_AMOUNT)


@given(amounts, amounts, amounts, amounts)
def test_lines_less_discounts_and_delivery_and_tax_are_the_total(
    subtotal: int, discount: int, delivery: int, tax: int
) -> None:
    found = Totals(subtotal_amount=subtotal, discount_amount=discount, delivery_amount=delivery, tax_amount=tax)

    assert found.total_amount == subtotal - discount + delivery + tax


@given(st.lists(st.tuples(st.integers(1, MAX_UNITS), amounts), max_size=5), amounts)
def test_order_of_lines_makes_no_difference(lines: list[tuple[int, int]], delivery: int) -> None:
    assert totals(lines, delivery_amount=delivery) == totals(lines[::-1], delivery_amount=delivery)
