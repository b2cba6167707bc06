"""Why is a product not seen, or not bought, in a channel? By the conditions that lists and checkouts have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import and_, select

from headless.catalog import publication
from headless.catalog import queries as catalog_queries
from headless.catalog.models import ProductStatus, listings, products
from headless.fulfillment import rates
from headless.inventory import queries as inventory_queries
from headless.inventory.queries import Sellable
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.pricing import queries as pricing_queries


class VisibilityCode(Enum):
    """What keeps a product from being seen or bought."""

    DRAFT = "DRAFT"
    ARCHIVED = "ARCHIVED"
    NOT_LISTED_YET = "NOT_LISTED_YET"
    NOT_PUBLISHED_IN_CHANNEL = "NOT_PUBLISHED_IN_CHANNEL"
    PUBLISHES_AT = "PUBLISHES_AT"
    UNPUBLISHED_AT = "UNPUBLISHED_AT"
    NO_VARIANTS = "NO_VARIANTS"
    NO_PRICE_IN_CURRENCY = "NO_PRICE_IN_CURRENCY"
    SOLD_OUT = "SOLD_OUT"
    NO_DELIVERY_RATES = "NO_DELIVERY_RATES"


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that keeps a product, or variants of it, from being seen or bought. `at`: when that began or ends."""

    code: VisibilityCode
    message: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Offering:
    """What a channel makes of a product's variants."""

    currency: str
    variants: int
    priced: int
    buyable: int
    """Variants with a price of which a checkout would grant at least one unit."""
    is_deliverable: bool
    """Whether the channel delivers anywhere: without, no checkout comes to an end."""


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whether shoppers see a product in a channel and can buy something of it, and what stands against it."""

    is_visible: bool
    is_purchasable: bool
    reasons: tuple[Reason, ...]


async def visibility_by_product(
    session: Session, keys: Sequence[UUID], channel_id: UUID, currency: str, at: datetime
) -> Mapping[UUID, Visibility]:
    """Tell of products how they stand in a channel at an instant."""
    c = listings.c
    of_listing = [column for column in c if column.name != "product_id"]
    joined = products.outerjoin(listings, and_(c.product_id == products.c.id, c.channel_id == channel_id))
    rows = await session.execute(
        select(products.c.id, products.c.status, *of_listing).select_from(joined).where(any_of(products.c.id, keys))
    )
    variants = await catalog_queries.variants_by_product(session, keys)
    ids = [variant.id for found in variants.values() for variant in found]
    prices = await pricing_queries.prices_by_variant(session, ids, channel_id)
    stock = await inventory_queries.sellable_by_variant(session, list(prices))
    delivers = bool((await rates.rates_by_channel(session, [channel_id])).get(channel_id))
    none_left = Sellable(is_tracked=True, quantity=0)
    return {
        row.id: decide(
            row,
            Offering(
                currency=currency,
                variants=len(variants.get(row.id, ())),
                priced=sum(variant.id in prices for variant in variants.get(row.id, ())),
                buyable=sum(
                    variant.id in prices and stock.get(variant.id, none_left).grants(1)
                    for variant in variants.get(row.id, ())
                ),
                is_deliverable=delivers,
            ),
            at,
        )
        for row in rows
    }


def decide(product: Record, offering: Offering, at: datetime) -> Visibility:
    """Judge a product, read together with its listing in a channel."""
    is_visible = product.channel_id is not None and publication.shows(product, at)
    return Visibility(
        is_visible=is_visible,
        is_purchasable=is_visible and offering.buyable > 0 and offering.is_deliverable,
        reasons=(*_about_status(product), *_about_publication(product, at), *_about_variants(offering)),
    )


def _about_status(product: Record) -> Iterator[Reason]:
    if product.status == ProductStatus.DRAFT:
        yield Reason(VisibilityCode.DRAFT, "It is a draft: publish it, or set its status to ACTIVE.")
    if product.status == ProductStatus.ARCHIVED:
        yield Reason(VisibilityCode.ARCHIVED, "It is archived: set its status to ACTIVE.")


def _about_publication(product: Record, at: datetime) -> Iterator[Reason]:
    if product.channel_id is None:
        yield Reason(VisibilityCode.NOT_LISTED_YET, "The channel is new and doesn't list it yet: wait a moment.")
    elif publication.in_force(product, at):
        return
    elif product.is_published and product.published_at > at:
        message = f"It is to be shown from {_told(product.published_at)} on."
        yield Reason(VisibilityCode.PUBLISHES_AT, message, product.published_at)
    elif product.unpublish_at is not None:
        message = f"Its publication ended at {_told(product.unpublish_at)}: publish it again."
        yield Reason(VisibilityCode.UNPUBLISHED_AT, message, product.unpublish_at)
    else:
        yield Reason(VisibilityCode.NOT_PUBLISHED_IN_CHANNEL, "It isn't published in this channel.")


def _about_variants(offering: Offering) -> Iterator[Reason]:
    count = offering.variants
    if not count:
        yield Reason(VisibilityCode.NO_VARIANTS, "It has no variants: there is nothing to buy.")
        return
    if offering.priced < count:
        message = f"{count - offering.priced} of {count} variants have no price in {offering.currency} in this channel."
        yield Reason(VisibilityCode.NO_PRICE_IN_CURRENCY, message)
    if offering.priced and not offering.buyable:
        message = f"All {offering.priced} variants with a price are sold out."
        yield Reason(VisibilityCode.SOLD_OUT, message)
    if not offering.is_deliverable:
        message = "The channel has no delivery rates: no checkout comes to an end there."
        yield Reason(VisibilityCode.NO_DELIVERY_RATES, message)


def _told(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
