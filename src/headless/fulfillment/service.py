"""How do shipments come about and move on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, update

from headless.fulfillment.models import (
    FulfillmentStatus,
    delivery_rates,
    delivery_zones,
    fulfillment_lines,
    fulfillments,
)
from headless.platform import clock, ids
from headless.platform.db import Record, Session


@dataclass(frozen=True, slots=True)
class Tracking:
    """How the carrier's customers can follow a parcel."""

    company: str | None = None
    number: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Units of a bundle's part that leave a location."""

    variant_id: UUID
    location_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Part:
    """Units of an order's line that go into a shipment from a location; of a bundle, `taken` says what from where."""

    order_line_id: UUID
    variant_id: UUID | None
    location_id: UUID | None
    quantity: int
    taken: Sequence[Taken] = ()


async def create_zone(session: Session, *, name: str, countries: Sequence[str]) -> UUID:
    zone_id = ids.new()
    await session.execute(insert(delivery_zones).values(id=zone_id, name=name, countries=list(countries)))
    return zone_id


async def create_rate(session: Session, *, zone_id: UUID, channel_id: UUID, title: str, amount: int) -> UUID:
    rate_id = ids.new()
    await session.execute(
        insert(delivery_rates).values(id=rate_id, zone_id=zone_id, channel_id=channel_id, title=title, amount=amount)
    )
    return rate_id


async def create(
    session: Session, order_id: UUID, parts: Sequence[Part], *, tracking: Tracking | None, is_shipped: bool
) -> UUID:
    """Write down a shipment, on its way or being prepared."""
    fulfillment_id, at = ids.new(), clock.now()
    tracking = tracking or Tracking()
    await session.execute(
        insert(fulfillments).values(
            id=fulfillment_id,
            order_id=order_id,
            status=FulfillmentStatus.SHIPPED if is_shipped else FulfillmentStatus.PENDING,
            tracking_company=tracking.company,
            tracking_number=tracking.number,
            tracking_url=tracking.url,
            created_at=at,
            shipped_at=at if is_shipped else None,
        )
    )
    await session.execute(
        insert(fulfillment_lines),
        [
            {
                "id": ids.new(),
                "fulfillment_id": fulfillment_id,
                "order_line_id": part.order_line_id,
                "variant_id": part.variant_id,
                "location_id": part.location_id,
                "quantity": part.quantity,
                "parts": [
                    {
                        "variant_id": str(each.variant_id),
                        "location_id": str(each.location_id),
                        "quantity": each.quantity,
                    }
                    for each in part.taken
                ]
                or None,
            }
            for part in parts
        ],
    )
    return fulfillment_id


def part_of(row: Record) -> Part:
    """A shipment's line as it was written down."""
    taken = [Taken(UUID(each["variant_id"]), UUID(each["location_id"]), each["quantity"]) for each in row.parts or ()]
    return Part(row.order_line_id, row.variant_id, row.location_id, row.quantity, taken)


async def mark_shipped(session: Session, fulfillment_id: UUID, *, tracking: Tracking | None) -> bool:
    """Send a prepared shipment off; False when it isn't waiting any more."""
    values: dict[str, object] = {"status": FulfillmentStatus.SHIPPED, "shipped_at": clock.now()}
    if tracking is not None:
        values |= {
            "tracking_company": tracking.company,
            "tracking_number": tracking.number,
            "tracking_url": tracking.url,
        }
    return await _advance(session, fulfillment_id, FulfillmentStatus.PENDING, values)


async def mark_delivered(session: Session, fulfillment_id: UUID, *, at: datetime) -> bool:
    """Note an arrival; False when the shipment isn't on its way."""
    values: dict[str, object] = {"status": FulfillmentStatus.DELIVERED, "delivered_at": at}
    return await _advance(session, fulfillment_id, FulfillmentStatus.SHIPPED, values)


async def cancel_pending(session: Session, order_id: UUID) -> None:
    """Stop the shipments of a cancelled order that haven't left."""
    c = fulfillments.c
    await session.execute(
        update(fulfillments)
        .where(c.order_id == order_id, c.status == FulfillmentStatus.PENDING)
        .values(status=FulfillmentStatus.CANCELLED)
    )


async def _advance(
    session: Session, fulfillment_id: UUID, expected: FulfillmentStatus, values: dict[str, object]
) -> bool:
    moved = await session.execute(
        update(fulfillments)
        .where(fulfillments.c.id == fulfillment_id, fulfillments.c.status == expected)
        .values(values)
        .returning(fulfillments.c.id)
    )
    return moved.first() is not None
