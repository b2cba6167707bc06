"""Which statuses follow from what has happened?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.orders.rules import (
    Happened,
    OrderFinancialStatus,
    OrderFulfillmentStatus,
    OrderStatus,
    Progress,
    Statuses,
    derive,
)

PAID = Happened(
    total_amount=1000,
    authorized_amount=0,
    captured_amount=1000,
    refunded_amount=0,
    has_voided_payment=False,
    ordered_units=3,
    preparing_units=0,
    shipped_units=0,
    delivered_units=0,
    is_cancelled=False,
)
UNPAID = replace(PAID, captured_amount=0)


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        pytest.param(UNPAID, "PENDING_PAYMENT", id="nothing paid"),
        pytest.param(replace(UNPAID, captured_amount=999), "PENDING_PAYMENT", id="a cent missing"),
        pytest.param(PAID, "CONFIRMED", id="captured"),
        pytest.param(replace(UNPAID, authorized_amount=1000), "CONFIRMED", id="authorized"),
        pytest.param(replace(UNPAID, authorized_amount=400, captured_amount=600), "CONFIRMED", id="both together"),
        pytest.param(replace(UNPAID, total_amount=0), "CONFIRMED", id="nothing to pay"),
        pytest.param(replace(PAID, refunded_amount=1000), "CONFIRMED", id="refunded alone cancels nothing"),
        pytest.param(replace(PAID, preparing_units=1), "PROCESSING", id="being prepared"),
        pytest.param(replace(PAID, preparing_units=1, shipped_units=1), "PARTIALLY_SHIPPED", id="one shipped"),
        pytest.param(replace(PAID, delivered_units=2), "PARTIALLY_SHIPPED", id="some delivered, the rest not shipped"),
        pytest.param(replace(PAID, shipped_units=3), "SHIPPED", id="all shipped"),
        pytest.param(replace(PAID, shipped_units=1, delivered_units=2), "SHIPPED", id="all gone, not all delivered"),
        pytest.param(replace(PAID, delivered_units=3), "DELIVERED", id="all delivered"),
        pytest.param(replace(PAID, is_cancelled=True), "CANCELLED", id="cancelled"),
        pytest.param(replace(UNPAID, is_cancelled=True), "CANCELLED", id="cancelled unpaid"),
    ],
)
def test_status(happened: Happened, expected: str) -> None:
    assert derive(happened).status == expected


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        pytest.param(UNPAID, "PENDING", id="nothing"),
        pytest.param(replace(UNPAID, authorized_amount=1000), "AUTHORIZED", id="authorized"),
        pytest.param(replace(UNPAID, captured_amount=1), "PARTIALLY_PAID", id="a cent captured"),
        pytest.param(PAID, "PAID", id="captured"),
        pytest.param(replace(PAID, has_voided_payment=True), "PAID", id="captured after another one was voided"),
        pytest.param(replace(UNPAID, total_amount=0), "PAID", id="nothing to pay"),
        pytest.param(replace(PAID, refunded_amount=1), "PARTIALLY_REFUNDED", id="a cent given back"),
        pytest.param(replace(PAID, refunded_amount=1000), "REFUNDED", id="all given back"),
        pytest.param(
            replace(PAID, captured_amount=400, refunded_amount=400), "REFUNDED", id="all that was captured given back"
        ),
        pytest.param(replace(UNPAID, has_voided_payment=True), "VOIDED", id="voided"),
        pytest.param(
            replace(UNPAID, has_voided_payment=True, authorized_amount=1000), "AUTHORIZED", id="voided, then authorized"
        ),
    ],
)
def test_financial_status(happened: Happened, expected: str) -> None:
    assert derive(happened).financial_status == expected


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        pytest.param(replace(PAID, preparing_units=3), "UNFULFILLED", id="prepared has not left"),
        pytest.param(replace(PAID, shipped_units=1), "PARTIALLY_FULFILLED", id="some shipped"),
        pytest.param(replace(PAID, delivered_units=1, shipped_units=1), "PARTIALLY_FULFILLED", id="some delivered"),
        pytest.param(replace(PAID, delivered_units=1, shipped_units=2), "FULFILLED", id="all gone"),
    ],
)
def test_fulfillment_status(happened: Happened, expected: str) -> None:
    assert derive(happened).fulfillment_status == expected


amounts = st.integers(0, 5)


@given(
    st.builds(
        Happened,
        total_amount=amounts,
        authorized_amount=amounts,
        captured_amount=amounts,
        refunded_amount=amounts,
        has_voided_payment=st.booleans(),
        ordered_units=st.integers(1, 5),
        preparing_units=amounts,
        shipped_units=amounts,
        delivered_units=amounts,
        is_cancelled=st.booleans(),
    )
)
def test_statuses_agree_with_each_other(happened: Happened) -> None:
    statuses = derive(happened)

    assert isinstance(statuses, Statuses)
    assert (statuses.status == OrderStatus.CANCELLED) == happened.is_cancelled
    if statuses.status in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
        assert statuses.fulfillment_status == OrderFulfillmentStatus.FULFILLED
    if statuses.status == OrderStatus.PARTIALLY_SHIPPED:
        assert statuses.fulfillment_status == OrderFulfillmentStatus.PARTIALLY_FULFILLED
    if statuses.financial_status == OrderFinancialStatus.PAID:
        assert happened.captured_amount >= happened.total_amount
        assert happened.refunded_amount == 0
    if statuses.financial_status in {OrderFinancialStatus.REFUNDED, OrderFinancialStatus.PARTIALLY_REFUNDED}:
        assert happened.refunded_amount > 0


@given(amounts, amounts, amounts)
def test_what_is_left_to_ship_is_never_negative(quantity: int, cancelled: int, in_fulfillments: int) -> None:
    left = Progress(quantity, cancelled, in_fulfillments).fulfillable

    assert left == max(0, quantity - cancelled - in_fulfillments)
