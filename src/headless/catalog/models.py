"""Which tables hold the catalog?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, Text, UniqueConstraint, text, true
from sqlmodel import Field, SQLModel

from headless.platform import columns

SortText = Text().with_variant(Text(collation="C"), "postgresql")
"""Folded text that both databases sort alike."""


class ProductStatus(StrEnum):
    """Whether a product is in the making, for sale where it is published, or put away."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class Product(SQLModel, table=True):
    """A thing for sale, in one or more variants."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("status IN ('DRAFT', 'ACTIVE', 'ARCHIVED')", name="status"),
        Index("ix_product_title_key", "title_key", "id"),
        Index("ix_product_vendor_key", "vendor_key", "id"),
        Index("ix_product_type_key", "type_key", "id"),
        Index("ix_product_created_at", "created_at", "id"),
        Index("ix_product_updated_at", "updated_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    handle: str = Field(unique=True)
    title: str
    description_html: str
    description: str
    vendor: str
    product_type: str
    tags: list[str] = Field(sa_column=Column(columns.Json, nullable=False))
    status: str
    seo_title: str | None = None
    seo_description: str | None = None
    options: list[dict[str, Any]] = Field(sa_column=Column(columns.Json, nullable=False))
    external_reference: str | None = Field(default=None, unique=True)
    category_id: UUID | None = Field(default=None, foreign_key="category.id", ondelete="SET NULL", index=True)
    title_key: str = Field(sa_type=SortText)
    vendor_key: str = Field(sa_type=SortText)
    type_key: str = Field(sa_type=SortText)
    version: int = 1
    changed_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class Variant(SQLModel, table=True):
    """One buyable form of a product.

    `backorder_limit` units may be sold beyond what is in stock, expected back (or, pre-ordered, out) at `expected_at`.
    """

    __tablename__ = "variant"
    __table_args__ = (
        UniqueConstraint("product_id", "options_key"),
        CheckConstraint("backorder_limit >= 0", name="backorder_limit"),
        CheckConstraint("max_per_order > 0", name="max_per_order"),
        CheckConstraint("max_per_customer > 0", name="max_per_customer"),
        CheckConstraint("weight_grams >= 0", name="weight_grams"),
        CheckConstraint("length_mm > 0 AND width_mm > 0 AND height_mm > 0", name="dimensions"),
        Index("ix_variant_product", "product_id", "position"),
    )

    id: UUID = Field(primary_key=True)
    product_id: UUID = Field(foreign_key="product.id", ondelete="CASCADE")
    position: int
    title: str
    sku: str | None = Field(default=None, unique=True)
    barcode: str | None = Field(default=None, unique=True)
    external_reference: str | None = Field(default=None, unique=True)
    selected_options: list[dict[str, str]] = Field(sa_column=Column(columns.Json, nullable=False))
    options_key: str
    is_tracked: bool
    is_bundle: bool = False
    backorder_limit: int = 0
    is_preorder: bool = False
    expected_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    max_per_order: int | None = None
    max_per_customer: int | None = None
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    tax_code: str | None = None
    image_id: UUID | None = None
    version: int = 1
    changed_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class Media(SQLModel, table=True):
    """A picture or a video of a product. `url` is absolute, or a path below the shop's own media folder.

    `file` is the key of the shop's own copy of a picture. While `fetch_at` is set a worker gets it from `url`, from
    that instant on and for the `attempts`-th time.
    """

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint("kind IN ('IMAGE', 'VIDEO', 'EXTERNAL_VIDEO')", name="kind"),
        CheckConstraint("status IN ('READY', 'PROCESSING', 'FAILED')", name="status"),
        Index("ix_media_product", "product_id", "position"),
        Index("ix_media_file", "file"),
        Index(
            "ix_media_fetch_at",
            "fetch_at",
            sqlite_where=text("fetch_at IS NOT NULL"),
            postgresql_where=text("fetch_at IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    product_id: UUID = Field(foreign_key="product.id", ondelete="CASCADE")
    position: int
    kind: str
    status: str
    url: str
    alt_text: str
    width: int | None = None
    height: int | None = None
    file: str | None = None
    mime_type: str | None = None
    error: str | None = None
    fetch_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    attempts: int = 0


class Upload(SQLModel, table=True):
    """A picture that was sent and waits for a product to show it."""

    __tablename__ = "upload"

    id: UUID = Field(primary_key=True)
    key: str = Field(index=True)
    file_name: str
    mime_type: str
    width: int
    height: int
    created_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime, index=True)


class StoredFile(SQLModel, table=True):
    """A file of the storage that is named by its content. Once `kept_until` is past and nothing needs it, it goes."""

    __tablename__ = "stored_file"

    key: str = Field(primary_key=True)
    size: int = Field(sa_type=columns.Sequence)
    kept_until: datetime = Field(sa_type=columns.UtcDateTime, index=True)
    condemned_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


class Collection(SQLModel, table=True):
    """Products shown together: in an order that people chose, or those that meet its rules.

    What `rules` say becomes true of its products a moment after a change (catalog/collections).
    """

    __tablename__ = "collection"
    __table_args__ = (Index("ix_collection_title_key", "title_key", "id"),)

    id: UUID = Field(primary_key=True)
    handle: str = Field(unique=True)
    title: str
    title_key: str = Field(sa_type=SortText)
    description_html: str
    description: str
    external_reference: str | None = Field(default=None, unique=True)
    rules: dict[str, Any] | None = Field(default=None, sa_column=Column(columns.Json))
    version: int = 1
    changed_by: str = ""
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    updated_at: datetime = Field(sa_type=columns.UtcDateTime)


class CollectionProduct(SQLModel, table=True):
    """A product's place in a collection."""

    __tablename__ = "collection_product"
    __table_args__ = (Index("ix_collection_product_place", "collection_id", "position", "product_id"),)

    collection_id: UUID = Field(primary_key=True, foreign_key="collection.id", ondelete="CASCADE")
    product_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE", index=True)
    position: int


class Listing(SQLModel, table=True):
    """What lists of one channel filter and sort a product by. Right at commit: whoever flips it writes it.

    `is_published` there is from `published_at`, which may be yet to come, until `unpublish_at`. `turns_at` is the
    next of the two that passes by itself and that nobody was told of yet.
    """

    __tablename__ = "listing"
    __table_args__ = (
        Index("ix_listing_price", "channel_id", "min_amount", "product_id"),
        Index(
            "ix_listing_turns_at",
            "turns_at",
            sqlite_where=text("turns_at IS NOT NULL"),
            postgresql_where=text("turns_at IS NOT NULL"),
        ),
        Index("ix_listing_units_sold", "channel_id", "units_sold", "product_id"),
    )

    product_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE")
    channel_id: UUID = Field(primary_key=True, foreign_key="channel.id", ondelete="CASCADE")
    is_published: bool = False
    published_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    unpublish_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    turns_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    is_priced: bool = Field(default=True, sa_column_kwargs={"server_default": true()})
    is_available: bool = False
    min_amount: int = Field(default=0, sa_type=columns.Sequence)
    max_amount: int = Field(default=0, sa_type=columns.Sequence)
    min_compare_at_amount: int | None = Field(default=None, sa_type=columns.Sequence)
    max_compare_at_amount: int | None = Field(default=None, sa_type=columns.Sequence)
    units_sold: int = Field(default=0, sa_type=columns.Sequence)


products = columns.table_of(Product)
variants = columns.table_of(Variant)
media = columns.table_of(Media)
uploads = columns.table_of(Upload)
stored_files = columns.table_of(StoredFile)
collections = columns.table_of(Collection)
collection_products = columns.table_of(CollectionProduct)
listings = columns.table_of(Listing)
