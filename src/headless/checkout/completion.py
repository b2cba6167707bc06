"""How does a cart become an order exactly once, although the payment provider can't be part of a transaction?

Intent is written, the provider is asked outside any transaction, the outcome is written: each step can be taken up by
anyone after a crash. Who holds a payment's lease asks; everyone else waits for the outcome.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic
from uuid import UUID

from sqlalchemy import select

from headless.cart import service as cart_service
from headless.cart.errors import CartCompleted
from headless.cart.models import carts
from headless.checkout import queries, rules, service, starting
from headless.checkout.concluding import Result, Rules, conclude
from headless.checkout.desk import Desk
from headless.checkout.errors import CheckoutInProgress
from headless.checkout.rules import CheckoutStatus
from headless.checkout.starting import Held, Paying
from headless.payments import queries as payment_queries
from headless.payments import service as payments
from headless.payments.rules import Outcome, PaymentStatus
from headless.payments.service import Intent, Providers
from headless.platform import clock, crypto, failpoints, idempotency, ids, jobs
from headless.platform.db import Database, Record, SerializationFailure, Session
from headless.platform.errors import Fault, IdempotencyConcurrentRequest, Refusal, Refused
from headless.platform.idempotency import Claim

OUTCOME_PATIENCE_SECONDS = 10.0
"""How long an outcome may queue to be written: giving up would leave a buyer waiting who has paid."""
PATIENCE_SECONDS = 6.0
"""How long a request waits for another one that is paying the same cart."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A buyer's wish to complete a cart's checkout."""

    cart_id: UUID
    provider: str
    token: str
    accept_price_changes: bool
    claim: Claim
    language: str | None = None


@dataclass(frozen=True, slots=True)
class _Pay:
    payment: Record
    cart_id: UUID
    is_first: bool
    abandon: bool = False
    is_anothers: bool = False


class _Wait:
    """Another request is paying this cart."""


class _Start:
    """This cart's checkout isn't started, or not any more."""


async def complete(desk: Desk, providers: Providers, wish: Wish, settled: Rules) -> Result:
    """Have the cart paid and its order placed, once, however often and from wherever this is asked.

    Raises what `Desk.start` raises, `UnknownPaymentProvider` and the refusals of idempotency keys.
    """
    providers.named(wish.provider)
    started = await _start(desk, providers, wish)
    try:
        if started is not None:
            outcome = await _ask(providers, started, wish, settled)
            return await _conclude(desk.database, started, wish, outcome, settled)
        return await _go_through(desk, providers, wish, settled)
    except (Refusal, Refused, Fault):
        await idempotency.give_up(desk.database, wish.claim)
        raise


async def _start(desk: Desk, providers: Providers, wish: Wish) -> _Pay | None:
    """Begin the checkout and its payment at once where neither has begun; None: look closer."""
    paying = Paying(wish.provider, wish.token, wish.claim, providers.lease)
    async with desk.database.reading() as session:
        try:
            prepared = await starting.prepare(
                session,
                wish.cart_id,
                accept_price_changes=wish.accept_price_changes,
                paying=paying,
                language=wish.language,
            )
        except (Refusal, Refused):
            await idempotency.check(session, wish.claim)
            raise
    held = await desk.hold(prepared) if prepared is not None else None
    if isinstance(held, Held) and held.payment is not None:
        return _Pay(held.payment, wish.cart_id, is_first=True)
    return None


async def _go_through(desk: Desk, providers: Providers, wish: Wish, settled: Rules) -> Result:
    """Complete a checkout that is under way, maybe in other hands: wait for them or take over."""
    database, patience, pause = desk.database, monotonic() + PATIENCE_SECONDS, 0.03
    while True:
        is_last = monotonic() > patience
        try:
            async with database.transaction() as session:
                step = await _begin(session, providers, wish, is_last=is_last)
        except IdempotencyConcurrentRequest:
            if is_last:
                raise
            step = _Wait()
        if isinstance(step, Result):
            return step
        if isinstance(step, _Start):
            with suppress(CartCompleted, CheckoutInProgress):  # somebody was quicker: look what comes of that
                await desk.start(wish.cart_id, accept_price_changes=wish.accept_price_changes, language=wish.language)
            continue
        if isinstance(step, _Wait):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.25)
            continue
        outcome = await _ask(providers, step, wish, settled)
        result = await _conclude(database, step, wish, outcome, settled)
        if not _is_about_another(step, result):
            return result


async def _conclude(database: Database, step: _Pay, wish: Wish, outcome: Outcome | None, settled: Rules) -> Result:
    """Write down an outcome and how the wish ended; a transaction that lost a race is run once more."""

    async def once() -> Result:
        async with database.transaction(patience=OUTCOME_PATIENCE_SECONDS) as session:
            result = await conclude(session, step.payment, wish.cart_id, outcome, settled)
            if not _is_about_another(step, result):
                await _close(session, wish.claim, result)
            failpoints.reach("checkout.before_commit")
        return result

    try:
        return await once()
    except SerializationFailure:
        return await once()


def _is_about_another(step: _Pay, result: Result) -> bool:
    """Whether it was another means of payment that ended: that is no answer to the wish for this one."""
    return step.abandon or (step.is_anothers and bool(result.refusals))


async def settle_left_over(database: Database, providers: Providers, settled: Rules) -> int:
    """Finish what crashes and lost answers left: ask what became of payments, end checkouts past their time."""
    async with database.reading() as session:
        unsettled = await payment_queries.unsettled(session)
        expired = await queries.expired(session)

    async def settle(left: Record) -> None:
        async with database.transaction() as session:
            payment = await _claim_left_over(session, providers, left.id)
            cart_id = (await queries.checkouts_by_id(session, [left.checkout_id]))[left.checkout_id].cart_id
        if payment is not None:
            outcome = await payments.inquire(providers, payment)
            async with database.transaction() as session:
                await conclude(session, payment, cart_id, outcome, settled)

    async def end(checkout: Record) -> None:
        if checkout.status == CheckoutStatus.ACTION_REQUIRED:
            await _abandon_action(database, providers, checkout, settled)
            return
        async with database.transaction() as session:
            await service.expire(session, checkout)
        failpoints.reach("checkout.after_expiry")

    # At once: a provider that doesn't answer keeps no unit of others from sale.
    await asyncio.gather(
        jobs.each(unsettled, settle, name="settle_payments"), jobs.each(expired, end, name="expire_checkouts")
    )
    return len(unsettled) + len(expired)


async def _begin(
    session: Session, providers: Providers, wish: Wish, *, is_last: bool
) -> Result | _Pay | _Wait | _Start:
    failpoints.reach("checkout.before_claim")
    earlier = await idempotency.begin(session, wish.claim)
    failpoints.reach("checkout.after_claim")
    if earlier is not None:
        return Result(UUID(earlier["checkout_id"]), UUID(earlier["order_id"]), is_replayed=True)
    cart = await cart_service.lock(session, wish.cart_id)
    current = await service.live(session, cart.id)
    if current is not None and current.status == CheckoutStatus.COMPLETED:
        result = Result(current.id, current.order_id)
        await _close(session, wish.claim, result)
        return result
    if current is not None and current.status in rules.PAYING:
        return await _go_on(session, providers, wish, current, is_last=is_last)
    if current is None or current.expires_at <= clock.now():
        return _Start()
    quote = rules.load(current.quote)
    intent = Intent(
        id=ids.new(),
        checkout_id=current.id,
        provider=wish.provider,
        token=wish.token,
        amount=quote.totals.total_amount,
        currency=quote.currency,
        lease=providers.lease,
    )
    await service.begin_payment(session, current, intent.id)
    payment = (await payments.begin_all(session, [intent]))[intent.id]
    return _Pay(payment, cart.id, is_first=True)


async def _go_on(
    session: Session, providers: Providers, wish: Wish, checkout: Record, *, is_last: bool
) -> Result | _Pay | _Wait:
    """A payment is under way: wait while somebody is busy with it, else take it over."""
    payment = await payment_queries.payment(session, checkout.payment_id, lock=True)
    is_busy = payment.status == PaymentStatus.STARTED and payment.leased_until > clock.now()
    if is_busy:
        if not is_last:
            return _Wait()
        await idempotency.release(session, wish.claim)
        return Result(checkout.id)
    same = payment.provider == wish.provider and payment.token_digest == crypto.digest(wish.token)
    wants_action = payment.status == PaymentStatus.ACTION_REQUIRED
    await payments.take_over(session, payment.id, lease=providers.lease)
    await service.change(session, checkout.id, status=CheckoutStatus.PAYMENT_PENDING)
    # Another means of payment while the first wants an action: the first is given up before the second is charged.
    return _Pay(
        payment,
        checkout.cart_id,
        is_first=wants_action and same,
        abandon=wants_action and not same,
        is_anothers=not same,
    )


async def _ask(providers: Providers, step: _Pay, wish: Wish, settled: Rules) -> Outcome | None:
    if step.abandon:
        return await payments.abandon(providers, step.payment)
    if not step.is_first:
        return await payments.inquire(providers, step.payment)
    return_url = f"{settled.base_url}/payments/sandbox/{ids.encode('payment', step.payment.id)}"
    return await payments.authorize(
        providers, step.payment, token=wish.token, capture=settled.capture, return_url=return_url
    )


async def _close(session: Session, claim: Claim, result: Result) -> None:
    """Keep an order under the key; every other ending frees it for another try."""
    if result.order_id is None:
        await idempotency.release(session, claim)
    else:
        ended = {"checkout_id": str(result.checkout_id), "order_id": str(result.order_id)}
        await idempotency.finish(session, claim, ended)


async def _claim_left_over(session: Session, providers: Providers, payment_id: UUID) -> Record | None:
    payment = await payment_queries.payment(session, payment_id, lock=True)
    if payment.status != PaymentStatus.STARTED or payment.leased_until > clock.now():
        return None
    await payments.take_over(session, payment_id, lease=providers.lease)
    return payment


async def _abandon_action(database: Database, providers: Providers, checkout: Record, settled: Rules) -> None:
    async with database.transaction() as session:
        await session.execute(select(carts.c.id).where(carts.c.id == checkout.cart_id).with_for_update())
        current = await service.live(session, checkout.cart_id)
        if current is None or current.id != checkout.id or current.status != CheckoutStatus.ACTION_REQUIRED:
            return
        payment = await payment_queries.payment(session, checkout.payment_id, lock=True)
        await payments.take_over(session, payment.id, lease=providers.lease)
        await service.change(session, checkout.id, status=CheckoutStatus.PAYMENT_PENDING)
    outcome = await payments.abandon(providers, payment)
    # No further time for the buyer: the checkout is open again only to expire at the next sweep.
    brief = replace(settled, terms=replace(settled.terms, reservation=timedelta(0)))
    async with database.transaction() as session:
        await conclude(session, payment, checkout.cart_id, outcome, brief)
