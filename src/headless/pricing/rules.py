"""How are line amounts and totals computed? Minor units throughout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_UNITS = 100_000
"""Units of one line; keeps every total far inside BIGINT."""


@dataclass(frozen=True, slots=True)
class Totals:
    """subtotal - discount + delivery + tax = total, to the minor unit."""

    subtotal_amount: int
    discount_amount: int
    delivery_amount: int
    tax_amount: int

    @property
    def total_amount(self) -> int:
        return self.subtotal_amount - self.discount_amount + self.delivery_amount + self.tax_amount


def totals(lines: Iterable[tuple[int, int]], *, delivery_amount: int) -> Totals:
    """Sum lines of `(quantity, unit amount)`; prices are final consumer prices, so no tax is added on top."""
    subtotal = sum(quantity * unit_amount for quantity, unit_amount in lines)
    return Totals(subtotal_amount=subtotal, discount_amount=0, delivery_amount=delivery_amount, tax_amount=0)
