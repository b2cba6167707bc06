"""Which tables hold carts?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Cart(SQLModel, table=True):
    """A shopper's cart. Its id is a bearer secret."""

    __tablename__ = "cart"

    id: UUID = Field(primary_key=True)
    channel_id: UUID = Field(foreign_key="channel.id")
    currency: str
    email: str | None = None
    phone: str | None = None
    country_code: str | None = None
    delivery_address: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    billing_address: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    delivery_rate_id: UUID | None = None
    language: str | None = None
    note: str = ""
    attributes: list[dict[str, str]] = Field(sa_column=Column(columns.Json, nullable=False))
    version: int = 1
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)
    expires_at: datetime = Field(sa_type=columns.UtcDateTime, index=True)


class CartLine(SQLModel, table=True):
    """A variant in a cart, which may be no more. `shown_amount` is its price at the last change of the cart."""

    __tablename__ = "cart_line"
    __table_args__ = (
        UniqueConstraint("cart_id", "variant_id", "attributes_key"),
        CheckConstraint("quantity > 0", name="quantity"),
    )

    id: UUID = Field(primary_key=True)
    cart_id: UUID = Field(foreign_key="cart.id", ondelete="CASCADE", index=True)
    variant_id: UUID
    quantity: int
    attributes: list[dict[str, str]] = Field(sa_column=Column(columns.Json, nullable=False))
    attributes_key: str
    shown_amount: int = Field(sa_type=columns.Sequence)


carts = columns.table_of(Cart)
cart_lines = columns.table_of(CartLine)
