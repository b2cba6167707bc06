"""Which tables hold payments and refunds?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Payment(SQLModel, table=True):
    """One attempt to be paid. Written before the provider is asked; its id is the provider's idempotency key."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("provider", "reference"),
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint(
            "status IN ('STARTED', 'ACTION_REQUIRED', 'AUTHORIZED', 'CAPTURED', 'DECLINED', 'FAILED', 'VOIDED')",
            name="status",
        ),
        Index(
            "ix_payment_unsettled",
            "leased_until",
            sqlite_where=text("status = 'STARTED'"),
            postgresql_where=text("status = 'STARTED'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    checkout_id: UUID = Field(foreign_key="checkout.id", index=True)
    order_id: UUID | None = Field(default=None, foreign_key="orders.id", index=True)
    provider: str
    token_digest: bytes
    amount: int = Field(sa_type=columns.Sequence)
    currency: str
    status: str
    reference: str | None = None
    message: str = ""
    next_action: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    leased_until: datetime = Field(sa_type=columns.UtcDateTime)
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class Refund(SQLModel, table=True):
    """Money to give back, or an authorization to release. Written before the provider is asked."""

    __tablename__ = "refund"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount"),
        CheckConstraint("status IN ('PENDING', 'SUCCEEDED', 'FAILED')", name="status"),
        Index(
            "ix_refund_pending",
            "leased_until",
            sqlite_where=text("status = 'PENDING'"),
            postgresql_where=text("status = 'PENDING'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    payment_id: UUID = Field(foreign_key="payment.id", index=True)
    order_id: UUID | None = Field(default=None, foreign_key="orders.id", index=True)
    amount: int = Field(sa_type=columns.Sequence)
    status: str
    reason: str
    leased_until: datetime = Field(sa_type=columns.UtcDateTime)
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


payments = columns.table_of(Payment)
refunds = columns.table_of(Refund)
