"""Which tables hold the index of words and of facets?

On SQLite the words themselves are in the FTS5 tables `search_index…` over `search_document`, kept by triggers; on
PostgreSQL in the vectors of the document.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Column, Index, String, Text, column, table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from headless.catalog.models import SortText
from headless.platform import columns

Title = String().with_variant(String(collation="C"), "postgresql")
"""Sorted alike by both databases: titles that begin alike are a range."""
Vector = Text().with_variant(TSVECTOR(), "postgresql")


class SearchDocument(SQLModel, table=True):
    """The folded words of a product, parted by single spaces: its title, what it is labelled with, and its text."""

    __tablename__ = "search_document"
    __table_args__ = (
        Index("ix_search_document_title", "title", "id"),
        Index("ix_search_document_title_vector", "title_vector", postgresql_using="gin"),
        Index("ix_search_document_vector", "vector", postgresql_using="gin"),
    )

    id: int | None = Field(default=None, sa_column=Column(columns.Sequence, primary_key=True, autoincrement=True))
    product_id: UUID = Field(foreign_key="product.id", ondelete="CASCADE", unique=True)
    title: str = Field(sa_type=Title)
    labels: str
    body: str
    title_vector: str | None = Field(default=None, sa_type=Vector)
    vector: str | None = Field(default=None, sa_type=Vector)


class SearchTerm(SQLModel, table=True):
    """A word that some product has, or had, and what is left of it without one letter: how slips are found."""

    __tablename__ = "search_term"

    key: str = Field(primary_key=True, sa_type=SortText)
    term: str = Field(primary_key=True, sa_type=SortText)


class Facet(SQLModel, table=True):
    """A value that lists can be narrowed to: `id` is made of `key` and `value`, which are folded."""

    __tablename__ = "facet"
    __table_args__ = (Index("ix_facet_key", "key", "value"),)

    id: int = Field(sa_column=Column(columns.Sequence, primary_key=True, autoincrement=False))
    key: str = Field(sa_type=SortText)
    value: str = Field(sa_type=SortText)
    name: str
    label: str


class ProductFacet(SQLModel, table=True):
    """That a product, or one of its variants, has a value."""

    __tablename__ = "product_facet"
    __table_args__ = (
        Index("ix_product_facet_products", "facet_id", "product_id"),
        {"sqlite_with_rowid": False},
    )

    product_id: UUID = Field(primary_key=True, foreign_key="product.id", ondelete="CASCADE")
    facet_id: int = Field(sa_column=Column(columns.Sequence, primary_key=True, autoincrement=False))


documents = columns.table_of(SearchDocument)
terms = columns.table_of(SearchTerm)
facets = columns.table_of(Facet)
product_facets = columns.table_of(ProductFacet)
words = table("search_index", column("rowid"), column("search_index"))
"""SQLite's full-text index; its rowid is the document's id."""
titles = table("search_index_titles", column("rowid"), column("search_index_titles"))
"""The same of titles alone: what all products have in their texts is soon found not to be in any title."""
