"""What waits far longer than the worker should ever let it?"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select

from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.operations.books.check import Check, Severity, Statement, shown
from headless.payments.models import payments, refunds
from headless.payments.rules import PaymentStatus, RefundStatus
from headless.platform.idempotency import idempotency_keys

EXPIRY = timedelta(minutes=5)
SETTLING = timedelta(minutes=10)
KEYS = timedelta(hours=1)


def _expiry(at: datetime) -> Statement:
    c = checkouts.c
    return select(c.id, c.status, c.expires_at).where(
        c.status.in_((CheckoutStatus.OPEN, CheckoutStatus.ACTION_REQUIRED)), c.expires_at < at - EXPIRY
    )


def _payments(at: datetime) -> Statement:
    """Payments of which nobody knows what became; one whose buyer has just come back from an action is fresh again."""
    p = payments.c
    return select(p.id, p.provider, p.created_at).where(
        p.status == PaymentStatus.STARTED,
        p.created_at < at - SETTLING,
        or_(p.next_action.is_(None), p.leased_until < at),
    )


def _refunds(at: datetime) -> Statement:
    r = refunds.c
    return (
        select(r.id, r.payment_id, r.amount, payments.c.currency, r.created_at)
        .join(payments, payments.c.id == r.payment_id)
        .where(r.status == RefundStatus.PENDING, r.created_at < at - SETTLING)
    )


def _failed_refunds(_at: datetime) -> Statement:
    """Refused refunds that no later one of the same payment made up for."""
    r, later = refunds.c, refunds.alias("later")
    made_up = (
        select(later.c.id)
        .where(later.c.payment_id == r.payment_id, later.c.id > r.id, later.c.status != RefundStatus.FAILED)
        .exists()
    )
    return (
        select(r.id, r.payment_id, r.amount, payments.c.currency)
        .join(payments, payments.c.id == r.payment_id)
        .where(r.status == RefundStatus.FAILED, ~made_up)
    )


def _keys(at: datetime) -> Statement:
    c = idempotency_keys.c
    return select(c.run.label("id"), c.leased_until).where(c.result.is_(None), c.leased_until < at - KEYS)


CHECKS = (
    Check(
        "late_expiry",
        "A checkout's time is long over and it still holds its stock: units are kept from sale. "
        "Look whether `headless worker` runs and what it logs.",
        Severity.WARNING,
        _expiry,
        shown("checkout", "{status}, expired at {expires_at:%Y-%m-%d %H:%M} UTC"),
    ),
    Check(
        "unsettled_payments",
        "Nobody knows yet what became of a payment, so its buyer waits. Look whether `headless worker` runs and "
        "whether the payment provider answers.",
        Severity.WARNING,
        _payments,
        shown("payment", "at {provider} since {created_at:%Y-%m-%d %H:%M} UTC"),
    ),
    Check(
        "late_refunds",
        "A refund waits for the payment provider's answer. Look whether `headless worker` runs and whether the payment "
        "provider answers.",
        Severity.WARNING,
        _refunds,
        shown(
            "refund",
            "{amount} minor units of {currency} of {payment_id}, since {created_at:%Y-%m-%d %H:%M} UTC",
            payment_id="payment",
        ),
    ),
    Check(
        "failed_refunds",
        "The payment provider refused to give money back that is owed to a buyer. "
        "Give it back in the provider's own pages or by bank transfer, and tell the buyer.",
        Severity.CRITICAL,
        _failed_refunds,
        shown("refund", "{amount} minor units of {currency} of {payment_id}", payment_id="payment"),
    ),
    Check(
        "stuck_keys",
        "A request that moves money or stock ended without an answer, and its caller never asked again. A repetition "
        "with its key is safe; after 72 hours the key is forgotten. Look for crashes at that time.",
        Severity.WARNING,
        _keys,
        shown("request", "held until {leased_until:%Y-%m-%d %H:%M} UTC"),
    ),
)
