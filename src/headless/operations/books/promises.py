"""Is every promised unit promised to somebody who is owed it, and to everybody what he bought?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, String, and_, cast, func, or_, select, union_all

from headless.checkout.models import checkouts
from headless.checkout.rules import HOLDING
from headless.fulfillment.models import FulfillmentStatus, fulfillment_lines, fulfillments
from headless.inventory.models import allocations, limited_purchases
from headless.operations.books.check import Check, Severity, Statement, shown
from headless.orders.models import order_lines, orders
from headless.platform.json_rows import Elements, Length, rows_of

GONE = (FulfillmentStatus.SHIPPED, FulfillmentStatus.DELIVERED)


def _reservations(_at: datetime) -> Statement:
    a = allocations.c
    return (
        select(a.owner_id.label("id"), a.variant_id, a.quantity, checkouts.c.status)
        .outerjoin(checkouts, checkouts.c.id == a.owner_id)
        .where(~a.is_committed, or_(checkouts.c.id.is_(None), checkouts.c.status.not_in(HOLDING)))
    )


def _commitments(_at: datetime) -> Statement:
    a = allocations.c
    return (
        select(a.line_id.label("id"), a.variant_id, a.quantity)
        .outerjoin(order_lines, order_lines.c.id == a.line_id)
        .outerjoin(orders, orders.c.id == order_lines.c.order_id)
        .where(
            a.is_committed,
            or_(orders.c.id.is_(None), orders.c.cancelled_at.is_not(None), orders.c.checkout_id != a.owner_id),
        )
    )


def _reserved_lines(_at: datetime) -> Statement:
    """What checkouts under way hold, line by line, against what they sell: the variant itself, or a bundle's parts."""
    c, a = checkouts.c, allocations.c
    line = rows_of(Elements(c.quote, "lines"), "line")
    part = rows_of(Elements(line.c.value, "parts"), "part")
    value, each = line.c.value, part.c.value
    quantity = value["quantity"].as_integer()
    is_held = and_(c.status.in_(HOLDING), value["is_tracked"].as_boolean())
    line_key = _hex(value["id"].as_string()).label("line")
    return _differing(
        union_all(
            select(
                c.id, line_key, _hex(value["variant_id"].as_string()).label("variant"), quantity.label("units")
            ).where(is_held, func.coalesce(Length(value, "parts"), 0) == 0),
            select(c.id, line_key, _hex(each[0].as_string()), quantity * each[1].as_integer()).where(is_held),
            select(a.owner_id, _hex(a.line_id), _hex(a.variant_id), -a.quantity)
            .join(checkouts, c.id == a.owner_id)
            .where(~a.is_committed, c.status.in_(HOLDING)),
        )
    )


def _committed_lines(_at: datetime) -> Statement:
    """What is committed to order lines against what was sold of them and neither cancelled nor sent away."""
    c, a = order_lines.c, allocations.c
    sent = (
        select(fulfillment_lines.c.order_line_id, func.sum(fulfillment_lines.c.quantity).label("units"))
        .join(fulfillments, fulfillments.c.id == fulfillment_lines.c.fulfillment_id)
        .where(fulfillments.c.status.in_(GONE))
        .group_by(fulfillment_lines.c.order_line_id)
        .subquery()
    )
    owing = (
        select(
            c.id,
            c.variant_id,
            c.parts,
            (c.quantity - c.cancelled_quantity - func.coalesce(sent.c.units, 0)).label("units"),
        )
        .outerjoin(sent, sent.c.order_line_id == c.id)
        .where(c.is_tracked)
        .cte("owing")
    )
    o = owing.c
    part = rows_of(Elements(o.parts), "part")
    units = part.c.value["quantity"].as_integer()
    key = _hex(o.id).label("line")
    return _differing(
        union_all(
            select(o.id, key, _hex(o.variant_id).label("variant"), o.units).where(o.parts.is_(None), o.units != 0),
            select(o.id, key, _hex(part.c.value["variant_id"].as_string()), o.units * units).where(o.units != 0),
            select(a.line_id, _hex(a.line_id), _hex(a.variant_id), -a.quantity)
            .join(order_lines, c.id == a.line_id)
            .where(a.is_committed),
        )
    )


def _differing(entries: CompoundSelect[Any]) -> Statement:
    """Lines of which something else is promised than is owed; `excess` is promised too much, or too little."""
    e = entries.subquery().c
    excess = -func.sum(e.units)
    return select(e.id, excess.label("excess")).group_by(e.id, e.line, e.variant).having(excess != 0)


def _limits(_at: datetime) -> Statement:
    """Units that count against a customer's limit although he neither has nor is about to have them."""
    c, o = limited_purchases.c, orders.c
    return (
        select(c.owner_id.label("id"), c.variant_id, c.quantity)
        .outerjoin(checkouts, and_(checkouts.c.id == c.owner_id, checkouts.c.status.in_(HOLDING)))
        .outerjoin(orders, and_(o.checkout_id == c.owner_id, o.cancelled_at.is_(None)))
        .where(checkouts.c.id.is_(None), o.id.is_(None))
    )


def _hex(value: ColumnElement[Any]) -> ColumnElement[str]:
    """A UUID as text that is the same on both databases, and inside JSON."""
    return func.replace(cast(value, String), "-", "")


CHECKS = (
    Check(
        "reservation_owner",
        "Stock is reserved for a checkout that has ended or never was, so nobody can buy it. Report it with these ids.",
        Severity.CRITICAL,
        _reservations,
        shown("checkout", "{quantity} of {variant_id}; the checkout is {status}", variant_id="variant"),
    ),
    Check(
        "commitment_owner",
        "Stock is committed to an order that is cancelled or isn't there, so nobody can buy it. "
        "Report it with these ids.",
        Severity.CRITICAL,
        _commitments,
        shown("order_line", "{quantity} of {variant_id}", variant_id="variant"),
    ),
    Check(
        "reserved_lines",
        "A checkout under way holds less or more stock than it sells: its order may lack units. "
        "Watch the order that comes of it before you promise its delivery.",
        Severity.CRITICAL,
        _reserved_lines,
        shown("checkout", "what it holds is off by {excess:+d}"),
    ),
    Check(
        "committed_lines",
        "An order's line is owed another number of units than are committed to it: it can't be shipped in full, or "
        "units are kept for nobody. Check the shelf before you promise its delivery.",
        Severity.CRITICAL,
        _committed_lines,
        shown("order_line", "what is committed to it is off by {excess:+d}"),
    ),
    Check(
        "purchase_limits",
        "Units count against a customer's limit that he neither bought nor is buying, so he may be refused more. "
        "Report it with these ids.",
        Severity.WARNING,
        _limits,
        shown("checkout", "{quantity} of {variant_id}", variant_id="variant"),
    ),
)
