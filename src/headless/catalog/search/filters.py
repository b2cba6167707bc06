"""What narrows a list, as conditions on products joined with their listing?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, false, func, or_, select, true

from headless.catalog.categories.models import categories
from headless.catalog.metafields.models import definitions, items, metafields
from headless.catalog.metafields.rules import Kind, Shape, wished_key
from headless.catalog.models import listings, products
from headless.catalog.search import rules
from headless.catalog.search.models import product_facets
from headless.platform import money


@dataclass(frozen=True, slots=True)
class Available:
    """Products of which something can be bought now, or nothing."""

    is_available: bool
    key: str = rules.AVAILABLE

    def condition(self) -> ColumnElement[bool]:
        return listings.c.is_available.is_(self.is_available)


@dataclass(frozen=True, slots=True)
class Price:
    """Products whose lowest price lies between two amounts in minor units, both included."""

    least: int | None
    most: int | None
    key: str = rules.PRICE

    def condition(self) -> ColumnElement[bool]:
        bounds: list[ColumnElement[bool]] = [true()]
        if self.least is not None:
            bounds.append(listings.c.min_amount >= self.least)
        if self.most is not None:
            bounds.append(listings.c.min_amount <= self.most)
        return and_(*bounds)


@dataclass(frozen=True, slots=True)
class Has:
    """Products with one of a facet's values; both are folded."""

    key: str
    value: str

    @property
    def id(self) -> int:
        return rules.facet_id(self.key, self.value)


@dataclass(frozen=True, slots=True)
class Metafield:
    """Products whose metafield, or any item of whose list, is what a text says; by its definition, if that may be seen.

    What the text is compared by depends on the kind of values: the statement picks it by the definition that it finds.
    """

    namespace: str
    name: str
    text: str
    sees_private: bool = False

    @property
    def key(self) -> str:
        return f"{rules.METAFIELD}{self.namespace}.{self.name}"

    @property
    def wished(self) -> Mapping[str, str]:
        """What values are compared by, by the kinds that the text can be a value of."""
        keys = {kind.value: wished_key(Shape(kind), self.text) for kind in Kind}
        return {kind: key for kind, key in keys.items() if key is not None}

    def defined(self) -> list[ColumnElement[bool]]:
        """What its definition is like, if it is one to find by."""
        d = definitions.c
        defined = [d.owner_type == "product", d.namespace == self.namespace, d.key == self.name, d.is_filterable]
        return defined if self.sees_private else [*defined, d.is_public]

    def products(self) -> list[Select[tuple[UUID]]]:
        """Those with a single value, and those with an item of a list."""
        m, d, i = metafields.c, definitions.c, items.c
        defined = self.defined()
        same = and_(d.owner_type == m.owner_type, d.namespace == m.namespace, d.key == m.key)
        named = (m.owner_type == "product", m.namespace == self.namespace, m.key == self.name)
        single = select(m.owner_id).join_from(metafields, definitions, same).where(*named, *defined)
        item = (
            select(m.owner_id)
            .join_from(items, definitions, i.definition_id == d.id)
            .join(metafields, m.id == i.metafield_id)
            .where(*defined)
        )
        return [
            single.where(~d.is_list, self._is_wished(m.filter_key)),
            item.where(d.is_list, self._is_wished(i.filter_key)),
        ]

    def _is_wished(self, compared: ColumnElement[Any]) -> ColumnElement[bool]:
        kinds: dict[str, list[str]] = {}
        for kind, key in self.wished.items():
            kinds.setdefault(key, []).append(kind)
        return and_(
            compared.in_(sorted(kinds)),
            or_(
                false(),
                *(and_(compared == key, definitions.c.type.in_(of)) for key, of in sorted(kinds.items())),
            ),
        )


@dataclass(frozen=True, slots=True)
class Category:
    """Products of a category or of one below it."""

    id: UUID
    key: str = rules.CATEGORY

    def condition(self) -> ColumnElement[bool]:
        return products.c.category_id.in_(self._below())

    def products(self) -> Select[tuple[UUID]]:
        inside = products.alias("inside").c
        return select(inside.id).where(inside.category_id.in_(self._below()))

    def _below(self) -> Select[tuple[UUID]]:
        top = categories.alias("top")
        path = select(top.c.path).where(top.c.id == self.id).scalar_subquery()
        return select(categories.c.id).where(categories.c.path >= path, categories.c.path < path + rules.LAST)


Filter = Available | Price | Has | Metafield | Category
Ids = Select[tuple[UUID]]
"""A selection of products' ids."""


def is_among(ids: Ids, *, one_by_one: bool) -> ColumnElement[bool]:
    """Whether products are in a set: to begin with the set, or to ask each product by itself."""
    if not one_by_one:
        return products.c.id.in_(ids)
    # Not EXISTS: PostgreSQL may make a join of that, and begin with the whole set again.
    of_product = ids.where(next(iter(ids.selected_columns)) == products.c.id).with_only_columns(func.count())
    return of_product.correlate(products).scalar_subquery() > 0


def by_key(filters: Sequence[Filter], *, one_by_one: bool = False) -> Mapping[str, ColumnElement[bool]]:
    """One condition for each key: what has the same key is an alternative."""
    return {
        key: or_(
            *(one.condition() for one in alternatives if isinstance(one, Available | Price | Category)),
            *(is_among(ids, one_by_one=one_by_one) for ids in _sets(alternatives)),
        )
        for key, alternatives in _grouped(filters).items()
    }


def sets(filters: Sequence[Filter]) -> list[list[Ids]]:
    """The sets of products, alternatives to each other, of each key that has such."""
    found = []
    for alternatives in _grouped(filters).values():
        below = [one.products() for one in alternatives if isinstance(one, Category)]
        if together := [*below, *_sets(alternatives)]:
            found.append(together)
    return found


def misfit(filters: Sequence[Filter]) -> Select[tuple[int]] | None:
    """Select the place of the first filter by a metafield whose text can't be a value of the type that it has.

    None: nothing is asked of metafields. What isn't defined, or may not be seen, has no type.
    """
    type_ = definitions.c.type
    asked = [(place, one) for place, one in enumerate(filters) if isinstance(one, Metafield)]
    places = [(and_(*one.defined(), type_.not_in(sorted(one.wished))), place) for place, one in asked]
    return select(func.min(case(*places))) if places else None


def with_any(facet_ids: Sequence[int]) -> Ids:
    """Products with at least one of some values."""
    c = product_facets.c
    # Written into the statement: PostgreSQL plans for a value that it knows, not for any that may come.
    ids = [bindparam(None, one, type_=BigInteger, literal_execute=True) for one in facet_ids]
    wanted = c.facet_id == ids[0] if len(ids) == 1 else c.facet_id.in_(ids)
    return select(c.product_id).where(wanted)


def _grouped(filters: Sequence[Filter]) -> Mapping[str, list[Filter]]:
    grouped: dict[str, list[Filter]] = {}
    for one in dict.fromkeys(filters):
        grouped.setdefault(one.key, []).append(one)
    return grouped


def _sets(alternatives: Sequence[Filter]) -> list[Ids]:
    found = [ids for one in alternatives if isinstance(one, Metafield) for ids in one.products()]
    values = [one.id for one in alternatives if isinstance(one, Has)]
    return [*found, *([with_any(values)] if values else [])]


_MOST = 2**62


def least_amount(value: Decimal, currency: str) -> int:
    """The smallest amount in minor units that isn't below a price."""
    return _minor(value, currency, ROUND_CEILING)


def most_amount(value: Decimal, currency: str) -> int:
    """The largest amount in minor units that isn't above a price."""
    return _minor(value, currency, ROUND_FLOOR)


def _minor(value: Decimal, currency: str, rounding: str) -> int:
    # Any bound may be asked for; no price comes near these.
    if abs(value) > money.MAX_AMOUNT:
        return _MOST if value > 0 else -_MOST
    scaled: Any = value.scaleb(money.digits(currency)).to_integral_value(rounding=rounding)
    return int(scaled)
