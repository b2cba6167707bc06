"""Which products were bought together, and how often?"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from headless.platform import columns


class BoughtTogether(SQLModel, table=True):
    """In how many orders a product stands beside another one."""

    __tablename__ = "bought_together"
    __table_args__ = (Index("ix_bought_together_most", "product_id", "orders", "other_id"),)

    product_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE")
    other_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE", index=True)
    orders: int


bought_together = columns.table_of(BoughtTogether)
