"""What does the shop's catalog look like as a file: of one channel, product by product, in pages?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select

from headless.catalog import publication
from headless.catalog import queries as catalog_queries
from headless.catalog.categories import queries as category_queries
from headless.catalog.kinds import is_foreign
from headless.catalog.metafields import queries as metafield_queries
from headless.catalog.metafields import rules as metafield_rules
from headless.catalog.metafields.rules import Kind, Shape
from headless.catalog.models import ProductStatus, products
from headless.catalog.queries import Eye, ProductSortKey
from headless.catalog.search import lists
from headless.catalog.search.parsing import parse
from headless.catalog.search.wishes import Wish
from headless.catalog.translations import queries as translation_queries
from headless.inventory import queries as inventory_queries
from headless.inventory.rules import Stock
from headless.merchandising import shopify_writing
from headless.merchandising.imported import Terms
from headless.merchandising.shopify_csv import ImportedImage, ImportedProduct, ImportedVariant
from headless.platform import clock, pages
from headless.platform.db import Database, Record, Session
from headless.platform.money import Money
from headless.pricing import queries as pricing_queries

PAGE: Final = 100
"""Products that are read at once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A product, those of its variants that have a price in the channel, with their prices, and what belongs to it."""

    product: Record
    variants: Sequence[tuple[Record, Record]]
    media: Sequence[Record]
    metafields: Sequence[Record]
    translations: Sequence[Record]
    category: Record | None


@dataclass(frozen=True, slots=True)
class Page:
    """Products in the order of their ids, and how to go on after them."""

    products: Sequence[ImportedProduct]
    """As a CSV file can hold them."""
    found: Sequence[Found]
    rows: int
    """How many products were looked at."""
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


async def count(database: Database, terms: Terms, *, query: str | None = None) -> int:
    """How many products there are to read."""
    async with database.reading() as session:
        # What was written by mistake is looked for as it was probably meant, here as there.
        window = pages.Window(limit=1)
        found = await lists.page(session, _wish(terms, query), window, sort=ProductSortKey.ID)
        return await lists.count(session, found.wish)


def _wish(terms: Terms, query: str | None) -> Wish:
    eye = Eye(terms.channel.id, sees_hidden=True)
    return Wish(eye, terms.channel.currency_code, query=parse(query or ""))


async def _page(session: Session, terms: Terms, *, after: str | None, query: str | None) -> Page:
    window = pages.Window(limit=PAGE, after=after)
    found = (await lists.page(session, _wish(terms, query), window, sort=ProductSortKey.ID)).slice
    ids = [row.id for row in found.rows]
    variants = await catalog_queries.variants_by_product(session, ids)
    media = await catalog_queries.media_by_product(session, ids)
    metafields = await metafield_queries.metafields_by_owner(session, ids, True)  # noqa: FBT003 - a loader's key
    translations = await translation_queries.all_by_product(session, found.rows)
    category_ids = {row.category_id for row in found.rows if row.category_id is not None}
    categories = await category_queries.categories_by_id(session, sorted(category_ids))
    variant_ids = [row.id for per in variants.values() for row in per]
    prices = await pricing_queries.prices_by_variant(session, variant_ids, terms.channel.id)
    stocks = await inventory_queries.stocks_by_variant(session, variant_ids)
    written: list[ImportedProduct] = []
    kept: list[Found] = []
    left_out = 0
    for row in found.rows:
        priced = [variant for variant in variants.get(row.id, []) if variant.id in prices]
        left_out += len(variants.get(row.id, [])) - len(priced)
        if priced:
            pairs = [(variant, prices[variant.id]) for variant in priced]
            of_it = (media.get(row.id, ()), metafields.get(row.id, ()), translations.get(row.id, ()))
            kept.append(Found(row, pairs, *of_it, category=categories.get(row.category_id)))
            written.append(_product(row, priced, media.get(row.id, []), prices, stocks, terms))
    return Page(written, kept, len(found.rows), left_out, found.cursors[-1] if found.has_next else None)


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
        sku=_cell(row.sku) or None,
        barcode=_cell(row.barcode) or None,
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
    is_first = True
    async for page in pages_of(database, terms, query=query):
        yield as_rows(page, slots, with_header=is_first), page
        is_first = False


def as_rows(page: Page, slots: int, *, with_header: bool) -> str:
    """A page in Shopify's product CSV format, with room for so many options."""
    fitting = [product for product in page.products if len(product.options) <= slots]
    head = shopify_writing.header(slots) if with_header else ""
    return head + "".join(shopify_writing.rows(product, slots) for product in fitting)


def as_lines(page: Page, terms: Terms) -> str:
    """A page as lines of JSON, each the input of a `productSet` that brings the product back."""
    return "".join(f"{orjson.dumps(_line(found, terms)).decode()}\n" for found in page.found)


def _line(found: Found, terms: Terms) -> dict[str, Any]:
    row, currency = found.product, terms.channel.currency_code
    addresses = {
        picture.id: picture.url if is_foreign(picture.url) else f"{terms.media_url}{picture.url}"
        for picture in found.media
    }
    return {
        "identifier": {"handle": row.handle},
        "title": row.title,
        "descriptionHtml": row.description_html,
        "vendor": row.vendor,
        "productType": row.product_type,
        "tags": row.tags,
        "status": row.status,
        "seo": {"title": row.seo_title, "description": row.seo_description},
        "options": row.options,
        "externalReference": row.external_reference,
        "category": None if found.category is None else {"handle": found.category.handle},
        "variants": [_variant_line(variant, price, currency, addresses) for variant, price in found.variants],
        "media": [_media_line(picture, addresses[picture.id]) for picture in found.media],
        "metafields": [_metafield_line(metafield) for metafield in found.metafields],
        "translations": [{"locale": text.locale, "key": text.key, "value": text.value} for text in found.translations],
    }


def _media_line(row: Record, url: str) -> dict[str, Any]:
    return {
        "url": url,
        "altText": row.alt_text,
        "kind": row.kind,
    }


def _metafield_line(row: Record) -> dict[str, Any]:
    shape = Shape(Kind(row.type), row.is_list)
    return {
        "namespace": row.namespace,
        "key": row.key,
        "type": shape.name,
        "value": metafield_rules.shown(shape, row.value),
    }


def _variant_line(row: Record, price: Record, currency: str, addresses: Mapping[UUID, str]) -> dict[str, Any]:
    compare_at, picture = price.compare_at_amount, addresses.get(row.image_id)
    return {
        "sku": row.sku,
        "barcode": row.barcode,
        "externalReference": row.external_reference,
        "price": str(Money(price.amount, currency)),
        "compareAtPrice": None if compare_at is None else str(Money(compare_at, currency)),
        "selectedOptions": row.selected_options,
        "tracked": row.is_tracked,
        "taxCode": row.tax_code,
        "weightGrams": row.weight_grams,
        "lengthMm": row.length_mm,
        "widthMm": row.width_mm,
        "heightMm": row.height_mm,
        "backorderLimit": row.backorder_limit,
        "preorder": row.is_preorder,
        "expectedAt": None if row.expected_at is None else row.expected_at.isoformat(),
        "maxPerOrder": row.max_per_order,
        "maxPerCustomer": row.max_per_customer,
        "media": None if picture is None else {"url": picture},
    }
