"""How do imported products become the shop's own, each whole or not at all, and a second time without a trace?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from uuid import UUID

from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft, ProductDraft
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.service import Change
from headless.merchandising import differences, service
from headless.merchandising.service import NewVariant, VariantChange
from headless.merchandising.shopify_csv import ImportedProduct, ImportedVariant, RowProblem
from headless.platform import pages
from headless.platform.db import Database, Record, SerializationFailure, Session
from headless.platform.errors import InvalidInput, Refusal, Refused, StaleObject
from headless.pricing import queries as pricing_queries
from headless.shop import queries as shop_queries

ACTOR: Final = "import"
ATTEMPTS: Final = 3
"""How often a product is tried when the database gives up on it in a race."""

MOST_GRAMS: Final = 10**9


class Outcome(Enum):
    """What an import did with a product."""

    CREATED = auto()
    UPDATED = auto()
    UNCHANGED = auto()


@dataclass(slots=True)
class ImportReport:
    """How far an import is: products by what became of them, the variants' rows they had, and what was refused."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What is the same for all products of an import."""

    channel: Record
    location_id: UUID | None
    with_stock: bool


class _DryRunEnds(Exception):
    """Nothing of a dry run is kept."""


async def import_products(
    database: Database,
    read_items: Iterable[ImportedProduct | RowProblem],
    *,
    channel_handle: str | None = None,
    is_dry_run: bool = False,
    with_stock: bool = False,
    on_progress: Callable[[ImportReport], None] = lambda _report: None,
) -> ImportReport:
    """Make or update products by their handles, each in a transaction of its own; running it again goes on.

    Prices are in the currency of the channel, by default the shop's. A product's variants are known by their option
    values, else by their SKU; those that the file doesn't name stay, and so do pictures where it names none. A new
    variant's quantity goes to the active location of the lowest position; a known one's is set there only
    `with_stock`. A dry run checks everything in the same way and keeps nothing. Raises `BadUserInput` for an unknown
    channel and `Unavailable`.
    """
    async with database.reading() as session:
        channel = await shop_queries.channel(session, channel_handle)
        places = await inventory_queries.location_page(session, pages.Window(limit=pages.MAXIMUM))
    location_id = next((place.id for place in places.rows if place.is_active), None)
    terms = _Terms(channel, location_id, with_stock)
    report = ImportReport()
    lines_by_code: dict[tuple[str, str], int] = {}
    for item in read_items:
        if isinstance(item, RowProblem):
            report.problems.append(item)
            continue
        report.rows += len(item.variants)
        twins = _twins(item, lines_by_code)
        if twins:
            report.refused += 1
            report.problems += twins
        else:
            await _import_one(database, item, terms, report, is_dry_run=is_dry_run)
        on_progress(report)
    return report


def _twins(item: ImportedProduct, lines_by_code: dict[tuple[str, str], int]) -> list[RowProblem]:
    """Find SKUs and barcodes that came earlier in the file: in a dry run the database doesn't know them."""
    return [
        RowProblem(
            variant.line,
            column,
            f"Line {lines_by_code[column, code]} has the {called} {code!r} already. Choose a different one.",
        )
        for variant in item.variants
        for column, called, code in (
            ("Variant SKU", "SKU", variant.sku),
            ("Variant Barcode", "barcode", variant.barcode),
        )
        if code and lines_by_code.setdefault((column, code), variant.line) != variant.line
    ]


async def _import_one(
    database: Database, item: ImportedProduct, terms: _Terms, report: ImportReport, *, is_dry_run: bool
) -> None:
    try:
        outcome = await _in_transaction(database, item, terms, is_dry_run=is_dry_run)
    except Refusal as refusal:
        report.refused += 1
        report.problems.append(_problem(item, refusal))
    except Refused as refused:
        report.refused += 1
        report.problems += [_problem(item, refusal) for refusal in refused.refusals]
    else:
        report.created += outcome is Outcome.CREATED
        report.updated += outcome is Outcome.UPDATED
        report.unchanged += outcome is Outcome.UNCHANGED


async def _in_transaction(database: Database, item: ImportedProduct, terms: _Terms, *, is_dry_run: bool) -> Outcome:
    outcome = Outcome.UNCHANGED
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.transaction() as session:
                outcome = await _put(session, item, terms)
                if is_dry_run:
                    raise _DryRunEnds
        except _DryRunEnds:
            pass
        except (SerializationFailure, StaleObject):  # someone else writes the same product
            if attempt == ATTEMPTS:
                raise
            continue
        break
    return outcome


async def _put(session: Session, item: ImportedProduct, terms: _Terms) -> Outcome:
    _check_weights(item)
    product_id = (await catalog_queries.products_by_handle(session, [item.handle])).get(item.handle)
    if product_id is None:
        await _create(session, item, terms)
        return Outcome.CREATED
    return Outcome.UPDATED if await _update(session, product_id, item, terms) else Outcome.UNCHANGED


async def _create(session: Session, item: ImportedProduct, terms: _Terms) -> None:
    images = differences.image_drafts(item, {})
    draft = ProductDraft(
        title=item.title,
        handle=item.handle,
        description_html=item.description_html,
        vendor=item.vendor,
        product_type=item.product_type,
        tags=item.tags,
        status=ProductStatus(item.status),
        seo_title=item.seo_title or None,
        seo_description=item.seo_description or None,
        options=[Option(name, values) for name, values in item.options],
    )
    new_variants = [_new_variant(variant, _ids_by_url(images)) for variant in item.variants]
    product_id, variant_ids = await service.create_product_and_variants(
        session, draft, new_variants, channel=terms.channel, actor=ACTOR
    )
    if images:
        await catalog.replace_media(session, product_id, images)
    if _is_shown(item):
        await catalog.publish(session, product_id, channel_id=terms.channel.id)
    await _stock(session, dict(zip(variant_ids, item.variants, strict=True)), item, terms)


async def _update(session: Session, product_id: UUID, item: ImportedProduct, terms: _Terms) -> bool:
    """Bring a known product to what the file says; answer whether anything differed."""
    eye = catalog_queries.Eye(terms.channel.id, sees_hidden=True)
    product = await catalog_queries.product(session, eye, product_id=product_id)
    if product is None:
        message = "The product isn't listed in this channel, so it can't get prices there."
        raise InvalidInput(message, field=("handle",))
    options = tuple(Option(option["name"], tuple(option["values"])) for option in product.options)
    differences.check_option_names(options, item)
    known = (await catalog_queries.variants_by_product(session, [product_id])).get(product_id, [])
    pairs, new = differences.matched(options, known, item.variants)
    variant_by_id = {row.id: variant for row, variant in pairs}
    others = [row for row in known if row.id not in variant_by_id]
    media = (await catalog_queries.media_by_product(session, [product_id])).get(product_id, [])
    images = differences.image_drafts(item, {row.url: row.id for row in media})
    has_new_images = bool(images) and [(image.url, image.alt_text) for image in images] != [
        (row.url, row.alt_text) for row in media
    ]

    prices = await pricing_queries.prices_by_variant(session, [row.id for row, _variant in pairs], terms.channel.id)
    changes = differences.variant_changes(pairs, options, _ids_by_url(images), prices, terms.channel.currency_code)
    gone = {row.id for row in media} - {image.id for image in images} if images else set()
    changes += [VariantChange(row.id, row.version, {"image_id": None}) for row in others if row.image_id in gone]
    with _ToVariants(item, [variant_by_id.get(change.id) for change in changes]):
        if changes:
            await service.update_variants(session, product_id, changes, channel=terms.channel, actor=ACTOR)
    with _ToVariants(item, new):
        new_variants = [_new_variant(variant, _ids_by_url(images)) for variant in new]
        new_ids = (
            await service.create_variants(session, product_id, new_variants, channel=terms.channel, actor=ACTOR)
            if new
            else []
        )

    if has_new_images:
        await catalog.replace_media(session, product_id, images)
    columns = differences.product_changes(product, item, differences.wanted_options(options, item, others))
    if columns or has_new_images:
        await service.update_product(
            session, product_id, expected_version=product.version, changes=columns, actor=ACTOR
        )
    if _is_shown(item) and not product.is_published:
        await service.publish(session, product_id, channel_id=terms.channel.id)
    elif product.is_published and not _is_shown(item):
        await service.unpublish(session, product_id, channel_id=terms.channel.id)
    counted = dict(zip(new_ids, new, strict=True))
    if terms.with_stock:
        counted |= variant_by_id
    has_moved = await _stock(session, counted, item, terms)
    is_turned = _is_shown(item) != product.is_published
    return bool(changes or new or columns) or has_new_images or is_turned or has_moved


async def _stock(
    session: Session, counted: Mapping[UUID, ImportedVariant], item: ImportedProduct, terms: _Terms
) -> bool:
    """Put the file's quantities on the shelf, where they differ; answer whether any did."""
    wanted = {
        variant_id: (variant, variant.quantity)
        for variant_id, variant in counted.items()
        if variant.is_tracked and variant.quantity is not None
    }
    stocks = await inventory_queries.stocks_by_variant(session, list(wanted)) if wanted else {}
    moved: list[ImportedVariant] = []
    changes: list[Change] = []
    for variant_id, (variant, quantity) in wanted.items():
        here = (stock.available for stock in stocks.get(variant_id, ()) if stock.location_id == terms.location_id)
        if next(here, 0) == quantity:
            continue
        if terms.location_id is None:
            message = "The shop has no active location that could hold this stock."
            raise InvalidInput(message, field=("variants", item.variants.index(variant), "quantity"))
        moved.append(variant)
        changes.append(Change(variant_id, terms.location_id, "available", quantity=quantity))
    with _ToVariants(item, moved):
        if changes:
            await inventory.change(session, changes, Why(reason="import", actor=ACTOR))
    return bool(changes)


def _check_weights(item: ImportedProduct) -> None:
    for index, variant in enumerate(item.variants):
        if variant.weight_grams is not None and variant.weight_grams > MOST_GRAMS:
            message = f"No variant weighs more than {MOST_GRAMS:,} grams. Write its weight in grams."
            raise InvalidInput(message, field=("variants", index, "weightGrams"))


def _is_shown(item: ImportedProduct) -> bool:
    # What is published as a draft is to be shown once it is active: publishing it here would make it so.
    return item.is_published and item.status == ProductStatus.ACTIVE


def _ids_by_url(images: Sequence[ImageDraft]) -> Mapping[str, UUID]:
    return {image.url: image.id for image in images}


def _new_variant(variant: ImportedVariant, ids_by_url: Mapping[str, UUID]) -> NewVariant:
    return NewVariant(
        selected_options=variant.selected_options,
        sku=variant.sku,
        barcode=variant.barcode,
        is_tracked=variant.is_tracked,
        weight_grams=variant.weight_grams,
        image_id=ids_by_url.get(variant.image_url or ""),
        price=variant.price,
        compare_at_price=variant.compare_at_price,
    )


class _ToVariants:
    """Within the block, refusals that count a list of changes come to count the product's variants in the file."""

    def __init__(self, item: ImportedProduct, changed: Sequence[ImportedVariant | None]) -> None:
        self._item, self._changed = item, changed

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        for refusal in error.refusals if isinstance(error, Refused) else [error]:
            if isinstance(refusal, Refusal) and refusal.field and len(refusal.field) > 1:
                _list, index, *rest = refusal.field
                variant = self._changed[int(index)]
                if variant is None:
                    refusal.at("handle")
                else:
                    refusal.at("variants", self._item.variants.index(variant), *rest)


COLUMNS: Final[Mapping[str, str]] = {
    "barcode": "Variant Barcode",
    "compareAtPrice": "Variant Compare At Price",
    "delta": "Variant Inventory Qty",
    "handle": "Handle",
    "options": "Option1 Name",
    "price": "Variant Price",
    "quantity": "Variant Inventory Qty",
    "selectedOptions": "Option1 Value",
    "sku": "Variant SKU",
    "title": "Title",
    "weightGrams": "Variant Grams",
}


def _problem(item: ImportedProduct, refusal: Refusal) -> RowProblem:
    """Say where in the file a refusal is meant."""
    match refusal.field or ():
        case ("variants", index, *rest):
            return RowProblem(item.variants[int(index)].line, COLUMNS.get(rest[0]) if rest else None, refusal.message)
        case (name, *_rest):
            return RowProblem(item.line, COLUMNS.get(name), refusal.message)
        case _:
            return RowProblem(item.line, None, refusal.message)
