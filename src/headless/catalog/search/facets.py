"""What can a list be narrowed to, and how many products would be left?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headless.catalog.search import counting, rules, statements
from headless.catalog.search.filters import Category, Has, Metafield
from headless.catalog.search.mirror import Mirror
from headless.catalog.search.wishes import Part, Wish
from headless.platform.db import Session


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


async def of(session: Session, wish: Wish, mirror: Mirror | None = None) -> Facets:
    """Tell what is in a list by each of its facets; without a mirror that can tell, one statement counts it."""
    chosen = tuple(sorted({one.key for one in wish.filters}))
    parts = [Part(wish, None, chosen)]
    parts += [Part(replace(wish, filters=tuple(one for one in wish.filters if one.key != key)), key) for key in chosen]
    told = await counting.rows(session, mirror, wish, parts) if mirror is not None else None
    return _told(await statements.rows(session, parts) if told is None else told, wish)


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
        if row.key == rules.AVAILABLE:
            available[row.value == "true"] = int(row.number)
        elif row.key == rules.PRICE:
            priced = int(row.number)
            price_range = (int(row.value), int(row.label)) if priced else None
        else:
            by_key[row.key].append(row)
    others = [
        Facet(
            key,
            min(row.name for row in found),
            [Count(row.value, row.label, int(row.number), (key, row.kind, row.value) in chosen) for row in found],
        )
        for key, found in by_key.items()
    ]
    return Facets(available, price_range, priced, sorted(others, key=_place))


_FIRST = (rules.CATEGORY, rules.TYPE, rules.VENDOR, rules.TAG)


def _place(facet: Facet) -> tuple[int, str]:
    is_known = facet.key in _FIRST
    return (_FIRST.index(facet.key) if is_known else len(_FIRST), facet.key)
