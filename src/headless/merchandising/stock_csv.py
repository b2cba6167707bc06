"""Which quantities does a stock file say are where, in our columns or Shopify's, and which cells cannot be used?"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headless.inventory.rules import MAX_QUANTITY
from headless.merchandising.csv_records import Record, Unreadable, decode, records
from headless.merchandising.shopify_rows import RowProblem, quoted

__all__ = ["CountedStock", "RowProblem", "decode", "read"]

_SKU: Final = ("sku", "variant sku")
_LOCATION: Final = ("location", "location name", "location handle")
_REASON: Final = ("reason",)
# By name of quantity; of several columns that a file has, the first one that a row fills counts.
_QUANTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "on_hand": ("on hand (new)", "on hand", "on_hand", "on hand (current)"),
    "available": ("available", "available (not editable)"),
}
# What Shopify's exports have beside, so that in a file with a column per location the others are locations.
_OTHERS: Final = frozenset({
    *("handle", "title", "hs code", "coo", "bin name", "barcode", "variant barcode"),
    *(f"option{slot} {part}" for slot in (1, 2, 3) for part in ("name", "value")),
    *(f"{name}{end}" for name in ("incoming", "unavailable", "committed") for end in ("", " (not editable)")),
})  # fmt: skip
_UNSTOCKED: Final = "not stocked"
_WHOLE: Final = re.compile(r"([0-9]{1,18})(?:\.0*)?")
_LONGEST_REASON: Final = 255


@dataclass(frozen=True, slots=True)
class CountedStock:
    """A quantity, `on_hand` or `available`, of a variant. `location` None: the file names none."""

    line: int
    column: str
    sku: str
    location: str | None
    name: str
    quantity: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    names: Sequence[str]
    sku: int
    location: int | None
    reason: int | None
    quantities: Sequence[tuple[str, int]]
    """Name of quantity and place of its column, the first ones before the others."""
    places: Sequence[int]
    """Columns that are locations, in a file without a column of quantities."""


def read(text: Iterable[str]) -> Iterator[CountedStock | RowProblem]:
    """Read the quantities of an open file (see `decode`) or of its lines, with its problems in between.

    A row names its location, or there is a column per location that holds what is available there. Cells that say
    "not stocked" are passed over, and so are empty ones in a column of a location. When columns are missing, one
    problem on line 1 is the whole answer.
    """
    found = records(text)
    header = _header(next(found, None))
    if isinstance(header, RowProblem):
        yield header
        return
    for record in found:
        if isinstance(record, Unreadable):
            yield RowProblem(record.line, None, record.message)
        else:
            yield from _row(record, header)


def _header(record: Record | Unreadable | None) -> _Header | RowProblem:
    if isinstance(record, Unreadable):
        return RowProblem(record.line, None, record.message)
    names = [name.strip("\ufeff").strip() for name in record.fields] if record else []
    by_key = {name.casefold(): place for place, name in reversed(list(enumerate(names)))}
    sku, location, reason = (_first(by_key, wanted) for wanted in (_SKU, _LOCATION, _REASON))
    quantities = [(name, by_key[key]) for name, keys in _QUANTITIES.items() for key in keys if key in by_key]
    known = {place for place in (sku, location, reason) if place is not None}
    places = [] if quantities or location is not None else [
        place for place, name in enumerate(names) if name and place not in known and name.casefold() not in _OTHERS
    ]  # fmt: skip
    missing = (["SKU"] if sku is None else []) + ([] if quantities or places else ["On hand or Available"])
    if sku is None or missing:
        message = f"The first line must name the columns, and these are missing: {', '.join(missing)}."
        return RowProblem(1, None, f"{message} Name them like that, separated by commas.")
    return _Header(names, sku, location, reason, quantities, places)


def _first(by_key: Mapping[str, int], names: Iterable[str]) -> int | None:
    return next((by_key[name] for name in names if name in by_key), None)


def _row(record: Record, header: _Header) -> Iterator[CountedStock | RowProblem]:
    sku, reason = _cell(record, header.sku), _cell(record, header.reason)
    if not sku:
        yield RowProblem(record.line, header.names[header.sku], "There is no SKU, which tells what was counted.")
    elif len(reason) > _LONGEST_REASON:
        yield RowProblem(record.line, "Reason", f"A reason has at most {_LONGEST_REASON} characters.")
    elif header.places:
        for place in header.places:
            text, name = _cell(record, place), header.names[place]
            if text and text.casefold() != _UNSTOCKED:
                yield _counted(record.line, name, text, sku=sku, location=name, name="available", reason=reason)
    else:
        name, place = next((column for column in header.quantities if _cell(record, column[1])), header.quantities[0])
        text, location = _cell(record, place), _cell(record, header.location)
        if text.casefold() != _UNSTOCKED:
            yield _counted(record.line, header.names[place], text, sku=sku, location=location, name=name, reason=reason)


def _counted(
    line: int, column: str, text: str, *, sku: str, location: str, name: str, reason: str
) -> CountedStock | RowProblem:
    whole = _WHOLE.fullmatch(text)
    if not text:
        return RowProblem(line, column, "There is no quantity. Write 0 if there are none, or leave the row out.")
    if whole is None or int(whole[1]) > MAX_QUANTITY:
        message = f"{quoted(text)} is no quantity. Write a whole number from 0 to {MAX_QUANTITY}, in digits only."
        return RowProblem(line, column, message)
    return CountedStock(line, column, sku, location or None, name, int(whole[1]), reason or None)


def _cell(record: Record, place: int | None) -> str:
    return record.fields[place].strip() if place is not None and place < len(record.fields) else ""
