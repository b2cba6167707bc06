"""Which tables hold the history of records, what people say of them and what is asked of them?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from headless.platform import columns


class Revision(SQLModel, table=True):
    """How a record came to be a version: who changed which fields, from what to what. Both hold the same fields.

    A record is named by the prefix of its id and its id. The first version changed nothing.
    """

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("record_type", "record_id", "version"),)

    id: UUID = Field(primary_key=True)
    record_type: str
    record_id: UUID
    version: int
    actor: str
    changed_at: datetime = Field(sa_type=columns.UtcDateTime)
    before: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    after: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))


revisions = columns.table_of(Revision)


class Comment(SQLModel, table=True):
    """What somebody said of a record. One without a parent begins a thread, which is resolved as a whole."""

    __tablename__ = "comment"
    __table_args__ = (Index("ix_comment_record", "record_type", "record_id", "id"),)

    id: UUID = Field(primary_key=True)
    record_type: str
    record_id: UUID
    parent_id: UUID | None = Field(default=None, foreign_key="comment.id", index=True)
    author_id: UUID
    author: str
    body: str
    mentions: list[str] = Field(sa_column=Column(columns.Json, nullable=False))
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    edited_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    resolved_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    resolved_by: str | None = None


comments = columns.table_of(Comment)


class ChecklistItem(SQLModel, table=True):
    """What the shop wants of a product before it is published."""

    __tablename__ = "checklist_item"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('IMAGE_PRESENT', 'ALT_TEXTS', 'PRICE_IN_EVERY_CHANNEL', 'DESCRIPTION_LONGER_THAN', 'SEO_SET', "
            "'STOCK_TRACKED', 'MANUAL')",
            name="kind",
        ),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    title: str
    parameter: int | None = None
    is_required: bool
    position: int
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class ChecklistTick(SQLModel, table=True):
    """Somebody said that a manual item is done for a record."""

    __tablename__ = "checklist_tick"
    __table_args__ = (Index("ix_checklist_tick_record", "record_type", "record_id"),)

    item_id: UUID = Field(primary_key=True, foreign_key="checklist_item.id", ondelete="CASCADE")
    record_type: str = Field(primary_key=True)
    record_id: UUID = Field(primary_key=True)
    ticked_by: str
    ticked_at: datetime = Field(sa_type=columns.UtcDateTime)


checklist_items = columns.table_of(ChecklistItem)
checklist_ticks = columns.table_of(ChecklistTick)
