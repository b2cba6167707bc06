"""Which location gives how much to whom?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from headless.inventory.rules import Demand, Shortage, Stock, Take, headroom


class AllocationStrategy(StrEnum):
    """In which order locations are asked. PRIORITY: by their position. NEAREST: those in the buyer's country first.

    FEWEST_SPLITS: those first that can serve most lines in full.
    """

    PRIORITY = "PRIORITY"
    FEWEST_SPLITS = "FEWEST_SPLITS"
    NEAREST = "NEAREST"


Takes = dict[tuple[UUID, UUID, UUID], int]
"""Units by line, variant and location."""


@dataclass(frozen=True, slots=True)
class Routing:
    """How a channel chooses locations, and where the goods go."""

    strategy: AllocationStrategy = AllocationStrategy.PRIORITY
    country: str | None = None


class Shelves:
    """What locations have free; shrinks as it is taken, so that several buyers can be served one after the other."""

    def __init__(self, stocks: Mapping[UUID, Sequence[Stock]]) -> None:
        self._places: dict[UUID, Stock] = {}
        self._free: dict[UUID, dict[UUID, int]] = {}
        self._headroom: dict[UUID, int] = {}
        for variant_id, levels in stocks.items():
            selling = [stock for stock in levels if stock.sells]
            self._places.update({stock.location_id: stock for stock in selling})
            self._free[variant_id] = {stock.location_id: max(stock.available, 0) for stock in selling}
            self._headroom[variant_id] = headroom(selling)

    def take(self, demands: Sequence[Demand], routing: Routing) -> tuple[list[Take], list[Shortage]]:
        """Serve all demands in full, splitting lines where one location has too little, or take nothing."""
        wanted: dict[UUID, int] = {}
        for demand in demands:
            wanted[demand.variant_id] = wanted.get(demand.variant_id, 0) + demand.quantity
        shortages = [
            Shortage(variant_id, units, self._left(variant_id))
            for variant_id, units in wanted.items()
            if self._left(variant_id) < units
        ]
        if shortages:
            return [], shortages
        takes: Takes = {}
        places = self._ordered(routing)
        missing = list(demands)
        if routing.strategy == AllocationStrategy.FEWEST_SPLITS:
            missing = self._serve_whole_lines(missing, places, takes)
        for demand in missing:
            self._serve(demand, places, takes)
        return [Take(*key, quantity) for key, quantity in takes.items()], []

    def _left(self, variant_id: UUID) -> int:
        return sum(self._free.get(variant_id, {}).values()) + self._headroom.get(variant_id, 0)

    def _ordered(self, routing: Routing) -> list[UUID]:
        is_nearest = routing.strategy == AllocationStrategy.NEAREST

        def rank(place: Stock) -> tuple[bool, int, UUID]:
            return is_nearest and place.country_code != routing.country, place.position, place.location_id

        return [place.location_id for place in sorted(self._places.values(), key=rank)]

    def _serve_whole_lines(self, demands: Sequence[Demand], places: Sequence[UUID], takes: Takes) -> list[Demand]:
        """Ask the location that serves most lines in full, then the next; answer the lines that must be split."""
        missing = list(demands)
        while missing:
            servable = [self._servable(missing, place) for place in places]
            best = max(range(len(places)), key=lambda nth: (len(servable[nth]), -nth), default=None)
            if best is None or not servable[best]:
                break
            for demand in servable[best]:
                self._give(demand, places[best], demand.quantity, takes)
                missing.remove(demand)
        return missing

    def _servable(self, demands: Sequence[Demand], place: UUID) -> list[Demand]:
        left: dict[UUID, int] = {}
        servable = []
        for demand in demands:
            has = left.get(demand.variant_id, self._free[demand.variant_id].get(place, 0))
            if has >= demand.quantity:
                servable.append(demand)
                left[demand.variant_id] = has - demand.quantity
        return servable

    def _serve(self, demand: Demand, places: Sequence[UUID], takes: Takes) -> None:
        missing = demand.quantity
        free = self._free[demand.variant_id]
        for place in places:
            missing -= self._give(demand, place, min(free.get(place, 0), missing), takes)
        if missing:  # sold beyond what there is: the first location with a level will owe it
            first = next(place for place in places if place in free)
            self._headroom[demand.variant_id] -= missing
            _add(takes, demand, first, missing)

    def _give(self, demand: Demand, place: UUID, quantity: int, takes: Takes) -> int:
        if quantity:
            self._free[demand.variant_id][place] -= quantity
            _add(takes, demand, place, quantity)
        return quantity


def _add(takes: Takes, demand: Demand, place: UUID, quantity: int) -> None:
    key = (demand.line_id, demand.variant_id, place)
    takes[key] = takes.get(key, 0) + quantity
