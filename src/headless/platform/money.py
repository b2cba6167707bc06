"""How is an amount of money held and written? In ISO 4217 minor units, never as a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, Overflow
from functools import cache

from iso4217 import Currency

from headless.platform.errors import InvalidInput

MAX_AMOUNT = 10**15
"""Minor units of one price."""
MAX_TOTAL = 10**18
"""Minor units of one order; what is more leaves BIGINT and no provider takes."""


@cache
def digits(currency: str) -> int:
    """Decimal places of a currency by ISO 4217; raises `InvalidInput` for an unknown code."""
    try:
        return Currency(currency).exponent or 0
    except ValueError:
        message = f"{currency!r} is not an ISO 4217 currency code."
        raise InvalidInput(message) from None


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` counts minor units (cents) of `currency`."""

    amount: int
    currency: str

    def __str__(self) -> str:
        places = digits(self.currency)
        return f"{Decimal(self.amount).scaleb(-places):.{places}f}"


def parse(value: Decimal, currency: str) -> int:
    """Turn a decimal amount into minor units; negative, too precise or too large ones raise `InvalidInput`."""
    places = digits(currency)
    try:
        scaled = value.scaleb(places)
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            message = f"{value} has more than the {places} decimal places of {currency}."
            raise InvalidInput(message)
    except (InvalidOperation, Overflow):
        message = f"{value} is not an amount of money."
        raise InvalidInput(message) from None
    if not 0 <= scaled <= MAX_AMOUNT:
        message = f"An amount must be between 0 and {Money(MAX_AMOUNT, currency)}; {value} is not."
        raise InvalidInput(message)
    return int(scaled)
