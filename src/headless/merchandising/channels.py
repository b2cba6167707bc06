"""How does a channel open, so that every product is listed there and its carts can be delivered?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from headless.catalog import listing
from headless.catalog.models import listings
from headless.fulfillment import rates as delivery
from headless.fulfillment.rates import Rate
from headless.platform import money
from headless.platform.db import Database, Record, Session
from headless.platform.errors import InvalidInput
from headless.shop import queries as shop_queries
from headless.shop import service as shop
from headless.shop.service import ChannelDraft

AT_ONCE = 10_000
"""Products that one transaction lists."""


@dataclass(frozen=True, slots=True)
class DeliveryRate:
    """What delivery into some countries is to cost, in the channel's currency; without countries, into all others."""

    title: str
    amount: Decimal
    countries: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ChannelProblem:
    """What keeps a channel from selling."""

    code: str
    message: str


async def create_channel(
    session: Session, draft: ChannelDraft, *, delivery_rates: Sequence[DeliveryRate] | None = None
) -> Record:
    """Open a channel. The first products are listed there at once, the others by the worker, the sooner the fewer.

    Without delivery rates it gets those of the default channel, if that has the same currency.
    Raises `Taken` or `InvalidInput`.
    """
    channel = await shop.create_channel(session, draft)
    if delivery_rates is not None:
        await delivery.set_rates(session, channel.id, _in_minor_units(delivery_rates, channel.currency_code))
    else:
        default = await shop_queries.channel(session)
        if default.currency_code == channel.currency_code:
            await delivery.copy_rates(session, source=default.id, target=channel.id)
    await _list_more(session, channel.id)
    return await shop_queries.channel_by_id(session, channel.id)


async def update_channel(
    session: Session,
    channel_id: UUID,
    changes: Mapping[str, Any],
    *,
    delivery_rates: Sequence[DeliveryRate] | None = None,
) -> Record:
    """Change a channel; raises `NotFound`, `Taken`, `CurrencyInUse` or `InvalidInput`."""
    channel = await shop.update_channel(session, channel_id, changes)
    if delivery_rates is not None:
        await delivery.set_rates(session, channel_id, _in_minor_units(delivery_rates, channel.currency_code))
    return channel


async def list_products(database: Database) -> int:
    """Go on listing products in channels that don't list all of them yet; answer how many transactions it took."""
    async with database.reading() as session:
        channel_ids = await shop_queries.unlisted(session)
    count = 0
    for channel_id in channel_ids:
        is_done = False
        while not is_done:
            async with database.transaction() as session:
                is_done = await _list_more(session, channel_id)
            count += 1
    return count


async def problems(session: Session, channel: Record) -> list[ChannelProblem]:
    """What keeps a channel from selling now."""
    found = []
    if channel.unlisted_after is not None:
        found.append(ChannelProblem("LISTING_PRODUCTS", "Products are still being listed here; it takes a while."))
    if not (await delivery.rates_by_channel(session, [channel.id])).get(channel.id):
        message = "Nothing can be delivered from here: set delivery rates."
        found.append(ChannelProblem("NO_DELIVERY_RATES", message))
    if not await listing.is_any(session, channel.id, listings.c.is_priced):
        message = f"No product has a price in {channel.currency_code} here: set prices in this channel."
        found.append(ChannelProblem("NO_PRICES", message))
    if not await listing.is_any(session, channel.id, listings.c.is_published):
        found.append(ChannelProblem("NOTHING_PUBLISHED", "No product is published here."))
    return found


async def _list_more(session: Session, channel_id: UUID) -> bool:
    """List the next products; True when there are no more."""
    after = await shop_queries.locked_unlisted(session, channel_id)
    if after is None:
        return True
    last = await listing.extend(session, channel_id, after=after, limit=AT_ONCE)
    await shop.note_listed(session, channel_id, upto=last)
    return last is None


def _in_minor_units(rates: Sequence[DeliveryRate], currency: str) -> list[Rate]:
    found = []
    for index, rate in enumerate(rates):
        try:
            amount = money.parse(rate.amount, currency)
        except InvalidInput as refusal:
            raise refusal.at("deliveryRates", index, "amount") from None
        found.append(Rate(rate.title, amount, frozenset(rate.countries)))
    return found
