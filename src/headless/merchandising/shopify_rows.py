"""What does each row of a Shopify product CSV say in its columns, and which of its cells cannot be used?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal
from urllib.parse import urlsplit

from headless.merchandising.csv_records import Record, Unreadable

Status = Literal["DRAFT", "ACTIVE", "ARCHIVED"]

# Shopify's long-standing column names, and those with other names, of which the first one a file has is used. Shopify
# knows three options; ours may have five, in columns that it passes over.
OPTION_SLOTS: Final = (1, 2, 3, 4, 5)
_NAMES: Final = (
    *("Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Status"),
    *(f"Option{slot} {part}" for slot in OPTION_SLOTS for part in ("Name", "Value")),
    *("Variant SKU", "Variant Barcode", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty"),
    *("Variant Price", "Variant Compare At Price", "Variant Image", "Image Src", "Image Position", "Image Alt Text"),
    *("SEO Title", "SEO Description"),
)
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "Handle": ("URL handle",),
    "Body (HTML)": ("Body HTML", "Description"),
    "Type": ("Custom Product Type", "Product Type", "Product Category"),
    "Published": ("Published on online store",),
    "Variant SKU": ("SKU",),
    "Variant Barcode": ("Barcode",),
    "Variant Grams": ("Weight value (grams)",),
    "Variant Inventory Tracker": ("Inventory tracker",),
    "Variant Inventory Qty": ("Inventory quantity",),
    "Variant Price": ("Price",),
    "Variant Compare At Price": ("Variant Compare-at Price", "Compare-at price", "Compare At Price"),
    "Variant Image": ("Variant image URL",),
    "Image Src": ("Product image URL",),
}
_REQUIRED: Final = ("Handle", "Title", "Variant Price")
_STATUSES: Final[Mapping[str, Status]] = {"": "ACTIVE", "active": "ACTIVE", "draft": "DRAFT", "archived": "ARCHIVED"}
_PUBLISHED: Final = {"": True, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
# 28 digits in all: what arithmetic with Decimal keeps exactly.
_NUMBER: Final = re.compile(r"-?(?:[0-9]{1,18}(?:\.[0-9]{0,10})?|\.[0-9]{1,10})")
_WHOLE: Final = re.compile(r"(-?[0-9]{1,9})(?:\.0*)?")
_SCIENTIFIC: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_PROTECTED: Final = re.compile(rf"'+(?:\d+|{_SCIENTIFIC.pattern})")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why something on a line is not imported as it stands, in words for the person who can correct the file."""

    line: int
    column: str | None
    message: str
    code: str = field(default="INVALID_INPUT", compare=False, kw_only=True)
    """The refusal behind it, as the API calls it."""


@dataclass(frozen=True, slots=True)
class Header:
    """Where each known column stands in this file, and what the file calls it."""

    names: tuple[str, ...]
    places: Mapping[str, int | None]

    def shown(self, column: str) -> str:
        """Tell what this file calls a column."""
        place = self.places[column]
        return column if place is None else self.names[place]


@dataclass(frozen=True, slots=True)
class Row:
    """One record under the header: `row["Title"]` is that cell without surrounding spaces, blank if there is none."""

    line: int
    fields: Sequence[str]
    header: Header

    def __getitem__(self, column: str) -> str:
        return self.verbatim(column).strip()

    def verbatim(self, column: str) -> str:
        """Give a cell with its surrounding spaces."""
        place = self.header.places[column]
        return self.fields[place] if place is not None and place < len(self.fields) else ""

    def problem(self, column: str, message: str) -> RowProblem:
        """Say what is wrong with one cell."""
        return RowProblem(self.line, self.header.shown(column), message)

    def holds_variant(self) -> bool:
        """Tell a variant's row from one with only an image, or with only what belongs to the product."""
        columns = ("Variant Price", "Variant SKU", *(f"Option{slot} Value" for slot in OPTION_SLOTS))
        return any(self[column] for column in columns)


def read_header(found: Iterator[Record | Unreadable]) -> Header | RowProblem:
    """Read the columns from the first record; names differ in case, order, outer spaces and with Shopify's versions."""
    record = next(found, None)
    if isinstance(record, Unreadable):
        return RowProblem(record.line, None, record.message)
    names = tuple(field.strip("\ufeff").strip() for field in record.fields) if record else ()
    by_key = {name.casefold(): place for place, name in reversed(list(enumerate(names)))}
    places = {name: _place(by_key, (name, *_OTHER_NAMES.get(name, ()))) for name in _NAMES}
    missing = [name for name in _REQUIRED if places[name] is None]
    if not missing:
        return Header(names, places)
    message = f"The first line must name the columns, and these are missing: {', '.join(missing)}."
    return RowProblem(1, None, f"{message} Use a product export in Shopify's format, separated by commas.")


def _place(by_key: Mapping[str, int], names: Iterable[str]) -> int | None:
    return next((by_key[name.casefold()] for name in names if name.casefold() in by_key), None)


def read_rows(found: Iterable[Record | Unreadable], header: Header) -> Iterator[Row | RowProblem]:
    """Read the rows that belong to a handle; missing fields at the end of a row are blank."""
    for record in found:
        if isinstance(record, Unreadable):
            yield RowProblem(record.line, None, record.message)
            continue
        row = Row(record.line, record.fields, header)
        extra = [field for field in record.fields[len(header.names) :] if field.strip()]
        if extra:
            message = f"The row has more fields than the first line has columns, from {quoted(extra[0])} on"
            yield RowProblem(row.line, None, f"{message}, and is skipped; put quotes around values with commas.")
        elif not row["Handle"]:
            yield row.problem("Handle", "The handle is missing and the row is skipped; write its product's handle.")
        else:
            yield row


def price(row: Row, found: list[RowProblem]) -> Decimal | None:
    """Read the price, which a variant must have; separators of thousands and currency signs are refused."""
    if not row["Variant Price"]:
        found.append(row.problem("Variant Price", "The price is missing; write a number, such as 1299.00."))
    return _number(row, "Variant Price", found)


def compare_at_price(row: Row, found: list[RowProblem]) -> Decimal | None:
    """Read the former price; zero and less mean that there is none."""
    amount = _number(row, "Variant Compare At Price", found, may_be_negative=True)
    return amount if amount and amount > 0 else None


def _number(row: Row, column: str, found: list[RowProblem], *, may_be_negative: bool = False) -> Decimal | None:
    text = row[column]
    if not text:
        return None
    if _NUMBER.fullmatch(text) and (may_be_negative or not text.startswith("-")):
        return Decimal(text)
    advice = "write a number of 0 or more with a point before its decimals and nothing else, such as 1299.00"
    found.append(row.problem(column, f"{quoted(text)} cannot be used; {advice}."))
    return None


def weight_grams(row: Row, found: list[RowProblem]) -> int | None:
    """Read the weight in grams, rounded half up."""
    grams = _number(row, "Variant Grams", found)
    return None if grams is None else int(grams.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def quantity(row: Row, found: list[RowProblem]) -> int | None:
    """Read the stock, at least 0; without an inventory tracker there is none."""
    if not row["Variant Inventory Tracker"]:
        return None
    units = whole(row, "Variant Inventory Qty", found)
    return None if units is None else max(units, 0)


def whole(row: Row, column: str, found: list[RowProblem]) -> int | None:
    """Read a whole number of at most nine digits; 12.0 is one."""
    text = row[column]
    match = _WHOLE.fullmatch(text)
    if text and not match:
        found.append(row.problem(column, f"{quoted(text)} cannot be used; write a whole number, such as 12."))
    return int(match[1]) if match else None


def barcode(row: Row, found: list[RowProblem]) -> str | None:
    """Read the barcode, unless a spreadsheet has made it a rounded number such as 4.00638E+12."""
    text = row["Variant Barcode"]
    if _SCIENTIFIC.fullmatch(text):
        message = f"{quoted(text)} is a number a spreadsheet has rounded; format the column as text and write it out."
        found.append(row.problem("Variant Barcode", message))
    return code(text)


def code(text: str) -> str | None:
    """Read a SKU or barcode; blank means that there is none."""
    # Spreadsheets and exports put an apostrophe before digits to keep their leading zeros.
    return (text[1:] if _PROTECTED.fullmatch(text) else text) or None


def written_code(text: str) -> str:
    """Write a SKU so that `code` reads the same again: an apostrophe of its own is no protection."""
    return f"'{text}" if _PROTECTED.fullmatch(text) else text


def written_barcode(text: str) -> str:
    """Write a barcode so that it isn't taken for a number that a spreadsheet has rounded, either."""
    return f"'{text}" if _SCIENTIFIC.fullmatch(text) else written_code(text)


def web_address(row: Row, column: str, problems: list[RowProblem]) -> str | None:
    """Read an http or https address."""
    text = row[column]
    if not text or is_web_address(text):
        return text or None
    message = f"{quoted(text)} is left out, for it is no web address; write one that starts with https:// or http://."
    problems.append(row.problem(column, message))
    return None


def is_web_address(text: str) -> bool:
    """Tell an http or https address from other texts."""
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and bool(address.hostname) and len(text.split()) == 1


def is_published(row: Row, problems: list[RowProblem]) -> bool:
    """Read whether the product is published; blank means yes."""
    text = row["Published"].casefold()
    if text not in _PUBLISHED:
        message = f"{quoted(text)} is neither true nor false, so the product is not published; write one of them."
        problems.append(row.problem("Published", message))
    return _PUBLISHED.get(text, False)


def status(row: Row, problems: list[RowProblem]) -> Status:
    """Read the status; blank means active."""
    text = row["Status"]
    if text.casefold() not in _STATUSES:
        message = f"{quoted(text)} is not a known status, so the product is a draft; write active, draft or archived."
        problems.append(row.problem("Status", message))
    return _STATUSES.get(text.casefold(), "DRAFT")


def quoted(text: str, longest: int = 40) -> str:
    """Show a value in a message, on one line and shortened."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= longest else f'"{line[:longest]}…"'
