"""How is an order placed and cancelled? Its statuses have one writer: `derive`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment import service as fulfillment
from headless.fulfillment.models import FulfillmentStatus
from headless.inventory import limits
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.orders import queries, rules
from headless.orders.errors import (
    OrderNotCancellable,
)
from headless.orders.events import OrderPlaced, OrderStatusChanged, OrderUpdated
from headless.orders.models import order_lines, order_number, orders
from headless.orders.rules import Happened, OrderCancelReason, PlacedLine
from headless.payments import queries as payment_queries
from headless.payments import service as payments
from headless.payments.rules import PAID, PaymentStatus, RefundStatus
from headless.payments.service import Providers
from headless.platform import clock, ids, jobs, outbox
from headless.platform.db import Database, Record, Session
from headless.platform.errors import NotFound
from headless.pricing.rules import Totals


@dataclass(frozen=True, slots=True)
class Placement:
    """Everything that an order is made of."""

    cart_id: UUID
    checkout_id: UUID
    channel_id: UUID
    currency: str
    email: str
    phone: str | None
    shipping_address: Mapping[str, Any]
    billing_address: Mapping[str, Any] | None
    delivery_title: str
    delivery_rate_id: UUID
    note: str
    attributes: Sequence[Mapping[str, str]]
    lines: Sequence[PlacedLine]
    totals: Totals


async def place(session: Session, placement: Placement, *, order_id: UUID, is_captured: bool) -> Record:
    """Write an order whose payment succeeded. Its cart and checkout can have no second one: the keys are unique."""
    at, totals = clock.now(), placement.totals
    statuses = rules.derive(_as_placed(placement, is_captured=is_captured))
    placed = await session.execute(
        insert(orders)
        .values(
            id=order_id,
            number=_next_number(session),
            cart_id=placement.cart_id,
            checkout_id=placement.checkout_id,
            channel_id=placement.channel_id,
            currency=placement.currency,
            email=placement.email,
            phone=placement.phone,
            shipping_address=placement.shipping_address,
            billing_address=placement.billing_address,
            delivery_title=placement.delivery_title,
            delivery_rate_id=placement.delivery_rate_id,
            note=placement.note,
            attributes=placement.attributes,
            subtotal_amount=totals.subtotal_amount,
            discount_amount=totals.discount_amount,
            delivery_amount=totals.delivery_amount,
            tax_amount=totals.tax_amount,
            total_amount=totals.total_amount,
            status=statuses.status,
            financial_status=statuses.financial_status,
            fulfillment_status=statuses.fulfillment_status,
            version=1,
            changed_by="checkout",
            placed_at=at,
            updated_at=at,
        )
        .returning(*orders.c)
    )
    order = placed.one()
    await session.execute(
        insert(order_lines),
        [
            {
                "id": line.id,
                "order_id": order_id,
                "position": position,
                "variant_id": line.variant_id,
                "product_id": line.product_id,
                "title": line.title,
                "variant_title": line.variant_title,
                "sku": line.sku,
                "quantity": line.quantity,
                "cancelled_quantity": 0,
                "unit_amount": line.unit_amount,
                "compare_at_amount": line.compare_at_amount,
                "total_amount": line.quantity * line.unit_amount,
                "is_tracked": line.is_tracked,
                "parts": [{"variant_id": str(key), "quantity": units} for key, units in line.parts] or None,
                "attributes": [{"key": key, "value": value} for key, value in line.attributes],
            }
            for position, line in enumerate(placement.lines, start=1)
        ],
    )
    outbox.record(session, OrderPlaced(order_id), OrderStatusChanged(order_id, statuses.status.value, None, 1))
    return order


async def cancel(session: Session, order_id: UUID, *, reason: OrderCancelReason, restock: bool, actor: str) -> None:
    """Cancel an order of which nothing has left: free or write off its stock and ask for the money's return.

    Raises `NotFound` or `OrderNotCancellable`. The provider is asked after the commit, by `settle_refunds`.
    """
    order = await lock(session, order_id)
    shipped = (await fulfillment_queries.lines_by_order(session, [order_id])).get(order_id, [])
    if order.cancelled_at is not None or any(
        line.status in {FulfillmentStatus.SHIPPED, FulfillmentStatus.DELIVERED} for line in shipped
    ):
        raise OrderNotCancellable(field=("orderId",))
    lines = (await queries.lines_by_order(session, [order_id])).get(order_id, [])
    owed = await inventory_queries.committed_by_line(session, [line.id for line in lines])
    takes = [take for per_line in owed.values() for take in per_line]
    why = Why("order_cancelled", actor, reference=ids.encode("order", order_id))
    await fulfillment.cancel_pending(session, order_id)
    for payment in (await payment_queries.payments_by_order(session, [order_id])).get(order_id, []):
        if payment.status in PAID and payment.amount:
            await payments.request_refund(
                session, payment, amount=payment.amount, order_id=order_id, reason="order_cancelled"
            )
    await session.execute(
        update(order_lines).where(order_lines.c.order_id == order_id).values(cancelled_quantity=order_lines.c.quantity)
    )
    await session.execute(
        update(orders).where(orders.c.id == order_id).values(cancelled_at=clock.now(), cancel_reason=reason)
    )
    await limits.forget(session, order.checkout_id)
    await inventory.uncommit(session, takes, why, restock=restock)
    await derive(session, order_id, actor=actor)


async def settle_refunds(database: Database, providers: Providers, *, order_id: UUID | None = None) -> int:
    """Ask providers for refunds that are due, of one order or all left over; answer how many were asked for.

    Runs transactions of its own: none is open while a provider is asked.
    """
    async with database.reading() as session:
        due = await payment_queries.pending_refunds(session, order_id=order_id)

    async def settle(refund: Record) -> None:
        async with database.reading() as session:
            payment = await payment_queries.payment(session, refund.payment_id)
        done = await payments.give_back(providers, refund, payment)
        async with database.transaction() as session:
            if refund.order_id is not None:
                await lock(session, refund.order_id)
            await payments.settle_refund(session, refund, payment=payment, done=done)
            if refund.order_id is not None:
                await derive(session, refund.order_id, actor="payments")

    await jobs.each(due, settle, name="settle_refunds")
    return len(due)


async def lock(session: Session, order_id: UUID) -> Record:
    """Have an order to oneself until the end of the transaction; raises `NotFound`."""
    row = (await session.execute(select(orders).where(orders.c.id == order_id).with_for_update())).first()
    if row is None:
        raise NotFound(field=("orderId",))
    return row


async def derive(session: Session, order_id: UUID, *, actor: str) -> None:
    """Write an order's statuses as they follow from what has happened, and tell."""
    order = await lock(session, order_id)
    statuses = rules.derive(await _happened(session, order))
    await session.execute(
        update(orders)
        .where(orders.c.id == order_id)
        .values(
            status=statuses.status,
            financial_status=statuses.financial_status,
            fulfillment_status=statuses.fulfillment_status,
            version=orders.c.version + 1,
            changed_by=actor,
            updated_at=clock.now(),
        )
    )
    if order.status != statuses.status:
        outbox.record(session, OrderStatusChanged(order_id, statuses.status.value, order.status, order.version + 1))
    else:
        outbox.record(session, OrderUpdated(order_id))


async def _happened(session: Session, order: Record) -> Happened:
    lines = (await queries.lines_by_order(session, [order.id])).get(order.id, [])
    parts = (await fulfillment_queries.lines_by_order(session, [order.id])).get(order.id, [])
    shipments = [(part.status, part.quantity) for part in parts]
    paid = (await payment_queries.payments_by_order(session, [order.id])).get(order.id, [])
    returned = (await payment_queries.refunds_by_order(session, [order.id])).get(order.id, [])
    captured = {payment.id: payment.amount for payment in paid if payment.status == PaymentStatus.CAPTURED}
    return Happened(
        total_amount=order.total_amount,
        authorized_amount=sum(payment.amount for payment in paid if payment.status == PaymentStatus.AUTHORIZED),
        captured_amount=sum(captured.values()),
        refunded_amount=sum(
            refund.amount
            for refund in returned
            if refund.status == RefundStatus.SUCCEEDED and refund.payment_id in captured
        ),
        has_voided_payment=any(payment.status == PaymentStatus.VOIDED for payment in paid),
        ordered_units=sum(line.quantity for line in lines),
        preparing_units=rules.units(shipments, FulfillmentStatus.PENDING),
        shipped_units=rules.units(shipments, FulfillmentStatus.SHIPPED),
        delivered_units=rules.units(shipments, FulfillmentStatus.DELIVERED),
        is_cancelled=order.cancelled_at is not None,
    )


def _as_placed(placement: Placement, *, is_captured: bool) -> Happened:
    total = placement.totals.total_amount
    return Happened(
        total_amount=total,
        authorized_amount=0 if is_captured else total,
        captured_amount=total if is_captured else 0,
        refunded_amount=0,
        has_voided_payment=False,
        ordered_units=sum(line.quantity for line in placement.lines),
        preparing_units=0,
        shipped_units=0,
        delivered_units=0,
        is_cancelled=False,
    )


def _next_number(session: Session) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        return select(func.coalesce(func.max(orders.c.number), 1000) + 1).scalar_subquery()
    return order_number.next_value()
