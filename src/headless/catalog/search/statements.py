"""How does the database count a list's facets, where no mirror can tell? In one statement, as long as the list is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
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
from headless.catalog.search.models import facets, product_facets
from headless.catalog.search.walking import only_if
from headless.catalog.search.wishes import Part
from headless.platform.db import Session

WIDE: Final = 10_000
"""Products from which on it is looked at what a list lacks, if that is less."""


async def rows(session: Session, parts: Sequence[Part]) -> Sequence[Any]:
    """The values of each part of a list, as `counting.rows` tells them."""
    counts = [count for nth, part in enumerate(parts) for count in _counts(session, part, nth)]
    return (await session.execute(union_all(*counts))).all()


def _counts(session: Session, part: Part, nth: int) -> list[Select[Any]]:
    conditions = (part.wish.eye.sees(), part.wish.conditions(session))
    joined = products.join(listings, part.wish.eye.listed)
    hits = (
        select(products.c.id, products.c.category_id, listings.c.is_available, listings.c.min_amount)
        .select_from(joined)
        .where(*conditions)
        .cte(f"hits_{nth}")
    )
    is_wide = _is_wide(hits, nth)
    others = not_(func.coalesce(and_(*conditions), false()))
    rest = only_if(is_wide, select(products.c.id).select_from(joined).where(others))
    counts = []
    if part.only not in {rules.AVAILABLE, rules.PRICE, rules.CATEGORY}:
        counts.append(_values(part, _Sets(hits, rest.cte(f"rest_{nth}"), is_wide, index.is_sqlite(session))))
        counts.append(_metafields(part, hits))
    if part.counts(rules.CATEGORY):
        counts.append(_categories(part, hits, nth))
    if part.counts(rules.AVAILABLE):
        counts.append(_availability(hits))
    if part.counts(rules.PRICE):
        counts.append(_prices(hits))
    return counts


@dataclass(frozen=True, slots=True)
class _Sets:
    """The products of a list, and all others of the shop, which are gathered only for a wide list."""

    hits: CTE
    rest: CTE
    is_wide: ColumnElement[bool]
    is_sqlite: bool


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
    parts = union_all(*(only_if(condition, way).subquery().select() for condition, way in ways)).subquery()
    total = func.sum(parts.c.n)
    return select(parts.c.facet_id, total.label("number")).group_by(parts.c.facet_id).having(total > 0).subquery()


def _values(part: Part, sets: _Sets) -> Select[Any]:
    f = facets.c
    of_key: ColumnElement[bool] = f.key == part.only if part.only else f.key.not_in(part.besides)
    which = product_facets.c.facet_id.in_(select(f.id).where(f.key == part.only)) if part.only else true()
    counted = _counted(sets, which)
    place = func.row_number().over(partition_by=f.key, order_by=(counted.c.number.desc(), f.value))
    ranked = (
        select(f.key, f.value, f.name, f.label, counted.c.number, place.label("place"))
        .join(counted, counted.c.facet_id == f.id)
        .where(of_key)
        .subquery()
    )
    r = ranked.c
    number = cast(r.number, BigInteger).label("number")
    return select(r.key, r.value, r.name, r.label, _NO_KIND, number).where(r.place <= rules.MOST_VALUES)


def _metafields(part: Part, hits: CTE) -> Select[Any]:
    """Count filterable metafields and items of lists; without a public definition only for staff. Labels are JSON."""
    m, d, i = metafields.c, definitions.c, items.c
    defined = and_(d.owner_type == m.owner_type, d.namespace == m.namespace, d.key == m.key)
    single = definitions.join(metafields, defined).join(hits, hits.c.id == m.owner_id)
    of_lists = definitions.join(items, i.definition_id == d.id).join(metafields, m.id == i.metafield_id)
    counted = union_all(
        *(
            _counted_values(part, source, key, value)
            for source, key, value in (
                (single, m.filter_key, m.value),
                (of_lists.join(hits, hits.c.id == m.owner_id), i.filter_key, i.value),
            )
        )
    )
    c = counted.subquery().c
    place = func.row_number().over(partition_by=c.key, order_by=(c.number.desc(), c.value))
    of_key: ColumnElement[bool] = c.key == part.only if part.only else c.key.not_in(part.besides)
    r = select(c.key, c.value, c.name, c.label, c.kind, c.number, place.label("place")).where(of_key).subquery().c
    return select(r.key, r.value, r.name, r.label, r.kind, r.number).where(r.place <= rules.MOST_VALUES)


def _counted_values(part: Part, source: FromClause, key: ColumnElement[Any], value: ColumnElement[Any]) -> Select[Any]:
    d = definitions.c
    counted = (
        select(
            (literal(rules.METAFIELD, Text) + d.namespace + "." + d.key).label("key"),
            key.label("value"),
            func.min(cast(d.name, Text)).label("name"),
            func.min(cast(value, Text)).label("label"),
            func.min(cast(d.type, Text)).label("kind"),
            func.count().label("number"),
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
    total = select(climbed.c.id, func.sum(climbed.c.n).label("number")).group_by(climbed.c.id).subquery().c
    is_shown = (
        below(part.wish.category_path) & (c.path != part.wish.category_path) if part.wish.category_path else true()
    )
    # The last part of a path is the category's own id, written alike by both databases.
    id_ = func.substr(c.path, func.length(c.path) - _ID_LENGTH, _ID_LENGTH)
    columns = _row(
        rules.CATEGORY, id_, cast(total.number, BigInteger), name=literal(rules.CATEGORY, Text), label=c.title
    )
    # One that has all its products from another below it stands before that one.
    most_first = (total.number.desc(), c.path)
    return (
        select(*columns)
        .where(c.id == total.id, is_shown)
        .order_by(*most_first)
        .limit(rules.MOST_VALUES)
        .subquery()
        .select()
    )


_ID_LENGTH = 32
"""Letters of an id in a category's path."""


_NO_KIND = cast(null(), Text).label("kind")
"""In place of the kind of a metafield's values."""


def _row(key: str, value: ColumnElement[Any], number: ColumnElement[Any], **others: ColumnElement[Any]) -> list[Any]:
    empty = cast(null(), Text)
    return [
        cast(literal(key), Text).label("key"),
        cast(value, Text).label("value"),
        others.get("name", empty).label("name"),
        others.get("label", empty).label("label"),
        _NO_KIND,
        number.label("number"),
    ]


def _availability(hits: CTE) -> Select[Any]:
    h = hits.c
    columns = _row(rules.AVAILABLE, case((h.is_available, "true"), else_="false"), func.count())
    return select(*columns).select_from(hits).group_by(h.is_available)


def _prices(hits: CTE) -> Select[Any]:
    h = hits.c
    least, most = (cast(cast(bound(h.min_amount), BigInteger), Text) for bound in (func.min, func.max))
    return select(*_row(rules.PRICE, least, func.count(), label=most)).select_from(hits)
