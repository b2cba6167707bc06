"""Which tables hold deliveries?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column
from sqlmodel import Field, SQLModel

from headless.platform import columns


class FulfillmentStatus(StrEnum):
    """How far a shipment is."""

    PENDING = "PENDING"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


class DeliveryZone(SQLModel, table=True):
    """Countries that cost the same to deliver to; without countries, the rest of the world."""

    __tablename__ = "delivery_zone"

    id: UUID = Field(primary_key=True)
    name: str
    countries: list[str] = Field(sa_column=Column(columns.Json, nullable=False))


class DeliveryRate(SQLModel, table=True):
    """What delivery into a zone costs in a channel, in minor units of the channel's currency."""

    __tablename__ = "delivery_rate"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"),)

    id: UUID = Field(primary_key=True)
    zone_id: UUID = Field(foreign_key="delivery_zone.id", ondelete="CASCADE")
    channel_id: UUID = Field(foreign_key="channel.id", ondelete="CASCADE", index=True)
    title: str
    amount: int = Field(sa_type=columns.Sequence)


class Fulfillment(SQLModel, table=True):
    """A shipment of some of an order's units."""

    __tablename__ = "fulfillment"
    __table_args__ = (CheckConstraint("status IN ('PENDING', 'SHIPPED', 'DELIVERED', 'CANCELLED')", name="status"),)

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    status: str
    tracking_company: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    shipped_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


class FulfillmentLine(SQLModel, table=True):
    """Units of an order's line in a shipment.

    `location_id` is null for goods whose stock isn't tracked, and for bundles: `parts` say what leaves from where.
    """

    __tablename__ = "fulfillment_line"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    id: UUID = Field(primary_key=True)
    fulfillment_id: UUID = Field(foreign_key="fulfillment.id", index=True)
    order_line_id: UUID = Field(foreign_key="order_line.id", index=True)
    variant_id: UUID | None = None
    location_id: UUID | None = Field(default=None, foreign_key="location.id")
    quantity: int
    parts: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(columns.Json))


delivery_zones = columns.table_of(DeliveryZone)
delivery_rates = columns.table_of(DeliveryRate)
fulfillments = columns.table_of(Fulfillment)
fulfillment_lines = columns.table_of(FulfillmentLine)
