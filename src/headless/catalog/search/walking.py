"""How is a page of a long list read without gathering and sorting all of it? By looking at what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, Final

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, and_, case, func, literal, select, true

from headless.catalog.search.filters import Ids

STEPS: Final = 1_000
"""Rows that are looked at one by one before a list is gathered: a page of what one in forty is lies within."""
MOST_ROWS: Final = 2**62
MANY: Final = 1_000
"""Products from which on a set isn't gathered at once."""


def many(sets: Sequence[Sequence[Ids]], name: str = "many") -> CTE:
    """One row: whether each of some sets, each of them a few alternatives, has many products (`are_many`)."""
    return select(and_(true(), *(_size(alternatives) >= MANY for alternatives in sets)).label("are_many")).cte(name)


def are(name: str = "many") -> str:
    """What `many` found, in a statement that has it."""
    return f"(SELECT are_many FROM {name})"  # noqa: S608 - a name of ours


def size_of(name: str) -> str:
    return f"(SELECT count(*) FROM {name})"  # noqa: S608 - likewise


def at_most(number: int, *conditions: str) -> str:
    """A limit by which a selection is carried out only if all conditions hold."""
    return f"CASE WHEN {' AND '.join(conditions)} THEN {number} ELSE 0 END" if conditions else str(number)


def only_if(condition: ColumnElement[bool], selection: Select[Any]) -> Select[Any]:
    """Have a selection carried out or not. By a limit: conditions of a scan are only looked at row by row on SQLite."""
    return selection.limit(case((condition, literal(MOST_ROWS, BigInteger)), else_=literal(0, BigInteger)))


def _size(alternatives: Sequence[Ids]) -> ColumnElement[int]:
    sizes = [select(func.count()).select_from(ids.limit(MANY).subquery()).scalar_subquery() for ids in alternatives]
    return reduce(add, sizes)


def within_reach(
    key: ColumnElement[Any],
    scope: ColumnElement[bool],
    beyond: Sequence[ColumnElement[bool]],
    directed: Sequence[ColumnElement[Any]],
    *,
    is_descending: bool,
) -> ColumnElement[bool]:
    """Whether a row is one of the next, told by the first key of their order: an index is read no further."""
    next_ = select(key).where(scope, *beyond).order_by(*directed).offset(STEPS).limit(1)
    last = select(key).where(scope).order_by(key.asc() if is_descending else key.desc()).limit(1)
    upto = func.coalesce(*(one.correlate(None).scalar_subquery() for one in (next_, last)), type_=key.type)
    return key >= upto if is_descending else key <= upto


def gathered(selection: Select[Any], name: str) -> CTE:
    """A selection that is carried out whole, if at all, before it is sorted.

    Left to itself, PostgreSQL goes through an order that it has, for want of knowing how rare the hits are.
    """
    return selection.cte(name).prefix_with("MATERIALIZED", dialect="postgresql")
