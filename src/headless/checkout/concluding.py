"""What follows from a payment's outcome: an order, another try, or the money's way back?

Several may hear of one payment, in any order and some of old news: whoever writes first decides only what the others
don't know better. Money that was taken always has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, update

from headless.cart.events import CartChanged
from headless.cart.models import carts
from headless.checkout import queries, rules, service
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.checkout.service import Terms
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.orders import service as orders
from headless.orders.service import Placement
from headless.payments import queries as payment_queries
from headless.payments import service as payments
from headless.payments.errors import PaymentDeclined, PaymentFailed
from headless.payments.rules import OPEN, PAID, Outcome, PaymentStatus
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import Refusal


@dataclass(frozen=True, slots=True)
class Rules:
    """What the shop has settled on: how money is captured, how long things are held, where buyers return."""

    capture: bool
    terms: Terms
    base_url: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the wish. Without order and refusals the payment is still pending or wants an action."""

    checkout_id: UUID | None
    order_id: UUID | None = None
    refusals: Sequence[Refusal] = ()
    is_replayed: bool = False
    placed: tuple[Record, Record] | None = None
    """The checkout and the order, when this very call placed it."""


async def conclude(session: Session, payment: Record, cart_id: UUID, outcome: Outcome | None, settled: Rules) -> Result:
    """Write down what became of a payment and what follows from it. Whoever comes second finds it done."""
    cart = (await session.execute(select(carts).where(carts.c.id == cart_id).with_for_update())).one()
    if outcome is None or outcome.status == PaymentStatus.STARTED:
        return await _leave(session, payment)
    if outcome.status in PAID:
        return await _place(session, cart, payment, outcome)
    if await payments.settle(session, payment.id, outcome) is not None:
        checkout = (await queries.checkouts_by_id(session, [payment.checkout_id]))[payment.checkout_id]
        if checkout.payment_id == payment.id and checkout.status in rules.PAYING:
            wants_action = outcome.status == PaymentStatus.ACTION_REQUIRED
            await service.reopen(session, checkout, terms=settled.terms, wants_action=wants_action)
            return Result(checkout.id, refusals=_why_unpaid(outcome.status, outcome.message))
    return await _as_it_is(session, payment)


async def _leave(session: Session, payment: Record) -> Result:
    current = await payment_queries.payment(session, payment.id)
    if current.status in OPEN:
        await payments.leave_unsettled(session, payment.id)
    return await _as_it_is(session, payment)


async def _as_it_is(session: Session, payment: Record) -> Result:
    """Tell what others have written, as if this call had."""
    checkout = (await queries.checkouts_by_id(session, [payment.checkout_id]))[payment.checkout_id]
    if checkout.order_id is not None:
        return Result(checkout.id, checkout.order_id)
    current = await payment_queries.payment(session, payment.id)
    return Result(checkout.id, refusals=_why_unpaid(current.status, current.message))


def _why_unpaid(status: str, message: str) -> tuple[Refusal, ...]:
    """Say why a payment brought no order; nothing while that is open."""
    if status == PaymentStatus.DECLINED:
        return (PaymentDeclined(message, field=("payment", "token")),)
    if status == PaymentStatus.VOIDED:
        message = "The payment never reached its provider and nothing was charged. Try again."
    elif status in PAID:
        message = "The checkout was over before the payment arrived. The money is given back."
    return (PaymentFailed(message, field=("payment",)),) if status not in OPEN else ()


async def _place(session: Session, cart: Record, payment: Record, outcome: Outcome) -> Result:
    """Make the order of a paid checkout; money that can't become an order is given back.

    A checkout that an older answer had opened again still holds its stock: it is completed all the same.
    """
    c, order_id = checkouts.c, ids.new()
    completed = await session.execute(
        update(checkouts)
        .where(c.id == payment.checkout_id, c.payment_id == payment.id, c.status.in_(rules.HOLDING))
        .values(status=CheckoutStatus.COMPLETED, order_id=order_id, updated_at=clock.now())
        .returning(*c)
    )
    checkout = completed.first()
    if checkout is None:
        if (orphan := await payments.settle(session, payment.id, outcome)) is not None:
            await payments.request_refund(session, orphan, amount=orphan.amount, order_id=None, reason="no_order")
        return await _as_it_is(session, payment)
    is_captured = outcome.status == PaymentStatus.CAPTURED
    order = await orders.place(session, _placement(cart, checkout), order_id=order_id, is_captured=is_captured)
    if await payments.settle(session, payment.id, outcome, order_id=order_id) is None:
        message = f"payment {payment.id} was settled outside its cart's lock"
        raise RuntimeError(message)
    outbox.record(session, CartChanged(cart.id))
    await inventory.commit(session, checkout.id, Why("order_placed", "checkout", ids.encode("order", order_id)))
    return Result(checkout.id, order_id, placed=(checkout, order))


def _placement(cart: Record, checkout: Record) -> Placement:
    quote = rules.load(checkout.quote)
    return Placement(
        cart_id=cart.id,
        checkout_id=checkout.id,
        channel_id=cart.channel_id,
        currency=quote.currency,
        email=cart.email,
        phone=cart.phone,
        shipping_address=cart.delivery_address,
        billing_address=cart.billing_address,
        delivery_title=quote.delivery_title,
        delivery_rate_id=quote.delivery_rate_id,
        note=cart.note,
        attributes=cart.attributes,
        lines=quote.lines,
        totals=quote.totals,
    )
