"""Which tables hold the stock?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, text
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Location(SQLModel, table=True):
    """A place that holds stock and ships orders."""

    __tablename__ = "location"

    id: UUID = Field(primary_key=True)
    handle: str = Field(unique=True)
    name: str
    position: int
    is_active: bool = True
    ships_orders: bool = True
    offers_pickup: bool = False
    address: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    country_code: str | None = None
    version: int = 1


class Level(SQLModel, table=True):
    """A variant's stock at a location: available = on_hand - reserved - committed - damaged - safety_stock."""

    __tablename__ = "level"
    __table_args__ = (
        CheckConstraint("on_hand >= 0", name="on_hand"),
        CheckConstraint("reserved >= 0", name="reserved"),
        CheckConstraint("committed >= 0", name="committed"),
        CheckConstraint("damaged >= 0", name="damaged"),
        CheckConstraint("safety_stock >= 0", name="safety_stock"),
        CheckConstraint("incoming >= 0", name="incoming"),
    )

    variant_id: UUID = Field(primary_key=True, foreign_key="variant.id", ondelete="CASCADE")
    location_id: UUID = Field(primary_key=True, foreign_key="location.id")
    on_hand: int = Field(default=0, sa_type=columns.Sequence)
    reserved: int = Field(default=0, sa_type=columns.Sequence)
    committed: int = Field(default=0, sa_type=columns.Sequence)
    damaged: int = Field(default=0, sa_type=columns.Sequence)
    safety_stock: int = Field(default=0, sa_type=columns.Sequence)
    incoming: int = Field(default=0, sa_type=columns.Sequence)


class Allocation(SQLModel, table=True):
    """Units at a location promised to one line of a checkout (reserved) or of its order (committed).

    Of a bundle's line the units are its parts': one row per part and location.
    """

    __tablename__ = "allocation"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    line_id: UUID = Field(primary_key=True)
    variant_id: UUID = Field(primary_key=True, foreign_key="variant.id")
    location_id: UUID = Field(primary_key=True, foreign_key="location.id")
    owner_id: UUID = Field(index=True)
    quantity: int
    is_committed: bool = False


class Movement(SQLModel, table=True):
    """One entry of the ledger: a counted quantity of a level changed. Never updated, never deleted."""

    __tablename__ = "movement"
    __table_args__ = (
        Index("ix_movement_level", "variant_id", "location_id", "name"),
        Index("ix_movement_group", "group_id"),
    )

    id: UUID = Field(primary_key=True)
    group_id: UUID
    variant_id: UUID
    location_id: UUID
    name: str
    delta: int = Field(sa_type=columns.Sequence)
    reason: str
    reference: str | None = None
    actor: str
    occurred_at: datetime = Field(sa_type=columns.UtcDateTime)


class BundlePart(SQLModel, table=True):
    """A variant that others are made of: a bundle sells as long as all its parts do, and has no stock of its own."""

    __tablename__ = "bundle_part"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("bundle_id <> part_id", name="not_itself"),
    )

    bundle_id: UUID = Field(primary_key=True, foreign_key="variant.id", ondelete="CASCADE")
    part_id: UUID = Field(primary_key=True, foreign_key="variant.id", index=True)
    quantity: int


class LimitedPurchase(SQLModel, table=True):
    """Units of a variant with a limit per customer that a checkout or order of one buyer took."""

    __tablename__ = "limited_purchase"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_limited_purchase_buyer", "variant_id", "buyer"),
    )

    owner_id: UUID = Field(primary_key=True)
    variant_id: UUID = Field(primary_key=True, foreign_key="variant.id", ondelete="CASCADE")
    buyer: bytes
    quantity: int


class Transfer(SQLModel, table=True):
    """Stock on its way to a location, from another one or from a supplier."""

    __tablename__ = "transfer"
    __table_args__ = (
        CheckConstraint("status IN ('IN_TRANSIT', 'PARTIALLY_RECEIVED', 'RECEIVED', 'CANCELLED')", name="status"),
        CheckConstraint("(origin_id IS NULL) <> (supplier IS NULL)", name="source"),
        CheckConstraint("origin_id <> destination_id", name="elsewhere"),
        Index("ix_transfer_status", "status", "id"),
    )

    id: UUID = Field(primary_key=True)
    origin_id: UUID | None = Field(default=None, foreign_key="location.id")
    supplier: str | None = None
    destination_id: UUID = Field(foreign_key="location.id")
    status: str
    reference: str | None = None
    expected_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    version: int = 1
    changed_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class TransferLine(SQLModel, table=True):
    """Units of a variant in a transfer: sent, and of these received in order or rejected on arrival."""

    __tablename__ = "transfer_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("received >= 0 AND rejected >= 0", name="arrived"),
        CheckConstraint("received + rejected <= quantity", name="no_more_than_sent"),
    )

    transfer_id: UUID = Field(primary_key=True, foreign_key="transfer.id", ondelete="CASCADE")
    variant_id: UUID = Field(primary_key=True)
    quantity: int
    received: int = 0
    rejected: int = 0


class StockRequest(SQLModel, table=True):
    """A shopper's wish to be told when a variant is back. Served in the order of asking, which its id keeps."""

    __tablename__ = "stock_request"
    __table_args__ = (
        CheckConstraint("status IN ('WAITING', 'SERVED', 'CANCELLED')", name="status"),
        Index(
            "uq_stock_request_waiting",
            "email",
            "variant_id",
            unique=True,
            sqlite_where=text("status = 'WAITING'"),
            postgresql_where=text("status = 'WAITING'"),
        ),
        Index("ix_stock_request_queue", "variant_id", "status", "id"),
    )

    id: UUID = Field(primary_key=True)
    variant_id: UUID = Field(foreign_key="variant.id", ondelete="CASCADE")
    email: str
    status: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    served_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


locations = columns.table_of(Location)
levels = columns.table_of(Level)
allocations = columns.table_of(Allocation)
movements = columns.table_of(Movement)
bundle_parts = columns.table_of(BundlePart)
limited_purchases = columns.table_of(LimitedPurchase)
transfers = columns.table_of(Transfer)
transfer_lines = columns.table_of(TransferLine)
stock_requests = columns.table_of(StockRequest)
