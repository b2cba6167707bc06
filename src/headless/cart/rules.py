"""What is a well-formed cart, and what would stop its checkout?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from headless.cart.errors import (
    DeliveryAddressMissing,
    DeliveryOptionMissing,
    DeliveryOptionUnavailable,
    EmailMissing,
    NoLines,
    NotAvailable,
    PriceChanged,
)
from headless.inventory.errors import InvalidQuantity, MaxQuantityExceeded, OutOfStock
from headless.platform.errors import InvalidInput, Refusal
from headless.platform.texts import checked_text
from headless.pricing.rules import MAX_UNITS

MAX_LINES = 250
MAX_ATTRIBUTES = 50
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]+\.[^@\s\x00-\x1f]{2,}")

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a variant is offered at right now; `quantity` None: as many as wanted."""

    variant_id: UUID
    product_id: UUID
    product_title: str
    variant_title: str
    sku: str | None
    amount: int
    compare_at_amount: int | None
    quantity: int | None
    selected_options: tuple[tuple[str, str], ...] = ()
    is_bundle: bool = False
    max_per_order: int | None = None
    max_per_customer: int | None = None

    @property
    def limit(self) -> int | None:
        """The most that one order may hold, whatever there is."""
        limits = [limit for limit in (self.max_per_order, self.max_per_customer) if limit is not None]
        return min(limits, default=None)

    def grants(self, wanted: int) -> int:
        """How many of the wanted units can be had: no more than there are, nor than one order may hold."""
        return max(0, min(limit for limit in (wanted, self.quantity, self.limit) if limit is not None))


@dataclass(frozen=True, slots=True)
class Line:
    """A cart's line with its present offer; no offer: it can't be bought."""

    id: UUID
    variant_id: UUID
    quantity: int
    attributes: Attributes
    shown_amount: int
    offer: Offer | None

    @property
    def unit_amount(self) -> int:
        return self.offer.amount if self.offer else self.shown_amount


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line that the shopper wants to add."""

    variant_id: UUID
    quantity: int = 1
    attributes: Attributes = ()


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address. Only the country is always known."""

    country_code: str
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    zone_code: str | None = None
    postal_code: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something was adjusted but not refused."""

    code: str
    message: str
    target: UUID | None = None


def checked_quantity(quantity: int, *path: str | int, least: int = 1) -> int:
    if not least <= quantity <= MAX_UNITS:
        message = f"A quantity is between {least} and {MAX_UNITS}; {quantity} is not."
        raise InvalidQuantity(message, field=path)
    return quantity


def checked_email(email: str) -> str:
    email = email.strip()
    if len(email) > 254 or not EMAIL.fullmatch(email):  # noqa: PLR2004 - RFC 5321, section 4.5.3.1.3
        message = "This is no e-mail address."
        raise InvalidInput(message)
    return email


def checked_attributes(attributes: Iterable[tuple[str, str]], *path: str | int) -> Attributes:
    checked = tuple(
        (checked_text(key.strip(), *path, longest=255), checked_text(value, *path)) for key, value in attributes
    )
    keys = [key for key, _value in checked]
    if len(checked) > MAX_ATTRIBUTES or not all(keys) or len(set(keys)) < len(keys):
        message = f"There are at most {MAX_ATTRIBUTES} attributes, each with a key of its own that isn't empty."
        raise InvalidInput(message, field=path)
    return checked


def attributes_key(attributes: Attributes) -> str:
    """Equal exactly for the same attributes in any order, and short enough for an index however long they are."""
    joined = "\x1f".join(f"{key}\x1e{value}" for key, value in sorted(attributes))
    return sha256(joined.encode()).hexdigest()


def problems(
    *, email: str | None, address: Mapping[str, Any] | None, rate_id: UUID | None, rate_ids: Sequence[UUID],
    lines: Sequence[Line],
) -> list[Refusal]:  # fmt: skip
    """Everything that would stop a checkout now, lines named by `target`."""
    found: list[Refusal] = []
    if not lines:
        found.append(NoLines())
    if not email:
        found.append(EmailMissing())
    if address is None or not (address.get("address1") and address.get("city")):
        found.append(DeliveryAddressMissing())
    elif not rate_ids:
        message = "Nothing can be delivered to this address from here. Choose another one."
        found.append(DeliveryOptionUnavailable(message))
    elif rate_id is None:
        found.append(DeliveryOptionMissing())
    elif rate_id not in rate_ids:
        found.append(DeliveryOptionUnavailable())
    return found + _line_problems(lines)


def _line_problems(lines: Sequence[Line]) -> list[Refusal]:
    found: list[Refusal] = []
    wanted: dict[UUID, int] = {}
    for line in lines:
        if line.offer is None:
            found.append(_about(line, NotAvailable()))
            continue
        wanted[line.variant_id] = wanted.get(line.variant_id, 0) + line.quantity
        if line.offer.limit is not None and wanted[line.variant_id] > line.offer.limit:
            message = f"At most {line.offer.limit} may be bought at once. Lower the quantity."
            found.append(_about(line, MaxQuantityExceeded(message)))
        elif line.offer.grants(wanted[line.variant_id]) < wanted[line.variant_id]:
            message = f"Only {line.offer.grants(wanted[line.variant_id])} left. Lower the quantity or remove the line."
            found.append(_about(line, OutOfStock(message)))
        if line.offer.amount != line.shown_amount:
            found.append(_about(line, PriceChanged()))
    return found


def _about(line: Line, refusal: Refusal) -> Refusal:
    refusal.target = line.id
    return refusal
