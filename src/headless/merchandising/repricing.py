"""How do prices of variants that there are change, those of one product or of many at once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from headless.catalog import variants as catalog_variants
from headless.inventory import ledger
from headless.merchandising import amounts
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, Refusal, Refused
from headless.pricing import queries as pricing_queries
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from headless.shop import queries as shop_queries
from headless.teamwork import revisions


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "UNSET"


UNSET: Final = Unset.UNSET
"""Stands where a change leaves a value as it is; None would clear it."""


@dataclass(frozen=True, slots=True)
class VariantChange:
    """What becomes of a variant, if it is still the version that the caller saw."""

    id: UUID
    expected_version: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    price: Decimal | Unset = UNSET
    compare_at_price: Decimal | Unset | None = UNSET


async def change_prices(
    session: Session, of_products: Mapping[UUID, Sequence[VariantChange]], *, channel: Record, actor: str
) -> None:
    """Change nothing but prices in one channel, of products that the caller holds, in few statements and all or none.

    Raises `StaleObject`, and `Refused` or `InvalidInput` for what `wanted` refuses, too.
    """
    versions = {
        product_id: {change.id: change.expected_version for change in changes}
        for product_id, changes in of_products.items()
    }
    await catalog_variants.touch(session, versions, actor=actor)
    await write(session, of_products, channel)


async def write(session: Session, of_products: Mapping[UUID, Sequence[VariantChange]], channel: Record) -> None:
    """Write the prices that changes bring, and have each variant's history tell of its own."""
    variant_ids = [change.id for changes in of_products.values() for change in _priced(changes).values()]
    known = await pricing_queries.prices_by_variant(session, variant_ids, channel.id)
    new: dict[UUID, NewPrice] = {}
    for changes in of_products.values():
        new |= wanted(changes, known, channel)
    if new:
        await shop_queries.confirm_currency(session, channel)
    if await pricing.set_prices(session, channel.id, new):
        await ledger.refresh_availability(session, list(of_products))
    for variant_id, price in new.items():
        revisions.add(session, "variant", variant_id, *amounts.told_changes(known.get(variant_id), price, channel))


def wanted(changes: Sequence[VariantChange], known: Mapping[UUID, Record], channel: Record) -> dict[UUID, NewPrice]:
    """The prices that changes of one product lead to from the known ones; raises `Refused` with all that is wrong."""
    currency: str = channel.currency_code
    problems: list[Refusal] = []
    new: dict[UUID, NewPrice] = {}
    for index, change in _priced(changes).items():
        row = known.get(change.id)
        amount: int | None = row.amount if row is not None else None
        compare_at: int | None = row.compare_at_amount if row is not None else None
        if not isinstance(change.price, Unset):
            amount = amounts.parsed(change.price, currency, problems, ("variants", index, "price"))
        elif amount is None:
            message = "The variant has no price in this channel yet: give one."
            problems.append(InvalidInput(message, field=("variants", index, "price")))
        if not isinstance(change.compare_at_price, Unset):
            compare_at = amounts.parsed(
                change.compare_at_price, currency, problems, ("variants", index, "compareAtPrice")
            )
        amounts.check_order(amount, compare_at, currency, problems, index=index)
        new[change.id] = NewPrice(amount or 0, compare_at)
    if problems:
        raise Refused(problems)
    return new


def _priced(changes: Sequence[VariantChange]) -> dict[int, VariantChange]:
    """Those that bring a price, by their places."""
    return {
        index: change
        for index, change in enumerate(changes)
        if change.price is not UNSET or change.compare_at_price is not UNSET
    }
