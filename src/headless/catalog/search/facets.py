"""What can a list be narrowed to, and how many products would be left?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)

from headless.catalog.models import listings, products
from headless.catalog.search import rules
from headless.catalog.search.filters import Has
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


async def of(session: Session, wish: Wish) -> Facets:
    """Count, in one statement, what is in a list by each of its facets."""
    chosen = {one.key for one in wish.filters}
    everything = _hits(session, wish, None)
    narrowed = {key: _hits(session, wish, key) for key in sorted(chosen)}
    keys = sorted(key for key in chosen if key not in {rules.AVAILABLE, rules.PRICE})
    wanted = {one.key: one for one in wish.filters}
    counts = [_values(everything, facets.c.key.not_in(keys) if keys else true())]
    counts += [_values(narrowed[key], facets.c.key == key) for key in keys]
    for key, count in ((rules.AVAILABLE, _availability), (rules.PRICE, _prices)):
        counts.append(count(narrowed[key] if key in wanted else everything))
    rows = (await session.execute(union_all(*counts))).all()
    return _told(rows, wish)


def _hits(session: Session, wish: Wish, but: str | None) -> CTE:
    found = (
        select(products.c.id, listings.c.is_available, listings.c.min_amount)
        .select_from(products.join(listings, wish.eye.listed))
        .where(wish.eye.sees(), wish.conditions(session, but=but))
    )
    return found.cte(f"hits_{'all' if but is None else rules.facet_id(but, '') & 0xFFFFFFFF}")


def _values(hits: CTE, which: ColumnElement[bool]) -> Select[Any]:
    c, f = product_facets.c, facets.c
    counted = (
        select(c.facet_id, func.count().label("count"))
        .select_from(hits.join(product_facets, c.product_id == hits.c.id))
        .group_by(c.facet_id)
        .subquery()
    )
    place = func.row_number().over(partition_by=f.key, order_by=(counted.c.count.desc(), f.value))
    ranked = (
        select(f.key, f.value, f.name, f.label, counted.c.count, place.label("place"))
        .join(counted, counted.c.facet_id == f.id)
        .where(which)
        .subquery()
    )
    r = ranked.c
    return select(r.key, r.value, r.name, r.label, r.count).where(r.place <= MOST_VALUES)


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
    chosen = {(one.key, one.value): one for one in wish.filters if isinstance(one, Has)}
    available, price_range, priced = {}, None, 0
    by_key: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
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
