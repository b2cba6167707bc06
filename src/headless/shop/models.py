"""Which tables hold the shop and its channels?"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Shop(SQLModel, table=True):
    """The shop itself: one row."""

    __tablename__ = "shop"

    id: int = Field(primary_key=True)
    name: str


class Channel(SQLModel, table=True):
    """A market: what is published there, in which currency and language.

    Products after `unlisted_after` aren't listed there yet; null: all are.
    """

    __tablename__ = "channel"
    __table_args__ = (
        CheckConstraint("length(currency_code) = 3", name="currency_code"),
        CheckConstraint("allocation_strategy IN ('PRIORITY', 'FEWEST_SPLITS', 'NEAREST')", name="allocation_strategy"),
        Index(
            "uq_channel_default",
            "is_default",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
    )

    id: UUID = Field(primary_key=True)
    handle: str = Field(unique=True)
    name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    currency_code: str
    default_country: str
    default_language: str
    is_default: bool = False
    allocation_strategy: str = "PRIORITY"
    unlisted_after: UUID | None = None


shops = columns.table_of(Shop)
channels = columns.table_of(Channel)
