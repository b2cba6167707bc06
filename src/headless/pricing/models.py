"""Which table holds the prices?"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Price(SQLModel, table=True):
    """What a variant costs in a channel, in minor units of the channel's currency."""

    __tablename__ = "price"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("compare_at_amount >= 0", name="compare_at_amount"),
    )

    variant_id: UUID = Field(primary_key=True, foreign_key="variant.id", ondelete="CASCADE")
    channel_id: UUID = Field(primary_key=True, foreign_key="channel.id", ondelete="CASCADE")
    amount: int = Field(sa_type=columns.Sequence)
    compare_at_amount: int | None = Field(default=None, sa_type=columns.Sequence)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


prices = columns.table_of(Price)
