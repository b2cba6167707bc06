"""How many products does a list have, and how many with each value of its facets, told from sets in memory?

It tells what `statements` and `lists` would have the database count, which they do where the sets can't be had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from heapq import nsmallest
from typing import Any, Final, NamedTuple, TypeVar

from pyroaring import BitMap64
from sqlalchemy import Select, select

from headless.catalog.categories.queries import ancestor_ids
from headless.catalog.models import collection_products
from headless.catalog.search import filters, rules, text
from headless.catalog.search.bitmaps import Bitmaps, Channel, Value
from headless.catalog.search.filters import Available, Category, Filter, Has, Metafield, Price
from headless.catalog.search.mirror import Mirror, Sets, Unknown
from headless.catalog.search.models import documents
from headless.catalog.search.parsing import Clause, Field, is_of_words
from headless.catalog.search.parsing import Part as Said
from headless.catalog.search.wishes import Part, Wish
from headless.platform.db import Session

T = TypeVar("T")
MOST_ASKED: Final = 3
"""Sets of products that are read from the database for one answer; where more are asked for, it counts itself."""


class Row(NamedTuple):
    """A value of a facet; `name` is the facet's, `kind` that of a metafield's values."""

    key: str
    value: str
    name: str
    label: str
    kind: str | None
    number: int


async def size(session: Session, mirror: Mirror, wish: Wish) -> int | None:
    """How many products a list has; None: it has to be counted."""
    return await _told(session, mirror, wish, "size", lambda bitmaps, sets: len(_List(bitmaps, sets, wish).hits))


async def rows(session: Session, mirror: Mirror, wish: Wish, parts: Sequence[Part]) -> Sequence[Row] | None:
    """The values of each part of a list; None: they have to be counted."""

    def compute(bitmaps: Bitmaps, sets: Sets) -> Sequence[Row]:
        listed = _List(bitmaps, sets, wish)
        return [row for part in parts for row in listed.rows(part)]

    return await _told(session, mirror, wish, "facets", compute)


async def _told(
    session: Session, mirror: Mirror, wish: Wish, what: str, compute: Callable[[Bitmaps, Sets], T]
) -> T | None:
    asked: dict[Hashable, Select[Any]] = {}
    if wish.query is not None:
        asked |= text.numbers(wish.query, wish.language(session))
    if len(asked) > MOST_ASKED:
        return None
    unknown = _unknown(wish, asked)
    return await mirror.tell(session, (what, wish.key), unknown, compute, is_of_all=wish.eye.sees_hidden)


def _unknown(wish: Wish, asked: Mapping[Hashable, Select[Any]]) -> Unknown:
    """What the database is asked: what is `asked` anyhow, and the products of a collection that isn't known."""
    members = collection_products.c
    collected = (
        select(documents.c.id)
        .join(collection_products, members.product_id == documents.c.product_id)
        .where(members.collection_id == wish.collection_id)
    )

    def unknown(bitmaps: Bitmaps) -> Mapping[Hashable, Select[Any]]:
        if wish.collection_id is None or wish.collection_id in bitmaps.collections:
            return asked
        return {**asked, wish.collection_id: collected}

    return unknown


class _List:
    """The products of a list, also with some of its filters left aside."""

    def __init__(self, bitmaps: Bitmaps, sets: Sets, wish: Wish) -> None:
        self._bitmaps, self._sets, self._wish = bitmaps, sets, wish
        self._path = None if wish.category_path is None else bitmaps.path_now(wish.category_path)
        self._channel = bitmaps.channels.get(wish.eye.channel_id) or Channel()
        self._by_key: dict[str, BitMap64] = {}
        for one in wish.filters:
            self._by_key[one.key] = self._by_key.get(one.key, BitMap64()) | self._having(one)
        self._all = self._besides_filters()

    @property
    def hits(self) -> BitMap64:
        return self._within(*self._by_key)

    def rows(self, part: Part) -> Iterator[Row]:
        """What the statements of `facets` tell of a part."""
        hits = self._within(*(one.key for one in part.wish.filters))
        if part.counts(rules.CATEGORY):
            yield from self._categories(hits)
        yield from self._listed(part, hits)
        for key, values in self._bitmaps.facets.items():
            if part.counts(key):
                for number, value in _most(_counted(values, hits)):
                    yield Row(key, value.value, value.name, value.label, None, number)
        for key, definition in self._bitmaps.metafields.items():
            if part.counts(key) and (definition.is_public or self._wish.eye.sees_hidden):
                for number, value in _most(_together(_counted(definition.values, hits))):
                    yield Row(key, value.value, definition.name, value.label, definition.kind, number)

    def _listed(self, part: Part, hits: BitMap64) -> Iterator[Row]:
        """What a channel says of products."""
        if part.counts(rules.AVAILABLE):
            for word, some in (("true", hits & self._channel.available), ("false", hits - self._channel.available)):
                if some:
                    yield Row(rules.AVAILABLE, word, "", "", None, len(some))
        if part.counts(rules.PRICE) and hits:
            amounts = self._channel.amounts
            yield Row(rules.PRICE, str(amounts.least(hits)), "", str(amounts.most(hits)), None, len(hits))

    def _within(self, *keys: str) -> BitMap64:
        return reduce(BitMap64.__and__, (self._by_key[key] for key in dict.fromkeys(keys)), self._all)

    def _categories(self, hits: BitMap64) -> Iterator[Row]:
        tree, path = self._bitmaps.tree, self._path
        counts: Counter[Any] = Counter()
        for id_, inside in self._bitmaps.categories.items():
            count = inside.intersection_cardinality(hits)
            if count and id_ in tree:
                counts.update(dict.fromkeys((id_, *ancestor_ids(tree[id_].path)), count))
        shown = [(-count, tree[id_].path, id_) for id_, count in counts.items() if id_ in tree]
        if path is not None:
            shown = [one for one in shown if one[1].startswith(path) and one[1] != path]
        for least, _path, id_ in nsmallest(rules.MOST_VALUES, shown):
            yield Row(rules.CATEGORY, id_.hex, rules.CATEGORY, tree[id_].title, None, -least)

    def _besides_filters(self) -> BitMap64:
        wish, listed = self._wish, self._channel.listed
        found = listed if wish.eye.sees_hidden else self._channel.shown
        if wish.collection_id is not None:
            known = self._sets.get(wish.collection_id)
            found = found & (self._bitmaps.collections[wish.collection_id] if known is None else known)
        if self._path is not None:
            found = found & self._bitmaps.below(self._path)
        if wish.query is None:
            return found
        if wish.query.is_hopeless:
            return BitMap64()
        of_words = text.of_words(wish.query)
        others = (self._holding(clause) for clause in wish.query.clauses if not is_of_words(clause))
        return reduce(BitMap64.__and__, others, found & self._sets[of_words] if of_words else found)

    def _holding(self, clause: Clause) -> BitMap64:
        return BitMap64().union(*(self._said(part) for part in clause))

    def _said(self, part: Said) -> BitMap64:
        told = self._sets.get(part.of)
        found = self._field(part.of) if told is None and isinstance(part.of, Field) else told
        assert found is not None  # noqa: S101 - `text.numbers` asks for all words
        return self._channel.listed - found if part.is_negated else found

    def _field(self, field: Field) -> BitMap64:
        if isinstance(field.value, Decimal):
            return self._price(field.operator, field.value)
        if isinstance(field.value, bool):
            return self._having(Available(field.value))
        key, value = text.FACETS[field.name], str(field.value)
        if field.operator == "=":
            return self._having(Has(key, value))
        return self._bitmaps.beginning(key, value)

    def _price(self, operator: str, value: Decimal) -> BitMap64:
        currency = self._wish.currency
        least, most = filters.least_amount(value, currency), filters.most_amount(value, currency)
        match operator:
            case "<":
                return self._having(Price(None, least - 1))
            case "<=":
                return self._having(Price(None, most))
            case ">":
                return self._having(Price(most + 1, None))
            case ">=":
                return self._having(Price(least, None))
            case _:
                return self._having(Price(least, most))

    def _having(self, one: Filter) -> BitMap64:
        channel, bitmaps = self._channel, self._bitmaps
        match one:
            case Available():
                return channel.available if one.is_available else channel.listed - channel.available
            case Price():
                found = channel.listed if one.least is None else channel.amounts.at_least(one.least, channel.listed)
                return found if one.most is None else channel.amounts.at_most(one.most, found)
            case Has():
                return _products(bitmaps.facets.get(one.key, {}).get(one.id))
            case Category():
                node = bitmaps.tree.get(one.id)
                return BitMap64() if node is None else bitmaps.below(node.path)
            case Metafield():
                definition = bitmaps.metafields.get(one.key)
                may_see = definition is not None and (definition.is_public or one.sees_private)
                return bitmaps.having(one.key, one.wished) if may_see else BitMap64()


def _products(value: Value | None) -> BitMap64:
    return BitMap64() if value is None else value.products


Counted = Iterable[tuple[int, Value]]
"""Values with the numbers of products of a list that have them."""


def _counted(values: Mapping[Any, Value], hits: BitMap64) -> Counted:
    counted = ((value.products.intersection_cardinality(hits), value) for value in values.values())
    return (one for one in counted if one[0])


def _together(counted: Counted) -> Counted:
    """Spellings of the same value as one, the first of which is told."""
    found: dict[str, tuple[int, Value]] = {}
    for number, value in counted:
        others, first = found.get(value.value, (0, value))
        found[value.value] = number + others, min(value, first, key=lambda one: one.label)
    return found.values()


def _most(counted: Counted) -> list[tuple[int, Value]]:
    return nsmallest(rules.MOST_VALUES, counted, key=lambda one: (-one[0], one[1].value))
