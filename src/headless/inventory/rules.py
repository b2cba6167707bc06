"""What is a level worth, and what is wanted and taken of it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

COUNTED = ("on_hand", "reserved", "committed", "damaged", "safety_stock", "incoming")
WRITABLE = frozenset({"available", "on_hand", "damaged", "safety_stock"})
MAX_QUANTITY = 10**9


@dataclass(frozen=True, slots=True)
class Stock:
    """A variant's counted quantities at one location.

    `sells` tells whether orders ship from there; `backorder_limit` is the variant's, over all locations.
    """

    variant_id: UUID
    location_id: UUID
    position: int
    sells: bool
    on_hand: int = 0
    reserved: int = 0
    committed: int = 0
    damaged: int = 0
    safety_stock: int = 0
    incoming: int = 0
    country_code: str | None = None
    backorder_limit: int = 0
    is_part: bool = False

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved - self.committed - self.damaged - self.safety_stock

    def quantity(self, name: str) -> int:
        return self.available if name == "available" else int(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Demand:
    """A line that wants units of a variant."""

    line_id: UUID
    variant_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Take:
    """Units that a location gives to a line."""

    line_id: UUID
    variant_id: UUID
    location_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """Units of a line's variant of which one customer may have at most `limit` in all."""

    line_id: UUID
    variant_id: UUID
    quantity: int
    limit: int


@dataclass(frozen=True, slots=True)
class Shortage:
    """A variant of which less can be given than all lines together want."""

    variant_id: UUID
    wanted: int
    available: int


def sellable(stocks: Sequence[Stock]) -> int:
    """Units of one variant that a checkout would grant: what selling locations have free, and may owe beyond that.

    What one location lacks isn't deducted from what another has, yet uses the back-order limit up.
    """
    selling = [stock for stock in stocks if stock.sells]
    return sum(max(stock.available, 0) for stock in selling) + headroom(selling)


def headroom(selling: Sequence[Stock]) -> int:
    """Units that may yet be sold beyond what there is; only a location with a level can owe them."""
    if not selling:
        return 0
    return max(0, selling[0].backorder_limit - sum(max(-stock.available, 0) for stock in selling))
