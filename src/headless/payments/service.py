"""How is a payment asked for and its outcome kept? Intent is written before the provider's call, outcome after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update

from headless.payments.errors import UnknownPaymentProvider
from headless.payments.models import payments, refunds
from headless.payments.rules import (
    OPEN,
    PAID,
    UNPAID,
    AnswerLost,
    Authorization,
    Outcome,
    PaymentStatus,
    Provider,
    RefundStatus,
)
from headless.platform import clock, crypto, failpoints, ids
from headless.platform.db import Record, Session
from headless.platform.errors import Fault

log = structlog.get_logger(__name__)
T = TypeVar("T")

RETRY_AFTER = timedelta(seconds=2)
"""When a payment whose answer was lost may be asked after."""


class Providers:
    """The payment providers that this shop takes, and how long each may take to answer."""

    def __init__(self, providers: Mapping[str, Provider], *, timeout_seconds: float) -> None:
        self._providers = providers
        self.timeout = timedelta(seconds=timeout_seconds)

    def named(self, name: str) -> Provider:
        """Raise `UnknownPaymentProvider` for one that isn't taken."""
        provider = self._providers.get(name)
        if provider is None:
            message = f"Use one of: {', '.join(sorted(self._providers))}."
            raise UnknownPaymentProvider(message, field=("payment", "provider"))
        return provider

    @property
    def lease(self) -> timedelta:
        """How long whoever asks a provider has the payment to himself."""
        return self.timeout + timedelta(seconds=1)

    async def ask(self, question: Awaitable[T]) -> T:
        """Await a provider's answer; none in time, a broken connection or an overload is `AnswerLost`."""
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                return await question
        except (TimeoutError, OSError, Fault) as error:
            raise AnswerLost from error


@dataclass(frozen=True, slots=True)
class Intent:
    """The intent to be paid: an amount in minor units, asked for with a provider's token."""

    id: UUID
    checkout_id: UUID
    provider: str
    token: str
    amount: int
    currency: str
    lease: timedelta


async def begin_all(session: Session, intents: Sequence[Intent]) -> Mapping[UUID, Record]:
    """Write down intents to be paid; answer the payments by id."""
    if not intents:
        return {}
    at = clock.now()
    begun = await session.execute(
        insert(payments).returning(*payments.c),
        [
            {
                "id": intent.id,
                "checkout_id": intent.checkout_id,
                "provider": intent.provider,
                "token_digest": crypto.digest(intent.token),
                "amount": intent.amount,
                "currency": intent.currency,
                "status": PaymentStatus.STARTED,
                "message": "",
                "leased_until": at + intent.lease,
                "created_at": at,
                "updated_at": at,
            }
            for intent in intents
        ],
    )
    return {row.id: row for row in begun}


async def forget(session: Session, checkout_ids: Sequence[UUID]) -> None:
    """Drop intents of this transaction that nobody will act on."""
    await session.execute(delete(payments).where(payments.c.checkout_id.in_(checkout_ids)))


async def take_over(session: Session, payment_id: UUID, *, lease: timedelta) -> None:
    """Have an open payment to oneself, to ask the provider about it. What has ended stays as it ended."""
    await session.execute(
        update(payments)
        .where(payments.c.id == payment_id, payments.c.status.in_(OPEN))
        .values(status=PaymentStatus.STARTED, leased_until=clock.now() + lease)
    )


async def leave_unsettled(session: Session, payment_id: UUID) -> None:
    """Let others ask after a payment whose answer was lost: its buyer at once, the worker a little later."""
    at = clock.now()
    await session.execute(update(payments).where(payments.c.id == payment_id).values(leased_until=at, updated_at=at))


async def settle(
    session: Session, payment_id: UUID, outcome: Outcome, *, order_id: UUID | None = None
) -> Record | None:
    """Keep what became of a payment and which order it paid for; None: somebody did so before."""
    c = payments.c
    settled = await session.execute(
        update(payments)
        .where(c.id == payment_id, _is_unknown(outcome))
        .values(
            status=outcome.status,
            order_id=order_id,
            reference=outcome.reference or c.reference,
            message=outcome.message,
            next_action=asdict(outcome.next_action) if outcome.next_action else None,
            updated_at=clock.now(),
        )
        .returning(*c)
    )
    return settled.first()


def _is_unknown(outcome: Outcome) -> ColumnElement[bool]:
    """Whether a payment has no end yet; that it was taken is news even of one that seemed to end without money."""
    c = payments.c
    if outcome.status not in PAID:
        return c.status.in_(OPEN)
    was_given_back = select(refunds.c.id).where(refunds.c.payment_id == c.id).exists()
    return or_(c.status.in_(OPEN), and_(c.status.in_(UNPAID), c.order_id.is_(None), ~was_given_back))


async def authorize(
    providers: Providers, payment: Record, *, token: str, capture: bool, return_url: str
) -> Outcome | None:
    """Ask the provider for the money, outside any transaction; None: the answer was lost."""
    request = Authorization(
        key=payment.id, token=token, amount=payment.amount, currency=payment.currency, capture=capture,
        return_url=return_url,
    )  # fmt: skip
    failpoints.reach("payments.before_authorize")
    try:
        outcome = await providers.ask(providers.named(payment.provider).authorize(request))
    except AnswerLost:
        log.warning("payment_answer_lost", payment=str(payment.id), provider=payment.provider)
        return None
    failpoints.reach("payments.after_authorize")
    return outcome


async def inquire(providers: Providers, payment: Record) -> Outcome | None:
    """Ask the provider what became of a payment; one that it never heard of is abandoned. None: no answer again."""
    provider = providers.named(payment.provider)
    failpoints.reach("payments.before_inquiry")
    try:
        found = await providers.ask(provider.find(payment.id))
    except AnswerLost:
        return None
    return found if found is not None else await abandon(providers, payment)


async def abandon(providers: Providers, payment: Record) -> Outcome | None:
    """Give up a payment whose buyer doesn't go on with it; None: no answer, or none that ends it."""
    try:
        outcome = await providers.ask(providers.named(payment.provider).abandon(payment.id))
    except AnswerLost:
        return None
    return outcome if outcome.status not in OPEN else None


async def request_refund(session: Session, payment: Record, *, amount: int, order_id: UUID | None, reason: str) -> UUID:
    """Write down the intent to give money back."""
    refund_id, at = ids.new(), clock.now()
    await session.execute(
        insert(refunds).values(
            id=refund_id,
            payment_id=payment.id,
            order_id=order_id,
            amount=amount,
            status=RefundStatus.PENDING,
            reason=reason,
            leased_until=at,
            created_at=at,
            updated_at=at,
        )
    )
    return refund_id


async def give_back(providers: Providers, refund: Record, payment: Record) -> bool | None:
    """Ask the provider to give money back, outside any transaction; None: the answer was lost."""
    provider = providers.named(payment.provider)
    failpoints.reach("payments.before_refund")
    try:
        done = await providers.ask(provider.give_back(refund.id, payment=payment.id, amount=refund.amount))
    except AnswerLost:
        return None
    failpoints.reach("payments.after_refund")
    return done


async def settle_refund(session: Session, refund: Record, *, payment: Record, done: bool | None) -> None:
    """Keep what became of a refund; an unknown outcome is asked after later. That it was given back is never unsaid."""
    at = clock.now()
    if done is None:
        await session.execute(update(refunds).where(refunds.c.id == refund.id).values(leased_until=at + RETRY_AFTER))
        return
    status = RefundStatus.SUCCEEDED if done else RefundStatus.FAILED
    is_news = refunds.c.status != status if done else refunds.c.status == RefundStatus.PENDING
    settled = await session.execute(
        update(refunds)
        .where(refunds.c.id == refund.id, is_news)
        .values(status=status, updated_at=at)
        .returning(refunds.c.id)
    )
    if settled.first() is not None and done and payment.status == PaymentStatus.AUTHORIZED:
        await session.execute(
            update(payments)
            .where(payments.c.id == payment.id, payments.c.status == PaymentStatus.AUTHORIZED)
            .values(status=PaymentStatus.VOIDED, updated_at=at)
        )
