"""Which tables hold placed orders?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Sequence
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Order(SQLModel, table=True):
    """A placed order. The three statuses are derived from facts by one writer."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(
            "total_amount = subtotal_amount - discount_amount + delivery_amount + tax_amount", name="total"
        ),
        Index("ix_orders_placed_at", "placed_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    number: int = Field(unique=True, sa_type=columns.Sequence)
    cart_id: UUID = Field(unique=True)
    checkout_id: UUID = Field(unique=True)
    channel_id: UUID = Field(foreign_key="channel.id")
    currency: str
    email: str
    phone: str | None = None
    shipping_address: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    billing_address: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    delivery_title: str
    delivery_rate_id: UUID
    note: str
    attributes: list[dict[str, str]] = Field(sa_column=Column(columns.Json, nullable=False))
    subtotal_amount: int = Field(sa_type=columns.Sequence)
    discount_amount: int = Field(sa_type=columns.Sequence)
    delivery_amount: int = Field(sa_type=columns.Sequence)
    tax_amount: int = Field(sa_type=columns.Sequence)
    total_amount: int = Field(sa_type=columns.Sequence)
    status: str
    financial_status: str
    fulfillment_status: str
    cancel_reason: str | None = None
    cancelled_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    version: int = 1
    changed_by: str = ""
    placed_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class OrderLine(SQLModel, table=True):
    """A line as it was sold: titles and prices of that moment; `parts` of a bundle, as it was made up then."""

    __tablename__ = "order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("cancelled_quantity BETWEEN 0 AND quantity", name="cancelled_quantity"),
        Index("ix_order_line_order", "order_id", "position"),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id")
    position: int
    variant_id: UUID
    product_id: UUID
    title: str
    variant_title: str
    sku: str | None = None
    quantity: int
    cancelled_quantity: int = 0
    unit_amount: int = Field(sa_type=columns.Sequence)
    compare_at_amount: int | None = Field(default=None, sa_type=columns.Sequence)
    total_amount: int = Field(sa_type=columns.Sequence)
    is_tracked: bool
    parts: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(columns.Json))
    attributes: list[dict[str, str]] = Field(sa_column=Column(columns.Json, nullable=False))


orders = columns.table_of(Order)
order_number = Sequence("order_number", start=1001, metadata=SQLModel.metadata)
"""Gives out numbers on PostgreSQL; SQLite's one writer takes the next after the highest."""
order_lines = columns.table_of(OrderLine)
