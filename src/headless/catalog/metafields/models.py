"""Which tables hold metafields and their definitions?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from headless.catalog.models import SortText
from headless.platform import columns

OWNERS = "owner_type IN ('product', 'variant', 'collection')"


class MetafieldDefinition(SQLModel, table=True):
    """What all metafields of one namespace and key have in common. Its limits stand in `validations`."""

    __tablename__ = "metafield_definition"
    __table_args__ = (UniqueConstraint("owner_type", "namespace", "key"), CheckConstraint(OWNERS, name="owner_type"))

    id: UUID = Field(primary_key=True)
    owner_type: str
    namespace: str
    key: str
    name: str
    description: str
    type: str
    is_list: bool = False
    is_filterable: bool = False
    is_public: bool = False
    validations: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    version: int = 1
    changed_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class Metafield(SQLModel, table=True):
    """One value of a record.

    `filter_key` is a single value as it is compared and found by, folded and sortable; null unless the definition is
    filterable. What a list is found by are its items.
    """

    __tablename__ = "metafield"
    __table_args__ = (
        UniqueConstraint("owner_id", "namespace", "key"),
        CheckConstraint(OWNERS, name="owner_type"),
        Index("ix_metafield_filter", "owner_type", "namespace", "key", "filter_key", "owner_id"),
    )

    id: UUID = Field(primary_key=True)
    owner_type: str
    owner_id: UUID
    namespace: str
    key: str
    type: str
    is_list: bool = False
    value: Any = Field(sa_column=Column(columns.Json, nullable=False))
    filter_key: str | None = Field(default=None, sa_type=SortText)
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class MetafieldItem(SQLModel, table=True):
    """One of the values by which a list is found, as long as its definition is filterable; equal ones are one."""

    __tablename__ = "metafield_item"
    __table_args__ = (Index("ix_metafield_item_found", "definition_id", "filter_key", "metafield_id"),)

    metafield_id: UUID = Field(primary_key=True, foreign_key="metafield.id", ondelete="CASCADE")
    filter_key: str = Field(primary_key=True, sa_type=SortText)
    definition_id: UUID = Field(foreign_key="metafield_definition.id", ondelete="CASCADE")
    value: Any = Field(sa_column=Column(columns.Json, nullable=False))


definitions = columns.table_of(MetafieldDefinition)
metafields = columns.table_of(Metafield)
items = columns.table_of(MetafieldItem)
