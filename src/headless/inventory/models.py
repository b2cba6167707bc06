"""Which tables hold the stock?"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
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
    """Units at a location promised to one line of a checkout (reserved) or of its order (committed)."""

    __tablename__ = "allocation"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"),)

    line_id: UUID = Field(primary_key=True)
    location_id: UUID = Field(primary_key=True, foreign_key="location.id")
    owner_id: UUID = Field(index=True)
    variant_id: UUID = Field(foreign_key="variant.id")
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


locations = columns.table_of(Location)
levels = columns.table_of(Level)
allocations = columns.table_of(Allocation)
movements = columns.table_of(Movement)
