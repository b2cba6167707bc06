"""What products does a file in Shopify's product CSV format hold, and which of its rows cannot be used?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal

from headless.merchandising import shopify_rows
from headless.merchandising.csv_records import decode, records
from headless.merchandising.first_lines import FirstLines
from headless.merchandising.shopify_rows import OPTION_SLOTS, Row, RowProblem, Status, quoted

__all__ = ["ImportedImage", "ImportedProduct", "ImportedVariant", "RowProblem", "decode", "read"]

_DEFAULT_OPTION = "title"
_DEFAULT_VALUE = "default title"
# Shopify has 2,048 variants and 250 images at most: far beyond, a file is damaged, and memory must not pay for it.
_MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class ImportedVariant:
    """One variant row; prices are in whatever currency the file is in, with as many decimals as were written."""

    line: int
    sku: str | None
    barcode: str | None
    price: Decimal
    compare_at_price: Decimal | None
    selected_options: tuple[tuple[str, str], ...]
    is_tracked: bool
    quantity: int | None
    weight_grams: int | None
    image_url: str | None


@dataclass(frozen=True, slots=True)
class ImportedImage:
    """One image of a product, by its http or https address."""

    line: int
    url: str
    alt: str
    position: int | None


@dataclass(frozen=True, slots=True)
class ImportedProduct:
    """One product with at least one variant; without options it has exactly one."""

    line: int
    handle: str
    title: str
    description_html: str
    vendor: str
    product_type: str
    tags: tuple[str, ...]
    is_published: bool
    status: Status
    options: tuple[tuple[str, tuple[str, ...]], ...]
    variants: tuple[ImportedVariant, ...]
    images: tuple[ImportedImage, ...]
    seo_title: str
    seo_description: str


def read(text: Iterable[str]) -> Iterator[ImportedProduct | RowProblem]:
    """Read the products of an open file (see `decode`) or of its lines, and before each one its problems.

    Holds the rows of one product in memory. When required columns are missing, one problem on
    line 1 is the whole answer. A variant with a wrong cell is left out whole, a wrong image alone. Stock below zero,
    as exports write oversold units, reads as 0; the quantity of an untracked variant is ignored.
    """
    found = records(text)
    header = shopify_rows.read_header(found)
    if isinstance(header, RowProblem):
        yield header
        return
    rows: list[Row] = []
    with closing(FirstLines()) as seen:
        for row in shopify_rows.read_rows(found, header):
            if isinstance(row, RowProblem):
                yield row
                continue
            if rows and row["Handle"] != rows[0]["Handle"]:
                yield from _group(rows, seen)
                rows = []
            if len(rows) <= _MOST_ROWS:
                rows.append(row)
        if rows:
            yield from _group(rows, seen)


def _group(rows: Sequence[Row], seen: FirstLines) -> Iterator[ImportedProduct | RowProblem]:
    first = rows[0]
    handle = first["Handle"]
    if seen.of(handle, first.line) != first.line:
        message = f"Rows of {quoted(handle)} came earlier, with other products between; those from here on are skipped."
        yield first.problem("Handle", f"{message} Move the rows of a product together.")
    elif not first["Title"]:
        message = f"The first row of {quoted(handle)} has no title, so none of its rows are imported; write one."
        yield first.problem("Title", message)
    elif len(rows) > _MOST_ROWS:
        message = (
            f"{quoted(handle)} has more than {_MOST_ROWS:,} rows, and none of them are imported; split the product."
        )
        yield first.problem("Handle", message)
    else:
        problems: list[RowProblem] = []
        product = _product(rows, problems)
        yield from sorted(problems, key=lambda problem: problem.line)
        if product:
            yield product


def _product(rows: Sequence[Row], problems: list[RowProblem]) -> ImportedProduct | None:
    first = rows[0]
    names = _option_names(rows)
    if len({name.casefold() for name in names.values()}) < len(names):
        message = f"{quoted(first['Handle'])} has two options of one name and is not imported; rename one of them."
        problems.append(first.problem("Option1 Name", message))
        return None
    variants = _variants(rows, names, problems)
    images = _images(rows, variants, problems)
    if not variants:
        message = f"{quoted(first['Handle'])} has no variant that can be imported, so the product is not imported"
        problems.append(first.problem("Variant Price", f"{message}; give it at least one row with a price."))
        return None
    return ImportedProduct(
        line=first.line,
        handle=first["Handle"],
        title=first["Title"],
        description_html=first.verbatim("Body (HTML)"),
        vendor=first["Vendor"],
        product_type=first["Type"],
        tags=_unique(tag.strip() for tag in first["Tags"].split(",") if tag.strip()),
        is_published=shopify_rows.is_published(first, problems),
        status=shopify_rows.status(first, problems),
        options=_options(variants),
        variants=variants,
        images=images,
        seo_title=first["SEO Title"],
        seo_description=first["SEO Description"],
    )


def _option_names(rows: Sequence[Row]) -> Mapping[int, str]:
    found = {slot: next(filter(None, (row[f"Option{slot} Name"] for row in rows)), "") for slot in OPTION_SLOTS}
    names = {slot: name for slot, name in found.items() if name}
    values = {row[f"Option{slot} Value"].casefold() for slot in names for row in rows}
    is_default = [name.casefold() for name in names.values()] == [_DEFAULT_OPTION] and values <= {"", _DEFAULT_VALUE}
    return {} if is_default else names


def _options(variants: Iterable[ImportedVariant]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    values: dict[str, list[str]] = {}
    for variant in variants:
        for name, value in variant.selected_options:
            values.setdefault(name, []).append(value)
    return tuple((name, _unique(chosen)) for name, chosen in values.items())


def _variants(rows: Sequence[Row], names: Mapping[int, str], problems: list[RowProblem]) -> tuple[ImportedVariant, ...]:
    taken: dict[tuple[tuple[str, str], ...], int] = {}
    variants: list[ImportedVariant] = []
    for row in rows:
        if not row.holds_variant():
            continue
        found: list[RowProblem] = []
        selected = _selected_options(row, names, found)
        if not found and taken.setdefault(selected, row.line) != row.line:
            found.append(_twin(row, selected, taken[selected]))
        variant = _variant(row, selected, found)
        if variant:
            variants.append(variant)
        problems += found
    return tuple(variants)


def _variant(row: Row, selected: tuple[tuple[str, str], ...], found: list[RowProblem]) -> ImportedVariant | None:
    price = shopify_rows.price(row, found)
    compare_at_price = shopify_rows.compare_at_price(row, found)
    barcode = shopify_rows.barcode(row, found)
    quantity = shopify_rows.quantity(row, found)
    weight_grams = shopify_rows.weight_grams(row, found)
    if price is None or found:
        return None
    return ImportedVariant(
        line=row.line,
        sku=shopify_rows.code(row["Variant SKU"]),
        barcode=barcode,
        price=price,
        compare_at_price=compare_at_price,
        selected_options=selected,
        is_tracked=bool(row["Variant Inventory Tracker"]),
        quantity=quantity,
        weight_grams=weight_grams,
        image_url=shopify_rows.web_address(row, "Variant Image", found),
    )


def _twin(row: Row, selected: tuple[tuple[str, str], ...], line: int) -> RowProblem:
    values = " / ".join(value for _, value in selected)
    same = (
        f"Line {line} has {quoted(values)} already" if selected else f"Without options, line {line} is the one variant"
    )
    return RowProblem(
        row.line, None, f"{same}, and this variant is left out; give it other option values or remove it."
    )


def _selected_options(row: Row, names: Mapping[int, str], found: list[RowProblem]) -> tuple[tuple[str, str], ...]:
    selected: list[tuple[str, str]] = []
    for slot in OPTION_SLOTS:
        name_column, value_column = f"Option{slot} Name", f"Option{slot} Value"
        name, value = names.get(slot), row[value_column]
        if name is None:
            if value and value.casefold() != _DEFAULT_VALUE:
                message = f"{quoted(value)} belongs to no option; write the option's name on the product's first row."
                found.append(row.problem(name_column, message))
        elif row[name_column] not in {"", name}:
            message = f"{quoted(row[name_column])} is called {quoted(name)} in an earlier row; use one name."
            found.append(row.problem(name_column, message))
        elif not value:
            found.append(
                row.problem(value_column, f"The variant has no {quoted(name)}; write a value for this option.")
            )
        else:
            selected.append((name, value))
    return tuple(selected)


def _images(
    rows: Sequence[Row], variants: Iterable[ImportedVariant], problems: list[RowProblem]
) -> tuple[ImportedImage, ...]:
    images: dict[str, ImportedImage] = {}
    for row in rows:
        if row is not rows[0] and not row["Image Src"] and not row.holds_variant():
            problems.append(RowProblem(row.line, None, "The row has neither a variant nor an image; remove it."))
        url = shopify_rows.web_address(row, "Image Src", problems)
        if url and url not in images:
            images[url] = ImportedImage(
                row.line, url, row["Image Alt Text"], shopify_rows.whole(row, "Image Position", problems)
            )
    for variant in variants:
        if variant.image_url:
            images.setdefault(variant.image_url, ImportedImage(variant.line, variant.image_url, "", None))
    return tuple(sorted(images.values(), key=lambda image: (image.position is None, image.position or 0)))


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
