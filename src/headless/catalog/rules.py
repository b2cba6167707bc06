"""What makes a product and its variants well-formed?"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import nh3

from headless.platform.errors import InvalidInput

MAX_OPTIONS = 5
MAX_VARIANTS = 2048
MAX_LIMIT = 1_000_000
"""Units in one limit of a variant's sales."""
MAX_TITLE = 255
HANDLE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "\u0131": "i"}
)
BREAKS = re.compile(r"<(?:br|/p|/li|/h[1-6]|/div|/tr)[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Option:
    """A way in which variants differ, with its values in their order."""

    name: str
    values: tuple[str, ...]


Selected = tuple[tuple[str, str], ...]
"""Option names with the values of one variant."""


def fold(text: str) -> str:
    """Text as it is searched and sorted: lower case, without accents, one space between words."""
    if text.isascii():
        return " ".join(text.lower().split())
    # Decomposed first, since letters in disguise have no lower case; and once more, since lower case brings accents.
    lowered = unicodedata.normalize("NFKD", text).casefold().translate(LETTERS)
    plain = "".join(char for char in unicodedata.normalize("NFKD", lowered) if not unicodedata.combining(char))
    return " ".join(plain.casefold().split())


def slug(title: str) -> str:
    """A handle made from a title."""
    return re.sub(r"[^a-z0-9]+", "-", fold(title)).strip("-")[:MAX_TITLE].strip("-") or "product"


def sanitize(markup: str) -> str:
    """Keep the harmless part of merchants' HTML."""
    return nh3.clean(markup)


def plain_text(markup: str) -> str:
    """The words of an HTML text."""
    return " ".join(html.unescape(nh3.clean(BREAKS.sub(" \\g<0>", markup), tags=set())).split())


def checked_title(title: str) -> str:
    title = title.strip()
    if not title or len(title) > MAX_TITLE or "\0" in title:
        message = f"A title has 1 to {MAX_TITLE} characters."
        raise InvalidInput(message, field=("title",))
    return title


def checked_handle(handle: str) -> str:
    if not HANDLE.fullmatch(handle) or len(handle) > MAX_TITLE:
        message = f"A handle has lower-case letters, digits and single hyphens, like `blue-mug`; {handle!r} has not."
        raise InvalidInput(message, field=("handle",))
    return handle


def checked_label(text: str, *path: str | int) -> str:
    """Refuse what is too long for something that is sorted or found by: vendors, types, SKUs, references."""
    if len(text) > MAX_TITLE or "\0" in text:
        message = f"This has at most {MAX_TITLE} characters."
        raise InvalidInput(message, field=path)
    return text


def checked_units(units: int | None, *path: str | int, least: int) -> int | None:
    """Refuse a limit of units that is none; None: unlimited."""
    if units is not None and not least <= units <= MAX_LIMIT:
        message = f"This is a number of units between {least} and {MAX_LIMIT}."
        raise InvalidInput(message, field=path)
    return units


def checked_options(options: Sequence[Option]) -> tuple[Option, ...]:
    """Refuse too many, repeated or empty options."""
    if len(options) > MAX_OPTIONS:
        message = f"A product has at most {MAX_OPTIONS} options."
        raise InvalidInput(message, field=("options",))
    names = [option.name.strip() for option in options]
    for index, option in enumerate(options):
        values = [value.strip() for value in option.values]
        if not names[index] or not all(values) or not values:
            message = "An option has a name and at least one value, none of them empty."
            raise InvalidInput(message, field=("options", index))
        for text in (names[index], *values):
            checked_label(text, "options", index)
        if len(set(values)) < len(values) or names.count(names[index]) > 1:
            message = f"Option {names[index]!r} or one of its values stands twice."
            raise InvalidInput(message, field=("options", index))
    return tuple(
        Option(name, tuple(value.strip() for value in option.values))
        for name, option in zip(names, options, strict=True)
    )


def checked_selection(options: Sequence[Option], selected: Iterable[tuple[str, str]]) -> Selected:
    """Bring a variant's option values into the product's order; each option must be answered once."""
    given = [(name.strip(), value.strip()) for name, value in selected]
    chosen = dict(given)
    wanted = [option.name for option in options]
    if len(chosen) != len(given) or set(chosen) != set(wanted):
        message = f"A variant names each option of its product once ({', '.join(wanted) or 'there are none'})."
        raise InvalidInput(message, field=("selectedOptions",))
    if not all(chosen.values()):
        message = "An option's value is empty."
        raise InvalidInput(message, field=("selectedOptions",))
    for value in chosen.values():
        checked_label(value, "selectedOptions")
    return tuple((name, chosen[name]) for name in wanted)


def with_values(options: Sequence[Option], selections: Iterable[Selected]) -> tuple[Option, ...]:
    """The options, grown by the values that variants bring along."""
    values = {option.name: dict.fromkeys(option.values) for option in options}
    for selected in selections:
        for name, value in selected:
            values[name][value] = None
    return tuple(Option(option.name, tuple(values[option.name])) for option in options)


def variant_title(selected: Selected) -> str:
    return " / ".join(value for _name, value in selected) or "Default Title"


def options_key(selected: Selected) -> str:
    """Equal exactly for variants with the same option values, and short enough for an index however long they are."""
    joined = "\x1f".join(f"{name}\x1e{value}" for name, value in selected)
    return sha256(joined.encode()).hexdigest()


def normal_tags(tags: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(tag for tag in (tag.strip() for tag in tags) if tag))
