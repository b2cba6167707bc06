"""What does the shop's catalog look like as a file: of one channel, product by product, in pages?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from headless.catalog import publication
from headless.catalog import queries as catalog_queries
from headless.catalog.models import ProductStatus, products
from headless.catalog.queries import Eye, ProductSortKey
from headless.catalog.search import lists
from headless.catalog.search.lists import Wish
from headless.catalog.search.parsing import parse
from headless.inventory import queries as inventory_queries
from headless.inventory.rules import Stock
from headless.merchandising import shopify_rows, shopify_writing
from headless.merchandising.imported import Terms
from headless.merchandising.shopify_csv import ImportedImage, ImportedProduct, ImportedVariant
from headless.platform import clock, pages
from headless.platform.db import Database, Record, Session
from headless.platform.money import Money
from headless.pricing import queries as pricing_queries

PAGE: Final = 100
"""Products that are read at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """Products in the order of their ids, and how to go on after them."""

    products: Sequence[ImportedProduct]
    left_out: int
    """Variants without a price in the channel, which no file can hold."""
    cursor: str | None
    """Where the next page begins; None: this is the last one."""


async def option_slots(database: Database) -> int:
    """How many options a file must have room for: as many as Shopify's, unless a product has more."""
    length = func.json_array_length if database.is_sqlite else func.jsonb_array_length
    async with database.reading() as session:
        most = await session.scalar(select(func.max(length(products.c.options))))
    return max(shopify_writing.SHOPIFY_SLOTS, most or 0)


async def pages_of(
    database: Database, terms: Terms, *, after: str | None = None, query: str | None = None
) -> AsyncIterator[Page]:
    """Read the catalog, from its beginning or from where it was left, each page in a session of its own."""
    cursor = after
    while True:
        async with database.reading() as session:
            page = await _page(session, terms, after=cursor, query=query)
        yield page
        if page.cursor is None:
            return
        cursor = page.cursor


async def _page(session: Session, terms: Terms, *, after: str | None, query: str | None) -> Page:
    eye = Eye(terms.channel.id, sees_hidden=True)
    window = pages.Window(limit=PAGE, after=after)
    wish = Wish(eye, terms.channel.currency_code, query=parse(query or ""))
    found = (await lists.page(session, wish, window, sort=ProductSortKey.ID)).slice
    ids = [row.id for row in found.rows]
    variants = await catalog_queries.variants_by_product(session, ids)
    media = await catalog_queries.media_by_product(session, ids)
    variant_ids = [row.id for per in variants.values() for row in per]
    prices = await pricing_queries.prices_by_variant(session, variant_ids, terms.channel.id)
    stocks = await inventory_queries.stocks_by_variant(session, variant_ids)
    written: list[ImportedProduct] = []
    left_out = 0
    for row in found.rows:
        priced = [variant for variant in variants.get(row.id, []) if variant.id in prices]
        left_out += len(variants.get(row.id, [])) - len(priced)
        if priced:
            written.append(_product(row, priced, media.get(row.id, []), prices, stocks, terms))
    return Page(written, left_out, found.cursors[-1] if found.has_next else None)


def _product(
    row: Record,
    variants: Sequence[Record],
    media: Sequence[Record],
    prices: Mapping[UUID, Record],
    stocks: Mapping[UUID, Sequence[Stock]],
    terms: Terms,
) -> ImportedProduct:
    """Say of a product what a file can say, as the file's reader will understand it."""
    url_by_id = {picture.id: url for picture in media if (url := terms.address_of(picture.url)) is not None}
    alt_by_url: dict[str, str] = {}
    for picture in media:
        if picture.id in url_by_id:
            alt_by_url.setdefault(url_by_id[picture.id], _cell(picture.alt_text))
    made = [_variant(variant, prices[variant.id], stocks.get(variant.id, ()), url_by_id, terms) for variant in variants]
    names = [option["name"] for option in row.options]
    if _is_default(names, made):
        names, made = [], [replace(made[0], selected_options=())]
    values = {name: dict.fromkeys(dict(variant.selected_options)[name] for variant in made) for name in names}
    return ImportedProduct(
        line=0,
        handle=row.handle,
        title=_cell(row.title),
        description_html=row.description_html.replace("\0", ""),
        vendor=_cell(row.vendor),
        product_type=_cell(row.product_type),
        # A comma parts tags in a file, and can't be in one.
        tags=tuple(dict.fromkeys(part for tag in row.tags for each in tag.split(",") if (part := _cell(each)))),
        is_published=publication.in_force(row, clock.now()) and row.status == ProductStatus.ACTIVE,
        status=row.status,
        options=tuple((name, tuple(values[name])) for name in names),
        variants=tuple(made),
        images=tuple(ImportedImage(0, url, alt, nth) for nth, (url, alt) in enumerate(alt_by_url.items(), start=1)),
        seo_title=_cell(row.seo_title),
        seo_description=_cell(row.seo_description),
    )


def _variant(
    row: Record, price: Record, stocks: Sequence[Stock], url_by_id: Mapping[UUID, str], terms: Terms
) -> ImportedVariant:
    here = next((stock.available for stock in stocks if stock.location_id == terms.location_id), 0)
    currency: str = terms.channel.currency_code
    return ImportedVariant(
        line=0,
        sku=shopify_rows.code(_cell(row.sku)),
        barcode=shopify_rows.code(_cell(row.barcode)),
        price=_decimal(price.amount, currency),
        compare_at_price=_decimal(price.compare_at_amount, currency) if price.compare_at_amount else None,
        selected_options=tuple((chosen["name"], chosen["value"]) for chosen in row.selected_options),
        is_tracked=row.is_tracked,
        quantity=max(here, 0) if row.is_tracked else None,
        weight_grams=row.weight_grams,
        image_url=url_by_id.get(row.image_id),
    )


def _is_default(names: Sequence[str], variants: Sequence[ImportedVariant]) -> bool:
    """Whether the file's reader takes the options for Shopify's way to say that there are none."""
    values = {value.casefold() for variant in variants for _name, value in variant.selected_options}
    return [name.casefold() for name in names] == ["title"] and values <= {"default title"}


def _decimal(amount: int, currency: str) -> Decimal:
    return Decimal(str(Money(amount, currency)))


def _cell(text: str | None) -> str:
    """A text as a cell that is read without what surrounds it."""
    return (text or "").replace("\0", "").strip()


async def csv_parts(database: Database, terms: Terms, *, query: str | None = None) -> AsyncIterator[tuple[str, Page]]:
    """The catalog in Shopify's product CSV format, piece by piece, the header with the first one."""
    slots = await option_slots(database)
    head = shopify_writing.header(slots)
    async for page in pages_of(database, terms, query=query):
        fitting = [product for product in page.products if len(product.options) <= slots]
        yield head + "".join(shopify_writing.rows(product, slots) for product in fitting), page
        head = ""
