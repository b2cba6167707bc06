"""Which tables hold texts in other languages?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Table
from sqlmodel import Field, SQLModel

from headless.platform import columns


class _Translation(SQLModel):
    """A text of a record in another language. `digest` is of the text that it was translated from."""

    locale: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str
    plain: str | None = None
    digest: str
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class ProductTranslation(_Translation, table=True):
    """A text of a product, its options among them. `plain` is an HTML text's words."""

    __tablename__ = "product_translation"

    owner_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE")


class CollectionTranslation(_Translation, table=True):
    """A text of a collection."""

    __tablename__ = "collection_translation"

    owner_id: UUID = Field(primary_key=True, foreign_key="collection.id", ondelete="CASCADE")


TRANSLATIONS: Mapping[str, Table] = {
    "product": columns.table_of(ProductTranslation),
    "collection": columns.table_of(CollectionTranslation),
}
"""By the prefix of the owner's id."""
