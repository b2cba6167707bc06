"""Which values can a metafield have, and how are they compared?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from re import compile as compiled
from typing import Any
from urllib.parse import urlsplit

import orjson

from headless.catalog import rules
from headless.catalog.metafields.patterns import BadPattern, Pattern
from headless.platform import ids
from headless.platform.errors import InvalidInput, NotFound

MAX_VALUE = 65_536
MAX_ITEMS = 128
MAX_NESTING = 64
MAX_CHOICES = 128
MAX_INTEGER = 2**53 - 1
MAX_DIGITS = 13
"""Digits of a decimal before its point; after it stand at most `MAX_PLACES`."""
MAX_PLACES = 9
FILTER_LENGTH = 255
_OFFSET = 10**26
"""Larger than any number here, counted in its last possible place: no key is negative."""
NAME = compiled(r"[A-Za-z0-9_-]{2,64}")
COLOR = compiled(r"#[0-9a-f]{6}")
NUMBER = compiled(r"-?[0-9]{1,16}(?:\.[0-9]{1,16})?")


class MetafieldOwner(StrEnum):
    """What can have metafields."""

    PRODUCT = "product"
    PRODUCT_VARIANT = "variant"
    COLLECTION = "collection"


class Kind(StrEnum):
    """What a value is."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    URL = "url"
    COLOR = "color"
    JSON = "json"
    PRODUCT_REFERENCE = "product_reference"
    VARIANT_REFERENCE = "variant_reference"
    COLLECTION_REFERENCE = "collection_reference"


REFERENCES: Mapping[Kind, str] = {
    Kind.PRODUCT_REFERENCE: "product",
    Kind.VARIANT_REFERENCE: "variant",
    Kind.COLLECTION_REFERENCE: "collection",
}
"""The id prefix of what a reference means."""
ORDERED = frozenset({Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.DATE})
"""What can have a least and a most: of a text its length is meant."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a metafield: one value of a kind, or a list of them."""

    kind: Kind
    is_list: bool = False

    @property
    def name(self) -> str:
        return f"list.{self.kind}" if self.is_list else self.kind.value


@dataclass(frozen=True, slots=True)
class Validations:
    """What a definition asks of its values, each item of a list alone."""

    min: str | None = None
    max: str | None = None
    regex: str | None = None
    choices: tuple[str, ...] | None = None

    def row(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_VALIDATIONS = Validations()


def shape_of(name: str, *path: str | int) -> Shape:
    """Read a type such as `integer` or `list.color`."""
    inner = name.removeprefix("list.")
    if inner not in set(map(str, Kind)) or (name != inner and inner == Kind.JSON):
        message = f"{name!r} is no type. Use {', '.join(Kind)}, or a list of one, such as list.text."
        raise InvalidInput(message, field=path)
    return Shape(Kind(inner), name != inner)


def checked_name(text: str, *path: str | int) -> str:
    if not NAME.fullmatch(text):
        message = "A namespace or key has 2 to 64 letters, digits, hyphens or underscores."
        raise InvalidInput(message, field=path)
    return text


def validations_of(row: Mapping[str, Any]) -> Validations:
    choices = row.get("choices")
    return Validations(
        row.get("min"), row.get("max"), row.get("regex"), tuple(choices) if choices is not None else None
    )


def checked_validations(shape: Shape, wanted: Validations) -> Validations:
    """Refuse what can't be asked of a type."""
    for name in ("min", "max"):
        bound = getattr(wanted, name)
        if bound is None:
            continue
        if shape.kind not in ORDERED:
            message = f"Only {', '.join(sorted(ORDERED))} have a {name}."
            raise InvalidInput(message, field=("validations", name))
        of = Kind.INTEGER if shape.kind is Kind.TEXT else shape.kind
        _item(of, bound, "validations", name)
    if wanted.regex is not None:
        if shape.kind is not Kind.TEXT:
            raise InvalidInput("Only text has a pattern.", field=("validations", "regex"))
        try:
            _pattern(wanted.regex)
        except BadPattern as bad:
            raise InvalidInput(str(bad), field=("validations", "regex")) from None
    if wanted.choices is not None:
        if shape.kind in {Kind.JSON, *REFERENCES} or not 0 < len(wanted.choices) <= MAX_CHOICES:
            message = f"Choices are 1 to {MAX_CHOICES} values, and neither json nor references."
            raise InvalidInput(message, field=("validations", "choices"))
        for index, choice in enumerate(wanted.choices):
            _item(shape.kind, choice, "validations", "choices", index)
    return wanted


def parsed(shape: Shape, text: str, wanted: Validations, *path: str | int) -> Any:
    """Read a value as it travels, a text; a list is a JSON array. Raises `InvalidInput`."""
    if len(text) > MAX_VALUE or "\0" in text:
        message = f"A value has at most {MAX_VALUE} characters, none of them NUL."
        raise InvalidInput(message, field=path)
    if not shape.is_list:
        return _checked(shape.kind, text, wanted, path)
    items = _json(text, path)
    if not isinstance(items, list) or len(items) > MAX_ITEMS:
        message = f'A list is a JSON array of at most {MAX_ITEMS} values, such as ["a", "b"].'
        raise InvalidInput(message, field=path)
    return [_checked(shape.kind, _as_text(item), wanted, path) for item in items]


def shown(shape: Shape, value: Any) -> str:
    """A value as it travels."""
    if shape.is_list or shape.kind is Kind.JSON:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _as_text(value)


def filter_key(shape: Shape, value: Any) -> str | None:
    """A single value as it is compared and found by; texts folded, numbers in an order that texts have, too.

    None for json, by which nothing can be found, and for lists, which are found by each of their items.
    """
    if shape.is_list or shape.kind is Kind.JSON:
        return None
    text = _as_text(value)
    if shape.kind in {Kind.INTEGER, Kind.DECIMAL}:
        scaled = int(Decimal(text).scaleb(MAX_PLACES))
        return f"{scaled + _OFFSET:027d}"
    if shape.kind is Kind.TEXT:
        return rules.fold(text)[:FILTER_LENGTH]
    return text[:FILTER_LENGTH]


def item_keys(shape: Shape, value: Sequence[Any]) -> dict[str, Any]:
    """The items of a list by what they are found by; of those that are compared alike, the first."""
    found: dict[str, Any] = {}
    for item in value:
        key = filter_key(Shape(shape.kind), item)
        if key is not None:
            found.setdefault(key, item)
    return found


def wished_key(shape: Shape, text: str) -> str | None:
    """The filter key of the value, or of the item of a list, that someone looks for; None when there can't be one."""
    single = Shape(shape.kind)
    try:
        return filter_key(single, parsed(single, text, NO_VALIDATIONS))
    except (InvalidInput, NotFound):
        return None


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _checked(kind: Kind, text: str, wanted: Validations, path: Sequence[str | int]) -> Any:
    value = _item(kind, text, *path)
    for bound, is_least in ((wanted.min, True), (wanted.max, False)):
        if bound is None:
            continue
        size, limit = _sizes(kind, value, bound)
        if size < limit if is_least else size > limit:
            of = " characters" if kind is Kind.TEXT else ""
            message = f"This is {'at least' if is_least else 'at most'} {bound}{of}."
            raise InvalidInput(message, field=path)
    if wanted.regex is not None and not _pattern(wanted.regex).matches(text):
        message = f"This doesn't match the pattern {wanted.regex}."
        raise InvalidInput(message, field=path)
    if wanted.choices is not None and value not in [_item(kind, choice, *path) for choice in wanted.choices]:
        message = f"This is one of: {', '.join(wanted.choices)}."
        raise InvalidInput(message, field=path)
    return value


def _sizes(kind: Kind, value: Any, bound: str) -> tuple[Any, Any]:
    if kind is Kind.TEXT:
        return len(value), int(bound)
    if kind is Kind.DATE:
        return value, bound
    return Decimal(value), Decimal(bound)


def _item(kind: Kind, text: str, *path: str | int) -> Any:
    if kind in REFERENCES:
        return _reference(kind, text, path)
    return _READ[kind](text, path)


def _text(text: str, _path: Sequence[str | int]) -> str:
    return text


def _integer(text: str, path: Sequence[str | int]) -> int:
    if "." in text or abs(_number(text, path)) > MAX_INTEGER:
        message = f"This is a whole number between -{MAX_INTEGER} and {MAX_INTEGER}."
        raise InvalidInput(message, field=path)
    return int(text)


def _decimal(text: str, path: Sequence[str | int]) -> str:
    number = _number(text, path)
    whole, _point, places = text.lstrip("-").partition(".")
    if len(whole.lstrip("0")) > MAX_DIGITS or len(places) > MAX_PLACES:
        message = f"This is a number of at most {MAX_DIGITS} digits before its point and {MAX_PLACES} after it."
        raise InvalidInput(message, field=path)
    return format(number or abs(number), "f")


def _boolean(text: str, path: Sequence[str | int]) -> bool:
    if text not in {"true", "false"}:
        raise InvalidInput("This is true or false.", field=path)
    return text == "true"


def _color(text: str, path: Sequence[str | int]) -> str:
    if not COLOR.fullmatch(text.lower()):
        raise InvalidInput("A color is written like #ff8800.", field=path)
    return text.lower()


def _number(text: str, path: Sequence[str | int]) -> Decimal:
    try:
        if NUMBER.fullmatch(text):
            return Decimal(text)
    except InvalidOperation:
        pass
    raise InvalidInput("This is a number, written like -12.5.", field=path)


def _date(text: str, path: Sequence[str | int]) -> str:
    try:
        if len(text) == len("2026-01-31"):
            return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    raise InvalidInput("A date is written like 2026-01-31.", field=path)


def _url(text: str, path: Sequence[str | int]) -> str:
    try:
        address = urlsplit(text)
    except ValueError:
        address = None
    is_web = address is not None and address.scheme in {"http", "https"} and bool(address.netloc)
    if not (is_web or (address is not None and address.scheme in {"mailto", "tel"})) or len(text.split()) != 1:
        message = "An address is written whole, like https://example.com/a, mailto:a@example.com or tel:+491234."
        raise InvalidInput(message, field=path)
    return text


def _json(text: str, path: Sequence[str | int]) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInput("This is no JSON.", field=path) from None
    is_large = isinstance(value, int | float) and abs(value) > MAX_INTEGER
    if value is None or is_large or _is_too_deep(value, MAX_NESTING) or "\\u0000" in text:
        message = f"JSON here isn't null or a huge number, nests at most {MAX_NESTING} deep, and its texts hold no NUL."
        raise InvalidInput(message, field=path)
    return value


def _is_too_deep(value: Any, left: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left == 0 or any(_is_too_deep(part, left - 1) for part in inner)


def _reference(kind: Kind, text: str, path: Sequence[str | int]) -> str:
    prefix = REFERENCES[kind]
    try:
        return ids.encode(prefix, ids.decode(prefix, text))
    except NotFound:
        raise NotFound(field=path) from None


_READ: Mapping[Kind, Callable[[str, Sequence[str | int]], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.URL: _url,
    Kind.COLOR: _color,
    Kind.JSON: _json,
}


@lru_cache(maxsize=256)
def _pattern(text: str) -> Pattern:
    return Pattern(text)
