"""What is wrong with the amounts that someone wants, and what does a variant's history tell of its prices?"""

from __future__ import annotations

from decimal import Decimal

from headless.platform import money
from headless.platform.db import Record
from headless.platform.errors import InvalidInput, Refusal
from headless.pricing.service import NewPrice
from headless.teamwork.rules import Change


def told_changes(row: Record | None, price: NewPrice, channel: Record) -> list[Change]:
    """What a variant's history tells of its new price in a channel."""

    def told(amount: int | None) -> str | None:
        return None if amount is None else str(money.Money(amount, channel.currency_code))

    old = (told(row.amount), told(row.compare_at_amount)) if row is not None else (None, None)
    names = (f"price.{channel.handle}", f"compare_at_price.{channel.handle}")
    new = (told(price.amount), told(price.compare_at_amount))
    return [Change(*one) for one in zip(names, old, new, strict=True) if one[1] != one[2]]


def parsed(value: Decimal | None, currency: str, problems: list[Refusal], at: tuple[str | int, ...]) -> int | None:
    """A decimal amount in minor units; what can't be one is a problem more, and None."""
    if value is None:
        return None
    try:
        return money.parse(value, currency)
    except InvalidInput as refusal:
        problems.append(refusal.at(*at))
        return None


def check_order(
    amount: int | None, compare_at: int | None, currency: str, problems: list[Refusal], *, index: int
) -> None:
    """Find a compare-at price that is below the price: a problem more."""
    if amount is not None and compare_at is not None and compare_at < amount:
        message = (
            f"The compare-at price {money.Money(compare_at, currency)} is below the price "
            f"{money.Money(amount, currency)}; it is the higher price of before, or none."
        )
        problems.append(InvalidInput(message, field=("variants", index, "compareAtPrice")))


def is_amount(value: Decimal, amount: int | None, currency: str) -> bool:
    """Whether a decimal amount is one in minor units; what can't be an amount is none."""
    try:
        return money.parse(value, currency) == amount
    except InvalidInput:
        return False
