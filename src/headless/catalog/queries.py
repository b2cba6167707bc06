"""Which products, variants, media and collections are there, and who may see them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from headless.catalog import publication
from headless.catalog.models import (
    collection_products,
    collections,
    listings,
    media,
    products,
    variants,
)
from headless.platform import clock, pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


class ProductSortKey(Enum):
    """What a list of products can be sorted by."""

    BEST_SELLING = "BEST_SELLING"
    CREATED_AT = "CREATED_AT"
    ID = "ID"
    PRICE = "PRICE"
    PRODUCT_TYPE = "PRODUCT_TYPE"
    RELEVANCE = "RELEVANCE"
    TITLE = "TITLE"
    UPDATED_AT = "UPDATED_AT"
    VENDOR = "VENDOR"


@dataclass(frozen=True, slots=True)
class Eye:
    """Who looks: through which channel, whether also at what isn't published there, and when."""

    channel_id: UUID
    sees_hidden: bool = False
    at: datetime = field(default_factory=clock.now)

    def sees(self) -> ColumnElement[bool]:
        """The condition on products joined with their listing in this channel."""
        if self.sees_hidden:
            return true()
        return publication.is_shown(self.at)

    @property
    def listed(self) -> ColumnElement[bool]:
        return and_(listings.c.product_id == products.c.id, listings.c.channel_id == self.channel_id)


def visible_products(eye: Eye) -> Select[Any]:
    """Products that the eye sees, each with its listing's columns."""
    of_listing = [column for column in listings.c if column.name not in {"product_id", "channel_id"}]
    joined = products.join(listings, eye.listed)
    return select(*products.c, *of_listing).select_from(joined).where(eye.sees())


async def product(
    session: Session, eye: Eye, *, product_id: UUID | None = None, handle: str | None = None
) -> Record | None:
    """One visible product by id or handle."""
    wanted = products.c.id == product_id if product_id is not None else products.c.handle == handle
    row: Record | None = (await session.execute(visible_products(eye).where(wanted))).first()
    return row


async def products_by_id(session: Session, keys: Sequence[UUID], eye: Eye) -> Mapping[UUID, Record]:
    rows = await session.execute(visible_products(eye).where(any_of(products.c.id, keys)))
    return {row.id: row for row in rows}


async def collection_page(session: Session, window: pages.Window, *, is_reversed: bool = False) -> pages.Slice:
    """One page of collections by title."""
    order = pages.Order("TITLE", (collections.c.title_key, collections.c.id), is_descending=is_reversed)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(collections)) or 0)

    return await pages.fetch(session, select(collections), order=order, window=window, count=count)


async def collection(
    session: Session, *, collection_id: UUID | None = None, handle: str | None = None
) -> Record | None:
    wanted = collections.c.id == collection_id if collection_id is not None else collections.c.handle == handle
    return (await session.execute(select(collections).where(wanted))).first()


async def collections_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(
        select(collections, collection_products.c.product_id)
        .join(collection_products, collection_products.c.collection_id == collections.c.id)
        .where(any_of(collection_products.c.product_id, keys))
        .order_by(collections.c.title_key, collections.c.id)
    )
    return _grouped(rows.all())


async def variants_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(
        select(variants)
        .where(any_of(variants.c.product_id, keys))
        .order_by(variants.c.product_id, variants.c.position, variants.c.id)
    )
    return _grouped(rows.all())


async def media_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(
        select(media).where(any_of(media.c.product_id, keys)).order_by(media.c.product_id, media.c.position, media.c.id)
    )
    return _grouped(rows.all())


async def media_by_id(session: Session, keys: Sequence[UUID], eye: Eye) -> Mapping[UUID, Record]:
    """Pictures of products that the eye sees."""
    joined = media.join(products, media.c.product_id == products.c.id).join(listings, eye.listed)
    rows = await session.execute(select(media).select_from(joined).where(any_of(media.c.id, keys), eye.sees()))
    return {row.id: row for row in rows}


def visible_variants(eye: Eye) -> Select[Any]:
    joined = variants.join(products, variants.c.product_id == products.c.id).join(listings, eye.listed)
    return select(variants, products.c.title.label("product_title")).select_from(joined).where(eye.sees())


async def variants_by_id(session: Session, keys: Sequence[UUID], eye: Eye) -> Mapping[UUID, Record]:
    rows = await session.execute(visible_variants(eye).where(any_of(variants.c.id, keys)))
    return {row.id: row for row in rows}


async def variant_by_sku(session: Session, eye: Eye, sku: str) -> Record | None:
    row: Record | None = (await session.execute(visible_variants(eye).where(variants.c.sku == sku))).first()
    return row


async def owners_of(session: Session, variant_ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """The product of each variant."""
    rows = await session.execute(select(variants.c.id, variants.c.product_id).where(any_of(variants.c.id, variant_ids)))
    return {row.id: row.product_id for row in rows}


async def products_by_handle(session: Session, handles: Sequence[str]) -> Mapping[str, UUID]:
    rows = await session.execute(select(products.c.handle, products.c.id).where(any_of(products.c.handle, handles)))
    return {row.handle: row.id for row in rows}


async def products_by_reference(session: Session, references: Sequence[str]) -> Mapping[str, UUID]:
    c = products.c
    rows = await session.execute(select(c.external_reference, c.id).where(any_of(c.external_reference, references)))
    return {row.external_reference: row.id for row in rows}


async def is_empty(session: Session) -> bool:
    return (await session.execute(select(products.c.id).limit(1))).first() is None


async def taken_codes(session: Session, codes: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], UUID]:
    """Which of these `(column, code)` of variants exist, and whose they are."""
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    for name, code in codes:
        wanted[name].add(code)
    if not wanted:
        return {}
    columns = [variants.c[name] for name in sorted(wanted)]
    same = or_(*(any_of(column, sorted(wanted[column.name])) for column in columns))
    rows = (await session.execute(select(variants.c.id, *columns).where(same))).all()
    return {(name, code): row.id for row in rows for name in wanted if (code := getattr(row, name)) in wanted[name]}


@dataclass(frozen=True, slots=True)
class TakenNames:
    """Handles and external references that products have."""

    handles: set[str]
    references: set[str]


async def taken_handles_and_references(
    session: Session, handles: Sequence[str], references: Sequence[str]
) -> TakenNames:
    """Which of these handles and external references products have."""
    c = products.c
    wanted = [
        any_of(column, sorted(values))
        for column, values in ((c.handle, handles), (c.external_reference, references))
        if values
    ]
    if not wanted:
        return TakenNames(set(), set())
    rows = (await session.execute(select(c.handle, c.external_reference).where(or_(*wanted)))).all()
    return TakenNames(
        {row.handle for row in rows}.intersection(handles),
        {row.external_reference for row in rows}.intersection(references),
    )


def _grouped(rows: Sequence[Record]) -> Mapping[UUID, list[Record]]:
    by_product: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_product[row.product_id].append(row)
    return by_product
