"""How does a level change? Only with an entry in the ledger, and telling whoever watches what can be sold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Update, bindparam, insert, update

from headless.catalog import listing
from headless.catalog.models import listings
from headless.inventory import queries, rules
from headless.inventory.events import InventoryChanged, StockChanged
from headless.inventory.models import levels, movements
from headless.inventory.rules import COUNTED, Stock
from headless.platform import clock, ids, outbox
from headless.platform.db import Session, before_commit

Deltas = Mapping[tuple[UUID, UUID], Mapping[str, int]]
"""By variant and location: how much each counted quantity changes."""


@dataclass(frozen=True, slots=True)
class Why:
    """What the ledger says about a movement."""

    reason: str
    actor: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One reason's changes, which make one group of the ledger."""

    why: Why
    deltas: Deltas


async def move(session: Session, stocks: Mapping[UUID, Sequence[Stock]], *entries: Entry) -> list[UUID]:
    """Write locked levels and their ledger; tell of variants whose sellable quantity changed.

    Answers each entry's group.
    """
    after = {(stock.variant_id, stock.location_id): stock for per in stocks.values() for stock in per}
    for entry in entries:
        for key, names in entry.deltas.items():
            after[key] = replace(after[key], **{name: getattr(after[key], name) + by for name, by in names.items()})
    groups = await post(session, *entries)
    moved: defaultdict[UUID, list[Stock]] = defaultdict(list)
    for stock in after.values():
        moved[stock.variant_id].append(stock)
    await _tell(session, stocks, moved)
    return groups


async def post(session: Session, *entries: Entry, is_last: bool = False) -> list[UUID]:
    """Change levels, in the order of their ids, and write the ledger; what can be sold stays the same.

    With `is_last` the levels change right before the commit: others wait for them as shortly as can be.
    """
    groups, at, rows = [ids.new() for _entry in entries], clock.now(), []
    sums: defaultdict[tuple[UUID, UUID], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for group_id, entry in zip(groups, entries, strict=True):
        for key, names in sorted(entry.deltas.items()):
            for name, by in names.items():
                if by:
                    sums[key][name] += by
                    rows.append(_movement(group_id, key, name, by, entry.why) | {"occurred_at": at})
    if not rows:
        return groups
    connection = await session.connection()
    await connection.execute(insert(movements), rows)
    outbox.record(session, *(InventoryChanged(row["location_id"], row["variant_id"], row["id"]) for row in rows))
    changed = [
        {"of_variant": key[0], "of_location": key[1], **{f"by_{name}": names[name] for name in COUNTED}}
        for key, names in sorted(sums.items())
    ]
    if is_last:
        before_commit(session, partial(_change_levels, changed=changed))
    else:
        await _change_levels(session, changed)
    return groups


async def _change_levels(session: Session, changed: Sequence[Mapping[str, object]]) -> None:
    connection = await session.connection()
    await connection.execute(_level_change(), changed)


@cache
def _level_change() -> Update:
    c = levels.c
    return (
        update(levels)
        .where(c.variant_id == bindparam("of_variant"), c.location_id == bindparam("of_location"))
        .values({name: c[name] + bindparam(f"by_{name}") for name in COUNTED})
    )


async def announce(session: Session, variant_ids: Sequence[UUID]) -> None:
    """Tell that other things than a movement changed how much of variants can be sold, also as parts of bundles."""
    if not variant_ids:
        return
    changed = [*variant_ids, *(bundle.bundle_id for bundle in await queries.bundles_of(session, variant_ids))]
    await _refresh(session, changed)
    outbox.record(session, *(StockChanged(variant_id) for variant_id in dict.fromkeys(changed)))


async def _refresh(session: Session, variant_ids: Iterable[UUID]) -> None:
    # First the lock, then the reading: of two who sell a product's last two variants, the second sees both gone.
    owners = await listing.lock_listings_of(session, sorted(set(variant_ids)))
    await listing.write_availability(session, owners, queries.is_buyable(listings))


async def refresh_availability(session: Session, product_ids: Iterable[UUID]) -> None:
    """Recompute whether products can be bought, for lists that filter by it."""
    ordered = sorted(set(product_ids))
    await listing.lock_listings(session, ordered)
    await listing.write_availability(session, ordered, queries.is_buyable(listings))


def _movement(group_id: UUID, key: tuple[UUID, UUID], name: str, by: int, why: Why) -> dict[str, Any]:
    return {
        "id": ids.new(),
        "group_id": group_id,
        "variant_id": key[0],
        "location_id": key[1],
        "name": name,
        "delta": by,
        "reason": why.reason,
        "reference": why.reference,
        "actor": why.actor,
    }


async def _tell(
    session: Session, before: Mapping[UUID, Sequence[Stock]], after: Mapping[UUID, Sequence[Stock]]
) -> None:
    units = {key: (rules.sellable(before[key]), rules.sellable(after[key])) for key in after}
    changed = [variant_id for variant_id, (was, is_now) in units.items() if was != is_now]
    flipped = {variant_id for variant_id in changed if _crosses(*units[variant_id], 1)}
    parts = [variant_id for variant_id in changed if after[variant_id][0].is_part]
    for bundle in await queries.bundles_of(session, parts) if parts else ():
        changed.append(bundle.bundle_id)
        if _crosses(*units[bundle.part_id], bundle.quantity):
            flipped.add(bundle.bundle_id)
    if flipped:
        await _refresh(session, flipped)
    outbox.record(session, *(StockChanged(variant_id) for variant_id in dict.fromkeys(changed)))


def _crosses(was: int, is_now: int, threshold: int) -> bool:
    return (was >= threshold) != (is_now >= threshold)
