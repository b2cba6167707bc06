"""Which steps can a checkout take, and what is frozen in it?

(none) ──start──▶ OPEN ──complete──▶ PAYMENT_PENDING ──paid──▶ COMPLETED
                   │ ▲                   │      ▲
                   │ └──declined/failed──┤      └──complete again──┐
                   │                     └──action wanted──▶ ACTION_REQUIRED
                   ├──edit/cancel──▶ CANCELLED                     │
                   └──time──▶ EXPIRED ◀──────────time, payment abandoned
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from headless.cart.rules import Line
from headless.inventory.rules import Demand
from headless.orders.rules import PlacedLine
from headless.platform import ids
from headless.pricing.rules import Totals, totals


class CheckoutStatus(StrEnum):
    """Where a checkout stands."""

    OPEN = "OPEN"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    COMPLETED = "COMPLETED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


PAYING = frozenset({CheckoutStatus.PAYMENT_PENDING, CheckoutStatus.ACTION_REQUIRED})
LIVE = PAYING | {CheckoutStatus.OPEN, CheckoutStatus.COMPLETED}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedLine(PlacedLine):
    """A cart's line at its frozen price; `id` becomes the order line's."""

    cart_line_id: UUID


@dataclass(frozen=True, slots=True)
class Quote:
    """What a checkout sells: frozen from its start."""

    currency: str
    lines: tuple[QuotedLine, ...]
    delivery_rate_id: UUID
    delivery_title: str
    totals: Totals

    @property
    def demands(self) -> list[Demand]:
        return [Demand(line.id, line.variant_id, line.quantity) for line in self.lines if line.is_tracked]


_QUOTE = TypeAdapter(Quote)


def quote(
    lines: list[Line], *, currency: str, delivery_rate_id: UUID, delivery_title: str, delivery_amount: int
) -> Quote:
    """Freeze lines that have an offer, at its price."""
    quoted = tuple(
        QuotedLine(
            id=ids.new(),
            cart_line_id=line.id,
            variant_id=line.variant_id,
            product_id=line.offer.product_id,
            title=line.offer.product_title,
            variant_title=line.offer.variant_title,
            sku=line.offer.sku,
            quantity=line.quantity,
            unit_amount=line.offer.amount,
            compare_at_amount=line.offer.compare_at_amount,
            is_tracked=line.offer.quantity is not None,
            attributes=line.attributes,
        )
        for line in lines
        if line.offer is not None
    )
    sums = totals(((line.quantity, line.unit_amount) for line in quoted), delivery_amount=delivery_amount)
    return Quote(currency, quoted, delivery_rate_id, delivery_title, sums)


def dump(frozen: Quote) -> Any:
    return _QUOTE.dump_python(frozen, mode="json")


def load(stored: Any) -> Quote:
    return _QUOTE.validate_python(stored)
