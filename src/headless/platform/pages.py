"""How is a long list read page by page, so that no row is skipped or repeated? By keysets, with Relay's cursors."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Select, literal, tuple_

from headless.platform import crypto
from headless.platform.db import Record, Session
from headless.platform.errors import BadUserInput

DEFAULT = 20
MAXIMUM = 250


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is wanted, as in Relay's cursor connections."""

    limit: int = DEFAULT
    is_backward: bool = False
    after: str | None = None
    before: str | None = None


def window(first: int | None, after: str | None, last: int | None, before: str | None) -> Window:
    """Check paging arguments; raises `BadUserInput`."""
    if first is not None and last is not None:
        message = "Give either `first` or `last`, not both."
        raise BadUserInput(message)
    for name, count in (("first", first), ("last", last)):
        if count is not None and not 0 <= count <= MAXIMUM:
            message = f"`{name}` must be between 0 and {MAXIMUM}."
            raise BadUserInput(message)
    limit = first if first is not None else last if last is not None else DEFAULT
    return Window(limit=limit, is_backward=last is not None, after=after or None, before=before or None)


@dataclass(frozen=True, slots=True)
class Order:
    """A sort: `name` binds cursors to it; `columns` end with a unique one, all in one direction."""

    name: str
    columns: tuple[ColumnElement[Any], ...]
    is_descending: bool = False

    @property
    def tag(self) -> str:
        return f"{self.name}{'-' if self.is_descending else ''}"


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of rows with their cursors, in the list's order."""

    rows: Sequence[Any]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool
    count: Callable[[Session], Any]
    """Counts the whole list when asked."""


async def fetch(
    session: Session, select: Select[Any], *, order: Order, window: Window, count: Callable[[Session], Any]
) -> Slice:
    """Read one page of a selection whose columns are what the caller wants plus, unseen, the sort key."""
    keyed = select.add_columns(*(column.label(f"_key{i}") for i, column in enumerate(order.columns)))
    keyed = keyed.where(*within(order, window)).order_by(*directed(order, window))
    rows = list(await session.execute(keyed.limit(window.limit + 1)))
    has_more = len(rows) > window.limit
    rows = rows[: window.limit]
    if window.is_backward:
        rows.reverse()
    return Slice(
        rows=rows,
        cursors=[_cursor(order, row) for row in rows],
        has_next=window.before is not None if window.is_backward else has_more,
        has_previous=has_more if window.is_backward else window.after is not None,
        count=count,
    )


def within(order: Order, window: Window) -> list[ColumnElement[bool]]:
    """The conditions that a window's cursors are; raises `BadUserInput`."""
    return [
        _beyond(order, position(order, cursor), is_lower=is_lower)
        for cursor, is_lower in ((window.after, True), (window.before, False))
        if cursor is not None
    ]


def directed(order: Order, window: Window) -> list[ColumnElement[Any]]:
    """The sort keys, as a window is read: backward from its end, if it is."""
    descending = order.is_descending != window.is_backward
    return [column.desc() if descending else column.asc() for column in order.columns]


def slice_of(rows: Sequence[Any], *, key: Callable[[Any], uuid.UUID], window: Window) -> Slice:
    """Cut one page out of rows that are already in memory."""
    cursors = [crypto.b64(orjson.dumps(["list", str(key(row))])) for row in rows]
    start, end = 0, len(rows)
    if window.after is not None:
        start = _index(cursors, window.after) + 1
    if window.before is not None:
        end = _index(cursors, window.before)
    low, high = (max(start, end - window.limit), end) if window.is_backward else (start, min(end, start + window.limit))

    async def count(_session: Session) -> int:
        return len(rows)

    return Slice(
        rows=rows[low:high], cursors=cursors[low:high], has_next=high < len(rows), has_previous=low > 0, count=count
    )


def _index(cursors: Sequence[str], cursor: str) -> int:
    try:
        return cursors.index(cursor)
    except ValueError:
        raise BadUserInput(BAD_CURSOR) from None


BAD_CURSOR = "This cursor doesn't belong to this list and sort order. Start again without it."


def _cursor(order: Order, row: Record) -> str:
    keys = tuple(row)[-len(order.columns) :]
    # PostgreSQL's driver has a UUID class of its own.
    return crypto.b64(orjson.dumps([order.tag, *keys], default=str))


def name_of(cursor: str) -> str:
    """Which order a cursor says it belongs to."""
    try:
        loaded = orjson.loads(crypto.unb64(cursor))
    except (ValueError, TypeError, OverflowError):
        raise BadUserInput(BAD_CURSOR) from None
    return loaded[0] if isinstance(loaded, list) and loaded and isinstance(loaded[0], str) else ""


def position(order: Order, cursor: str) -> list[Any]:
    """The sort keys of the row that a cursor stands for; raises `BadUserInput`."""
    try:
        loaded = orjson.loads(crypto.unb64(cursor))
        if not isinstance(loaded, list) or len(loaded) != len(order.columns) + 1 or loaded[0] != order.tag:
            raise BadUserInput(BAD_CURSOR)
        return [_typed(value, column) for value, column in zip(loaded[1:], order.columns, strict=True)]
    except (ValueError, TypeError, OverflowError):
        raise BadUserInput(BAD_CURSOR) from None


def _typed(value: Any, column: ColumnElement[Any]) -> Any:
    kind = column.type.python_type
    if kind is uuid.UUID and isinstance(value, str):
        return uuid.UUID(value)
    if kind is datetime and isinstance(value, str):
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    if kind is str and isinstance(value, str) and "\0" not in value:
        return value
    limit = 2**63 if isinstance(column.type, BigInteger) else 2**31
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < limit:
        return value
    raise ValueError


def _beyond(order: Order, values: Sequence[Any], *, is_lower: bool) -> ColumnElement[bool]:
    bound = tuple_(*(literal(value, column.type) for value, column in zip(values, order.columns, strict=True)))
    keys = tuple_(*order.columns)
    return keys > bound if is_lower != order.is_descending else keys < bound
