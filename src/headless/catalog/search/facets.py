"""What can a list be narrowed to, and how many products would be left?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    null,
    select,
    true,
    union_all,
)

from headless.catalog.metafields.models import definitions, metafields
from headless.catalog.models import listings, products
from headless.catalog.search import index, rules
from headless.catalog.search.filters import Has, Metafield
from headless.catalog.search.lists import Wish
from headless.catalog.search.models import facets, product_facets
from headless.platform.db import Session

MOST_VALUES = 100
"""Values of one facet that are told, those of most products first."""


@dataclass(frozen=True, slots=True)
class Count:
    """A value, and how many products of the list have it, the facet's own filters left aside."""

    value: str
    label: str
    count: int
    is_selected: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """Values that a list can be narrowed to."""

    key: str
    name: str
    values: Sequence[Count]


@dataclass(frozen=True, slots=True)
class Facets:
    """All facets of a list. Prices are in minor units; None when no product is left that has one."""

    available: Mapping[bool, int]
    price_range: tuple[int, int] | None
    priced: int
    others: Sequence[Facet]


WIDE = 10_000
"""Products from which on a list's counts are remembered for a while."""
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 512
SIZE = "size"
"""The key under which a part says how many products it has."""


@dataclass(frozen=True, slots=True)
class Part:
    """A list with one facet's filters left aside, whose values are counted; or with none left aside: all others'."""

    wish: Wish
    only: str | None
    besides: tuple[str, ...] = ()

    @property
    def key(self) -> object:
        """Equal for the same question, whenever it is asked."""
        wish = self.wish
        who = (wish.eye.channel_id, wish.eye.sees_hidden)
        place = (wish.collection_id, wish.category_path)
        return (*who, *place, wish.query, frozenset(wish.filters), wish.currency, self.only, self.besides)

    def counts(self, key: str) -> bool:
        return key == self.only if self.only is not None else key not in self.besides


class Memory:
    """What was counted of wide lists in this process, for a minute: to count them takes long, and changes little.

    Lists of up to 10,000 products are counted each time.
    """

    def __init__(self) -> None:
        self._counted: dict[object, tuple[float, Sequence[Any]]] = {}

    def get(self, part: Part) -> Sequence[Any] | None:
        at, rows = self._counted.get(part.key, (0.0, None))
        return rows if monotonic() - at < REMEMBERED_SECONDS else None

    def put(self, part: Part, rows: Sequence[Any]) -> None:
        if any(row.key == SIZE and row.count > WIDE for row in rows):
            self._counted.pop(part.key, None)
            while len(self._counted) >= MOST_REMEMBERED:
                self._counted.pop(next(iter(self._counted)))
            self._counted[part.key] = (monotonic(), rows)


async def of(session: Session, wish: Wish, memory: Memory | None = None) -> Facets:
    """Count, in one statement, what is in a list by each of its facets; what is remembered isn't counted again."""
    memory = memory or Memory()
    chosen = tuple(sorted({one.key for one in wish.filters}))
    parts = [Part(wish, None, chosen)]
    parts += [Part(replace(wish, filters=tuple(one for one in wish.filters if one.key != key)), key) for key in chosen]
    known = {part.key: memory.get(part) for part in parts}
    new = [part for part in parts if known[part.key] is None]
    if new:
        statement = union_all(*(count for nth, part in enumerate(new) for count in _counts(session, part, nth)))
        rows = (await session.execute(statement)).all()
        for nth, part in enumerate(new):
            mine = [row for row in rows if row.part == nth]
            memory.put(part, mine)
            known[part.key] = mine
    return _told([row for part in parts for row in known[part.key] or ()], wish)


def _counts(session: Session, part: Part, nth: int) -> list[Select[Any]]:
    conditions = (part.wish.eye.sees(), part.wish.conditions(session))
    joined = products.join(listings, part.wish.eye.listed)
    hits = (
        select(products.c.id, listings.c.is_available, listings.c.min_amount)
        .select_from(joined)
        .where(*conditions)
        .cte(f"hits_{nth}")
    )
    is_wide = _is_wide(hits)
    # SQLite gathers a list before it looks whether anybody needs it: the list itself has to say that it isn't needed.
    rest = select(products.c.id).select_from(joined).where(is_wide, not_(func.coalesce(and_(*conditions), false())))
    counts = [_size(hits)]
    if part.only not in {rules.AVAILABLE, rules.PRICE}:
        counts.append(_values(part, _Sets(hits, rest.cte(f"rest_{nth}"), is_wide, index.is_sqlite(session))))
        counts.append(_metafields(part, hits))
    if part.counts(rules.AVAILABLE):
        counts.append(_availability(hits))
    if part.counts(rules.PRICE):
        counts.append(_prices(hits))
    return [count.add_columns(literal_column(str(nth), Integer).label("part")) for count in counts]


@dataclass(frozen=True, slots=True)
class _Sets:
    """The products of a list, and all others of the shop, which are gathered only for a wide list."""

    hits: CTE
    rest: CTE
    is_wide: ColumnElement[bool]
    is_sqlite: bool


def _is_wide(hits: CTE) -> ColumnElement[bool]:
    """Whether a list is wide, and has most of the shop's products."""
    size = select(func.count()).select_from(hits).scalar_subquery()
    whole = select(func.count()).select_from(products).scalar_subquery()
    return case((size > WIDE, 2 * size > whole), else_=false())


def _counted(sets: _Sets, which: ColumnElement[bool]) -> Subquery:
    """How many products have each value. Of a wide list those that it lacks are counted and taken from the whole."""
    c = product_facets.c

    def within(some: CTE, sign: int) -> Select[Any]:
        # Products first, their values then: SQLite thinks that it is the other way round, and reads all values.
        id_ = literal_column(f"+{some.name}.id", some.c.id.type) if sets.is_sqlite else some.c.id
        of = some.join(product_facets, c.product_id == id_)
        return select(c.facet_id, (sign * func.count()).label("n")).select_from(of).group_by(c.facet_id)

    whole = select(c.facet_id, func.count().label("n")).where(which).group_by(c.facet_id)
    parts = union_all(
        whole.where(sets.is_wide), within(sets.rest, -1).where(sets.is_wide), within(sets.hits, 1).where(~sets.is_wide)
    ).subquery()
    total = func.sum(parts.c.n)
    return select(parts.c.facet_id, total.label("count")).group_by(parts.c.facet_id).having(total > 0).subquery()


def _values(part: Part, sets: _Sets) -> Select[Any]:
    f = facets.c
    of_key: ColumnElement[bool] = f.key == part.only if part.only else f.key.not_in(part.besides)
    which = product_facets.c.facet_id.in_(select(f.id).where(f.key == part.only)) if part.only else true()
    counted = _counted(sets, which)
    place = func.row_number().over(partition_by=f.key, order_by=(counted.c.count.desc(), f.value))
    ranked = (
        select(f.key, f.value, f.name, f.label, counted.c.count, place.label("place"))
        .join(counted, counted.c.facet_id == f.id)
        .where(of_key)
        .subquery()
    )
    r = ranked.c
    return select(r.key, r.value, r.name, r.label, cast(r.count, BigInteger).label("count")).where(
        r.place <= MOST_VALUES
    )


def _metafields(part: Part, hits: CTE) -> Select[Any]:
    """Count filterable metafields; those without a public definition only for staff. The label is their JSON."""
    m, d = metafields.c, definitions.c
    key = literal(rules.METAFIELD, Text) + d.namespace + "." + d.key
    defined = and_(d.owner_type == m.owner_type, d.namespace == m.namespace, d.key == m.key)
    counted = (
        select(
            key.label("key"),
            m.filter_key.label("value"),
            func.min(cast(d.name, Text)).label("name"),
            func.min(cast(m.value, Text)).label("label"),
            func.count().label("count"),
        )
        .select_from(definitions.join(metafields, defined).join(hits, hits.c.id == m.owner_id))
        .where(d.owner_type == "product", d.is_filterable, m.filter_key.is_not(None))
        .group_by(d.namespace, d.key, m.filter_key)
    )
    if not part.wish.eye.sees_hidden:
        counted = counted.where(d.is_public)
    c = counted.subquery().c
    place = func.row_number().over(partition_by=c.key, order_by=(c.count.desc(), c.value))
    of_key: ColumnElement[bool] = c.key == part.only if part.only else c.key.not_in(part.besides)
    ranked = select(c.key, c.value, c.name, c.label, c.count, place.label("place")).where(of_key).subquery().c
    return select(ranked.key, ranked.value, ranked.name, ranked.label, ranked.count).where(ranked.place <= MOST_VALUES)


def _size(hits: CTE) -> Select[Any]:
    return select(*_row(SIZE, literal("", Text), func.count())).select_from(hits)


def _row(key: str, value: ColumnElement[Any], count: ColumnElement[Any], **others: ColumnElement[Any]) -> list[Any]:
    empty = cast(null(), Text)
    return [
        cast(literal(key), Text).label("key"),
        cast(value, Text).label("value"),
        others.get("name", empty).label("name"),
        others.get("label", empty).label("label"),
        count.label("count"),
    ]


def _availability(hits: CTE) -> Select[Any]:
    h = hits.c
    columns = _row(rules.AVAILABLE, case((h.is_available, "true"), else_="false"), func.count())
    return select(*columns).select_from(hits).group_by(h.is_available)


def _prices(hits: CTE) -> Select[Any]:
    h = hits.c
    least, most = (cast(cast(bound(h.min_amount), BigInteger), Text) for bound in (func.min, func.max))
    return select(*_row(rules.PRICE, least, func.count(), label=most)).select_from(hits)


def _told(rows: Sequence[Any], wish: Wish) -> Facets:
    chosen = {(one.key, one.value): one for one in wish.filters if isinstance(one, Has | Metafield)}
    available, price_range, priced = {}, None, 0
    by_key: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row.key == SIZE:
            continue
        if row.key == rules.AVAILABLE:
            available[row.value == "true"] = int(row.count)
        elif row.key == rules.PRICE:
            priced = int(row.count)
            price_range = (int(row.value), int(row.label)) if priced else None
        else:
            by_key[row.key].append(row)
    others = [
        Facet(
            key,
            min(row.name for row in found),
            [Count(row.value, row.label, int(row.count), (key, row.value) in chosen) for row in found],
        )
        for key, found in by_key.items()
    ]
    return Facets(available, price_range, priced, sorted(others, key=_place))


_FIRST = (rules.TYPE, rules.VENDOR, rules.TAG)


def _place(facet: Facet) -> tuple[int, str]:
    is_known = facet.key in _FIRST
    return (_FIRST.index(facet.key) if is_known else len(_FIRST), facet.key)
