"""How do units go from one place or state to another, without becoming more or fewer?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from headless.catalog import queries as catalog_queries
from headless.inventory import ledger, queries, rules
from headless.inventory.errors import (
    BundleInvalid,
    ChangeFromQuantityStale,
    InvalidQuantity,
    LocationInactive,
    OutOfStock,
    UnknownQuantityName,
)
from headless.inventory.ledger import Entry, Why
from headless.inventory.models import levels
from headless.inventory.rules import Stock
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound, Refusal, Refused

Key = tuple[UUID, UUID]
"""Variant and location."""
FREE = frozenset({"available", "on_hand"})
"""Names of units that nothing is the matter with."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where units are: at a location, free (`available` or `on_hand`), `damaged` or kept as `safety_stock`."""

    location_id: UUID
    name: str

    @property
    def state(self) -> str:
        return "available" if self.name in FREE else self.name


@dataclass(frozen=True, slots=True)
class Relocation:
    """Units of a variant that go from one spot to another. `seen` None: however many were at the first."""

    variant_id: UUID
    quantity: int
    origin: Spot
    target: Spot
    seen: int | None = None


async def relocate(session: Session, relocations: Sequence[Relocation], why: Why) -> UUID:
    """Move units, all or none; answer the movements' group.

    Raises `Refused` with `NotFound`, `LocationInactive`, `UnknownQuantityName`, `InvalidInput`, `InvalidQuantity`,
    `ChangeFromQuantityStale` or `OutOfStock`, each at its `changes` index.
    """
    await _check(session, relocations)
    keys = {(one.variant_id, spot.location_id) for one in relocations for spot in (one.origin, one.target)}
    stocks = await open_levels(session, keys)
    now = by_key(stocks)
    deltas: defaultdict[Key, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    problems: list[Refusal] = []
    for index, one in enumerate(relocations):
        source = (one.variant_id, one.origin.location_id)
        problem = _problem(one, now[source])
        if problem is None:
            for key, names in _deltas(one).items():
                now[key] = replace(now[key], **{name: getattr(now[key], name) + by for name, by in names.items()})
                for name, by in names.items():
                    deltas[key][name] += by
            arrived = now[one.variant_id, one.target.location_id]
            if max(arrived.on_hand, arrived.quantity(one.target.name)) > rules.MAX_QUANTITY:
                problem = InvalidQuantity(f"No place holds more than {rules.MAX_QUANTITY} units.", field=("quantity",))
        if problem is not None:
            problems.append(problem.at("changes", index, *(problem.field or ())))
    if problems:
        raise Refused(problems)
    return (await ledger.move(session, stocks, Entry(why, deltas)))[0]


async def open_levels(session: Session, keys: Iterable[Key]) -> Mapping[UUID, Sequence[Stock]]:
    """Lock the levels of variants everywhere, after making those that aren't there yet."""
    wanted = sorted(set(keys))
    await session.execute(
        insert_into(session, levels).on_conflict_do_nothing(),
        [{"variant_id": variant_id, "location_id": location_id} for variant_id, location_id in wanted],
    )
    return await queries.locked_stocks(session, sorted({variant_id for variant_id, _location_id in wanted}))


def by_key(stocks: Mapping[UUID, Sequence[Stock]]) -> dict[Key, Stock]:
    return {(stock.variant_id, stock.location_id): stock for per in stocks.values() for stock in per}


async def _check(session: Session, relocations: Sequence[Relocation]) -> None:
    wanted = [one.variant_id for one in relocations]
    owners = await catalog_queries.owners_of(session, wanted)
    bundles = await queries.bundles_among(session, wanted)
    places = await queries.locations_by_id(
        session, list({spot.location_id for one in relocations for spot in (one.origin, one.target)})
    )
    problems = [
        problem.at("changes", index, *(problem.field or ()))
        for index, one in enumerate(relocations)
        for problem in (*_of_variant(one.variant_id, owners, bundles), *_misfits(one, places))
    ]
    if problems:
        raise Refused(problems)


def _of_variant(variant_id: UUID, owners: Container[UUID], bundles: Container[UUID]) -> list[Refusal]:
    if variant_id not in owners:
        return [NotFound(field=("variantId",))]
    if variant_id in bundles:
        return [BundleInvalid("A bundle has no stock of its own: move its parts'.", field=("variantId",))]
    return []


def _misfits(one: Relocation, places: Mapping[UUID, Record]) -> list[Refusal]:
    found: list[Refusal] = []
    for side, spot in (("from", one.origin), ("to", one.target)):
        if spot.location_id not in places:
            found.append(NotFound(field=(side, "locationId")))
        elif not places[spot.location_id].is_active:
            found.append(LocationInactive(field=(side, "locationId")))
        if spot.name not in rules.WRITABLE:
            found.append(UnknownQuantityName(field=(side, "name")))
    if not found and (one.origin.location_id, one.origin.state) == (one.target.location_id, one.target.state):
        message = "This moves nothing: both sides are the same. Name another location or another quantity."
        found.append(InvalidInput(message, field=("to",)))
    if not 1 <= one.quantity <= rules.MAX_QUANTITY:
        message = f"A quantity is between 1 and {rules.MAX_QUANTITY}; {one.quantity} is not."
        found.append(InvalidQuantity(message, field=("quantity",)))
    return found


def _problem(one: Relocation, stock: Stock) -> Refusal | None:
    present = stock.quantity(one.origin.name)
    if one.seen is not None and one.seen != present:
        message = f"You saw {one.seen}; {one.origin.name} is now {present}. Read it again and repeat your change."
        return ChangeFromQuantityStale(message, field=("from", "changeFromQuantity"))
    there = stock.quantity(one.origin.state)
    if there < one.quantity:
        message = f"{one.quantity} should go, but {there} {one.origin.state} are there. Lower the quantity."
        return OutOfStock(message, field=("quantity",))
    return None


def _deltas(one: Relocation) -> Mapping[Key, Mapping[str, int]]:
    """Both sides' changes. What is damaged or kept is on hand, too, so on_hand changes only with the location."""
    deltas: defaultdict[Key, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for spot, by in ((one.origin, -one.quantity), (one.target, one.quantity)):
        names = deltas[one.variant_id, spot.location_id]
        names["on_hand"] += by
        if spot.state != "available":
            names[spot.state] += by
    return deltas
