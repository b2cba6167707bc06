"""How does stock move? Every change locks its levels in id order, writes the ledger and tells who listens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from headless.catalog import queries as catalog_queries
from headless.inventory import ledger, limits, queries, rules
from headless.inventory.allocation import Routing, Shelves
from headless.inventory.errors import (
    BundleInvalid,
    ChangeFromQuantityStale,
    InvalidQuantity,
    LocationInactive,
    OutOfStock,
    UnknownQuantityName,
)
from headless.inventory.ledger import Entry, Why
from headless.inventory.models import allocations, levels, locations
from headless.inventory.rules import Demand, Purchase, Shortage, Take
from headless.platform import ids
from headless.platform.db import Session, insert_into
from headless.platform.errors import NotFound, Refusal, Refused

Key = tuple[UUID, UUID]
"""Variant and location."""


@dataclass(frozen=True, slots=True)
class Change:
    """One wished change of a quantity: by `delta`, or to `quantity`. `seen` None: whatever it was before."""

    variant_id: UUID
    location_id: UUID
    name: str
    delta: int | None = None
    quantity: int | None = None
    seen: int | None = None


async def create_location(session: Session, *, handle: str, name: str, position: int) -> UUID:
    """Make a location; lower positions give their stock first."""
    location_id = ids.new()
    await session.execute(insert(locations).values(id=location_id, handle=handle, name=name, position=position))
    return location_id


@dataclass(frozen=True, slots=True)
class Request:
    """A wish to hold stock for an owner's lines, all or nothing.

    `purchases` are those of its units that count against a limit per customer, and `buyer` who that is.
    """

    owner_id: UUID
    demands: Sequence[Demand]
    why: Why
    routing: Routing = field(default_factory=Routing)
    buyer: bytes | None = None
    purchases: Sequence[Purchase] = ()


async def reserve(session: Session, request: Request) -> None:
    """Hold stock; raises `Refused` with an `OutOfStock` per short variant, or a `MaxQuantityExceeded`."""
    refused = (await reserve_all(session, [request])).get(request.owner_id)
    if refused is not None:
        raise refused


async def reserve_all(session: Session, requests: Sequence[Request]) -> Mapping[UUID, Refused]:
    """Hold stock for several owners in few statements, in their order; answer by owner why some got nothing."""
    refused = dict(await limits.exceeded(session, requests))
    wanted = {demand.variant_id for request in requests for demand in request.demands}
    stocks = await queries.locked_stocks(session, sorted(wanted)) if wanted else {}
    shelves = Shelves(stocks)
    held: list[tuple[Request, Sequence[Take]]] = []
    for request in requests:
        if request.owner_id in refused:
            continue
        takes, shortages = shelves.take(request.demands, request.routing)
        if shortages:
            refused[request.owner_id] = Refused([_out_of_stock(shortage, request.demands) for shortage in shortages])
        else:
            held.append((request, takes))
    await limits.keep(session, [request for request, _takes in held])
    rows = [row for request, takes in held for row in _allocations(request.owner_id, takes)]
    if rows:
        await session.execute(insert(allocations), rows)
        entries = [Entry(request.why, _summed(takes, reserved=1)) for request, takes in held]
        await ledger.move(session, stocks, *entries)
    return refused


async def release(session: Session, owner_id: UUID, why: Why) -> None:
    """Give back what a checkout holds; nothing to give back is no error."""
    c = allocations.c
    given = await session.execute(
        delete(allocations)
        .where(c.owner_id == owner_id, ~c.is_committed)
        .returning(c.line_id, c.variant_id, c.location_id, c.quantity)
    )
    takes = [Take(*row) for row in given]
    await limits.forget(session, owner_id)
    if takes:
        stocks = await queries.locked_stocks(session, sorted({take.variant_id for take in takes}))
        await ledger.move(session, stocks, Entry(why, _summed(takes, reserved=-1)))


async def commit(session: Session, owner_id: UUID, why: Why) -> None:
    """Turn what a checkout holds into what its order is owed; what can be sold stays the same."""
    c = allocations.c
    kept = await session.execute(
        update(allocations)
        .where(c.owner_id == owner_id, ~c.is_committed)
        .values(is_committed=True)
        .returning(c.line_id, c.variant_id, c.location_id, c.quantity)
    )
    await ledger.post(
        session, Entry(why, _summed([Take(*row) for row in kept], reserved=-1, committed=1)), is_last=True
    )


async def recommit(
    session: Session,
    line_id: UUID,
    *,
    variant_id: UUID,
    quantity: int,
    location_id: UUID,
    spoken_for: Mapping[UUID, int],
    why: Why,
) -> None:
    """Owe units of a placed line from another location than planned; raises `OutOfStock`.

    What shipments in preparation will take, `spoken_for` by location, stays where it is.
    """
    planned = [
        replace(take, quantity=take.quantity - spoken_for.get(take.location_id, 0))
        for take in (await queries.committed_by_line(session, [line_id])).get(line_id, [])
        if take.variant_id == variant_id
    ]
    missing = quantity - sum(take.quantity for take in planned if take.location_id == location_id)
    if missing <= 0:
        return
    stocks = await queries.locked_stocks(session, [variant_id])
    there = next((stock for stock in stocks.get(variant_id, ()) if stock.location_id == location_id), None)
    if there is None or there.available < missing:
        message = "This location hasn't enough free stock for what it should ship."
        raise OutOfStock(message, field=("locationId",))
    owner_id = await session.scalar(select(allocations.c.owner_id).where(allocations.c.line_id == line_id).limit(1))
    moved: defaultdict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    left = missing
    for take in planned:
        given = min(take.quantity, left) if take.location_id != location_id else 0
        if given:
            await _take_from_allocation(session, replace(take, quantity=given))
            moved[variant_id, take.location_id]["committed"] -= given
            left -= given
    moved[variant_id, location_id]["committed"] += missing - left
    insertion = insert_into(session, allocations).values(
        line_id=line_id, location_id=location_id, owner_id=owner_id, variant_id=variant_id,
        quantity=missing - left, is_committed=True,
    )  # fmt: skip
    await session.execute(
        insertion.on_conflict_do_update(
            index_elements=["line_id", "variant_id", "location_id"],
            set_={"quantity": allocations.c.quantity + insertion.excluded.quantity},
        )
    )
    await ledger.move(session, stocks, Entry(why, moved))


async def ship(session: Session, takes: Sequence[Take], why: Why) -> None:
    """Send committed units away: they leave the shelf."""
    await _settle(session, takes, _summed(takes, committed=-1, on_hand=-1), why)


async def uncommit(session: Session, takes: Sequence[Take], why: Why, *, restock: bool) -> None:
    """Owe units no longer: they are free again, or, without restock, written off."""
    deltas = {"committed": -1} if restock else {"committed": -1, "on_hand": -1}
    await _settle(session, takes, _summed(takes, **deltas), why)


async def change(session: Session, changes: Sequence[Change], why: Why) -> UUID:
    """Apply staff's corrections, all or none; answer the movements' group.

    Raises `Refused` with `NotFound`, `UnknownQuantityName`, `ChangeFromQuantityStale` or `InvalidQuantity`, each at
    its `changes` index.
    """
    await _check_places(session, changes)
    await session.execute(
        insert_into(session, levels).on_conflict_do_nothing(),
        [{"variant_id": variant_id, "location_id": location_id} for variant_id, location_id in _keys(changes)],
    )
    stocks = await queries.locked_stocks(session, sorted({change.variant_id for change in changes}))
    now = {(stock.variant_id, stock.location_id): stock for per in stocks.values() for stock in per}
    deltas: defaultdict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    problems: list[Refusal] = []
    for index, wish in enumerate(changes):
        stock = now[wish.variant_id, wish.location_id]
        present = stock.quantity(wish.name)
        if wish.seen is not None and wish.seen != present:
            message = f"You saw {wish.seen}; {wish.name} is now {present}. Read it again and repeat your change."
            problems.append(ChangeFromQuantityStale(message, field=("changes", index, "changeFromQuantity")))
            continue
        delta = wish.delta if wish.delta is not None else (wish.quantity or 0) - present
        counted = "on_hand" if wish.name == "available" else wish.name
        after = getattr(stock, counted) + delta
        if not 0 <= after <= rules.MAX_QUANTITY:
            message = f"{counted} would become {after}; it must stay between 0 and {rules.MAX_QUANTITY}."
            problems.append(
                InvalidQuantity(message, field=("changes", index, "delta" if wish.delta is not None else "quantity"))
            )
            continue
        now[wish.variant_id, wish.location_id] = replace(stock, **{counted: after})
        deltas[wish.variant_id, wish.location_id][counted] += delta
    if problems:
        raise Refused(problems)
    return (await ledger.move(session, stocks, Entry(why, deltas)))[0]


async def ensure_levels(session: Session, variant_ids: Sequence[UUID]) -> None:
    """Give variants that may be sold beyond their stock a location that can owe them."""
    first = select(locations.c.id).where(queries.SELLS).order_by(locations.c.position, locations.c.id).limit(1)
    location_id = await session.scalar(first) if variant_ids else None
    if location_id is not None:
        await session.execute(
            insert_into(session, levels).on_conflict_do_nothing(),
            [{"variant_id": variant_id, "location_id": location_id} for variant_id in sorted(variant_ids)],
        )


async def _check_places(session: Session, changes: Sequence[Change]) -> None:
    owners = await catalog_queries.owners_of(session, [change.variant_id for change in changes])
    places = await queries.locations_by_id(session, [change.location_id for change in changes])
    bundles = await queries.bundles_among(session, [change.variant_id for change in changes])
    problems: list[Refusal] = []
    for index, wish in enumerate(changes):
        if wish.variant_id not in owners:
            problems.append(NotFound(field=("changes", index, "variantId")))
        elif wish.variant_id in bundles:
            message = "A bundle has no stock of its own: change its parts'."
            problems.append(BundleInvalid(message, field=("changes", index, "variantId")))
        elif wish.location_id not in places:
            problems.append(NotFound(field=("changes", index, "locationId")))
        elif not places[wish.location_id].is_active:
            problems.append(LocationInactive(field=("changes", index, "locationId")))
        elif wish.name not in rules.WRITABLE:
            problems.append(UnknownQuantityName(field=("changes", index, "name")))
    if problems:
        raise Refused(problems)


async def _settle(session: Session, takes: Sequence[Take], deltas: Mapping[Key, Mapping[str, int]], why: Why) -> None:
    if takes:
        stocks = await queries.locked_stocks(session, sorted({take.variant_id for take in takes}))
        for take in takes:
            await _take_from_allocation(session, take)
        for stock in (stock for per in stocks.values() for stock in per):
            if stock.on_hand + deltas.get((stock.variant_id, stock.location_id), {}).get("on_hand", 0) < 0:
                message = f"A count found only {stock.on_hand} of this on hand. Correct the count first."
                raise OutOfStock(message)
        await ledger.move(session, stocks, Entry(why, deltas))


async def _take_from_allocation(session: Session, take: Take) -> None:
    c = allocations.c
    mine = (
        c.line_id == take.line_id,
        c.variant_id == take.variant_id,
        c.location_id == take.location_id,
        c.is_committed,
    )
    gone = await session.execute(delete(allocations).where(*mine, c.quantity == take.quantity).returning(c.line_id))
    if gone.first() is None:
        less = await session.execute(
            update(allocations)
            .where(*mine, c.quantity > take.quantity)
            .values(quantity=c.quantity - take.quantity)
            .returning(c.line_id)
        )
        if less.first() is None:
            message = "Less is owed of this line at this location than should be taken."
            raise OutOfStock(message)


def _allocations(owner_id: UUID, takes: Sequence[Take]) -> list[dict[str, object]]:
    return [
        {
            "line_id": take.line_id,
            "variant_id": take.variant_id,
            "location_id": take.location_id,
            "owner_id": owner_id,
            "quantity": take.quantity,
            "is_committed": False,
        }
        for take in takes
    ]


def _summed(takes: Sequence[Take], **signs: int) -> Mapping[Key, Mapping[str, int]]:
    deltas: defaultdict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for take in takes:
        for name, sign in signs.items():
            deltas[take.variant_id, take.location_id][name] += sign * take.quantity
    return deltas


def _keys(changes: Sequence[Change]) -> list[Key]:
    return sorted({(change.variant_id, change.location_id) for change in changes})


def _out_of_stock(shortage: Shortage, demands: Sequence[Demand]) -> OutOfStock:
    line = next(demand.line_id for demand in demands if demand.variant_id == shortage.variant_id)
    message = f"{shortage.wanted} wanted, {shortage.available} left. Lower the quantity or remove the line."
    refusal = OutOfStock(message)
    refusal.target = line
    return refusal
