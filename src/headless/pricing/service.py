"""How do prices change?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from headless.catalog import listing
from headless.catalog import queries as catalog_queries
from headless.platform import clock, outbox
from headless.platform.db import Session, insert_into
from headless.pricing import queries
from headless.pricing.events import PriceChanged
from headless.pricing.models import prices


@dataclass(frozen=True, slots=True)
class NewPrice:
    """Minor units; `compare_at_amount` is the price that is struck through."""

    amount: int
    compare_at_amount: int | None = None


async def set_prices(session: Session, channel_id: UUID, new: Mapping[UUID, NewPrice]) -> set[UUID]:
    """Write variants' prices in a channel; unchanged ones are left alone and make no fact.

    Answers the variants that had none there: from now on they can be bought, and the caller refreshes what lists say.
    """
    before = await queries.prices_by_variant(session, list(new), channel_id)
    changed = {
        variant_id: price
        for variant_id, price in new.items()
        if variant_id not in before
        or (before[variant_id].amount, before[variant_id].compare_at_amount) != (price.amount, price.compare_at_amount)
    }
    if not changed:
        return set()
    product_ids = sorted(set((await catalog_queries.owners_of(session, list(changed))).values()))
    await listing.lock_listings_in(session, channel_id, product_ids)
    at = clock.now()
    writing = insert_into(session, prices)
    writing = writing.on_conflict_do_update(
        index_elements=["variant_id", "channel_id"],
        set_={name: writing.excluded[name] for name in ("amount", "compare_at_amount", "updated_at")},
    )
    await session.execute(
        writing,
        [
            {
                "variant_id": variant_id,
                "channel_id": channel_id,
                "amount": price.amount,
                "compare_at_amount": price.compare_at_amount,
                "updated_at": at,
            }
            for variant_id, price in changed.items()
        ],
    )
    await listing.write_price_ranges(
        session, channel_id, await queries.ranges_by_product(session, product_ids, channel_id)
    )
    outbox.record(session, *(PriceChanged(variant_id, channel_id) for variant_id in changed))
    return changed.keys() - before.keys()


async def refresh_ranges(session: Session, product_ids: Sequence[UUID], channel_ids: Sequence[UUID]) -> None:
    """Write again what products cost in channels: some of their variants are no more."""
    await listing.lock_listings(session, product_ids)
    for channel_id in channel_ids:
        ranges = await queries.ranges_by_product(session, product_ids, channel_id)
        await listing.write_price_ranges(session, channel_id, ranges)
        unpriced = set(product_ids).difference(row.product_id for row in ranges)
        if unpriced:
            await listing.forget_prices(session, channel_id, sorted(unpriced))
