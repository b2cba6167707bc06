"""How much of a variant may one customer have, in all orders and checkouts together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from headless.catalog.models import variants
from headless.inventory.errors import MaxQuantityExceeded
from headless.inventory.models import limited_purchases
from headless.inventory.rules import Purchase
from headless.platform.columns import any_of
from headless.platform.db import Session
from headless.platform.errors import Refused


class Buying(Protocol):
    """An owner's purchases and whose they are."""

    @property
    def owner_id(self) -> UUID: ...
    @property
    def buyer(self) -> bytes | None: ...
    @property
    def purchases(self) -> Sequence[Purchase]: ...


async def exceeded(session: Session, wishes: Sequence[Buying]) -> Mapping[UUID, Refused]:
    """Answer by owner who would have too much. Whoever else buys the same variants waits for this transaction."""
    limited = [wish for wish in wishes if wish.purchases and wish.buyer is not None]
    if not limited:
        return {}
    variant_ids = sorted({purchase.variant_id for wish in limited for purchase in wish.purchases})
    await session.execute(
        select(variants.c.id).where(any_of(variants.c.id, variant_ids)).order_by(variants.c.id)
        .with_for_update(key_share=True)
    )  # fmt: skip
    c = limited_purchases.c
    had = await session.execute(
        select(c.variant_id, c.buyer, func.sum(c.quantity))
        .where(any_of(c.variant_id, variant_ids), c.buyer.in_({wish.buyer for wish in limited}))
        .group_by(c.variant_id, c.buyer)
    )
    taken = {(variant_id, buyer): int(units) for variant_id, buyer, units in had}
    refused: dict[UUID, Refused] = {}
    for wish in limited:
        wanted = _summed(wish.purchases)
        refusals = [
            _refusal(purchase, taken.get((purchase.variant_id, wish.buyer), 0))
            for purchase in wanted
            if taken.get((purchase.variant_id, wish.buyer), 0) + purchase.quantity > purchase.limit
        ]
        if refusals:
            refused[wish.owner_id] = Refused(refusals)
            continue
        for purchase in wanted:
            key = (purchase.variant_id, wish.buyer)
            taken[key] = taken.get(key, 0) + purchase.quantity
    return refused


async def keep(session: Session, wishes: Sequence[Buying]) -> None:
    """Write down what was bought against a limit."""
    rows = [
        {
            "owner_id": wish.owner_id,
            "variant_id": purchase.variant_id,
            "buyer": wish.buyer,
            "quantity": purchase.quantity,
        }
        for wish in wishes
        if wish.buyer is not None
        for purchase in _summed(wish.purchases)
    ]
    if rows:
        await session.execute(insert(limited_purchases), rows)


async def forget(session: Session, owner_id: UUID) -> None:
    """Let the buyer have again what a checkout or order didn't become or is no more."""
    await session.execute(delete(limited_purchases).where(limited_purchases.c.owner_id == owner_id))


def _summed(purchases: Sequence[Purchase]) -> list[Purchase]:
    sums: dict[UUID, Purchase] = {}
    for purchase in purchases:
        before = sums.get(purchase.variant_id)
        units = purchase.quantity + (before.quantity if before else 0)
        sums[purchase.variant_id] = Purchase(purchase.line_id, purchase.variant_id, units, purchase.limit)
    return list(sums.values())


def _refusal(purchase: Purchase, had: int) -> MaxQuantityExceeded:
    left = max(0, purchase.limit - had)
    message = f"One customer may buy {purchase.limit} of this; {left} are left for you. Lower the quantity."
    refusal = MaxQuantityExceeded(message)
    refusal.target = purchase.line_id
    return refusal
