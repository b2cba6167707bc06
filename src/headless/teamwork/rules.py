"""What differs between two states of a record, and how are people told?"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

import orjson

MOST_TOLD = 5
"""Revisions that a refusal spells out."""
MOST_SHOWN = 60
"""Characters of a value in a sentence."""

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a field, named as in the database; both values are ready for JSON."""

    field: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class Revised:
    """Who brought a record to a version, when, and what that changed."""

    version: int
    actor: str
    changed_at: datetime
    changes: tuple[Change, ...]


def plain(value: object) -> Json:
    """A column's value as JSON holds it."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return value
        case datetime():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case Iterable():
            return [plain(one) for one in value]
    message = f"a {type(value).__name__} has no place in a history"
    raise TypeError(message)


def differences(row: object, values: Mapping[str, object], *, without: Container[str] = ()) -> list[Change]:
    """What new values change of a row, but for columns that only follow from others."""
    wanted = ((name, plain(getattr(row, name)), plain(value)) for name, value in values.items() if name not in without)
    return [Change(name, before, after) for name, before, after in wanted if before != after]


def folded(history: Iterable[Revised]) -> dict[str, Change]:
    """What revisions in their order changed altogether; what was changed back is left out."""
    found: dict[str, Change] = {}
    for revised in history:
        for change in revised.changes:
            first = found.get(change.field, change)
            found[change.field] = Change(change.field, first.before, change.after)
    return {name: change for name, change in found.items() if change.before != change.after}


def stale_message(seen: int, current: int, history: Sequence[Revised], *, changed_by: str, changed_at: datetime) -> str:
    """Tell who changed what since a version; without a history, who was last."""
    if not history:
        what = f"last changed by {changed_by} at {_instant(changed_at)}"
    else:
        told = [_told(revised) for revised in history[-MOST_TOLD:]]
        if len(history) > MOST_TOLD:
            told.insert(0, f"{len(history) - MOST_TOLD} earlier changes")
        what = "; ".join(told)
    return f"You saw version {seen}; it is now version {current}: {what}. Read it again and repeat your change."


def api_name(name: str) -> str:
    """A column's name as the API has it; what follows a dot is somebody's own word."""
    head, dot, rest = name.partition(".")
    first, *others = NAMES.get(head, head).split("_")
    return first + "".join(part.capitalize() for part in others) + dot + rest


NAMES = {
    "is_tracked": "tracked",
    "is_preorder": "preorder",
    "is_bundle": "bundle",
    "seo_title": "seo.title",
    "seo_description": "seo.description",
}
"""Columns that the API calls otherwise."""


def _told(revised: Revised) -> str:
    changed = ", ".join(
        f"{api_name(change.field)} from {_short(change.before)} to {_short(change.after)}" for change in revised.changes
    )
    return f"{revised.actor} changed {changed or 'no field'} at {_instant(revised.changed_at)}"


def _short(value: Json) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
