"""Is what lists sort and filter by what prices, stock and orders say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from headless.catalog import listing
from headless.catalog.collections import membership
from headless.catalog.models import listings, products
from headless.inventory import ledger
from headless.inventory import queries as inventory_queries
from headless.merchandising import collecting
from headless.operations.catalog.check import Check
from headless.orders import pairing
from headless.orders import queries as order_queries
from headless.platform.columns import any_of
from headless.platform.consumers import consumers
from headless.platform.db import Record, Session
from headless.pricing import queries as pricing_queries
from headless.pricing import service as pricing
from headless.shop import queries as shop_queries

RANGE = ("min_amount", "max_amount", "min_compare_at_amount", "max_compare_at_amount")
NO_PRICE = (False, 0, 0, None, None)


async def _kept(session: Session, product_ids: Sequence[UUID]) -> Sequence[Record]:
    return (await session.execute(select(listings).where(any_of(listings.c.product_id, product_ids)))).all()


async def _prices(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    ranges = {
        (row.product_id, channel.id): (True, *(getattr(row, name) for name in RANGE))
        for channel in await shop_queries.all_channels(session)
        for row in await pricing_queries.ranges_by_product(session, product_ids, channel.id)
    }
    return {
        row.product_id: "is listed for other prices than its variants have"
        for row in await _kept(session, product_ids)
        if (row.is_priced, *(getattr(row, name) for name in RANGE))
        != ranges.get((row.product_id, row.channel_id), NO_PRICE)
    }


async def _reprice(session: Session, product_ids: Sequence[UUID]) -> None:
    channels = [channel.id for channel in await shop_queries.all_channels(session)]
    await pricing.refresh_ranges(session, product_ids, channels)


async def _availability(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    c = listings.c
    rows = await session.execute(
        select(c.product_id, c.is_available).where(
            any_of(c.product_id, product_ids), c.is_available != inventory_queries.is_buyable(listings)
        )
    )
    return {
        row.product_id: f"is listed as {'available' if row.is_available else 'sold out'}, which it isn't"
        for row in rows
    }


async def _sales(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    sold = await order_queries.units_sold_of(session, product_ids)
    return {
        row.product_id: f"is listed with {row.units_sold} units sold"
        for row in await _kept(session, product_ids)
        if row.units_sold != sold.get((row.product_id, row.channel_id), 0)
    }


async def _count_sales(session: Session, product_ids: Sequence[UUID]) -> None:
    await listing.lock_listings(session, product_ids)
    sold = await order_queries.units_sold_of(session, product_ids)
    kept = {(row.product_id, row.channel_id): 0 for row in await _kept(session, product_ids)}
    await listing.write_units_sold(session, {**kept, **{key: units for key, units in sold.items() if key in kept}})


async def _members(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    found = await membership.differences(session, product_ids)
    broken = {
        product_id: "stands in a collection whose rules it doesn't meet" for _collection, product_id in found.surplus
    }
    return broken | {
        product_id: "is missing in a collection whose rules it meets" for _collection, product_id in found.missing
    }


async def _collect(session: Session, product_ids: Sequence[UUID]) -> None:
    mine = select(consumers.c.name).where(consumers.c.name == collecting.READER.name).with_for_update()
    await session.execute(mine)
    await membership.evaluate(session, product_ids)


async def _pairs(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    return dict.fromkeys(
        await pairing.miscounted(session, product_ids), "is counted beside other products than its orders hold"
    )


CHECKS = (
    Check(
        "prices",
        "Lists show and sort by the lowest and highest price of the variants.",
        "product",
        products.c.id,
        _prices,
        _reprice,
    ),
    Check(
        "availability",
        "Lists show as available what a checkout would grant.",
        "product",
        products.c.id,
        _availability,
        ledger.refresh_availability,
    ),
    Check(
        "sales",
        "Lists sort by the units that were sold; the worker counts them once a minute.",
        "product",
        products.c.id,
        _sales,
        _count_sales,
    ),
    Check(
        "collections",
        "Collections by rules hold what their rules say; the worker follows changes within a second.",
        "product",
        products.c.id,
        _members,
        _collect,
    ),
    Check(
        "pairs",
        "Recommendations count the orders that hold two products together; the worker follows them within seconds.",
        "product",
        products.c.id,
        _pairs,
        pairing.recount,
    ),
)
