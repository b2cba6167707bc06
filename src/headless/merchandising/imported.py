"""What does an imported product become: a new product, or changes to the one of its handle?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from headless.catalog import listing, publication
from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft, ProductDraft
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.rules import Stock
from headless.inventory.service import Change
from headless.merchandising import differences, repricing, service
from headless.merchandising.repricing import VariantChange
from headless.merchandising.service import MadeProduct, NewProduct, NewVariant
from headless.merchandising.shopify_csv import ImportedProduct, ImportedVariant
from headless.merchandising.shopify_rows import is_web_address
from headless.platform import clock
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, Refusal, Refused
from headless.pricing import queries as pricing_queries

ACTOR: Final = "import"
MOST_GRAMS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all products of an import."""

    channel: Record
    location_id: UUID | None
    """Where the file's quantities lie."""
    with_stock: bool
    """Whether known variants' stock is set, too."""
    media_url: str = ""
    """Where the shop shows its own pictures, such as `https://shop.example/media/`."""

    def address_of(self, url: str) -> str | None:
        """A picture's web address; None when it has none that a file can hold."""
        address = url if is_web_address(url) else f"{self.media_url}{url}"
        return address.strip() if is_web_address(address.strip()) else None


@dataclass(frozen=True, slots=True)
class Known:
    """A product that the shop has, with what an import compares."""

    product: Record
    variants: Sequence[Record]
    media: Sequence[Record]
    prices: Mapping[UUID, Record]
    stocks: Mapping[UUID, Sequence[Stock]]


@dataclass(frozen=True, slots=True)
class Differences:
    """What has to change so that a known product is as the file says."""

    changes: Sequence[VariantChange]
    changed: Sequence[ImportedVariant | None]
    """The file's variants behind the changes."""
    new: Sequence[ImportedVariant]
    images: Sequence[ImageDraft]
    has_new_images: bool
    columns: Mapping[str, Any]
    is_turned: bool
    """Whether it is to be shown and isn't, or the other way round."""
    counted: Mapping[UUID, ImportedVariant]
    """Known variants whose stock differs."""

    def __bool__(self) -> bool:
        return bool(self.changes) or self._are_other

    @property
    def are_of_prices(self) -> bool:
        """Whether only prices differ."""
        return not self._are_other and not any(change.columns for change in self.changes)

    @property
    def _are_other(self) -> bool:
        return bool(self.new or self.has_new_images or self.columns or self.is_turned or self.counted)


async def create(
    session: Session, items: Sequence[ImportedProduct], terms: Terms
) -> list[MadeProduct | Refusal | Refused]:
    """Make products in few statements; answer what became of each one. Raises `Taken` when a race spoils them all."""
    outcomes: dict[int, MadeProduct | Refusal | Refused] = {}
    wanted: dict[int, NewProduct] = {}
    for index, item in enumerate(items):
        try:
            check_weights(item)
            _check_place(item, item.variants, terms)
        except InvalidInput as refusal:
            outcomes[index] = refusal
        else:
            wanted[index] = _new_product(item)
    made = await service.create_products(session, list(wanted.values()), channel=terms.channel, actor=ACTOR)
    outcomes |= zip(wanted, made, strict=True)
    counted = {
        variant_id: variant
        for index, outcome in outcomes.items()
        if isinstance(outcome, MadeProduct)
        for variant_id, variant in zip(outcome.variant_ids, items[index].variants, strict=True)
        if variant.quantity
    }
    await _stock(session, counted, items[0] if len(items) == 1 else None, terms)
    return [outcomes[index] for index in range(len(items))]


def _new_product(item: ImportedProduct) -> NewProduct:
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
    ids_by_url = _ids_by_url(images)
    variants = [_new_variant(variant, ids_by_url) for variant in item.variants]
    return NewProduct(draft, variants, images, is_shown=_is_shown(item))


async def known_products(session: Session, product_ids: Sequence[UUID], terms: Terms) -> Mapping[UUID, Known]:
    """Read what the shop has of products, in few statements; what the channel doesn't list is missing."""
    eye = catalog_queries.Eye(terms.channel.id, sees_hidden=True)
    rows = await catalog_queries.products_by_id(session, product_ids, eye)
    variants = await catalog_queries.variants_by_product(session, product_ids)
    media = await catalog_queries.media_by_product(session, product_ids)
    variant_ids = [row.id for of_product in variants.values() for row in of_product]
    prices = await pricing_queries.prices_by_variant(session, variant_ids, terms.channel.id)
    stocks = await inventory_queries.stocks_by_variant(session, variant_ids) if terms.with_stock else {}
    return {
        product_id: Known(row, variants.get(product_id, []), media.get(product_id, []), prices, stocks)
        for product_id, row in rows.items()
    }


def differing(known: Known | None, item: ImportedProduct, terms: Terms) -> Differences:
    """Compare; raises `InvalidInput` when the one can't become the other."""
    check_weights(item)
    if known is None:
        message = "The product isn't listed in this channel, so it can't get prices there."
        raise InvalidInput(message, field=("handle",))
    product, item = known.product, _with_own_pictures(item, known, terms)
    options = tuple(Option(option["name"], tuple(option["values"])) for option in product.options)
    differences.check_option_names(options, item)
    pairs, new = differences.matched(options, known.variants, item.variants)
    variant_by_id = {row.id: variant for row, variant in pairs}
    others = [row for row in known.variants if row.id not in variant_by_id]
    images = differences.image_drafts(item, {row.url: row.id for row in known.media})
    has_new_images = bool(images) and [(image.url, image.alt_text) for image in images] != [
        (row.url, row.alt_text) for row in known.media
    ]
    changes = differences.variant_changes(
        pairs, options, _ids_by_url(images), known.prices, terms.channel.currency_code
    )
    gone = {row.id for row in known.media} - {image.id for image in images} if images else set()
    changes += [VariantChange(row.id, row.version, {"image_id": None}) for row in others if row.image_id in gone]
    counted = {
        variant_id: variant
        for variant_id, variant in (variant_by_id.items() if terms.with_stock else ())
        if variant.is_tracked
        and variant.quantity is not None
        and _here(known.stocks.get(variant_id, ()), terms) != variant.quantity
    }
    _check_place(item, [*new, *counted.values()], terms)
    return Differences(
        changes=changes,
        changed=[variant_by_id.get(change.id) for change in changes],
        new=new,
        images=images,
        has_new_images=has_new_images,
        columns=differences.product_changes(product, item, differences.wanted_options(options, item, others)),
        is_turned=_is_turned(item, product),
        counted=counted,
    )


def _with_own_pictures(item: ImportedProduct, known: Known, terms: Terms) -> ImportedProduct:
    """Know the shop's own pictures again, which a file names by their web addresses."""
    own = {address: row.url for row in known.media if (address := terms.address_of(row.url)) not in {None, row.url}}
    if not own:
        return item
    return replace(
        item,
        images=tuple(replace(image, url=own.get(image.url, image.url)) for image in item.images),
        variants=tuple(
            replace(each, image_url=own.get(each.image_url or "", each.image_url)) for each in item.variants
        ),
    )


async def update(session: Session, product_id: UUID, item: ImportedProduct, terms: Terms) -> bool:
    """Bring a known product to what the file says; answer whether anything differed."""
    return await bring(session, (await known_products(session, [product_id], terms)).get(product_id), item, terms)


async def hold(session: Session, product_ids: Sequence[UUID], terms: Terms) -> Mapping[UUID, Known]:
    """Have products to oneself, and what shoppers wait for, in the order that everybody takes it in; read them."""
    await catalog.lock_products(session, product_ids)
    if terms.with_stock:
        variants = await catalog_queries.variants_by_product(session, product_ids)
        await inventory_queries.locked_stocks(session, sorted(row.id for rows in variants.values() for row in rows))
    await listing.lock_listings(session, product_ids)
    return await known_products(session, product_ids, terms)


async def bring(
    session: Session,
    known: Known | None,
    item: ImportedProduct,
    terms: Terms,
    *,
    repriced: dict[UUID, Sequence[VariantChange]] | None = None,
) -> bool:
    """Bring a product that was just read to what the file says; answer whether anything differed.

    If only prices do, their changes are put to the `repriced`, for the caller to write many at once.
    """
    if known is not None:
        item = _with_own_pictures(item, known, terms)
    found = differing(known, item, terms)
    if known is None or not found:
        return False
    product_id = known.product.id
    product = known.product
    with _ToVariants(item, found.changed):
        if found.are_of_prices and repriced is not None:
            repricing.wanted(found.changes, known.prices, terms.channel)
            repriced[product_id] = found.changes
            return True
        if found.changes:
            await service.update_variants(session, product_id, found.changes, channel=terms.channel, actor=ACTOR)
    with _ToVariants(item, found.new):
        new_variants = [_new_variant(variant, _ids_by_url(found.images)) for variant in found.new]
        new_ids = (
            await service.create_variants(session, product_id, new_variants, channel=terms.channel, actor=ACTOR)
            if new_variants
            else []
        )
    beside = [await catalog.replace_media(session, product_id, found.images)] if found.has_new_images else []
    if found.is_turned and not _is_shown(item):  # first: what is hidden here doesn't come before shoppers by its status
        await service.unpublish(session, product_id, channel_id=terms.channel.id)
    if found.columns or found.has_new_images:
        await service.update_product(
            session, product_id, expected_version=product.version, changes=found.columns, actor=ACTOR, beside=beside
        )
    if found.is_turned and _is_shown(item):
        await _publish(session, product_id, terms)
    fresh = {key: variant for key, variant in zip(new_ids, found.new, strict=True) if variant.quantity}
    await _stock(session, {**fresh, **found.counted}, item, terms)
    return True


async def _publish(session: Session, product_id: UUID, terms: Terms) -> None:
    try:
        await service.publish(session, product_id, channel_id=terms.channel.id, actor=ACTOR)
    except Refused as refused:
        raise Refused([refusal.at("published") for refusal in refused.refusals]) from None


async def _stock(
    session: Session, counted: Mapping[UUID, ImportedVariant], item: ImportedProduct | None, terms: Terms
) -> None:
    """Put the file's quantities on the shelf; those of one product are refused at its variants."""
    moved = [variant for variant in counted.values() if variant.is_tracked and terms.location_id is not None]
    changes = [
        Change(variant_id, terms.location_id, "available", quantity=variant.quantity)
        for variant_id, variant in counted.items()
        if variant.is_tracked and terms.location_id is not None
    ]
    with _ToVariants(item, moved) if item is not None else nullcontext():
        if changes:
            await inventory.change(session, changes, Why(reason="import", actor=ACTOR))


def _here(stocks: Sequence[Stock], terms: Terms) -> int:
    return next((stock.available for stock in stocks if stock.location_id == terms.location_id), 0)


def _check_place(item: ImportedProduct, counted: Sequence[ImportedVariant], terms: Terms) -> None:
    homeless = next((variant for variant in counted if variant.is_tracked and variant.quantity), None)
    if terms.location_id is None and homeless is not None:
        message = "The shop has no active location that could hold this stock."
        raise InvalidInput(message, field=("variants", item.variants.index(homeless), "quantity"))


def check_weights(item: ImportedProduct) -> None:
    """Refuse a weight that can only be a mistake."""
    for index, variant in enumerate(item.variants):
        if variant.weight_grams is not None and variant.weight_grams > MOST_GRAMS:
            message = f"No variant weighs more than {MOST_GRAMS:,} grams. Write its weight in grams."
            raise InvalidInput(message, field=("variants", index, "weightGrams"))


def _is_shown(item: ImportedProduct) -> bool:
    # What is published as a draft is to be shown once it is active: publishing it here would make it so.
    return item.is_published and item.status == ProductStatus.ACTIVE


def _is_turned(item: ImportedProduct, product: Record) -> bool:
    # A publication that is yet to begin shows nothing and isn't undone; nor is one of a draft that stays one.
    matters = ProductStatus.ACTIVE in {item.status, product.status}
    return matters and _is_shown(item) != publication.in_force(product, clock.now())


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
