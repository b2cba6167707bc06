"""What is in a cart, and at which price would it be sold now?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Uuid, and_, bindparam, select

from headless.cart.models import cart_lines, carts
from headless.cart.rules import Line, Offer
from headless.catalog import publication
from headless.catalog.models import listings, products, variants
from headless.inventory.queries import sellable_units
from headless.platform import clock
from headless.platform.columns import UtcDateTime, any_named, any_of
from headless.platform.db import Record, Session
from headless.pricing.models import prices


async def carts_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    """Carts that haven't expired."""
    c = carts.c
    rows = await session.execute(select(carts).where(any_of(c.id, keys), c.expires_at > clock.now()))
    return {row.id: row for row in rows}


def locked(cart_ids: Sequence[UUID]) -> Select[tuple[UUID, int]]:
    """Have carts to oneself, in the order of their ids, and see their versions; expired ones are left out."""
    c = carts.c
    wanted = select(c.id, c.version).where(any_of(c.id, cart_ids), c.expires_at > clock.now())
    return wanted.order_by(c.id).with_for_update()


async def offers_by_variant(session: Session, keys: Sequence[UUID], channel_id: UUID) -> Mapping[UUID, Offer]:
    """Offers of variants that are published and priced in a channel."""
    wanted = {"variant_ids": list(keys), "channel_id": channel_id, "at": clock.now()}
    rows = await session.execute(_offers_of_variants(), wanted)
    return {row.offer_id: _offer(row) for row in rows}


async def lines_by_cart(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Line]]:
    """Carts' lines in the order they were added, each with its present offer in the cart's channel."""
    rows = await session.execute(_lines_with_offers(), {"cart_ids": list(keys), "at": clock.now()})
    by_cart: defaultdict[UUID, list[Line]] = defaultdict(list)
    for row in rows:
        by_cart[row.cart_id].append(
            Line(
                id=row.id,
                variant_id=row.variant_id,
                quantity=row.quantity,
                attributes=tuple((entry["key"], entry["value"]) for entry in row.attributes),
                shown_amount=row.shown_amount,
                offer=_offer(row) if row.offer_id is not None else None,
            )
        )
    return by_cart


@cache
def _offers_of_variants() -> Select[Any]:
    return _offers(bindparam("channel_id", type_=Uuid())).where(any_named(variants.c.id, "variant_ids"))


@cache
def _lines_with_offers() -> Select[Any]:
    """Built once: putting it together takes longer than carrying it out."""
    c = cart_lines.c
    in_carts = carts.join(cart_lines, c.cart_id == carts.c.id).join(variants, variants.c.id == c.variant_id)
    offers = _offers(carts.c.channel_id, in_carts).where(any_named(carts.c.id, "cart_ids"))
    offer = offers.add_columns(c.id.label("of_line")).subquery()
    return (
        select(c.id, c.cart_id, c.variant_id, c.quantity, c.attributes, c.shown_amount, offer)
        .outerjoin(offer, offer.c.of_line == c.id)
        .where(any_named(c.cart_id, "cart_ids"))
        .order_by(c.cart_id, c.id)
    )


def _offers(channel_id: Any, wanted: FromClause = variants) -> Select[Any]:
    return (
        select(
            variants.c.id.label("offer_id"),
            variants.c.product_id,
            products.c.title.label("product_title"),
            variants.c.title.label("variant_title"),
            variants.c.sku,
            variants.c.selected_options,
            prices.c.amount,
            prices.c.compare_at_amount,
            sellable_units().label("free"),
            variants.c.is_bundle,
            variants.c.max_per_order,
            variants.c.max_per_customer,
        )
        .select_from(wanted)
        .join(products, products.c.id == variants.c.product_id)
        .join(listings, and_(listings.c.product_id == products.c.id, listings.c.channel_id == channel_id))
        .join(prices, and_(prices.c.variant_id == variants.c.id, prices.c.channel_id == channel_id))
        .where(publication.is_shown(bindparam("at", type_=UtcDateTime())))
    )


def _offer(row: Record) -> Offer:
    return Offer(
        variant_id=row.offer_id,
        product_id=row.product_id,
        product_title=row.product_title,
        variant_title=row.variant_title,
        sku=row.sku,
        amount=row.amount,
        compare_at_amount=row.compare_at_amount,
        quantity=None if row.free is None else int(row.free),
        selected_options=tuple((entry["name"], entry["value"]) for entry in row.selected_options),
        is_bundle=row.is_bundle,
        max_per_order=row.max_per_order,
        max_per_customer=row.max_per_customer,
    )
