"""What did the last checks of the books find, and what of money needs a person?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, null, or_, select, union_all

from headless.operations.books import CHECKS, Check
from headless.operations.models import book_checks
from headless.orders.models import orders
from headless.payments.models import payments, refunds
from headless.payments.rules import PAID, PaymentStatus, RefundStatus
from headless.platform import clock, pages
from headless.platform.db import Record, Session

SETTLING = timedelta(minutes=1)
"""So long a payment or refund may be under way before it is shown as one that needs somebody."""
DUPLICATES_WITHIN = timedelta(minutes=10)
DUPLICATES_SINCE = timedelta(days=7)
MOST_REPEATS = 2000


class TransactionProblem(StrEnum):
    """Why a payment or refund needs attention."""

    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    DECLINED = "DECLINED"
    FAILED = "FAILED"
    WITHOUT_ORDER = "WITHOUT_ORDER"
    REFUND_PENDING = "REFUND_PENDING"
    REFUND_FAILED = "REFUND_FAILED"


@dataclass(frozen=True, slots=True)
class Book:
    """A check of the books with its last result, if it ever ran."""

    check: Check
    last: Record | None


@dataclass(frozen=True, slots=True)
class Repetition:
    """An order and an earlier one of the same buyer over the same amount, shortly before."""

    order_id: UUID
    earlier_id: UUID
    seconds_apart: int


async def last_checks(session: Session) -> Mapping[str, Record]:
    return {row.name: row for row in await session.execute(select(book_checks))}


async def books(session: Session) -> list[Book]:
    """Every check of the books with its last result."""
    last = await last_checks(session)
    return [Book(check, last.get(check.name)) for check in CHECKS]


async def transaction_page(
    session: Session, window: pages.Window, *, problems: Sequence[TransactionProblem] | None = None
) -> pages.Slice:
    """Payments and refunds that ended badly or hang, the newest first."""
    found = _failed(clock.now())
    condition: ColumnElement[bool] = found.c.problem.in_(problems if problems is not None else list(TransactionProblem))
    order = pages.Order("ID", (found.c.id,), is_descending=True)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(found).where(condition)) or 0)

    return await pages.fetch(session, select(found).where(condition), order=order, window=window, count=count)


def _failed(at: datetime) -> Subquery:
    p, r = payments.c, refunds.c
    payment_problem = case(
        (p.status == PaymentStatus.STARTED, TransactionProblem.OUTCOME_UNKNOWN.value),
        (p.status == PaymentStatus.DECLINED, TransactionProblem.DECLINED.value),
        (p.status == PaymentStatus.FAILED, TransactionProblem.FAILED.value),
        else_=TransactionProblem.WITHOUT_ORDER.value,
    )
    refund_problem = case(
        (r.status == RefundStatus.FAILED, TransactionProblem.REFUND_FAILED.value),
        else_=TransactionProblem.REFUND_PENDING.value,
    )
    of_payments = select(
        p.id,
        literal("payment").label("kind"),
        payment_problem.label("problem"),
        p.provider,
        p.amount,
        p.currency,
        p.message,
        p.order_id,
        p.created_at,
        p.updated_at,
    ).where(
        or_(
            p.status.in_((PaymentStatus.DECLINED, PaymentStatus.FAILED)),
            and_(p.status == PaymentStatus.STARTED, p.created_at < at - SETTLING, p.leased_until < at),
            and_(p.status.in_(PAID), p.order_id.is_(None)),
        )
    )
    of_refunds: Select[Any] = (
        select(
            r.id,
            literal("refund"),
            refund_problem,
            p.provider,
            r.amount,
            p.currency,
            null(),
            r.order_id,
            r.created_at,
            r.updated_at,
        )
        .join(payments, p.id == r.payment_id)
        .where(
            or_(r.status == RefundStatus.FAILED, and_(r.status == RefundStatus.PENDING, r.created_at < at - SETTLING))
        )
    )
    return union_all(of_payments, of_refunds).subquery("failed")


async def repetitions(session: Session, *, limit: int) -> list[Repetition]:
    """Orders of the last week that may have been placed twice by mistake, the newest first."""
    c = orders.c

    def before(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.lag(column, type_=column.type).over(
            partition_by=(c.channel_id, c.email, c.total_amount), order_by=(c.placed_at, c.id)
        )

    recent = (
        select(
            c.id,
            c.placed_at,
            before(c.id).label("earlier_id"),
            before(c.placed_at).label("earlier_at"),
        )
        .where(c.placed_at > clock.now() - DUPLICATES_SINCE, c.cancelled_at.is_(None))
        .subquery()
    )
    rows = await session.execute(
        select(recent)
        .where(recent.c.earlier_id.is_not(None))
        .order_by(recent.c.placed_at.desc(), recent.c.id.desc())
        .limit(MOST_REPEATS)
    )
    close = [
        Repetition(row.id, row.earlier_id, int((row.placed_at - row.earlier_at).total_seconds()))
        for row in rows
        if row.placed_at - row.earlier_at <= DUPLICATES_WITHIN
    ]
    return close[:limit]
