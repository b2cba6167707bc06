"""How is a product written in Shopify's product CSV format, so that `shopify_csv` reads back the same?"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from headless.merchandising.shopify_csv import ImportedProduct, ImportedVariant
from headless.merchandising.shopify_rows import OPTION_SLOTS, written_barcode, written_code

SHOPIFY_SLOTS: Final = 3
"""Options that Shopify knows."""


def columns(slots: int = SHOPIFY_SLOTS) -> tuple[str, ...]:
    """The names of the columns, in Shopify's order."""
    return (
        *("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published"),
        *(f"Option{slot} {part}" for slot in OPTION_SLOTS[:slots] for part in ("Name", "Value")),
        *("Variant SKU", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty"),
        *("Variant Price", "Variant Compare At Price", "Variant Barcode", "Image Src", "Image Position"),
        *("Image Alt Text", "SEO Title", "SEO Description", "Variant Image", "Status"),
    )


def header(slots: int = SHOPIFY_SLOTS) -> str:
    return _text([columns(slots)])


def rows(product: ImportedProduct, slots: int = SHOPIFY_SLOTS) -> str:
    """A product's rows: one per variant, its pictures beside them, and below them pictures that are left over."""
    written: list[dict[str, str]] = []
    for nth in range(max(len(product.variants), len(product.images))):
        row = {"Handle": product.handle}
        if nth == 0:
            row |= _of_product(product)
        if nth < len(product.variants):
            row |= _of_variant(product, product.variants[nth], is_first=nth == 0)
        if nth < len(product.images):
            image = product.images[nth]
            row |= {"Image Src": image.url, "Image Position": str(nth + 1), "Image Alt Text": image.alt}
        written.append(row)
    names = columns(slots)
    return _text([[row.get(name, "") for name in names] for row in written])


def _of_product(product: ImportedProduct) -> dict[str, str]:
    return {
        "Title": product.title,
        "Body (HTML)": product.description_html,
        "Vendor": product.vendor,
        "Type": product.product_type,
        "Tags": ", ".join(product.tags),
        "Published": "true" if product.is_published else "false",
        "SEO Title": product.seo_title,
        "SEO Description": product.seo_description,
        "Status": product.status.lower(),
    }


def _of_variant(product: ImportedProduct, variant: ImportedVariant, *, is_first: bool) -> dict[str, str]:
    names = [name for name, _values in product.options] or ["Title"]
    values = dict(variant.selected_options) or {"Title": "Default Title"}
    row = {f"Option{slot} Value": values[name] for slot, name in enumerate(names, start=1)}
    if is_first:
        row |= {f"Option{slot} Name": name for slot, name in enumerate(names, start=1)}
    return row | {
        "Variant SKU": written_code(variant.sku or ""),
        "Variant Grams": "" if variant.weight_grams is None else str(variant.weight_grams),
        "Variant Inventory Tracker": "shopify" if variant.is_tracked else "",
        "Variant Inventory Qty": "" if variant.quantity is None else str(variant.quantity),
        "Variant Price": f"{variant.price:f}",
        "Variant Compare At Price": "" if variant.compare_at_price is None else f"{variant.compare_at_price:f}",
        "Variant Barcode": written_barcode(variant.barcode or ""),
        "Variant Image": variant.image_url or "",
    }


def _text(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"{_line(line)}\n" for line in lines)


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO(newline="")
    # Quotes are put around what holds a character of the line's end: both kinds of it are to be quoted.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")
