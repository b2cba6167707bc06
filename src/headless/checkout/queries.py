"""Which checkout does a cart have?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, or_, select

from headless.cart.models import carts
from headless.checkout.models import checkouts
from headless.checkout.rules import LIVE, PAYING, CheckoutStatus
from headless.platform import clock
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.shop.models import channels


async def checkouts_by_cart(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    """The newest checkout of each cart."""
    c = checkouts.c
    rows = await session.execute(select(checkouts).where(any_of(c.cart_id, keys)).order_by(c.id))
    return {row.cart_id: row for row in rows}


async def live_by_cart(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    """The checkout of each cart that is under way or completed."""
    c = checkouts.c
    rows = await session.execute(select(checkouts).where(any_of(c.cart_id, keys), c.status.in_(LIVE)))
    return {row.cart_id: row for row in rows}


async def cart_to_start(session: Session, cart_id: UUID) -> Record | None:
    """A cart, with whether it has a live checkout and how its channel chooses the locations that serve it."""
    row: Record | None = (await session.execute(_cart_to_start(), {"cart_id": cart_id, "now": clock.now()})).first()
    return row


_DEFAULT = channels.alias()
_SOURCE_LANGUAGE = select(_DEFAULT.c.default_language).where(_DEFAULT.c.is_default).scalar_subquery()
"""The default channel's: what texts are written in."""


@cache
def _cart_to_start() -> Select[Any]:
    c = checkouts.c
    is_live = select(c.id).where(c.cart_id == carts.c.id, c.status.in_(LIVE)).correlate(carts).exists()
    return (
        select(
            carts,
            is_live.label("is_started"),
            channels.c.allocation_strategy,
            channels.c.default_language,
            _SOURCE_LANGUAGE.label("source_language"),
        )
        .join(channels, channels.c.id == carts.c.channel_id)
        .where(carts.c.id == bindparam("cart_id"), carts.c.expires_at > bindparam("now"))
    )


async def checkouts_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(checkouts).where(any_of(checkouts.c.id, keys)))
    return {row.id: row for row in rows}


def carts_being_paid() -> Select[tuple[UUID]]:
    """The carts whose payment may yet make them orders."""
    return select(checkouts.c.cart_id).where(checkouts.c.status.in_(PAYING))


async def expired(session: Session, *, limit: int = 100) -> Sequence[Record]:
    """Checkouts past their time: open ones, and those whose buyer didn't come back from an action."""
    c = checkouts.c
    rows = await session.execute(
        select(c.id, c.cart_id, c.status, c.payment_id)
        .where(
            or_(c.status == CheckoutStatus.OPEN, c.status == CheckoutStatus.ACTION_REQUIRED),
            c.expires_at < clock.now(),
        )
        .order_by(c.expires_at)
        .limit(limit)
    )
    return rows.all()
