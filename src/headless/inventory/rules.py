"""Which location gives how much, and what is a level worth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

COUNTED = ("on_hand", "reserved", "committed", "damaged", "safety_stock", "incoming")
WRITABLE = frozenset({"available", "on_hand", "damaged", "safety_stock"})
MAX_QUANTITY = 10**9


@dataclass(frozen=True, slots=True)
class Stock:
    """A variant's counted quantities at one location."""

    variant_id: UUID
    location_id: UUID
    position: int
    is_active: bool
    on_hand: int = 0
    reserved: int = 0
    committed: int = 0
    damaged: int = 0
    safety_stock: int = 0
    incoming: int = 0

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
class Shortage:
    """A variant of which less can be given than all lines together want."""

    variant_id: UUID
    wanted: int
    available: int


def sellable(stocks: Sequence[Stock]) -> int:
    """Units that a checkout would grant: what active locations have free, negative ones not deducted from others."""
    return sum(max(stock.available, 0) for stock in stocks if stock.is_active)


def allocate(stocks: Mapping[UUID, Sequence[Stock]], demands: Sequence[Demand]) -> tuple[list[Take], list[Shortage]]:
    """Serve lines from locations in their order of position, splitting where one has too little.

    Either every demand is met in full or the shortages are named and nothing may be taken.
    """
    wanted: dict[UUID, int] = {}
    for demand in demands:
        wanted[demand.variant_id] = wanted.get(demand.variant_id, 0) + demand.quantity
    free = {
        variant_id: {
            stock.location_id: stock.available
            for stock in sorted(stocks.get(variant_id, ()), key=lambda stock: (stock.position, stock.location_id))
            if stock.is_active and stock.available > 0
        }
        for variant_id in wanted
    }
    shortages = [
        Shortage(variant_id, total, sum(free[variant_id].values()))
        for variant_id, total in wanted.items()
        if sum(free[variant_id].values()) < total
    ]
    if shortages:
        return [], shortages
    takes = []
    for demand in demands:
        missing = demand.quantity
        for location_id, has in free[demand.variant_id].items():
            given = min(has, missing)
            if given:
                takes.append(Take(demand.line_id, demand.variant_id, location_id, given))
                free[demand.variant_id][location_id] -= given
                missing -= given
    return takes, []
