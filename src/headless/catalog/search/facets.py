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
    FromClause,
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

from headless.catalog.categories.models import categories
from headless.catalog.categories.queries import below
from headless.catalog.metafields.models import definitions, items, metafields
from headless.catalog.models import listings, products
from headless.catalog.search import index, rules
from headless.catalog.search.filters import Category, Has, Metafield
from headless.catalog.search.memory import WIDE, Memory, has_moved
from headless.catalog.search.models import facets, product_facets
from headless.catalog.search.wishes import Wish
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


MOST_ROWS = 2**62
STATE = "state"
"""The key under which the statement says at which state of the log it counted."""
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
        return (*self.wish.key, self.only, self.besides)

    def counts(self, key: str) -> bool:
        return key == self.only if self.only is not None else key not in self.besides


async def of(session: Session, wish: Wish, memory: Memory | None = None) -> Facets:
    """Tell, in at most one statement, what is in a list by each of its facets."""
    chosen = tuple(sorted({one.key for one in wish.filters}))
    parts = [Part(wish, None, chosen)]
    parts += [Part(replace(wish, filters=tuple(one for one in wish.filters if one.key != key)), key) for key in chosen]
    counted = await _counted_parts(session, parts, memory or Memory(), is_patient=not wish.eye.sees_hidden)
    return _told([row for rows in counted for row in rows], wish)


async def _counted_parts(
    session: Session, parts: Sequence[Part], memory: Memory, *, is_patient: bool
) -> list[Sequence[Any]]:
    """The counts of each part: those that are known, else counted if the statement finds that something changed."""
    if is_patient and (told := _told_before(parts, memory)) is not None:
        return told
    kept = [memory.recall(part.key) for part in parts]
    state = memory.state()
    counts = [
        count
        for nth, (part, one) in enumerate(zip(parts, kept, strict=True))
        for count in _counts(session, part, nth, has_moved(one, state))
    ]
    began = monotonic()
    rows: Sequence[Any] = (await session.execute(union_all(_state(state), *counts))).all()
    seconds = monotonic() - began
    now = next(memory.learn(row.count, row.value) for row in rows if row.key == STATE)
    found: list[Sequence[Any]] = []
    for nth, (part, one) in enumerate(zip(parts, kept, strict=True)):
        if one is not None and one.state == now:
            memory.renew(part.key, one)
            found.append(one.rows)
            continue
        mine = [row for row in rows if row.part == nth]
        size = next(int(row.count) for row in mine if row.key == SIZE)
        memory.keep(part.key, now, size=size, seconds=seconds, rows=mine)
        found.append(mine)
    return found


def _told_before(parts: Sequence[Part], memory: Memory) -> list[Sequence[Any]] | None:
    """What shoppers may be told without counting, if that is of all parts; it is counted anew when it is time."""
    kept = [one for part in parts if (one := memory.recall(part.key)) is not None and one.may_be_told]
    if len(kept) < len(parts):
        return None
    if not all(one.is_recent for one in kept):
        key = tuple(part.key for part in parts)
        if not memory.count_later(key, lambda later: _counted_parts(later, parts, memory, is_patient=False)):
            return None
    return [one.rows for one in kept]


def _state(state: CTE) -> Select[Any]:
    """The state that was counted at, and how far the log is."""
    columns = _row(STATE, state.c.now, cast(state.c.head, BigInteger))
    return select(*columns, literal_column("-1", Integer).label("part")).select_from(state)


def _counts(session: Session, part: Part, nth: int, is_asked: ColumnElement[bool]) -> list[Select[Any]]:
    conditions = (part.wish.eye.sees(), part.wish.conditions(session))
    joined = products.join(listings, part.wish.eye.listed)
    hits = _only_if(
        is_asked,
        select(products.c.id, products.c.category_id, listings.c.is_available, listings.c.min_amount)
        .select_from(joined)
        .where(*conditions),
    ).cte(f"hits_{nth}")
    is_wide = _is_wide(hits, nth)
    others = not_(func.coalesce(and_(*conditions), false()))
    rest = _only_if(is_wide, select(products.c.id).select_from(joined).where(others))
    counts = [_size(hits)]
    if part.only not in {rules.AVAILABLE, rules.PRICE, rules.CATEGORY}:
        counts.append(_values(part, _Sets(hits, rest.cte(f"rest_{nth}"), is_wide, index.is_sqlite(session))))
        counts.append(_metafields(part, hits, is_asked))
    if part.counts(rules.CATEGORY):
        counts.append(_categories(part, hits, nth))
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


def _only_if(condition: ColumnElement[bool], selection: Select[Any]) -> Select[Any]:
    """Have a selection carried out or not. By a limit: conditions of a scan are only looked at row by row on SQLite."""
    return selection.limit(case((condition, literal(MOST_ROWS, BigInteger)), else_=literal(0, BigInteger)))


def _is_wide(hits: CTE, nth: int) -> ColumnElement[bool]:
    """Whether a list is wide, and has most of the shop's products."""
    size = select(func.count()).select_from(hits).scalar_subquery()
    whole = select(func.count()).select_from(products).scalar_subquery()
    wide = select(case((size > WIDE, 2 * size > whole), else_=false()).label("is_wide")).cte(f"wide_{nth}")
    return select(wide.c.is_wide).scalar_subquery()


def _counted(sets: _Sets, which: ColumnElement[bool]) -> Subquery:
    """How many products have each value. Of a wide list those that it lacks are counted and taken from the whole."""
    c = product_facets.c

    def within(some: CTE, sign: int) -> Select[Any]:
        # Products first, their values then: SQLite thinks that it is the other way round, and reads all values.
        id_ = literal_column(f"+{some.name}.id", some.c.id.type) if sets.is_sqlite else some.c.id
        of = some.join(product_facets, c.product_id == id_)
        return select(c.facet_id, (sign * func.count()).label("n")).select_from(of).where(which).group_by(c.facet_id)

    whole = select(c.facet_id, func.count().label("n")).where(which).group_by(c.facet_id)
    ways = ((sets.is_wide, whole), (sets.is_wide, within(sets.rest, -1)), (~sets.is_wide, within(sets.hits, 1)))
    parts = union_all(*(_only_if(condition, way).subquery().select() for condition, way in ways)).subquery()
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
    number = cast(r.count, BigInteger).label("count")
    return select(r.key, r.value, r.name, r.label, _NO_KIND, number).where(r.place <= MOST_VALUES)


def _metafields(part: Part, hits: CTE, is_asked: ColumnElement[bool]) -> Select[Any]:
    """Count filterable metafields and items of lists; without a public definition only for staff. Labels are JSON."""
    m, d, i = metafields.c, definitions.c, items.c
    defined = and_(d.owner_type == m.owner_type, d.namespace == m.namespace, d.key == m.key)
    single = definitions.join(metafields, defined).join(hits, hits.c.id == m.owner_id)
    of_lists = definitions.join(items, i.definition_id == d.id).join(metafields, m.id == i.metafield_id)
    counted = union_all(
        *(
            _only_if(is_asked, _counted_values(part, source, key, value)).subquery().select()
            for source, key, value in (
                (single, m.filter_key, m.value),
                (of_lists.join(hits, hits.c.id == m.owner_id), i.filter_key, i.value),
            )
        )
    )
    c = counted.subquery().c
    place = func.row_number().over(partition_by=c.key, order_by=(c.count.desc(), c.value))
    of_key: ColumnElement[bool] = c.key == part.only if part.only else c.key.not_in(part.besides)
    r = select(c.key, c.value, c.name, c.label, c.kind, c.count, place.label("place")).where(of_key).subquery().c
    return select(r.key, r.value, r.name, r.label, r.kind, r.count).where(r.place <= MOST_VALUES)


def _counted_values(part: Part, source: FromClause, key: ColumnElement[Any], value: ColumnElement[Any]) -> Select[Any]:
    d = definitions.c
    counted = (
        select(
            (literal(rules.METAFIELD, Text) + d.namespace + "." + d.key).label("key"),
            key.label("value"),
            func.min(cast(d.name, Text)).label("name"),
            func.min(cast(value, Text)).label("label"),
            func.min(cast(d.type, Text)).label("kind"),
            func.count().label("count"),
        )
        .select_from(source)
        .where(d.owner_type == "product", d.is_filterable, key.is_not(None))
        .group_by(d.namespace, d.key, key)
    )
    return counted if part.wish.eye.sees_hidden else counted.where(d.is_public)


def _categories(part: Part, hits: CTE, nth: int) -> Select[Any]:
    """Count each category with all below it; of a list that is a category's, those below that one."""
    c, h = categories.c, hits.c
    own = (
        select(h.category_id, func.count().label("n"))
        .where(h.category_id.is_not(None))
        .group_by(h.category_id)
        .cte(f"own_{nth}")
    )
    climbed = (select(c.id, c.parent_id, own.c.n).join_from(own, categories, c.id == own.c.category_id)).cte(
        f"climbed_{nth}", recursive=True
    )
    above = categories.alias("above").c
    climbed = climbed.union_all(select(above.id, above.parent_id, climbed.c.n).where(above.id == climbed.c.parent_id))
    total = select(climbed.c.id, func.sum(climbed.c.n).label("count")).group_by(climbed.c.id).subquery().c
    is_shown = (
        below(part.wish.category_path) & (c.path != part.wish.category_path) if part.wish.category_path else true()
    )
    # The last part of a path is the category's own id, written alike by both databases.
    id_ = func.substr(c.path, func.length(c.path) - _ID_LENGTH, _ID_LENGTH)
    columns = _row(
        rules.CATEGORY, id_, cast(total.count, BigInteger), name=literal(rules.CATEGORY, Text), label=c.title
    )
    # One that has all its products from another below it stands before that one.
    most_first = (total.count.desc(), c.path)
    return (
        select(*columns).where(c.id == total.id, is_shown).order_by(*most_first).limit(MOST_VALUES).subquery().select()
    )


_ID_LENGTH = 32
"""Letters of an id in a category's path."""


def _size(hits: CTE) -> Select[Any]:
    return select(*_row(SIZE, literal("", Text), func.count())).select_from(hits)


_NO_KIND = cast(null(), Text).label("kind")
"""In place of the kind of a metafield's values."""


def _row(key: str, value: ColumnElement[Any], count: ColumnElement[Any], **others: ColumnElement[Any]) -> list[Any]:
    empty = cast(null(), Text)
    return [
        cast(literal(key), Text).label("key"),
        cast(value, Text).label("value"),
        others.get("name", empty).label("name"),
        others.get("label", empty).label("label"),
        _NO_KIND,
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
    chosen: set[tuple[str, str | None, str]] = set()
    for one in wish.filters:
        if isinstance(one, Has):
            chosen.add((one.key, None, one.value))
        if isinstance(one, Category):
            chosen.add((one.key, None, one.id.hex))
        if isinstance(one, Metafield):
            chosen.update((one.key, kind, value) for kind, value in one.wished.items())
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
            [Count(row.value, row.label, int(row.count), (key, row.kind, row.value) in chosen) for row in found],
        )
        for key, found in by_key.items()
    ]
    return Facets(available, price_range, priced, sorted(others, key=_place))


_FIRST = (rules.CATEGORY, rules.TYPE, rules.VENDOR, rules.TAG)


def _place(facet: Facet) -> tuple[int, str]:
    is_known = facet.key in _FIRST
    return (_FIRST.index(facet.key) if is_known else len(_FIRST), facet.key)
