"""Has every sale one order, every order its money, and does its status tell the truth?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Integer, Subquery, and_, case, func, literal, or_, select, union_all
from sqlalchemy import cast as sql_cast

from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.fulfillment.models import FulfillmentStatus, fulfillment_lines, fulfillments
from headless.operations.books.check import Check, Sample, Severity, Statement, shown
from headless.orders.models import order_lines, orders
from headless.orders.rules import OrderFinancialStatus, OrderFulfillmentStatus, OrderStatus
from headless.payments.models import payments, refunds
from headless.payments.rules import PAID, PaymentStatus, RefundStatus
from headless.platform import ids
from headless.platform.db import Record

RETURNING = (OrderStatus.PARTIALLY_RETURNED, OrderStatus.RETURNED)


def _duplicates(_at: datetime) -> Statement:
    """Every order of a cart or a checkout that has another one, too."""

    def shared(column: ColumnElement[Any]) -> ColumnElement[bool]:
        return column.in_(select(column).group_by(column).having(func.count() > 1))

    return select(orders.c.id, orders.c.number).where(or_(shared(orders.c.cart_id), shared(orders.c.checkout_id)))


def _completion(_at: datetime) -> Statement:
    o, c = orders.c, checkouts.c
    without_order = (
        select(c.id, literal("checkout").label("kind"))
        .outerjoin(orders, and_(o.id == c.order_id, o.checkout_id == c.id, o.cart_id == c.cart_id))
        .where(c.status == CheckoutStatus.COMPLETED, o.id.is_(None))
    )
    without_checkout = (
        select(o.id, literal("order").label("kind"))
        .outerjoin(checkouts, and_(c.id == o.checkout_id, c.status == CheckoutStatus.COMPLETED))
        .where(c.id.is_(None))
    )
    return union_all(without_order, without_checkout)


def _lonely(row: Record) -> Sample:
    missing = "completed without an order of its cart" if row.kind == "checkout" else "its checkout isn't completed"
    return Sample(ids.encode(row.kind, row.id), missing)


def _paid_once(_at: datetime) -> Statement:
    """An order that stands has one payment; one that costs nothing may have none."""
    p, o = payments.c, orders.c
    count = func.count(p.id)
    return (
        select(o.id, count.label("payments"))
        .outerjoin(payments, and_(p.order_id == o.id, p.status.in_(PAID)))
        .where(o.cancelled_at.is_(None))
        .group_by(o.id, o.total_amount)
        .having(or_(count > 1, and_(count == 0, o.total_amount != 0)))
    )


def _unowned_payments(_at: datetime) -> Statement:
    """Money that was taken for no order, or for a cancelled one, and that nobody has asked to be given back."""
    p = payments.c
    asked = select(refunds.c.id).where(refunds.c.payment_id == p.id).exists()
    return (
        select(p.id, p.amount, p.currency)
        .outerjoin(orders, orders.c.id == p.order_id)
        .where(
            p.status.in_(PAID),
            p.amount != 0,
            or_(p.order_id.is_(None), orders.c.cancelled_at.is_not(None)),
            ~asked,
        )
    )


def _payment_amount(_at: datetime) -> Statement:
    p, o = payments.c, orders.c
    return (
        select(p.id, p.order_id, p.amount, p.currency, o.total_amount, o.currency.label("order_currency"))
        .join(orders, o.id == p.order_id)
        .where(p.status.in_(PAID), or_(p.amount != o.total_amount, p.currency != o.currency))
    )


def _refund_amount(_at: datetime) -> Statement:
    """More given back, or promised, than a payment brought in."""
    p, r = payments.c, refunds.c
    paid = case((p.status.in_((*PAID, PaymentStatus.VOIDED)), p.amount), else_=0)
    returned = func.sum(r.amount)
    return (
        select(p.id, paid.label("paid"), returned.label("returned"), p.currency)
        .join(refunds, r.payment_id == p.id)
        .where(r.status != RefundStatus.FAILED)
        .group_by(p.id, p.status, p.amount, p.currency)
        .having(returned > paid)
    )


def _order_total(_at: datetime) -> Statement:
    o, line = orders.c, order_lines.c
    lines = select(line.order_id, func.sum(line.total_amount).label("amount")).group_by(line.order_id).subquery()
    summed = func.coalesce(lines.c.amount, 0)
    total = o.subtotal_amount - o.discount_amount + o.delivery_amount + o.tax_amount
    return (
        select(o.id, summed.label("lines"), o.subtotal_amount, o.total_amount, total.label("computed"))
        .outerjoin(lines, lines.c.order_id == o.id)
        .where(or_(summed != o.subtotal_amount, total != o.total_amount))
    )


def _line_total(_at: datetime) -> Statement:
    c = order_lines.c
    return select(c.id, c.quantity, c.unit_amount, c.total_amount).where(c.total_amount != c.quantity * c.unit_amount)


def _statuses(_at: datetime) -> Statement:
    """Orders whose statuses aren't those that follow from units and money: the rules of `orders`, said in SQL."""
    o = orders.c
    bought = _per_order(order_lines, order_lines.c.order_id, ordered=order_lines.c.quantity)
    moved = _moved()
    money = _money()
    gone, delivered = _or_zero(moved.c.gone), _or_zero(moved.c.delivered)
    held, taken, back = (_or_zero(money.c[name]) for name in ("held", "taken", "returned"))
    voided = _or_zero(money.c.voided) > 0
    fulfillment = case(
        (gone == 0, OrderFulfillmentStatus.UNFULFILLED.value),
        (gone < bought.c.ordered, OrderFulfillmentStatus.PARTIALLY_FULFILLED.value),
        else_=OrderFulfillmentStatus.FULFILLED.value,
    )
    is_free = and_(o.total_amount == 0, held == 0, ~voided)
    financial = case(
        (and_(back > 0, back >= taken), OrderFinancialStatus.REFUNDED.value),
        (back > 0, OrderFinancialStatus.PARTIALLY_REFUNDED.value),
        (and_(taken > 0, taken < o.total_amount), OrderFinancialStatus.PARTIALLY_PAID.value),
        (or_(taken > 0, is_free), OrderFinancialStatus.PAID.value),
        (held > 0, OrderFinancialStatus.AUTHORIZED.value),
        (voided, OrderFinancialStatus.VOIDED.value),
        else_=OrderFinancialStatus.PENDING.value,
    )
    status = case(
        (o.cancelled_at.is_not(None), OrderStatus.CANCELLED.value),
        (delivered >= bought.c.ordered, OrderStatus.DELIVERED.value),
        (gone >= bought.c.ordered, OrderStatus.SHIPPED.value),
        (gone > 0, OrderStatus.PARTIALLY_SHIPPED.value),
        (_or_zero(moved.c.preparing) > 0, OrderStatus.PROCESSING.value),
        (held + taken >= o.total_amount, OrderStatus.CONFIRMED.value),
        else_=OrderStatus.PENDING_PAYMENT.value,
    )
    derived = (
        select(
            o.id,
            o.status,
            o.financial_status,
            o.fulfillment_status,
            status.label("true_status"),
            financial.label("true_financial"),
            fulfillment.label("true_fulfillment"),
        )
        .join(bought, bought.c.order_id == o.id)
        .outerjoin(moved, moved.c.order_id == o.id)
        .outerjoin(money, money.c.order_id == o.id)
        .subquery()
    )
    d = derived.c
    return select(derived).where(
        or_(
            and_(d.status != d.true_status, d.status.not_in(RETURNING)),
            d.financial_status != d.true_financial,
            d.fulfillment_status != d.true_fulfillment,
        )
    )


def _moved() -> Subquery:
    units, status = fulfillment_lines.c.quantity, fulfillments.c.status
    shipments = fulfillments.join(fulfillment_lines, fulfillment_lines.c.fulfillment_id == fulfillments.c.id)
    sent = (FulfillmentStatus.SHIPPED, FulfillmentStatus.DELIVERED)
    return _per_order(
        shipments,
        fulfillments.c.order_id,
        gone=case((status.in_(sent), units), else_=0),
        delivered=case((status == FulfillmentStatus.DELIVERED, units), else_=0),
        preparing=case((status == FulfillmentStatus.PENDING, units), else_=0),
    )


def _money() -> Subquery:
    """What payments hold, took and gave back per order; given back counts only what was taken before."""
    p, r = payments.c, refunds.c
    was_taken = p.status == PaymentStatus.CAPTURED
    zero = literal(0)
    entries = union_all(
        select(
            p.order_id,
            case((p.status == PaymentStatus.AUTHORIZED, p.amount), else_=0).label("held"),
            case((was_taken, p.amount), else_=0).label("taken"),
            zero.label("returned"),
            sql_cast(case((p.status == PaymentStatus.VOIDED, 1), else_=0), Integer).label("voided"),
        ).where(p.order_id.is_not(None)),
        select(r.order_id, zero, zero, r.amount, zero)
        .join(payments, and_(p.id == r.payment_id, p.order_id == r.order_id))
        .where(r.status == RefundStatus.SUCCEEDED, was_taken),
    ).subquery()
    e = entries.c
    return _per_order(entries, e.order_id, held=e.held, taken=e.taken, returned=e.returned, voided=e.voided)


def _per_order(source: FromClause, order_id: ColumnElement[Any], **sums: ColumnElement[Any]) -> Subquery:
    totals = (func.sum(value).label(name) for name, value in sums.items())
    return select(order_id.label("order_id"), *totals).select_from(source).group_by(order_id).subquery()


def _or_zero(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.coalesce(value, 0)


CHECKS = (
    Check(
        "duplicate_orders",
        "One cart or checkout has several orders: the buyer gets the goods twice. "
        "Cancel all but the first before they are shipped.",
        Severity.CRITICAL,
        _duplicates,
        shown("order", "number {number}"),
    ),
    Check(
        "completion",
        "A completed checkout has no order, or an order's checkout isn't completed: the buyer may pay a second time. "
        "Look at its payments and give the money back, or report it with these ids.",
        Severity.CRITICAL,
        _completion,
        _lonely,
    ),
    Check(
        "paid_once",
        "An order that isn't cancelled has no payment, or several. Ask the payment provider what was charged, then "
        "cancel the order or give the surplus back.",
        Severity.CRITICAL,
        _paid_once,
        shown("order", "{payments} payments"),
    ),
    Check(
        "unowned_payments",
        "A buyer paid and has neither an order nor a refund. Give the money back at the payment provider.",
        Severity.CRITICAL,
        _unowned_payments,
        shown("payment", "{amount} minor units of {currency}"),
    ),
    Check(
        "payment_amount",
        "A payment isn't of the amount of its order: the buyer paid too much or too little. "
        "Compare it with the payment provider and refund the difference.",
        Severity.CRITICAL,
        _payment_amount,
        shown(
            "payment",
            "{amount} {currency} for {order_id} of {total_amount} {order_currency}, in minor units",
            order_id="order",
        ),
    ),
    Check(
        "refund_amount",
        "More money was or will be given back than a payment brought in. Stop its refunds at the payment provider.",
        Severity.CRITICAL,
        _refund_amount,
        shown("payment", "{returned} of {paid} given back, in minor units of {currency}"),
    ),
    Check(
        "order_total",
        "An order's lines - discounts + delivery + tax don't make its total. "
        "Compute it by hand before you invoice or refund it, and report it with these ids.",
        Severity.CRITICAL,
        _order_total,
        shown(
            "order",
            "lines {lines}, subtotal {subtotal_amount}; total {total_amount}, computed {computed}, in minor units",
        ),
    ),
    Check(
        "line_total",
        "A line's total isn't its quantity times its price. "
        "Compute it by hand before you invoice or refund it, and report it with these ids.",
        Severity.CRITICAL,
        _line_total,
        shown("order_line", "{quantity} x {unit_amount} is not {total_amount}, in minor units"),
    ),
    Check(
        "order_status",
        "An order's status isn't the one that follows from its shipments and payments, so its buyer is told something "
        "wrong. The next shipment or payment corrects it; until then trust its shipments and payments.",
        Severity.CRITICAL,
        _statuses,
        shown(
            "order",
            "{status} {financial_status} {fulfillment_status}, should be "
            "{true_status} {true_financial} {true_fulfillment}",
        ),
    ),
)
