"""What was paid, and what was given back?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Table, select

from headless.payments.models import payments, refunds
from headless.payments.rules import PaymentStatus, RefundStatus
from headless.platform import clock
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

LEFT_TO_BUYER = timedelta(seconds=5)
"""A payment whose answer was lost is left to its buyer's retry for so long before the worker asks."""


async def payment(session: Session, payment_id: UUID, *, lock: bool = False) -> Record:
    wanted = select(payments).where(payments.c.id == payment_id)
    return (await session.execute(wanted.with_for_update() if lock else wanted)).one()


async def latest_by_checkout(session: Session, checkout_id: UUID) -> Record | None:
    """The newest payment of a checkout."""
    c = payments.c
    return (
        await session.execute(select(payments).where(c.checkout_id == checkout_id).order_by(c.id.desc()).limit(1))
    ).first()


async def payments_by_order(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    return await _by_order(session, payments, keys)


async def refunds_by_order(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    return await _by_order(session, refunds, keys)


async def unsettled(session: Session, *, limit: int = 50) -> Sequence[Record]:
    """Payments whose outcome is unknown and that nobody is busy with."""
    c, at = payments.c, clock.now()
    rows = await session.execute(
        select(c.id, c.checkout_id)
        .where(c.status == PaymentStatus.STARTED, c.leased_until < at, c.updated_at < at - LEFT_TO_BUYER)
        .order_by(c.leased_until)
        .limit(limit)
    )
    return rows.all()


async def pending_refunds(session: Session, *, order_id: UUID | None = None, limit: int = 50) -> Sequence[Record]:
    """Refunds that the provider hasn't confirmed: an order's, or those that nobody is busy with."""
    c = refunds.c
    mine = c.order_id == order_id if order_id is not None else c.leased_until < clock.now()
    rows = await session.execute(select(refunds).where(c.status == RefundStatus.PENDING, mine).limit(limit))
    return rows.all()


async def _by_order(session: Session, table: Table, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    by_order: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in await session.execute(select(table).where(any_of(table.c.order_id, keys)).order_by(table.c.id)):
        by_order[row.order_id].append(row)
    return by_order
