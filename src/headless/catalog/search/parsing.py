"""What does a search text ask for?

Words, each also as the beginning of a longer one, `"phrases"`, `field:value` with `price:<20`, `vendor:acme`,
`tag:'summer sale'` and the like, `-negation`, and `OR` between two of them. What makes no sense as a field is words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from headless.catalog.search import rules

MOST_PARTS: Final = 16
MOST_TOKENS: Final = 24
LONGEST_QUERY: Final = 1_000
FIELDS: Final[Mapping[str, str]] = {
    "available": "available",
    "barcode": "barcode",
    "created_at": "created_at",
    "handle": "handle",
    "price": "price",
    "product_type": "product_type",
    "productType": "product_type",
    "sku": "sku",
    "status": "status",
    "tag": "tag",
    "title": "title",
    "type": "product_type",
    "updated_at": "updated_at",
    "vendor": "vendor",
}
STATUSES: Final = frozenset({"DRAFT", "ACTIVE", "ARCHIVED"})
_PART = re.compile(
    r"""(?P<minus>-)?(?:(?P<field>[a-zA-Z_]+):(?P<operator>[<>]=?)?)?"""
    r"""(?:"(?P<double>[^"]*)"?|'(?P<single>[^']*)'|(?P<bare>[^\s"]+))"""
)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,6})?")


@dataclass(frozen=True, slots=True)
class Words:
    """Words that stand side by side, the last of them perhaps only begun."""

    tokens: tuple[str, ...]
    is_prefix: bool = False
    is_of_title: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A condition on something other than words; `operator` is `=`, a comparison, or `^` for what begins so."""

    name: str
    operator: str
    value: str | Decimal | datetime | bool


@dataclass(frozen=True, slots=True)
class Part:
    """One of the alternatives of a clause."""

    of: Words | Field
    is_negated: bool = False


Clause = tuple[Part, ...]
"""Alternatives: one of them has to hold."""


@dataclass(frozen=True, slots=True)
class Query:
    """All of these clauses have to hold."""

    clauses: tuple[Clause, ...]

    @property
    def is_hopeless(self) -> bool:
        """Whether there was text, but nothing in it that could be found."""
        return not self.clauses

    @property
    def has_words(self) -> bool:
        return any(is_of_words(clause) for clause in self.clauses)

    def corrected(self, meant: Mapping[str, Sequence[str]]) -> Query:
        """The same query, words replaced by what was probably meant."""
        return Query(tuple(_corrected(clause, meant) for clause in self.clauses))


def is_of_words(clause: Clause) -> bool:
    """Whether the full-text index alone can decide a clause."""
    kinds = {part.of.is_of_title for part in clause if isinstance(part.of, Words) and not part.is_negated}
    return len(kinds) == 1 and all(isinstance(part.of, Words) and not part.is_negated for part in clause)


def parse(text: str) -> Query | None:
    """Read a search text; None when it is blank."""
    if not text.strip():
        return None
    clauses: list[Clause] = []
    is_or, left, budget = False, MOST_PARTS, MOST_TOKENS
    for match in _PART.finditer(text[:LONGEST_QUERY]):
        bare = match["bare"]
        if bare in {"OR", "AND"} and not match["minus"] and not match["field"]:
            is_or = bare == "OR" and bool(clauses)
            continue
        parts = _parts(match)
        if not parts or not left:
            continue
        left -= 1
        budget -= sum(len(part.of.tokens) for part in parts if isinstance(part.of, Words))
        if budget < 0:
            break
        if is_or:
            clauses[-1] = (*clauses[-1], *parts)
        else:
            clauses += [(part,) for part in parts]
        is_or = False
    return Query(tuple(clauses))


def _parts(match: re.Match[str]) -> list[Part]:
    is_negated = bool(match["minus"])
    quoted = match["double"] if match["double"] is not None else match["single"]
    text = quoted if quoted is not None else match["bare"]
    name = FIELDS.get(match["field"] or "")
    if name == "title":
        words = _words(text, is_quoted=quoted is not None, is_of_title=True)
        return [Part(words, is_negated)] if words else []
    if name is not None:
        found = _field(name, match["operator"] or "", text.strip())
        if found is not None:
            return [Part(found, is_negated)]
    before = _words(match["field"] or "", is_quoted=True)
    words = _words(text, is_quoted=quoted is not None)
    return [Part(one, is_negated) for one in (before, words) if one]


def _words(text: str, *, is_quoted: bool, is_of_title: bool = False) -> Words | None:
    tokens = tuple(rules.tokens(text))
    return Words(tokens, is_prefix=not is_quoted, is_of_title=is_of_title) if tokens else None


def _field(name: str, operator: str, text: str) -> Field | None:
    if not text or "\0" in text:
        return None
    if name == "price":
        return _price(operator, text)
    if name in {"created_at", "updated_at"}:
        at = _instant(text)
        return Field(name, operator or ">=", at) if at is not None else None
    if operator:
        return None
    if name == "available":
        return Field(name, "=", text.lower() == "true") if text.lower() in {"true", "false"} else None
    if name == "status":
        return Field(name, "=", text.upper()) if text.upper() in STATUSES else None
    is_begun = text.endswith("*")
    value = text.rstrip("*")
    if name in {"vendor", "product_type", "tag"}:
        value = rules.folded(value)
    return Field(name, "^" if is_begun else "=", value[: rules.LONGEST_VALUE]) if value else None


def _price(operator: str, text: str) -> Field | None:
    return Field("price", operator or "=", Decimal(text)) if _NUMBER.fullmatch(text) else None


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    # Near the ends of time an instant has no UTC.
    return at.astimezone(UTC) if abs(at.year - _MIDDLE) < _MIDDLE - 1 and at.utcoffset() != _DAY else None


_MIDDLE, _DAY = 5000, timedelta(days=1)


def _corrected(clause: Clause, meant: Mapping[str, Sequence[str]]) -> Clause:
    return tuple(other for part in clause for other in _alternatives(part, meant))


def _alternatives(part: Part, meant: Mapping[str, Sequence[str]]) -> list[Part]:
    words = part.of
    if not isinstance(words, Words) or part.is_negated:
        return [part]
    if len(words.tokens) == 1:
        others = meant.get(words.tokens[0])
        return [replace(part, of=replace(words, tokens=(other,))) for other in others] if others else [part]
    best = tuple(meant[token][0] if token in meant else token for token in words.tokens)
    return [replace(part, of=replace(words, tokens=best))]
