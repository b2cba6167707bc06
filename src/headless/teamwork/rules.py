"""What differs between two states of a record, and does a product have what is asked of it? How are people told?"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from uuid import UUID

import orjson

from headless.platform.errors import InvalidInput
from headless.platform.texts import checked_text

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


class ChecklistItemKind(StrEnum):
    """What an item of the checklist before publishing asks for."""

    IMAGE_PRESENT = "IMAGE_PRESENT"
    ALT_TEXTS = "ALT_TEXTS"
    PRICE_IN_EVERY_CHANNEL = "PRICE_IN_EVERY_CHANNEL"
    DESCRIPTION_LONGER_THAN = "DESCRIPTION_LONGER_THAN"
    SEO_SET = "SEO_SET"
    STOCK_TRACKED = "STOCK_TRACKED"
    MANUAL = "MANUAL"


TITLES: Mapping[ChecklistItemKind, str] = {
    ChecklistItemKind.IMAGE_PRESENT: "It has a picture",
    ChecklistItemKind.ALT_TEXTS: "Its pictures are described",
    ChecklistItemKind.PRICE_IN_EVERY_CHANNEL: "It has prices in every channel",
    ChecklistItemKind.DESCRIPTION_LONGER_THAN: "It is described at some length",
    ChecklistItemKind.SEO_SET: "Search engines have something to show",
    ChecklistItemKind.STOCK_TRACKED: "Its stock is tracked",
}
"""What items are called that are given no title."""
GOOD_LENGTH = 150
"""Characters of a description that are advised where the checklist says nothing."""
LONGEST_DESCRIPTION = 100_000


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a checklist needs to know of a product."""

    pictures: int = 0
    undescribed_pictures: int = 0
    description_length: int = 0
    has_seo_title: bool = False
    has_seo_description: bool = False
    variants: int = 0
    untracked_variants: int = 0
    unpriced_channels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """What is asked for. Without an id it is only advice."""

    kind: ChecklistItemKind
    title: str
    parameter: int | None = None
    is_required: bool = False
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Who said when that a manual item is done."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a product has what an item asks for; if not, what to do about it."""

    item: Item
    hint: str | None
    tick: Tick | None = None

    @property
    def is_met(self) -> bool:
        return self.hint is None


def checked_item(kind: ChecklistItemKind, title: str | None, parameter: int | None) -> tuple[str, int | None]:
    """The title and parameter of an item of the checklist; raises `InvalidInput`."""
    needs_parameter = kind is ChecklistItemKind.DESCRIPTION_LONGER_THAN
    if needs_parameter and (parameter is None or not 1 <= parameter <= LONGEST_DESCRIPTION):
        message = f"Say how many characters the description must be longer than, 1 to {LONGEST_DESCRIPTION}."
        raise InvalidInput(message, field=("parameter",))
    if not needs_parameter and parameter is not None:
        message = "Only DESCRIPTION_LONGER_THAN takes a parameter."
        raise InvalidInput(message, field=("parameter",))
    text = (title or "").strip() or TITLES.get(kind, "")
    if not text:
        message = "Say in the title what has to be done: a person will tick it."
        raise InvalidInput(message, field=("title",))
    return checked_text(text, "title", longest=255), parameter


def with_advice(items: Sequence[Item]) -> list[Item]:
    """The checklist, and as advice what it doesn't ask for."""
    asked = {item.kind for item in items}
    lengths = {ChecklistItemKind.DESCRIPTION_LONGER_THAN: GOOD_LENGTH}
    return [*items, *(Item(kind, title, lengths.get(kind)) for kind, title in TITLES.items() if kind not in asked)]


def answer(item: Item, facts: PageFacts, tick: Tick | None = None) -> Answer:
    """Compare a product with an item."""
    return Answer(item, _hint(item, facts, tick), tick)


def score(answers: Sequence[Answer]) -> int:
    """How much of what is asked for and advised there is, in percent."""
    return 100 * sum(one.is_met for one in answers) // len(answers) if answers else 100


def _hint(item: Item, facts: PageFacts, tick: Tick | None) -> str | None:
    wanted = item.parameter or 0
    hints: Mapping[ChecklistItemKind, tuple[bool, str]] = {
        ChecklistItemKind.IMAGE_PRESENT: (facts.pictures > 0, "Add a picture."),
        ChecklistItemKind.ALT_TEXTS: (
            facts.undescribed_pictures == 0,
            f"Write the missing alt texts of pictures: {facts.undescribed_pictures}.",
        ),
        ChecklistItemKind.PRICE_IN_EVERY_CHANNEL: (
            facts.variants > 0 and not facts.unpriced_channels,
            f"Give every variant a price in: {', '.join(facts.unpriced_channels) or 'every channel'}.",
        ),
        ChecklistItemKind.DESCRIPTION_LONGER_THAN: (
            facts.description_length > wanted,
            f"Describe it in more than {wanted} characters; there are {facts.description_length}.",
        ),
        ChecklistItemKind.SEO_SET: (
            facts.has_seo_title and facts.has_seo_description,
            "Write a title and a description for search engines.",
        ),
        ChecklistItemKind.STOCK_TRACKED: (
            facts.variants > 0 and facts.untracked_variants == 0,
            f"Track the stock of all variants; untracked ones: {facts.untracked_variants}.",
        ),
        ChecklistItemKind.MANUAL: (tick is not None, "Do it, then tick it."),
    }
    is_met, hint = hints[item.kind]
    return None if is_met else hint
