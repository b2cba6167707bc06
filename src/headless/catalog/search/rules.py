"""What are a product's words and facets?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any, Final

from headless.catalog import rules

START: Final = "\ue000"
GAP: Final = "\ue002"
"""Stand before a title and between labels: nobody can ask for them, and no phrase reaches across them."""
LONGEST_TITLE: Final = 255
LAST: Final = "\U0010ffff"
"""Sorts after every letter: ends a range of texts that begin alike."""
MOST_WORDS: Final = 2_000
"""Words of a text that are looked through."""
LONGEST: Final = 64
"""Letters of a word that are looked at."""
LONGEST_VALUE: Final = 255
VENDOR, TYPE, TAG, AVAILABLE, PRICE = "vendor", "productType", "tag", "available", "price"
OPTION: Final = "option."
METAFIELD: Final = "metafield."
CATEGORY: Final = "category"

MOST_VALUES: Final = 100
"""Values of one facet that are told, those of most products first."""


@dataclass(frozen=True, slots=True)
class Value:
    """A facet's value: `key` and `value` are folded, `name` and `label` are for people."""

    key: str
    value: str
    name: str
    label: str

    @property
    def id(self) -> int:
        return facet_id(self.key, self.value)


@dataclass(frozen=True, slots=True)
class Document:
    """What is looked through for words."""

    title: str
    labels: str
    body: str


def facet_id(key: str, value: str) -> int:
    """A number of 64 bits that stands for a value wherever many products have it."""
    digest = blake2b(f"{key}\x1f{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def folded(text: str) -> str:
    return rules.fold(text)[:LONGEST_VALUE]


def option_key(name: str) -> str:
    return OPTION + folded(name)


def facets_of(product: Any, variants: Iterable[Any]) -> dict[int, Value]:
    """The values that lists can be narrowed to, by id."""
    labelled = [(VENDOR, VENDOR, product.vendor), (TYPE, TYPE, product.product_type)]
    labelled += [(TAG, TAG, tag) for tag in product.tags]
    for variant in variants:
        labelled += [
            (option_key(entry["name"]), OPTION + entry["name"], entry["value"]) for entry in variant.selected_options
        ]
    made = (Value(key, folded(label), name, label[:LONGEST_VALUE]) for key, name, label in labelled)
    return {value.id: value for value in made if value.value}


def document_of(product: Any, variants: Sequence[Any]) -> Document:
    """The words of a product and its variants."""
    labels = [product.vendor, product.product_type, *product.tags]
    for variant in variants:
        labels += [variant.sku or "", variant.barcode or ""]
        labels += [entry["value"] for entry in variant.selected_options]
    parts = [" ".join(tokens(label)) for label in dict.fromkeys(labels)]
    return Document(
        title=" ".join(tokens(product.title))[:LONGEST_TITLE].rstrip(),
        labels=f" {GAP} ".join(part for part in parts if part),
        body=" ".join(tokens(product.description)[:MOST_WORDS]),
    )


def tokens(text: str) -> list[str]:
    """The words of a text: runs of letters and digits; of scripts that leave no space between words, each sign."""
    plain = rules.fold(text)
    if plain.isascii():
        return [word[:LONGEST] for word in _WORD.findall(plain)]
    found: list[str] = []
    for is_word, run in groupby(plain, str.isalnum):
        if is_word:
            for is_dense, part in groupby(run, _is_dense):
                word = "".join(part)
                found += list(word) if is_dense else [word[:LONGEST]]
    return found


_WORD = re.compile("[a-z0-9]+")


def _is_dense(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uf900" <= char <= "\ufaff" or char >= "\U00020000"


def vector(*parts: str) -> str:
    """Words with their places, as PostgreSQL's full-text index takes them; no phrase reaches from part to part."""
    places: dict[str, list[int]] = {}
    place = 0
    for part in parts:
        for word in part.split():
            place += 1
            places.setdefault(word, []).append(min(place, _LAST_PLACE))
        place += 1
    return " ".join(f"'{word}':{','.join(map(str, at[:_MOST_PLACES]))}" for word, at in places.items())


_LAST_PLACE = 16_383
_MOST_PLACES = 255
"""What PostgreSQL keeps."""

SHORTEST_TERM, LONGEST_TERM = 4, 24
"""Letters of words in which a slip is forgiven."""


def terms_of(document: Document) -> set[str]:
    """The words in which slips are forgiven: letters alone, and not too few."""
    words = {*document.title.split(), *document.labels.split(), *document.body.split()}
    return {word for word in words if SHORTEST_TERM <= len(word) <= LONGEST_TERM and word.isalpha()}


def keys_of(word: str) -> set[str]:
    """A word, and what is left of it without one letter: words a slip apart have one of these in common."""
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def distance(one: str, other: str) -> int:
    """How many letters were added, left out, changed or swapped with their neighbor."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        earlier, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


LONG_WORD, MOST_SUGGESTIONS = 8, 3


def suggestions(word: str, candidates: Iterable[str]) -> list[str]:
    """The words that were probably meant, nearest first."""
    most = 2 if len(word) >= LONG_WORD else 1
    near = sorted((distance(word, candidate), candidate) for candidate in set(candidates))
    return [candidate for by, candidate in near if by <= most][:MOST_SUGGESTIONS]


def grouped(rows: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Values by key."""
    by_key: dict[str, list[str]] = {}
    for key, value in rows:
        by_key.setdefault(key, []).append(value)
    return by_key
