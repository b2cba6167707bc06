"""In what does a known product differ from what a file says of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from headless.catalog import rules
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft
from headless.merchandising.repricing import UNSET, VariantChange
from headless.merchandising.shopify_csv import ImportedProduct, ImportedVariant
from headless.platform import ids, money
from headless.platform.db import Record
from headless.platform.errors import InvalidInput


def check_option_names(options: Sequence[Option], item: ImportedProduct) -> None:
    """Refuse a file that gives the product other options than it has; their order doesn't matter."""
    here, there = [option.name for option in options], [name for name, _values in item.options]
    if set(here) != set(there):
        message = (
            f"In the shop the product has {_listed(here)}, in the file {_listed(there)}. "
            "Name the same options in the file, or delete the product from the shop first."
        )
        raise InvalidInput(message, field=("options",))


def _listed(names: Sequence[str]) -> str:
    return f"the options {', '.join(names)}" if names else "no options"


def matched(
    options: Sequence[Option], known: Sequence[Record], variants: Sequence[ImportedVariant]
) -> tuple[list[tuple[Record, ImportedVariant]], list[ImportedVariant]]:
    """Pair the file's variants with known ones, by option values first, then by SKU; the others are new."""
    by_key = {row.options_key: row for row in known}
    pairs = {
        index: by_key.pop(key)
        for index, variant in enumerate(variants)
        if (key := _options_key(options, variant)) in by_key
    }
    by_sku = {row.sku: row for row in by_key.values() if row.sku}
    for index, variant in enumerate(variants):
        if index not in pairs and variant.sku in by_sku:
            pairs[index] = by_sku.pop(variant.sku)
    return (
        [(pairs[index], variant) for index, variant in enumerate(variants) if index in pairs],
        [variant for index, variant in enumerate(variants) if index not in pairs],
    )


def variant_changes(
    pairs: Sequence[tuple[Record, ImportedVariant]],
    options: Sequence[Option],
    ids_by_url: Mapping[str, UUID],
    prices: Mapping[UUID, Record],
    currency: str,
) -> list[VariantChange]:
    """What differs between known variants and their rows of the file."""
    changes: list[VariantChange] = []
    for row, variant in pairs:
        wanted: dict[str, Any] = {
            "sku": variant.sku,
            "barcode": variant.barcode,
            "is_tracked": variant.is_tracked,
            "weight_grams": variant.weight_grams,
        }
        if ids_by_url:
            wanted["image_id"] = ids_by_url.get(variant.image_url or "")
        columns = {name: value for name, value in wanted.items() if getattr(row, name) != value}
        if row.options_key != _options_key(options, variant):
            columns["selected_options"] = variant.selected_options
        price = prices.get(row.id)
        now = (price.amount, price.compare_at_amount) if price is not None else None
        has_new_price = now != _amounts(variant, currency)
        if columns or has_new_price:
            changes.append(
                VariantChange(
                    row.id,
                    row.version,
                    columns,
                    price=variant.price if has_new_price else UNSET,
                    compare_at_price=variant.compare_at_price if has_new_price else UNSET,
                )
            )
    return changes


def product_changes(product: Record, item: ImportedProduct, options: Sequence[Option]) -> dict[str, Any]:
    """What differs between a product's columns and the file."""
    wanted: dict[str, Any] = {
        "title": rules.checked_title(item.title),
        "description_html": rules.sanitize(item.description_html),
        "vendor": item.vendor.strip(),
        "product_type": item.product_type.strip(),
        "tags": rules.normal_tags(item.tags),
        "seo_title": item.seo_title or None,
        "seo_description": item.seo_description or None,
        "status": ProductStatus(item.status),
    }
    changes = {name: value for name, value in wanted.items() if getattr(product, name) != value}
    if [{"name": option.name, "values": list(option.values)} for option in options] != product.options:
        changes["options"] = options
    return changes


def wanted_options(options: Sequence[Option], item: ImportedProduct, others: Sequence[Record]) -> list[Option]:
    """The options in the shop's order; their values in the file's, then those of variants that it doesn't name."""
    values = {name: dict.fromkeys(of_file) for name, of_file in item.options}
    for row in others:
        for chosen in row.selected_options:
            values[chosen["name"]][chosen["value"]] = None
    return [Option(option.name, tuple(values[option.name])) for option in options]


def image_drafts(item: ImportedProduct, known: Mapping[str, UUID]) -> list[ImageDraft]:
    """The file's pictures; those that the product shows already keep their ids."""
    return [
        ImageDraft(url=image.url, alt_text=image.alt, id=known.get(image.url) or ids.new()) for image in item.images
    ]


def _options_key(options: Sequence[Option], variant: ImportedVariant) -> str:
    return rules.options_key(rules.checked_selection(options, variant.selected_options))


def _amounts(variant: ImportedVariant, currency: str) -> tuple[int, int | None] | None:
    """Price and compare-at price in minor units; None when the currency can't have them."""
    compare_at = variant.compare_at_price
    try:
        return money.parse(variant.price, currency), None if compare_at is None else money.parse(compare_at, currency)
    except InvalidInput:
        return None
