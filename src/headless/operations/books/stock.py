"""Does every level follow from its ledger, its promises and its transfers, and do lists tell the truth of it?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Subquery, func, literal, select, union_all

from headless.catalog.models import listings, variants
from headless.inventory import queries as inventory_queries
from headless.inventory.models import allocations, levels, movements, transfer_lines, transfers
from headless.inventory.rules import COUNTED
from headless.inventory.transfers import TransferStatus
from headless.operations.books.check import Check, Severity, Statement, shown

UNDER_WAY = (TransferStatus.IN_TRANSIT, TransferStatus.PARTIALLY_RECEIVED)


def _ledger(_at: datetime) -> Statement:
    """Levels counted against the ledger in one pass. The ledger of variants that are no more is history."""
    c = levels.c
    entries = union_all(
        select(movements.c.variant_id, movements.c.location_id, movements.c.name, movements.c.delta),
        *(select(c.variant_id, c.location_id, literal(name).label("name"), -c[name]) for name in COUNTED),
    ).subquery()
    differing = _unequal(entries, entries.c.delta, entries.c.name)
    return select(differing).where(_exists(differing.c.id))


def _negative(_at: datetime) -> Statement:
    return union_all(
        *(
            select(
                levels.c.variant_id.label("id"),
                levels.c.location_id,
                literal(name).label("name"),
                levels.c[name].label("quantity"),
            ).where(levels.c[name] < 0)
            for name in COUNTED
        )
    )


def _reserved(_at: datetime) -> Statement:
    return _promised("reserved", ~allocations.c.is_committed)


def _committed(_at: datetime) -> Statement:
    return _promised("committed", allocations.c.is_committed)


def _promised(name: str, which: ColumnElement[bool]) -> Statement:
    """Where a level counts more or less than is promised from it; `delta` is what the level has too much or little."""
    a = allocations.c
    entries = union_all(
        select(levels.c.variant_id, levels.c.location_id, (-levels.c[name]).label("delta")).where(levels.c[name] != 0),
        select(a.variant_id, a.location_id, a.quantity).where(which),
    ).subquery()
    return select(_unequal(entries, entries.c.delta))


def _unequal(entries: Subquery, delta: ColumnElement[Any], *keys: ColumnElement[Any]) -> Subquery:
    total = func.sum(delta)
    return (
        select(entries.c.variant_id.label("id"), entries.c.location_id, *keys, (-total).label("excess"))
        .group_by(entries.c.variant_id, entries.c.location_id, *keys)
        .having(total != 0)
        .subquery()
    )


def _exists(variant_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return select(variants.c.id).where(variants.c.id == variant_id).exists()


def _incoming(_at: datetime) -> Statement:
    t, line = transfers.c, transfer_lines.c
    entries = union_all(
        select(levels.c.variant_id, levels.c.location_id, (-levels.c.incoming).label("delta")).where(
            levels.c.incoming != 0
        ),
        select(line.variant_id, t.destination_id, line.quantity - line.received - line.rejected)
        .join(transfers, t.id == line.transfer_id)
        .where(t.status.in_(UNDER_WAY)),
    ).subquery()
    return select(_unequal(entries, entries.c.delta))


def _availability(_at: datetime) -> Statement:
    """What lists say can be bought, against what a checkout would grant."""
    c = listings.c
    is_buyable = inventory_queries.is_buyable(listings)
    return select(c.product_id.label("id"), c.channel_id, c.is_available).where(c.is_available != is_buyable)


CHECKS = (
    Check(
        "ledger",
        "A stock level differs from the sum of its movements: something wrote past the ledger. "
        "Count the stock and set the quantity with inventorySet.",
        Severity.CRITICAL,
        _ledger,
        shown("variant", "{name} at {location_id} is off by {excess:+d}", location_id="location"),
    ),
    Check(
        "negative_quantity",
        "A counted quantity is below zero, which no shelf can be. Count the stock and set it with inventorySet.",
        Severity.CRITICAL,
        _negative,
        shown("variant", "{name} at {location_id} is {quantity}", location_id="location"),
    ),
    Check(
        "reserved",
        "A level holds more or less for checkouts than checkouts hold: units are kept from sale for nobody, or sold "
        "twice. Restart the worker; if it stays, report it with these ids.",
        Severity.CRITICAL,
        _reserved,
        shown("variant", "reserved at {location_id} is off by {excess:+d}", location_id="location"),
    ),
    Check(
        "committed",
        "A level holds more or less for orders than orders are owed: some units can't be shipped, or are kept for "
        "nobody. Compare the variant's open orders with its shelf and report it with these ids.",
        Severity.CRITICAL,
        _committed,
        shown("variant", "committed at {location_id} is off by {excess:+d}", location_id="location"),
    ),
    Check(
        "incoming",
        "A location expects more or less than is on its way to it. Compare its transfers, and cancel and send anew "
        "the one that is wrong.",
        Severity.WARNING,
        _incoming,
        shown("variant", "incoming at {location_id} is off by {excess:+d}", location_id="location"),
    ),
    Check(
        "availability",
        "Lists and filters show a product as available that can't be bought, or the reverse. "
        "Any change of its stock corrects it: set a quantity again with inventorySet.",
        Severity.WARNING,
        _availability,
        shown("product", "listed as available in {channel_id}: {is_available}", channel_id="channel"),
    ),
)
