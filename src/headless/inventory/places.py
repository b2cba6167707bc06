"""Which places hold stock, and what follows when one opens, closes or stops shipping orders?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import queries as catalog_queries
from headless.catalog import rules as catalog_rules
from headless.inventory import ledger, queries
from headless.inventory.errors import LocationInUse
from headless.inventory.events import StockChanged
from headless.inventory.models import bundle_parts, levels, locations
from headless.inventory.queries import Sellable
from headless.platform import ids, outbox
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound, StaleObject, Taken

LAST_POSITION = 10**6
LONGEST_NAME = 255
AT_ONCE = 2000
"""Variants that one statement asks about."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a new location is: `handle` None makes one of the name, `position` None puts it last."""

    name: str
    handle: str | None = None
    position: int | None = None
    address: Mapping[str, Any] | None = None
    ships_orders: bool = True
    offers_pickup: bool = False


async def create(session: Session, place: Place) -> UUID:
    """Make a location; lower positions give their stock first. Raises `Taken` or `InvalidInput`."""
    location_id = ids.new()
    last = await session.scalar(select(func.max(locations.c.position)))
    values = {
        "name": place.name,
        "handle": _slug(place.name) if place.handle is None else place.handle,
        "position": min((last or 0) + 1, LAST_POSITION) if place.position is None else place.position,
        "address": place.address,
    }
    row = {
        "id": location_id,
        "is_active": True,
        "ships_orders": place.ships_orders,
        "offers_pickup": place.offers_pickup,
        "version": 1,
        **_checked(values),
    }
    added = insert_into(session, locations).values(row).on_conflict_do_nothing().returning(locations.c.id)
    if (await session.execute(added)).first() is None:
        raise _taken(row["handle"])
    return location_id


async def change(session: Session, location_id: UUID, *, expected_version: int, changes: Mapping[str, Any]) -> None:
    """Change the named columns of a location, if it is still the version that the caller saw.

    Raises `NotFound`, `StaleObject`, `Taken` or `InvalidInput`.
    """
    location = await _locked(session, location_id)
    if location.version != expected_version:
        message = (
            f"You saw version {expected_version}; it is now version {location.version}. "
            "Read it again and repeat your change."
        )
        raise StaleObject(message, field=("expectedVersion",))
    values = _checked(changes)
    ships = values.get("ships_orders", location.ships_orders)
    await _write(session, location, values, sells=location.is_active and ships)


async def activate(session: Session, location_id: UUID) -> None:
    """Let a location give its stock to orders again; an active one stays as it is. Raises `NotFound`."""
    location = await _locked(session, location_id)
    if not location.is_active:
        await _write(session, location, {"is_active": True}, sells=location.ships_orders)


async def deactivate(session: Session, location_id: UUID) -> None:
    """Close a location: what it holds can't be sold any more. Raises `NotFound` or `LocationInUse`."""
    location = await _locked(session, location_id)
    if location.is_active:
        await _halt(session)
        await _check_unused(session, location_id)
        await _write(session, location, {"is_active": False}, sells=False)


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(values)
    if "name" in checked:
        checked["name"] = checked["name"].strip()
        if not 1 <= len(checked["name"]) <= LONGEST_NAME:
            message = f"A name has 1 to {LONGEST_NAME} characters."
            raise InvalidInput(message, field=("name",))
    if "handle" in checked:
        catalog_rules.checked_handle(checked["handle"])
    if "position" in checked and not 0 <= checked["position"] <= LAST_POSITION:
        message = f"A position is between 0 and {LAST_POSITION}; lower ones give their stock first."
        raise InvalidInput(message, field=("position",))
    if "address" in checked:
        checked["country_code"] = checked["address"]["country_code"] if checked["address"] else None
    return checked


async def _locked(session: Session, location_id: UUID) -> Record:
    # Not so strong a lock that a new level's foreign key would wait for it: its writer may hold what we need next.
    row = (
        await session.execute(select(locations).where(locations.c.id == location_id).with_for_update(key_share=True))
    ).first()
    if row is None:
        raise NotFound(field=("id",))
    return row


async def _halt(session: Session) -> None:
    """Let whoever moves stock finish, and nobody begin until the end of the transaction.

    Who holds stock for an order reads the location and locks the level in one statement: without this he could wait
    for a level, and then still take it from a location that was closed meanwhile. SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("LOCK TABLE level IN EXCLUSIVE MODE"))


async def _check_unused(session: Session, location_id: UUID) -> None:
    c = levels.c
    sums = select(*(func.coalesce(func.sum(column), 0) for column in (c.reserved, c.committed, c.incoming)))
    reserved, committed, incoming = (await session.execute(sums.where(c.location_id == location_id))).one()
    ways_out = (
        (reserved, "reserved by checkouts: let them end"),
        (committed, "committed to orders: ship or cancel these"),
        (incoming, "incoming: receive or cancel the transfers"),
    )
    found = [f"{units} {advice}" for units, advice in ways_out if units]
    if found:
        message = f"Units at this location are still needed ({'; '.join(found)}). Then deactivate it."
        raise LocationInUse(message, field=("id",))


async def _write(session: Session, location: Record, values: Mapping[str, Any], *, sells: bool) -> None:
    if sells == (location.is_active and location.ships_orders):
        await _update(session, location, values)
        return
    await _halt(session)
    stocked = await _stocked(session, location.id)
    before = await _sellable(session, stocked)
    await _update(session, location, values)
    after = await _sellable(session, stocked)
    changed = [variant_id for variant_id in stocked if before[variant_id] != after[variant_id]]
    flipped = [variant_id for variant_id in changed if before[variant_id].grants(1) != after[variant_id].grants(1)]
    owners: set[UUID] = set()
    for some in _parted(flipped):
        owners.update((await catalog_queries.owners_of(session, some)).values())
    for some in _parted(sorted(owners)):
        await ledger.refresh_availability(session, some)
    outbox.record(session, *(StockChanged(variant_id) for variant_id in changed))


async def _update(session: Session, location: Record, values: Mapping[str, Any]) -> None:
    try:
        await session.execute(
            update(locations).where(locations.c.id == location.id).values({**values, "version": location.version + 1})
        )
    except IntegrityError:
        raise _taken(values["handle"]) from None


async def _stocked(session: Session, location_id: UUID) -> list[UUID]:
    """Variants with a level at a location, and bundles of them."""
    here = select(levels.c.variant_id).where(levels.c.location_id == location_id)
    bundles = select(bundle_parts.c.bundle_id).where(bundle_parts.c.part_id.in_(here))
    found = await session.execute(here.union(bundles))
    return sorted(found.scalars())


async def _sellable(session: Session, variant_ids: Sequence[UUID]) -> dict[UUID, Sellable]:
    found: dict[UUID, Sellable] = {}
    for some in _parted(variant_ids):
        found.update(await queries.sellable_by_variant(session, some))
    return found


def _parted(some_ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (some_ids[start : start + AT_ONCE] for start in range(0, len(some_ids), AT_ONCE))


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", catalog_rules.fold(name)).strip("-")[:LONGEST_NAME].strip("-") or "location"


def _taken(handle: str) -> Taken:
    return Taken(f"Another location has the handle {handle!r}. Choose a different one.", field=("handle",))
