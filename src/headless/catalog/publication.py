"""Is a product shown in a channel at an instant? One condition for lists, carts and all who ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, null, or_, select, true, tuple_, update

from headless.catalog.models import ProductStatus, listings, products
from headless.platform import clock
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


@dataclass(frozen=True, slots=True)
class Turn:
    """A publication that began or ended by itself. `is_seen`: the product's status lets shoppers notice."""

    product_id: UUID
    channel_id: UUID
    is_shown: bool
    is_seen: bool


def is_shown(at: Any) -> ColumnElement[bool]:
    """The condition on products joined with their listing in a channel; `at` is an instant or a bound parameter."""
    return and_(is_in_force(at), listings.c.is_priced, products.c.status == ProductStatus.ACTIVE)


def is_in_force(at: Any) -> ColumnElement[bool]:
    """Whether a listing's publication has begun and not ended, whatever the product's status.

    Only a turn that nobody was told of yet depends on the time: a process whose clock is behind doesn't miss one.
    """
    c = listings.c
    has_begun = or_(c.turns_at == c.unpublish_at, c.published_at <= at)
    is_open = or_(c.unpublish_at.is_(None), c.unpublish_at > at)
    return and_(c.is_published, or_(c.turns_at.is_(None), and_(has_begun, is_open)))


def shows(product: Record, at: datetime) -> bool:
    """Decide as `is_shown` does, of a product read together with its listing."""
    return bool(in_force(product, at) and product.is_priced and product.status == ProductStatus.ACTIVE)


def in_force(listing: Record, at: datetime) -> bool:
    """Decide as `is_in_force` does."""
    if not listing.is_published or listing.turns_at is None:
        return bool(listing.is_published)
    has_begun = listing.turns_at == listing.unpublish_at or listing.published_at <= at
    return has_begun and (listing.unpublish_at is None or listing.unpublish_at > at)


def was_told(listing: Record) -> bool:
    """Whether the last that was told of a publication is that it is in force."""
    return bool(listing.is_published and (listing.turns_at is None or listing.turns_at == listing.unpublish_at))


async def is_asked_for(session: Session, product_id: UUID) -> bool:
    """Whether a product is published in a channel, or is to be, whatever its status."""
    c = listings.c
    has_not_ended = or_(c.unpublish_at.is_(None), c.unpublish_at > clock.now())
    wanted = select(c.channel_id).where(c.product_id == product_id, c.is_published, has_not_ended).limit(1)
    return (await session.execute(wanted)).first() is not None


async def publications_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    """The listings of products in every channel."""
    c = listings.c
    rows = await session.execute(select(listings).where(any_of(c.product_id, keys)).order_by(c.channel_id))
    by_product: dict[UUID, list[Record]] = {}
    for row in rows:
        by_product.setdefault(row.product_id, []).append(row)
    return by_product


async def is_any_due(session: Session) -> bool:
    """Whether a publication began or ended that nobody was told of."""
    due = select(listings.c.product_id).where(listings.c.turns_at <= clock.now()).limit(1)
    return (await session.execute(due)).first() is not None


async def turn(session: Session, *, limit: int) -> Sequence[Turn]:
    """Take publications that began or ended since they were last looked at; of several workers one gets each."""
    c, at = listings.c, clock.now()
    is_due = c.turns_at <= at
    due = (
        select(c.product_id, c.channel_id)
        .where(is_due)
        .order_by(c.product_id, c.channel_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        # Apart, so that it is carried out once: as a subquery it may be for each row, and find more than the limit.
        .cte("due")
    )
    ends = c.turns_at == c.unpublish_at  # null, which decides nothing, where there is no end
    turned = await session.execute(
        update(listings)
        .where(is_due, tuple_(c.product_id, c.channel_id).in_(select(due.c.product_id, due.c.channel_id)))
        .values(is_published=case((ends, false()), else_=true()), turns_at=case((ends, null()), else_=c.unpublish_at))
        .returning(c.product_id, c.channel_id, c.is_published)
    )
    rows = turned.all()
    owners = [row.product_id for row in rows]
    seen = set(
        await session.scalars(
            select(products.c.id).where(any_of(products.c.id, owners), products.c.status == ProductStatus.ACTIVE)
        )
    )
    return [Turn(row.product_id, row.channel_id, row.is_published, row.product_id in seen) for row in rows]
