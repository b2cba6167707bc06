"""Do the shop's books and the provider's agree, and has the worker anything left to do?"""

from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, func, select, update

from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.inventory.models import allocations, levels
from headless.orders.models import orders
from headless.payments.models import payments, refunds
from headless.payments.rules import PaymentStatus
from headless.platform import clock
from headless.platform.db import Database
from headless.platform.errors import Unavailable
from headless.platform.idempotency import idempotency_keys
from headless.platform.outbox import facts
from tests.builders import assert_books_balance
from tests.payments.fault_ledger import Ledger, State

PAST = timedelta(minutes=5)
UNDER_WAY = (CheckoutStatus.OPEN, CheckoutStatus.PAYMENT_PENDING, CheckoutStatus.ACTION_REQUIRED)
SAME = {
    PaymentStatus.ACTION_REQUIRED: {State.REQUIRES_ACTION},
    PaymentStatus.AUTHORIZED: {State.REQUIRES_CAPTURE},
    PaymentStatus.CAPTURED: {State.SUCCEEDED},
    PaymentStatus.DECLINED: {State.REQUIRES_PAYMENT_METHOD},
    PaymentStatus.VOIDED: {State.CANCELED},
}


async def let_leases_end(database: Database) -> None:
    """Let the time pass for which those who died had things to themselves; the living may go on meanwhile."""
    past, keys = clock.now() - PAST, idempotency_keys.c
    await _change_each(database, payments.c.id, payments.c.status == "STARTED", leased_until=past, updated_at=past)
    await _change_each(database, refunds.c.id, refunds.c.status == "PENDING", leased_until=past)
    await _change_each(database, keys.run, keys.result.is_(None), leased_until=past)


async def let_reservations_end(database: Database) -> None:
    """Let the time of every open checkout be over."""
    waiting = checkouts.c.status.in_([CheckoutStatus.OPEN, CheckoutStatus.ACTION_REQUIRED])
    await _change_each(database, checkouts.c.id, waiting, expires_at=clock.now() - PAST)


async def _change_each(database: Database, key: Column[Any], which: ColumnElement[bool], **values: datetime) -> None:
    """Change rows in a transaction each: who locks one thing at a time is in nobody's way for long."""
    async with database.reading() as session:
        found = (await session.execute(select(key).where(which))).scalars().all()
    for value in found:
        while True:
            with suppress(Unavailable):
                async with database.transaction() as session:
                    await session.execute(update(key.table).where(key == value, which).values(**values))
                break


async def unsettled(database: Database) -> dict[str, int]:
    """What the worker still has to finish."""
    async with database.reading() as session:
        counts = {
            "payments": select(func.count()).where(payments.c.status.in_(["STARTED", "ACTION_REQUIRED"])),
            "refunds": select(func.count()).where(refunds.c.status == "PENDING"),
            "checkouts": select(func.count()).where(checkouts.c.status.in_(UNDER_WAY)),
            "reservations": select(func.count()).where(~allocations.c.is_committed),
            "facts": select(func.count()).where(facts.c.position.is_(None)),
        }
        return {name: int(await session.scalar(wanted) or 0) for name, wanted in counts.items()}


async def assert_money_and_stock_agree(database: Database, ledger: Ledger) -> None:
    """Check what must be true once everything is settled: one charge per order, none without, stock to match."""
    await _assert_every_order_was_paid_once(database, ledger)
    await _assert_statuses_are_the_providers(database, ledger)
    await _assert_stock_is_what_orders_are_owed(database)


async def _assert_every_order_was_paid_once(database: Database, ledger: Ledger) -> None:
    async with database.reading() as session:
        placed = (await session.execute(select(orders.c.id, orders.c.cart_id, orders.c.number))).all()
        standing = {
            row.id: row.total_amount
            for row in await session.execute(
                select(orders.c.id, orders.c.total_amount).where(orders.c.cancelled_at.is_(None))
            )
        }
        made = (await session.execute(select(payments).where(payments.c.order_id.is_not(None)))).all()
    assert max(Counter(order.cart_id for order in placed).values(), default=1) == 1
    assert max(Counter(order.number for order in placed).values(), default=1) == 1
    assert Counter(payment.order_id for payment in made) == Counter(order.id for order in placed)
    owed = {payment.id: standing[payment.order_id] for payment in made if payment.order_id in standing}
    assert {charge.key: charge.amount - charge.returned for charge in ledger.charges() if charge.is_kept} == owed
    assert max(ledger.times_charged().values(), default=1) == 1
    assert ledger.mismatches() == 0


async def _assert_statuses_are_the_providers(database: Database, ledger: Ledger) -> None:
    async with database.reading() as session:
        made = {row.id: row for row in await session.execute(select(payments))}
        returned: Counter[object] = Counter()
        for refund in await session.execute(select(refunds)):
            assert refund.status == "SUCCEEDED"
            returned[refund.payment_id] += refund.amount
    for charge in ledger.charges():
        payment = made[charge.key]
        assert charge.state in SAME[payment.status], (payment, charge)
        assert charge.returned == returned[charge.key]


async def _assert_stock_is_what_orders_are_owed(database: Database) -> None:
    await assert_books_balance(database)
    a, c, held = allocations.c, levels.c, func.sum(allocations.c.quantity)
    async with database.reading() as session:
        for column, is_committed in ((c.reserved, False), (c.committed, True)):
            promised = await session.execute(
                select(a.variant_id, a.location_id, held)
                .where(a.is_committed == is_committed)
                .group_by(a.variant_id, a.location_id)
            )
            counted = await session.execute(select(c.variant_id, c.location_id, column).where(column != 0))
            assert {tuple(row[:2]): int(row[2]) for row in promised} == {tuple(row[:2]): row[2] for row in counted}
        owners = await session.execute(
            select(a.is_committed, checkouts.c.status).outerjoin(checkouts, checkouts.c.id == a.owner_id).distinct()
        )
        for is_committed, status in owners:
            assert status == CheckoutStatus.COMPLETED if is_committed else status in UNDER_WAY
        free = c.on_hand - c.reserved - c.committed - c.damaged - c.safety_stock
        assert await session.scalar(select(func.count()).where(free < 0)) == 0
