"""What does delivery cost, and what is on its way?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from headless.fulfillment.models import delivery_rates, delivery_zones, fulfillment_lines, fulfillments
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

_RATES = (
    select(delivery_rates, delivery_zones.c.countries)
    .join(delivery_zones, delivery_zones.c.id == delivery_rates.c.zone_id)
    .where(delivery_rates.c.channel_id == bindparam("channel_id"))
    .order_by(delivery_rates.c.amount, delivery_rates.c.id)
)


async def rates_for(session: Session, keys: Sequence[str], channel_id: UUID) -> Mapping[str, list[Record]]:
    """The delivery rates of a channel for each country: its zone's, else those of the rest of the world."""
    rows = (await session.execute(_RATES, {"channel_id": channel_id})).all()
    elsewhere = [row for row in rows if not row.countries]
    return {country: [row for row in rows if country in row.countries] or elsewhere for country in keys}


async def fulfillments_by_order(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    return await _grouped(session, select(fulfillments).where(any_of(fulfillments.c.order_id, keys)), "order_id")


async def lines_by_fulfillment(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    lines = select(fulfillment_lines).where(any_of(fulfillment_lines.c.fulfillment_id, keys))
    return await _grouped(session, lines, "fulfillment_id")


async def lines_by_order(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    """Shipped or prepared units of orders, each with the status of its shipment."""
    lines = (
        select(fulfillment_lines, fulfillments.c.order_id, fulfillments.c.status)
        .join(fulfillments, fulfillments.c.id == fulfillment_lines.c.fulfillment_id)
        .where(any_of(fulfillments.c.order_id, keys))
    )
    return await _grouped(session, lines, "order_id")


async def fulfillments_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(fulfillments).where(any_of(fulfillments.c.id, keys)))
    return {row.id: row for row in rows}


async def _grouped(session: Session, selection: Any, name: str) -> Mapping[UUID, list[Record]]:
    grouped: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in await session.execute(selection.order_by("id")):
        grouped[getattr(row, name)].append(row)
    return grouped
