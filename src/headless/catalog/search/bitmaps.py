"""What are a shop's products, as sets of their numbers in memory? One set for each value that lists are narrowed by.

A product's number is the id of its search document. The sets are compressed bitmaps (Roaring, Chambi, Lemire et al.
2016): how many products two of them share is known without looking at the products.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import UUID

from pyroaring import BitMap64

from headless.catalog.categories.queries import ancestor_ids
from headless.catalog.search.rules import LAST


class Amounts:
    """Products' amounts, parted into binary digits: a bit-sliced index (O'Neil and Quass 1997).

    A range, the least and the most are found with a few operations for each digit, whatever the number of products.
    """

    def __init__(self) -> None:
        self._digits: list[BitMap64] = []

    @property
    def sets(self) -> Iterable[BitMap64]:
        return self._digits

    def put(self, amounts: Iterable[tuple[int, Sequence[int]]]) -> None:
        """Add products that have no amount yet, each amount with those that have it."""
        having: list[list[int]] = []
        for amount, products in amounts:
            while len(having) < amount.bit_length():
                having.append([])
            for nth in range(amount.bit_length()):
                if amount >> nth & 1:
                    having[nth].extend(products)
        while len(self._digits) < len(having):
            self._digits.append(BitMap64())
        for digit, more in zip(self._digits, having, strict=False):
            digit.update(sorted(more))

    def at_least(self, least: int, within: BitMap64) -> BitMap64:
        """Those of some products whose amount isn't below one."""
        if least <= 0:
            return within
        if least.bit_length() > len(self._digits):
            return BitMap64()
        above, equal = BitMap64(), within
        for nth in reversed(range(len(self._digits))):
            if least >> nth & 1:
                equal = equal & self._digits[nth]
            else:
                above |= equal & self._digits[nth]
                equal = equal - self._digits[nth]
        return above | equal

    def at_most(self, most: int, within: BitMap64) -> BitMap64:
        """Those of some products whose amount isn't above one."""
        return within - self.at_least(most + 1, within) if most >= 0 else BitMap64()

    def least(self, within: BitMap64) -> int:
        """The smallest amount of some products, of which there is at least one."""
        amount = 0
        for nth in reversed(range(len(self._digits))):
            if without := within - self._digits[nth]:
                within = without
            else:
                amount |= 1 << nth
        return amount

    def most(self, within: BitMap64) -> int:
        """The largest amount of some products."""
        amount = 0
        for nth in reversed(range(len(self._digits))):
            if having := within & self._digits[nth]:
                within = having
                amount |= 1 << nth
        return amount


@dataclass(slots=True)
class Channel:
    """Products that a channel lists: those that shoppers see, that can be bought, and the lowest prices of all."""

    listed: BitMap64 = field(default_factory=BitMap64)
    shown: BitMap64 = field(default_factory=BitMap64)
    available: BitMap64 = field(default_factory=BitMap64)
    amounts: Amounts = field(default_factory=Amounts)

    @property
    def sets(self) -> Iterator[BitMap64]:
        yield from (self.listed, self.shown, self.available)
        yield from self.amounts.sets


@dataclass(frozen=True, slots=True)
class Listed:
    """Products that are alike in a channel."""

    amount: int
    is_shown: bool
    is_available: bool
    products: Sequence[int]


@dataclass(slots=True)
class Value:
    """A value, what it is compared by and how it is written, and the products that have it."""

    value: str
    label: str
    name: str = ""
    products: BitMap64 = field(default_factory=BitMap64)


@dataclass(slots=True)
class Definition:
    """A metafield that lists are narrowed by, with its values by what they are compared by and how they are spelled."""

    kind: str
    name: str
    is_public: bool
    values: dict[tuple[str, str], Value] = field(default_factory=dict)


@dataclass(slots=True)
class Node:
    """A category: where it is in the tree, and what it is called."""

    path: str
    title: str


@dataclass(slots=True)
class Bitmaps:
    """All that lists are narrowed by."""

    products: BitMap64 = field(default_factory=BitMap64)
    channels: dict[UUID, Channel] = field(default_factory=dict)
    facets: dict[str, dict[int, Value]] = field(default_factory=dict)
    """Values by id, by the facet's key."""
    metafields: dict[str, Definition] = field(default_factory=dict)
    """By the facet's key."""
    categories: dict[UUID, BitMap64] = field(default_factory=dict)
    """Products that are in the category itself."""
    tree: dict[UUID, Node] = field(default_factory=dict)
    collections: dict[UUID, BitMap64] = field(default_factory=dict)
    """Those whose products are known."""

    def drop(self, gone: BitMap64) -> None:
        """Take products out of all sets."""
        for one in self._sets():
            one.difference_update(gone)
        for values in self._values():
            # There may be very many, of which few are concerned.
            for key in [key for key, value in values.items() if not value.products.isdisjoint(gone)]:
                values[key].products.difference_update(gone)
                if not values[key].products:
                    del values[key]

    def list_in(self, channel_id: UUID, rows: Sequence[Listed]) -> None:
        """Add products to a channel."""
        channel = self.channels.setdefault(channel_id, Channel())
        channel.amounts.put((row.amount, row.products) for row in rows)
        for those, wanted in (
            (channel.listed, rows),
            (channel.shown, [row for row in rows if row.is_shown]),
            (channel.available, [row for row in rows if row.is_available]),
        ):
            those.update(sorted(chain.from_iterable(row.products for row in wanted)))

    def give(self, facet_id: int, key: str, value: Value) -> None:
        """Add products to those that have a facet's value; its latest spelling is the one that is told."""
        known = self.facets.setdefault(key, {}).setdefault(facet_id, value)
        known.label, known.name = value.label, value.name
        known.products.update(value.products)

    def give_metafield(self, key: str, value: Value) -> None:
        """Add products to those that have a metafield's value in this spelling."""
        if definition := self.metafields.get(key):
            known = definition.values.setdefault((value.value, value.label), value)
            known.products.update(value.products)

    def having(self, key: str, kinds: Mapping[str, str]) -> BitMap64:
        """The products whose metafield has a value, by what it is compared by for each kind of metafields."""
        definition = self.metafields.get(key)
        wanted = None if definition is None else kinds.get(definition.kind)
        if definition is None or wanted is None:
            return BitMap64()
        return BitMap64().union(*(one.products for one in definition.values.values() if one.value == wanted))

    def leave(self, category_id: UUID) -> None:
        """Have products of a category that is no more in the one that was above it."""
        node, left = self.tree.pop(category_id, None), self.categories.pop(category_id, None)
        above = ancestor_ids(node.path)[-1:] if node is not None else []
        if left is not None and above:
            self.categories.setdefault(above[0], BitMap64()).update(left)

    def beginning(self, key: str, start: str) -> BitMap64:
        """The products with a value of a facet that begins so."""
        values = self.facets.get(key, {}).values()
        return BitMap64().union(*(one.products for one in values if start <= one.value < start + LAST))

    def path_now(self, path: str) -> str:
        """Where a category is that somebody saw at a path; the path itself if it isn't known."""
        with suppress(ValueError):
            if node := self.tree.get(UUID(path.strip("/").rpartition("/")[2])):
                return node.path
        return path

    def below(self, path: str) -> BitMap64:
        """The products of a category and of all below it, by its path."""
        inside = [id_ for id_, node in self.tree.items() if node.path.startswith(path)]
        return BitMap64().union(*(self.categories[id_] for id_ in inside if id_ in self.categories))

    def _sets(self) -> Iterator[BitMap64]:
        yield self.products
        for channel in self.channels.values():
            yield from channel.sets
        yield from self.categories.values()
        yield from self.collections.values()

    def _values(self) -> Iterator[dict[Any, Value]]:
        yield from self.facets.values()
        yield from (definition.values for definition in self.metafields.values())
