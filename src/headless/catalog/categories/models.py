"""Which table holds the tree of categories?"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from headless.catalog.models import SortText
from headless.platform import columns


class Category(SQLModel, table=True):
    """A kind of products.

    `path` is `/<root>/…/<own>/`, each id as 32 hex digits: what lies below a category are the paths that begin with
    its own, one range of the index.
    """

    __tablename__ = "category"
    __table_args__ = (Index("ix_category_place", "parent_id", "position", "id"),)

    id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(default=None, foreign_key="category.id")
    handle: str = Field(unique=True)
    title: str
    position: int
    path: str = Field(sa_type=SortText, unique=True)
    external_reference: str | None = Field(default=None, unique=True)
    version: int = 1
    changed_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


categories = columns.table_of(Category)
