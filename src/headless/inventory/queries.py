"""How much is there, where, and how did it come to that?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, select, true

from headless.catalog.models import variants
from headless.inventory.models import allocations, levels, locations, movements
from headless.inventory.rules import Stock, Take
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

AVAILABLE = levels.c.on_hand - levels.c.reserved - levels.c.committed - levels.c.damaged - levels.c.safety_stock


@dataclass(frozen=True, slots=True)
class Sellable:
    """What a checkout would grant of a variant; `quantity` means nothing when it isn't tracked."""

    is_tracked: bool
    quantity: int

    def grants(self, wanted: int) -> bool:
        return not self.is_tracked or self.quantity >= wanted


async def sellable_by_variant(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Sellable]:
    free = case((and_(locations.c.is_active, AVAILABLE > 0), AVAILABLE), else_=0)
    rows = await session.execute(
        select(variants.c.id, variants.c.is_tracked, func.coalesce(func.sum(free), 0).label("quantity"))
        .outerjoin(levels, levels.c.variant_id == variants.c.id)
        .outerjoin(locations, locations.c.id == levels.c.location_id)
        .where(any_of(variants.c.id, keys))
        .group_by(variants.c.id, variants.c.is_tracked)
    )
    return {row.id: Sellable(row.is_tracked, int(row.quantity)) for row in rows}


async def available_by_product(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, bool]:
    """Whether anything of a product can be bought."""
    stocked = (
        select(levels.c.variant_id)
        .join(locations, locations.c.id == levels.c.location_id)
        .where(levels.c.variant_id == variants.c.id, locations.c.is_active, AVAILABLE > 0)
        .exists()
    )
    rows = await session.execute(
        select(variants.c.product_id)
        .where(any_of(variants.c.product_id, product_ids), ~variants.c.is_tracked | stocked)
        .distinct()
    )
    buyable = set(rows.scalars())
    return {product_id: product_id in buyable for product_id in product_ids}


async def stocks_by_variant(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Stock]]:
    return _stocks(await session.execute(_stock_rows(keys)))


async def locked_stocks(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Stock]]:
    """Read variants' levels and keep others from changing them until the end of the transaction.

    Rows are locked in the order of their ids: two carts that share variants can't deadlock.
    """
    return _stocks(await session.execute(_stock_rows(keys).with_for_update(of=levels)))


def _stock_rows(keys: Sequence[UUID]) -> Any:
    c = levels.c
    return (
        select(
            c.variant_id,
            c.location_id,
            locations.c.position,
            locations.c.is_active,
            c.on_hand,
            c.reserved,
            c.committed,
            c.damaged,
            c.safety_stock,
            c.incoming,
        )
        .join(locations, locations.c.id == c.location_id)
        .where(any_of(c.variant_id, keys))
        .order_by(c.variant_id, c.location_id)
    )


def _stocks(rows: Any) -> Mapping[UUID, list[Stock]]:
    by_variant: defaultdict[UUID, list[Stock]] = defaultdict(list)
    for row in rows:
        by_variant[row.variant_id].append(Stock(*row))
    return by_variant


async def location_ids_by_handle(session: Session) -> Mapping[str, UUID]:
    rows = await session.execute(select(locations.c.handle, locations.c.id).order_by(locations.c.position))
    return {row.handle: row.id for row in rows}


async def locations_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(locations).where(any_of(locations.c.id, keys)))
    return {row.id: row for row in rows}


async def location_page(session: Session, window: pages.Window) -> pages.Slice:
    order = pages.Order("POSITION", (locations.c.position, locations.c.id))

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(locations)) or 0)

    return await pages.fetch(session, select(locations), order=order, window=window, count=count)


async def movements_by_group(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(select(movements).where(any_of(movements.c.group_id, keys)).order_by(movements.c.id))
    by_group: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_group[row.group_id].append(row)
    return by_group


async def movement_page(
    session: Session, window: pages.Window, *, variant_id: UUID | None = None, location_id: UUID | None = None
) -> pages.Slice:
    """The ledger, newest first."""
    condition: ColumnElement[bool] = true()
    if variant_id is not None:
        condition = and_(condition, movements.c.variant_id == variant_id)
    if location_id is not None:
        condition = and_(condition, movements.c.location_id == location_id)
    order = pages.Order("ID", (movements.c.id,), is_descending=True)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(movements).where(condition)) or 0)

    return await pages.fetch(session, select(movements).where(condition), order=order, window=window, count=count)


async def committed_by_line(session: Session, line_ids: Sequence[UUID]) -> Mapping[UUID, list[Take]]:
    """From which locations the units of placed lines are to be shipped."""
    c = allocations.c
    rows = await session.execute(
        select(c.line_id, c.variant_id, c.location_id, c.quantity)
        .where(any_of(c.line_id, line_ids), c.is_committed)
        .order_by(c.line_id, c.location_id)
    )
    by_line: defaultdict[UUID, list[Take]] = defaultdict(list)
    for row in rows:
        by_line[row.line_id].append(Take(*row))
    return by_line


async def mismatches(session: Session) -> Sequence[Record]:
    """Levels that differ from the sum of their ledger: always empty, or something wrote past the books."""
    ledger = (
        select(
            movements.c.variant_id,
            movements.c.location_id,
            movements.c.name,
            func.sum(movements.c.delta).label("total"),
        )
        .group_by(movements.c.variant_id, movements.c.location_id, movements.c.name)
        .subquery()
    )
    found: list[Record] = []
    for name in ("on_hand", "reserved", "committed", "damaged", "safety_stock", "incoming"):
        column = levels.c[name]
        same = and_(
            ledger.c.variant_id == levels.c.variant_id,
            ledger.c.location_id == levels.c.location_id,
            ledger.c.name == name,
        )
        rows = await session.execute(
            select(levels.c.variant_id, levels.c.location_id, column.label("level"), ledger.c.total)
            .outerjoin(ledger, same)
            .where(column != func.coalesce(ledger.c.total, 0))
        )
        found.extend(rows)
    return found
