"""What may people write where they may write anything?"""

from __future__ import annotations

import re

from headless.platform.errors import InvalidInput, Refusal

MAX_TEXT = 5000
DIGITS = re.compile(r"\d(?:[ -]?\d){12,}")
CARD_LENGTHS = range(13, 20)


class CardNumberRefused(Refusal):
    """This text looks like a card number. Card numbers never go here: pay with a provider's token."""


def checked_text(text: str, *path: str | int, longest: int = MAX_TEXT) -> str:
    """Refuse texts that are too long, hold control characters or a card number (PCI DSS: none may be stored)."""
    if len(text) > longest or "\0" in text:
        message = f"A text here has at most {longest} characters and no NUL."
        raise InvalidInput(message, field=path)
    if any(_holds_card_number(match.group()) for match in DIGITS.finditer(text)):
        raise CardNumberRefused(field=path)
    return text


def _holds_card_number(text: str) -> bool:
    """Whether neighboring groups of digits make a card number together: others may stand around them."""
    groups = re.split("[ -]", text)
    for start in range(len(groups)):
        number = ""
        for group in groups[start : start + CARD_LENGTHS.stop]:
            number += group
            if len(number) in CARD_LENGTHS and _is_card_number(number):
                return True
    return False


def _is_card_number(text: str) -> bool:
    digits = [int(char) for char in text]
    doubled = [sum(divmod(2 * digit, 10)) if index % 2 else digit for index, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1
