"""Which steps can a checkout take, and what is frozen in it?

(none) ──start──▶ OPEN ──complete──▶ PAYMENT_PENDING ──paid──▶ COMPLETED
                   │ ▲                   │      ▲
                   │ └──declined/failed──┤      └──complete again──┐
                   │                     └──action wanted──▶ ACTION_REQUIRED
                   ├──edit/cancel──▶ CANCELLED                     │
                   └──time──▶ EXPIRED ◀──────────time, payment abandoned

| from            | event                          | to              | stock                       |
|-----------------|--------------------------------|-----------------|-----------------------------|
| (none)          | start                          | OPEN            | reserved                    |
| OPEN            | start again                    | OPEN            | kept, longer up to a limit  |
| OPEN            | edit of the cart, cancel       | CANCELLED       | given back                  |
| OPEN            | time is over                   | EXPIRED         | given back                  |
| OPEN            | complete                       | PAYMENT_PENDING | kept until there is an end  |
| OPEN            | paid, as a later answer tells  | COMPLETED       | committed to the order      |
| PAYMENT_PENDING | declined, failed, never arrived| OPEN            | kept, longer up to a limit  |
| PAYMENT_PENDING | the buyer has to act           | ACTION_REQUIRED | kept, longer up to a limit  |
| PAYMENT_PENDING | paid                           | COMPLETED       | committed to the order      |
| ACTION_REQUIRED | complete again                 | PAYMENT_PENDING | kept                        |
| ACTION_REQUIRED | paid, as a later answer tells  | COMPLETED       | committed to the order      |
| ACTION_REQUIRED | time is over, payment given up | EXPIRED         | given back                  |
| any other end   | paid, as a later answer tells  | as it was       | none; the money is returned |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from headless.cart.rules import Line
from headless.inventory.rules import Demand, Purchase
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
HOLDING = PAYING | {CheckoutStatus.OPEN}
LIVE = HOLDING | {CheckoutStatus.COMPLETED}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedLine(PlacedLine):
    """A cart's line at its frozen price; `id` becomes the order line's. `limit`: units one customer may have."""

    cart_line_id: UUID
    limit: int | None = None


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
        """What is to be held; of a bundle its parts."""
        return [
            Demand(line.id, variant_id, line.quantity * units)
            for line in self.lines
            if line.is_tracked
            for variant_id, units in line.parts or ((line.variant_id, 1),)
        ]

    @property
    def purchases(self) -> list[Purchase]:
        """What counts against limits per customer."""
        return [
            Purchase(line.id, line.variant_id, line.quantity, line.limit)
            for line in self.lines
            if line.limit is not None
        ]


_QUOTE = TypeAdapter(Quote)


def quote(
    lines: Sequence[Line],
    parts: Mapping[UUID, tuple[tuple[UUID, int], ...]],
    *,
    currency: str,
    delivery_rate_id: UUID,
    delivery_title: str,
    delivery_amount: int,
) -> Quote:
    """Freeze lines that have an offer, at its price, and bundles as they are made up now."""
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
            parts=parts.get(line.variant_id, ()),
            limit=line.offer.max_per_customer,
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
