"""How does stock move? Every change locks its levels in id order, writes the ledger and tells who listens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.inventory import queries, rules
from headless.inventory.errors import (
    ChangeFromQuantityStale,
    InvalidQuantity,
    LocationInactive,
    OutOfStock,
    UnknownQuantityName,
)
from headless.inventory.events import StockChanged
from headless.inventory.models import allocations, levels, locations, movements
from headless.inventory.rules import COUNTED, Demand, Shortage, Stock, Take
from headless.platform import clock, ids, outbox
from headless.platform.db import Session, insert_into
from headless.platform.errors import NotFound, Refusal, Refused

Key = tuple[UUID, UUID]
"""Variant and location."""


@dataclass(frozen=True, slots=True)
class Why:
    """What the ledger says about a movement."""

    reason: str
    actor: str
    reference: str | None = None


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


async def reserve(session: Session, owner_id: UUID, demands: Sequence[Demand], why: Why) -> None:
    """Hold stock for a checkout's lines, all or nothing; raises `Refused` with an `OutOfStock` per short variant."""
    if not demands:
        return
    stocks = await queries.locked_stocks(session, sorted({demand.variant_id for demand in demands}))
    takes, shortages = rules.allocate(stocks, demands)
    if shortages:
        raise Refused([_out_of_stock(shortage, demands) for shortage in shortages])
    await session.execute(
        insert(allocations),
        [
            {
                "line_id": take.line_id,
                "location_id": take.location_id,
                "owner_id": owner_id,
                "variant_id": take.variant_id,
                "quantity": take.quantity,
                "is_committed": False,
            }
            for take in takes
        ],
    )
    await _move(session, stocks, _summed(takes, reserved=1), why)


async def release(session: Session, owner_id: UUID, why: Why) -> None:
    """Give back what a checkout holds; nothing to give back is no error."""
    c = allocations.c
    given = await session.execute(
        delete(allocations)
        .where(c.owner_id == owner_id, ~c.is_committed)
        .returning(c.line_id, c.variant_id, c.location_id, c.quantity)
    )
    takes = [Take(*row) for row in given]
    if takes:
        stocks = await queries.locked_stocks(session, sorted({take.variant_id for take in takes}))
        await _move(session, stocks, _summed(takes, reserved=-1), why)


async def commit(session: Session, owner_id: UUID, why: Why) -> None:
    """Turn what a checkout holds into what its order is owed; what can be sold stays the same."""
    c = allocations.c
    kept = await session.execute(
        update(allocations)
        .where(c.owner_id == owner_id, ~c.is_committed)
        .values(is_committed=True)
        .returning(c.line_id, c.variant_id, c.location_id, c.quantity)
    )
    await _post(session, _summed([Take(*row) for row in kept], reserved=-1, committed=1), why)


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
            index_elements=["line_id", "location_id"],
            set_={"quantity": allocations.c.quantity + insertion.excluded.quantity},
        )
    )
    await _move(session, stocks, moved, why)


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
    return await _move(session, stocks, deltas, why)


async def refresh_availability(session: Session, product_ids: Sequence[UUID]) -> None:
    """Recompute whether products can be bought, for lists that filter by it."""
    ordered = sorted(set(product_ids))
    await catalog.lock_listings(session, ordered)
    await catalog.write_availability(session, await queries.available_by_product(session, ordered))


async def _check_places(session: Session, changes: Sequence[Change]) -> None:
    owners = await catalog_queries.owners_of(session, [change.variant_id for change in changes])
    places = await queries.locations_by_id(session, [change.location_id for change in changes])
    problems: list[Refusal] = []
    for index, wish in enumerate(changes):
        if wish.variant_id not in owners:
            problems.append(NotFound(field=("changes", index, "variantId")))
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
        await _move(session, stocks, deltas, why)


async def _take_from_allocation(session: Session, take: Take) -> None:
    c = allocations.c
    mine = (c.line_id == take.line_id, c.location_id == take.location_id, c.is_committed)
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


async def _move(
    session: Session,
    stocks: Mapping[UUID, Sequence[Stock]],
    deltas: Mapping[Key, Mapping[str, int]],
    why: Why,
) -> UUID:
    """Write locked levels and their ledger; tell of variants whose sellable quantity changed."""
    before = {(stock.variant_id, stock.location_id): stock for per in stocks.values() for stock in per}
    after = dict(before)
    for key, names in deltas.items():
        after[key] = replace(after[key], **{name: getattr(after[key], name) + by for name, by in names.items()})
    group_id = await _post(session, deltas, why)
    await _tell(session, before.values(), after.values())
    return group_id


async def _post(session: Session, deltas: Mapping[Key, Mapping[str, int]], why: Why) -> UUID:
    """Change levels, in the order of their ids, and write the ledger."""
    group_id, at = ids.new(), clock.now()
    moved = {key: {name: by for name, by in names.items() if by} for key, names in sorted(deltas.items())}
    moved = {key: names for key, names in moved.items() if names}
    if not moved:
        return group_id
    c = levels.c
    connection = await session.connection()
    await connection.execute(
        update(levels)
        .where(c.variant_id == bindparam("of_variant"), c.location_id == bindparam("of_location"))
        .values({name: c[name] + bindparam(f"by_{name}") for name in COUNTED}),
        [
            {
                "of_variant": key[0],
                "of_location": key[1],
                **{f"by_{name}": names.get(name, 0) for name in COUNTED},
            }
            for key, names in moved.items()
        ],
    )
    await session.execute(
        insert(movements),
        [
            {
                "id": ids.new(),
                "group_id": group_id,
                "variant_id": key[0],
                "location_id": key[1],
                "name": name,
                "delta": by,
                "reason": why.reason,
                "reference": why.reference,
                "actor": why.actor,
                "occurred_at": at,
            }
            for key, names in moved.items()
            for name, by in names.items()
        ],
    )
    return group_id


async def _tell(session: Session, before: Any, after: Any) -> None:
    was, is_now = _sellable(before), _sellable(after)
    changed = [variant_id for variant_id, quantity in is_now.items() if quantity != was[variant_id]]
    flipped = [variant_id for variant_id in changed if (was[variant_id] > 0) != (is_now[variant_id] > 0)]
    if flipped:
        owners = await catalog_queries.owners_of(session, flipped)
        await refresh_availability(session, list(owners.values()))
    outbox.record(session, *(StockChanged(variant_id) for variant_id in changed))


def _sellable(stocks: Any) -> dict[UUID, int]:
    by_variant: defaultdict[UUID, list[Stock]] = defaultdict(list)
    for stock in stocks:
        by_variant[stock.variant_id].append(stock)
    return {variant_id: rules.sellable(per) for variant_id, per in by_variant.items()}


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
