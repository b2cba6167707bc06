"""Which table holds checkouts?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, text
from sqlmodel import Field, SQLModel

from headless.platform import columns

LIVE = "status IN ('OPEN', 'PAYMENT_PENDING', 'ACTION_REQUIRED', 'COMPLETED')"


class Checkout(SQLModel, table=True):
    """One attempt to buy a cart. A cart has at most one that is under way or completed."""

    __tablename__ = "checkout"
    __table_args__ = (
        CheckConstraint(
            "status IN ('OPEN', 'PAYMENT_PENDING', 'ACTION_REQUIRED', 'COMPLETED', 'EXPIRED', 'CANCELLED', 'FAILED')",
            name="status",
        ),
        Index("uq_checkout_live", "cart_id", unique=True, sqlite_where=text(LIVE), postgresql_where=text(LIVE)),
        Index("ix_checkout_expiry", "status", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    cart_id: UUID = Field(index=True)
    status: str
    quote: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    payment_id: UUID | None = None
    order_id: UUID | None = None
    renewals: int = 0
    expires_at: datetime = Field(sa_type=columns.UtcDateTime)
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


checkouts = columns.table_of(Checkout)
