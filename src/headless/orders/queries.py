"""Which orders are there, and what is in them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment.models import FulfillmentStatus
from headless.orders.models import order_lines, orders
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


async def orders_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(orders).where(any_of(orders.c.id, keys)))
    return {row.id: row for row in rows}


async def orders_by_cart(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(orders).where(any_of(orders.c.cart_id, keys)))
    return {row.cart_id: row for row in rows}


async def order_page(session: Session, window: pages.Window, *, is_reversed: bool = False) -> pages.Slice:
    """Orders in the order they were placed."""
    order = pages.Order("PLACED_AT", (orders.c.placed_at, orders.c.id), is_descending=is_reversed)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(orders)) or 0)

    return await pages.fetch(session, select(orders), order=order, window=window, count=count)


async def lines_by_order(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(
        select(order_lines)
        .where(any_of(order_lines.c.order_id, keys))
        .order_by(order_lines.c.order_id, order_lines.c.position)
    )
    by_order: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_order[row.order_id].append(row)
    return by_order


async def lines_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(order_lines).where(any_of(order_lines.c.id, keys)))
    return {row.id: row for row in rows}


async def units_sold(session: Session, *, since: datetime) -> Mapping[tuple[UUID, UUID], int]:
    """Units sold ever, by `(product, channel)`, of products whose orders changed since an instant."""
    recent = (
        select(order_lines.c.product_id)
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(orders.c.updated_at > since)
    )
    rows = await session.execute(
        select(
            order_lines.c.product_id,
            orders.c.channel_id,
            func.sum(order_lines.c.quantity - order_lines.c.cancelled_quantity).label("units"),
        )
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(order_lines.c.product_id.in_(recent))
        .group_by(order_lines.c.product_id, orders.c.channel_id)
    )
    return {(row.product_id, row.channel_id): int(row.units) for row in rows}


async def units_sold_of(session: Session, product_ids: Sequence[UUID]) -> Mapping[tuple[UUID, UUID], int]:
    """Units of products that were ever sold, by `(product, channel)`."""
    rows = await session.execute(
        select(
            order_lines.c.product_id,
            orders.c.channel_id,
            func.sum(order_lines.c.quantity - order_lines.c.cancelled_quantity).label("units"),
        )
        .join(orders, orders.c.id == order_lines.c.order_id)
        .where(any_of(order_lines.c.product_id, product_ids))
        .group_by(order_lines.c.product_id, orders.c.channel_id)
    )
    return {(row.product_id, row.channel_id): int(row.units) for row in rows}


async def units_in_fulfillments(session: Session, order_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """Units of each order line that are shipped or being prepared."""
    taken: defaultdict[UUID, int] = defaultdict(int)
    for lines in (await fulfillment_queries.lines_by_order(session, order_ids)).values():
        for line in lines:
            if line.status != FulfillmentStatus.CANCELLED:
                taken[line.order_line_id] += line.quantity
    return taken
