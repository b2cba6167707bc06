"""Can a variant be bought, what does it cost, and how much of it is there?"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from headless.accounts.rules import Permission
from headless.catalog import models, publication, queries
from headless.graphql.context import Context
from headless.graphql.money import PriceRange, amount
from headless.inventory import queries as inventory_queries
from headless.inventory.queries import Sellable
from headless.platform.db import Record
from headless.platform.loaders import then
from headless.pricing import queries as pricing_queries


def is_for_sale(variant: Any, context: Context) -> Any:
    """Whether a shopper would be granted at least one unit of a variant; awaitable where that isn't known yet."""

    def show(found: Record | None, _channel: Record) -> Any:
        return found is not None and stocked(
            variant.id, context, lambda stock: stock.grants(1) and _is_published(variant.product_id, context)
        )

    return priced(variant, context, show)


def price_range_of(least: int, most: int) -> Callable[[Record], PriceRange]:
    """Two amounts in the currency of whichever channel is asked for."""

    def show(channel: Record) -> PriceRange:
        currency = channel.currency_code
        return PriceRange(min_variant_price=amount(least, currency), max_variant_price=amount(most, currency))

    return show


def priced(variant: models.Variant, context: Context, show: Callable[[Record | None, Record], Any]) -> Any:
    """What is shown of a variant's price in the context's channel, and of that channel."""

    def in_channel(channel: Record) -> Any:
        found = context.loaders.load(pricing_queries.prices_by_variant, variant.id, channel.id)
        return then(found, lambda price: show(price, channel))

    return context.with_channel(in_channel)


def stocked(variant_id: UUID, context: Context, show: Callable[[Sellable], Any]) -> Any:
    """What is shown of a variant's stock."""
    found = context.loaders.load(inventory_queries.sellable_by_variant, variant_id)
    return then(found, lambda stock: show(stock or Sellable(is_tracked=True, quantity=0)))


def _is_published(product_id: UUID, context: Context) -> Any:
    """Shoppers reach only what is published; staff are told what shoppers would be told."""
    if not context.actor.may(Permission.READ_PRODUCTS):
        return True
    return _is_shown(product_id, context)


async def _is_shown(product_id: UUID, context: Context) -> bool:
    eye = await context.eye()
    product = await context.load(queries.products_by_id, product_id, eye)
    return bool(product and publication.shows(product, context.at))
