"""How do the API's scalars read and write their values?"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import EnumValueNode, FloatValueNode, GraphQLError, IntValueNode, StringValueNode, ValueNode
from graphql.type.scalars import coerce_string, parse_string_literal
from iso4217 import Currency

from headless.shop.rules import COUNTRIES, is_language

CurrencyCode = NewType("CurrencyCode", str)
CountryCode = NewType("CountryCode", str)
LanguageCode = NewType("LanguageCode", str)
URL = NewType("URL", str)
JSON = NewType("JSON", object)

CURRENCIES = frozenset(currency.code for currency in Currency)
LONGEST_DECIMAL = 40
DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


def parse_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > LONGEST_DECIMAL:
        message = 'A Decimal is written as a string, such as "12.50".'
        raise GraphQLError(message)
    if not DECIMAL.fullmatch(str(value)):
        message = f'{value!r} is no decimal number. Write it like "12.50".'
        raise GraphQLError(message)
    return Decimal(value)


def parse_decimal_literal(node: ValueNode, _variables: object = None) -> Decimal:
    if isinstance(node, StringValueNode | IntValueNode | FloatValueNode):
        return parse_decimal(node.value)
    message = 'A Decimal is written as a string, such as "12.50".'
    raise GraphQLError(message)


YEARS = range(1000, 9000)
"""At the ends of the calendar, time zones lead out of it."""


def parse_datetime(value: object) -> datetime:
    try:
        given = datetime.fromisoformat(value) if isinstance(value, str) else None
        at = given.astimezone(UTC) if given is not None and given.tzinfo is not None else None
    except (ValueError, OverflowError):
        at = None
    if at is None or at.year not in YEARS:
        message = f"{value!r} is no RFC 3339 date and time with a zone, such as 2026-01-31T12:00:00Z."
        raise GraphQLError(message)
    return at


def parse_text(value: object) -> str:
    """Read a text as GraphQL does, without NUL: PostgreSQL holds none, and nobody types one."""
    text = coerce_string(value)
    if "\0" in text:
        message = "A text can't hold the character NUL."
        raise GraphQLError(message)
    return text


def parse_text_literal(node: ValueNode, variables: object = None) -> str:
    return parse_text(parse_string_literal(node, variables))


def write_datetime(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _code(name: str, example: str, is_known: Any) -> Any:
    def parse(value: object) -> str:
        if isinstance(value, str) and is_known(value):
            return value
        message = f"{value!r} is no {name}. Use one such as {example}."
        raise GraphQLError(message)

    def parse_literal(node: ValueNode, _variables: object = None) -> str:
        return parse(node.value if isinstance(node, EnumValueNode | StringValueNode) else None)

    return parse, parse_literal


def _scalar(name: str, description: str, example: str, is_known: Any) -> Any:
    parse, parse_literal = _code(name, example, is_known)
    return strawberry.scalar(
        name=name, description=description, serialize=str, parse_value=parse, parse_literal=parse_literal
    )


SCALARS: dict[object, Any] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, written as a string with the currency's own digits.",
        serialize=str,
        parse_value=parse_decimal,
        parse_literal=parse_decimal_literal,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant by RFC 3339, in UTC.",
        serialize=write_datetime,
        parse_value=parse_datetime,
    ),
    URL: strawberry.scalar(
        name="URL",
        description="An absolute address by RFC 3986.",
        serialize=str,
        parse_value=parse_text,
        parse_literal=parse_text_literal,
    ),
    JSON: strawberry.scalar(
        name="JSON", description="Any JSON value.", serialize=lambda value: value, parse_value=lambda value: value
    ),
    CurrencyCode: _scalar(
        "CurrencyCode", "A currency by ISO 4217, as EUR or as a string.", "EUR", CURRENCIES.__contains__
    ),
    CountryCode: _scalar(
        "CountryCode", "A country by ISO 3166-1 alpha-2, as DE or as a string.", "DE", COUNTRIES.__contains__
    ),
    LanguageCode: _scalar("LanguageCode", "A language by BCP 47, as EN or as a string.", "EN", is_language),
}
