"""What do staff look through: levels, the ledger, transfers and the queue of who waits?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, select, true

from headless.catalog.models import variants
from headless.inventory.models import levels, movements, stock_requests, transfer_lines, transfers
from headless.inventory.queries import AVAILABLE
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


@dataclass(frozen=True, slots=True)
class LevelFilter:
    """Which levels are wanted; None: any. `available_below` is the first number that is too high."""

    variant_id: UUID | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    sku: str | None = None
    available_below: int | None = None
    is_negative: bool | None = None

    def condition(self) -> ColumnElement[bool]:
        c = levels.c
        return _all(
            None if self.variant_id is None else c.variant_id == self.variant_id,
            None if self.location_id is None else c.location_id == self.location_id,
            None if self.product_id is None else _of_variants(variants.c.product_id == self.product_id),
            None if self.sku is None else _of_variants(variants.c.sku == self.sku),
            None if self.available_below is None else self.available_below > AVAILABLE,
            None if self.is_negative is None else AVAILABLE < 0 if self.is_negative else AVAILABLE >= 0,
        )


@dataclass(frozen=True, slots=True)
class MovementFilter:
    """Which entries of the ledger are wanted; None: any. `since` is the first instant, `until` the first too late."""

    variant_id: UUID | None = None
    location_id: UUID | None = None
    name: str | None = None
    reason: str | None = None
    reference: str | None = None
    group_id: UUID | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def condition(self) -> ColumnElement[bool]:
        c = movements.c
        equal = ("variant_id", "location_id", "name", "reason", "reference", "group_id", "actor")
        return _all(
            *(None if getattr(self, name) is None else c[name] == getattr(self, name) for name in equal),
            None if self.since is None else c.occurred_at >= self.since,
            None if self.until is None else c.occurred_at < self.until,
        )


async def level_page(session: Session, window: pages.Window, wanted: LevelFilter) -> pages.Slice:
    """Levels with their `available`, by variant and location."""
    order = pages.Order("LEVEL", (levels.c.variant_id, levels.c.location_id))
    selected = select(levels, AVAILABLE.label("available")).where(wanted.condition())
    return await pages.fetch(session, selected, order=order, window=window, count=_count(levels, wanted.condition()))


async def movement_page(session: Session, window: pages.Window, wanted: MovementFilter) -> pages.Slice:
    """The ledger, newest first."""
    return await _newest_first(session, movements, wanted.condition(), window)


async def transfer_page(session: Session, window: pages.Window, *, status: str | None = None) -> pages.Slice:
    """Transfers, newest first."""
    condition = true() if status is None else transfers.c.status == status
    return await _newest_first(session, transfers, condition, window)


async def transfers_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(transfers).where(any_of(transfers.c.id, keys)))
    return {row.id: row for row in rows}


async def lines_by_transfer(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    c = transfer_lines.c
    rows = await session.execute(
        select(transfer_lines).where(any_of(c.transfer_id, keys)).order_by(c.transfer_id, c.variant_id)
    )
    by_transfer: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_transfer[row.transfer_id].append(row)
    return by_transfer


async def request_page(
    session: Session, window: pages.Window, *, variant_id: UUID | None = None, status: str | None = None
) -> pages.Slice:
    """The queue of those who wait, in the order of asking."""
    c = stock_requests.c
    condition = _all(
        None if variant_id is None else c.variant_id == variant_id, None if status is None else c.status == status
    )
    order = pages.Order("QUEUE", (c.id,))
    selected = select(stock_requests).where(condition)
    return await pages.fetch(session, selected, order=order, window=window, count=_count(stock_requests, condition))


async def requests_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(stock_requests).where(any_of(stock_requests.c.id, keys)))
    return {row.id: row for row in rows}


async def _newest_first(
    session: Session, table: Table, condition: ColumnElement[bool], window: pages.Window
) -> pages.Slice:
    order = pages.Order("ID", (table.c.id,), is_descending=True)
    selected = select(table).where(condition)
    return await pages.fetch(session, selected, order=order, window=window, count=_count(table, condition))


def _of_variants(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return levels.c.variant_id.in_(select(variants.c.id).where(condition))


def _all(*conditions: ColumnElement[bool] | None) -> ColumnElement[bool]:
    return and_(true(), *(condition for condition in conditions if condition is not None))


def _count(table: Table, condition: ColumnElement[bool]) -> Any:
    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(table).where(condition)) or 0)

    return count
