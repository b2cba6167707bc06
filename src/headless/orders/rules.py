"""Which statuses follow from what has happened to an order?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class OrderStatus(StrEnum):
    """Where an order stands, for its buyer."""

    PENDING_PAYMENT = "PENDING_PAYMENT"
    CONFIRMED = "CONFIRMED"
    PROCESSING = "PROCESSING"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    PARTIALLY_RETURNED = "PARTIALLY_RETURNED"
    RETURNED = "RETURNED"
    CANCELLED = "CANCELLED"


class OrderFinancialStatus(StrEnum):
    """Where the money is."""

    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"


class OrderFulfillmentStatus(StrEnum):
    """How much has left the shop."""

    UNFULFILLED = "UNFULFILLED"
    PARTIALLY_FULFILLED = "PARTIALLY_FULFILLED"
    FULFILLED = "FULFILLED"


class OrderCancelReason(StrEnum):
    """Why an order was cancelled."""

    CUSTOMER = "CUSTOMER"
    DECLINED = "DECLINED"
    FRAUD = "FRAUD"
    INVENTORY = "INVENTORY"
    STAFF = "STAFF"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line as it is sold; `parts` of a bundle, `(variant, units in one bundle)`, whose stock is tracked."""

    id: UUID
    variant_id: UUID
    product_id: UUID
    title: str
    variant_title: str
    sku: str | None
    quantity: int
    unit_amount: int
    compare_at_amount: int | None
    is_tracked: bool
    attributes: tuple[tuple[str, str], ...] = ()
    parts: tuple[tuple[UUID, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Statuses:
    """The three derived statuses of an order."""

    status: OrderStatus
    financial_status: OrderFinancialStatus
    fulfillment_status: OrderFulfillmentStatus


@dataclass(frozen=True, slots=True)
class Happened:
    """The facts that an order's statuses derive from; amounts in minor units, units summed over lines."""

    total_amount: int
    authorized_amount: int
    captured_amount: int
    refunded_amount: int
    has_voided_payment: bool
    ordered_units: int
    preparing_units: int
    shipped_units: int
    delivered_units: int
    is_cancelled: bool


def derive(facts: Happened) -> Statuses:
    """Paid or authorized is confirmed; being prepared is processing; then shipped and delivered, in part or whole."""
    financial = financial_status(facts)
    gone = facts.shipped_units + facts.delivered_units
    if gone == 0:
        fulfillment = OrderFulfillmentStatus.UNFULFILLED
    elif gone < facts.ordered_units:
        fulfillment = OrderFulfillmentStatus.PARTIALLY_FULFILLED
    else:
        fulfillment = OrderFulfillmentStatus.FULFILLED
    if facts.is_cancelled:
        status = OrderStatus.CANCELLED
    elif facts.delivered_units >= facts.ordered_units:
        status = OrderStatus.DELIVERED
    elif gone >= facts.ordered_units:
        status = OrderStatus.SHIPPED
    elif gone:
        status = OrderStatus.PARTIALLY_SHIPPED
    elif facts.preparing_units:
        status = OrderStatus.PROCESSING
    elif facts.authorized_amount + facts.captured_amount >= facts.total_amount:
        status = OrderStatus.CONFIRMED
    else:
        status = OrderStatus.PENDING_PAYMENT
    return Statuses(status, financial, fulfillment)


def financial_status(facts: Happened) -> OrderFinancialStatus:
    if facts.refunded_amount and facts.refunded_amount >= facts.captured_amount:
        return OrderFinancialStatus.REFUNDED
    if facts.refunded_amount:
        return OrderFinancialStatus.PARTIALLY_REFUNDED
    if facts.captured_amount and facts.captured_amount < facts.total_amount:
        return OrderFinancialStatus.PARTIALLY_PAID
    is_free = not (facts.total_amount or facts.authorized_amount or facts.has_voided_payment)
    if facts.captured_amount or is_free:
        return OrderFinancialStatus.PAID
    if facts.authorized_amount:
        return OrderFinancialStatus.AUTHORIZED
    return OrderFinancialStatus.VOIDED if facts.has_voided_payment else OrderFinancialStatus.PENDING


@dataclass(frozen=True, slots=True)
class Progress:
    """How many units of a line are where; `in_fulfillments` counts shipments that aren't cancelled."""

    quantity: int
    cancelled: int
    in_fulfillments: int

    @property
    def fulfillable(self) -> int:
        return max(0, self.quantity - self.cancelled - self.in_fulfillments)


def units(statuses: Sequence[tuple[str, int]], wanted: str) -> int:
    return sum(quantity for status, quantity in statuses if status == wanted)
