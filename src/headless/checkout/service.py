"""How does a checkout start, end and expire? Whoever changes one holds its cart's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from headless.cart import service as carts
from headless.cart.errors import CartCompleted
from headless.cart.events import CartChanged
from headless.cart.models import carts as cart_table
from headless.cart.rules import Notice
from headless.checkout.errors import CheckoutInProgress, CheckoutNotStarted
from headless.checkout.models import checkouts
from headless.checkout.rules import LIVE, PAYING, CheckoutStatus
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.platform import clock, failpoints, ids, outbox
from headless.platform.db import Record, Session

MAX_RENEWALS = 4
"""How often a buyer may have his reservation made longer before it runs out."""
MORE_ACTIONS = 2
"""How often beyond that, to do what his payment asks of him."""


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long things are held."""

    reservation: timedelta
    cart_lifetime: timedelta


async def live(session: Session, cart_id: UUID) -> Record | None:
    """The checkout of a locked cart that is under way or completed."""
    c = checkouts.c
    return (
        await session.execute(select(checkouts).where(c.cart_id == cart_id, c.status.in_(LIVE)).with_for_update())
    ).first()


async def edit(
    session: Session, cart_id: UUID, *, terms: Terms, values: Mapping[str, Any] | None = None
) -> tuple[Record, list[Notice]]:
    """Lock a cart and change its columns; an open checkout of it is cancelled.

    Raises `NotFound`, `CartCompleted`, or `CheckoutInProgress` while a payment is under way.
    """
    cart = await carts.change(session, cart_id, lifetime=terms.cart_lifetime, values=values)
    current = await live(session, cart_id)
    if current is None:
        return cart, []
    refuse_late(current)
    await end(session, current, CheckoutStatus.CANCELLED, reason="checkout_cancelled")
    message = "The cart changed, so its checkout was cancelled and the stock given back. Start it again."
    return cart, [Notice("CHECKOUT_CANCELLED", message, current.id)]


async def renew(session: Session, cart_id: UUID, *, terms: Terms) -> Record | None:
    """Hold the stock of a cart's open checkout longer, a limited number of times: nobody can keep it for ever.

    None: it has none, or its time was over and it is ended now. Raises `CartCompleted` or `CheckoutInProgress`.
    """
    await carts.lock_all(session, [cart_id])
    current, at = await live(session, cart_id), clock.now()
    if current is None:
        return None
    refuse_late(current)
    if current.expires_at <= at:
        await end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")
        return None
    if current.renewals >= MAX_RENEWALS:
        return current
    outbox.record(session, CartChanged(cart_id))
    return await change(session, current.id, expires_at=at + terms.reservation, renewals=current.renewals + 1)


async def begin_payment(session: Session, checkout: Record, payment_id: UUID) -> Record:
    """Note that an open checkout is being paid: from now on its reservation doesn't expire."""
    outbox.record(session, CartChanged(checkout.cart_id))
    return await change(session, checkout.id, status=CheckoutStatus.PAYMENT_PENDING, payment_id=payment_id)


async def reopen(session: Session, checkout: Record, *, terms: Terms, wants_action: bool) -> Record:
    """Leave a checkout to its buyer again whose payment wants an action or ended without money.

    That gives him time as a renewal does, and as often: who keeps failing to pay can't keep the stock for ever.
    Two actions more get their time, so that nobody's runs out while he confirms, only because he chose slowly.
    """
    status = CheckoutStatus.ACTION_REQUIRED if wants_action else CheckoutStatus.OPEN
    outbox.record(session, CartChanged(checkout.cart_id))
    if checkout.renewals >= MAX_RENEWALS + (MORE_ACTIONS if wants_action else 0):
        return await change(session, checkout.id, status=status)
    until = max(checkout.expires_at, clock.now() + terms.reservation)
    return await change(session, checkout.id, status=status, expires_at=until, renewals=checkout.renewals + 1)


async def cancel(session: Session, cart_id: UUID) -> Record:
    """Give a cart's reservation back; raises `CartCompleted`, `CheckoutInProgress`, `CheckoutNotStarted`."""
    cart = await carts.lock(session, cart_id)
    current = await live(session, cart.id)
    if current is None:
        raise CheckoutNotStarted(field=("cartId",))
    refuse_late(current)
    return await end(session, current, CheckoutStatus.CANCELLED, reason="checkout_cancelled")


async def end(session: Session, checkout: Record, status: CheckoutStatus, *, reason: str) -> Record:
    """End a checkout without an order: what it holds goes back on sale."""
    ended = await change(session, checkout.id, status=status)
    await inventory.release(session, checkout.id, Why(reason, "checkout", ids.encode("checkout", checkout.id)))
    outbox.record(session, CartChanged(checkout.cart_id))
    return ended


async def expire(session: Session, checkout: Record) -> None:
    """End an open checkout whose time is over, unless somebody was quicker."""
    await session.execute(select(cart_table.c.id).where(cart_table.c.id == checkout.cart_id).with_for_update())
    current = await live(session, checkout.cart_id)
    if current is None or current.id != checkout.id or current.status != CheckoutStatus.OPEN:
        return
    if current.expires_at <= clock.now():
        failpoints.reach("checkout.before_expiry")
        await end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")
        failpoints.reach("checkout.before_expiry_commit")


async def change(session: Session, checkout_id: UUID, **values: Any) -> Record:
    """Write columns of a checkout whose cart is locked."""
    changed = await session.execute(
        update(checkouts)
        .where(checkouts.c.id == checkout_id)
        .values(**values, updated_at=clock.now())
        .returning(*checkouts.c)
    )
    return changed.one()


def refuse_late(current: Record) -> None:
    """Raise `CartCompleted` or `CheckoutInProgress` for a checkout that can't be changed any more."""
    if current.status == CheckoutStatus.COMPLETED:
        raise CartCompleted(field=("cartId",))
    if current.status in PAYING:
        raise CheckoutInProgress(field=("cartId",))
