"""How does a checkout start, end and expire? Every step holds the cart's lock: steps of one cart follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from headless.cart import queries as cart_queries
from headless.cart import rules as cart_rules
from headless.cart import service as cart_service
from headless.cart.errors import CartCompleted, PriceChanged
from headless.cart.events import CartChanged
from headless.cart.models import carts
from headless.cart.rules import Notice
from headless.checkout import rules
from headless.checkout.errors import CheckoutInProgress, CheckoutNotStarted, TotalTooLarge
from headless.checkout.models import checkouts
from headless.checkout.rules import LIVE, PAYING, CheckoutStatus, Quote
from headless.inventory import service as inventory
from headless.inventory.errors import OutOfStock
from headless.inventory.service import Why
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import Refusal, Refused
from headless.platform.money import MAX_TOTAL


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
    cart = await cart_service.change(session, cart_id, lifetime=terms.cart_lifetime, values=values)
    current = await live(session, cart_id)
    if current is None:
        return cart, []
    _refuse_late(current)
    await end(session, current, CheckoutStatus.CANCELLED, reason="checkout_cancelled")
    message = "The cart changed, so its checkout was cancelled and the stock given back. Start it again."
    return cart, [Notice("CHECKOUT_CANCELLED", message, current.id)]


async def start(
    session: Session,
    cart: Record,
    current: Record | None,
    *,
    accept_price_changes: bool,
    terms: Terms,
    payment_id: UUID | None = None,
) -> Record:
    """Check a locked cart, freeze its prices and hold its stock; on its open checkout renew that.

    With a payment that begins in this transaction the checkout is not open but pending from the start.

    Raises `Refused` with everything that stops it, `CartCompleted` or `CheckoutInProgress`.
    """
    if current is not None:
        _refuse_late(current)
    at = clock.now()
    if current is not None and current.expires_at > at:
        paying = {} if payment_id is None else {"status": CheckoutStatus.PAYMENT_PENDING, "payment_id": payment_id}
        return await change(session, current.id, expires_at=at + terms.reservation, **paying)
    if current is not None:
        await end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")
    frozen = await _quote(session, cart, accept_price_changes=accept_price_changes)
    checkout_id = ids.new()
    made = await session.execute(
        insert(checkouts)
        .values(
            id=checkout_id,
            cart_id=cart.id,
            status=CheckoutStatus.OPEN if payment_id is None else CheckoutStatus.PAYMENT_PENDING,
            payment_id=payment_id,
            quote=rules.dump(frozen),
            expires_at=at + terms.reservation,
            created_at=at,
            updated_at=at,
        )
        .returning(*checkouts.c)
    )
    row = made.one()
    outbox.record(session, CartChanged(cart.id))
    if accept_price_changes:
        await cart_service.refresh_prices(session, cart)
    why = Why("checkout_started", "checkout", ids.encode("checkout", checkout_id))
    try:
        await inventory.reserve(session, checkout_id, frozen.demands, why)
    except Refused as refused:
        by_line = {line.id: line.cart_line_id for line in frozen.lines}
        for refusal in refused.refusals:
            refusal.target = by_line.get(refusal.target) if refusal.target else None
            refusal.field = ("cartId",)
        raise
    return row


async def cancel(session: Session, cart_id: UUID) -> Record:
    """Give a cart's reservation back; raises `CartCompleted`, `CheckoutInProgress`, `CheckoutNotStarted`."""
    cart = await cart_service.lock(session, cart_id)
    current = await live(session, cart.id)
    if current is None:
        raise CheckoutNotStarted(field=("cartId",))
    _refuse_late(current)
    return await end(session, current, CheckoutStatus.CANCELLED, reason="checkout_cancelled")


async def end(session: Session, checkout: Record, status: CheckoutStatus, *, reason: str) -> Record:
    """End a checkout without an order: what it holds goes back on sale."""
    ended = await change(session, checkout.id, status=status)
    await inventory.release(session, checkout.id, Why(reason, "checkout", ids.encode("checkout", checkout.id)))
    outbox.record(session, CartChanged(checkout.cart_id))
    return ended


async def expire(session: Session, checkout: Record) -> None:
    """End an open checkout whose time is over, unless somebody was quicker."""
    await session.execute(select(carts.c.id).where(carts.c.id == checkout.cart_id).with_for_update())
    current = await live(session, checkout.cart_id)
    if current is None or current.id != checkout.id or current.status != CheckoutStatus.OPEN:
        return
    if current.expires_at <= clock.now():
        await end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")


async def change(session: Session, checkout_id: UUID, **values: Any) -> Record:
    """Write columns of a checkout whose cart is locked."""
    changed = await session.execute(
        update(checkouts)
        .where(checkouts.c.id == checkout_id)
        .values(**values, updated_at=clock.now())
        .returning(*checkouts.c)
    )
    return changed.one()


def _refuse_late(current: Record) -> None:
    if current.status == CheckoutStatus.COMPLETED:
        raise CartCompleted(field=("cartId",))
    if current.status in PAYING:
        raise CheckoutInProgress(field=("cartId",))


async def _quote(session: Session, cart: Record, *, accept_price_changes: bool) -> Quote:
    lines = (await cart_queries.lines_by_cart(session, [cart.id])).get(cart.id, [])
    rates = await cart_service.rates(session, cart)
    found: Sequence[Refusal] = cart_rules.problems(
        email=cart.email,
        address=cart.delivery_address,
        rate_id=cart.delivery_rate_id,
        rate_ids=[rate.id for rate in rates],
        lines=lines,
    )
    # The reservation itself decides what is out of stock: this reading is older than its locks.
    stopping = [
        refusal
        for refusal in found
        if not (isinstance(refusal, PriceChanged) and accept_price_changes) and not isinstance(refusal, OutOfStock)
    ]
    if stopping:
        if any(isinstance(refusal, OutOfStock) for refusal in found):
            stopping += [refusal for refusal in found if isinstance(refusal, OutOfStock)]
        for refusal in stopping:
            refusal.field = ("cartId",)
        raise Refused(stopping)
    rate = next(rate for rate in rates if rate.id == cart.delivery_rate_id)
    frozen = rules.quote(
        lines,
        currency=cart.currency,
        delivery_rate_id=rate.id,
        delivery_title=rate.title,
        delivery_amount=rate.amount,
    )
    if frozen.totals.total_amount > MAX_TOTAL:
        raise TotalTooLarge(field=("cartId",))
    return frozen
