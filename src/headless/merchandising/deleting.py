"""How do products and variants go from the shop, unless somebody is still owed units of them?

Orders keep the texts and prices that they were sold under. Carts keep their lines, which nobody can check out any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from headless.catalog import deleting, queries
from headless.catalog.errors import LastVariant
from headless.catalog.service import locked_product
from headless.inventory import ledger, removing
from headless.inventory.events import StockChanged
from headless.platform import outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Refused
from headless.pricing import service as pricing
from headless.pricing.events import PriceChanged
from headless.shop import queries as shop_queries
from headless.teamwork import revisions

MOST_VARIANTS = 250


async def delete_product(session: Session, product_id: UUID, *, expected_version: int | None, actor: str) -> None:
    """Delete a product; raises `NotFound`, `StaleObject`, or `Refused` while somebody is owed units of it."""
    current = await locked_product(session, product_id)
    if expected_version is not None and current.version != expected_version:
        raise await revisions.stale(session, "product", current, expected_version)
    rows = (await queries.variants_by_product(session, [product_id])).get(product_id, [])
    await _take_from_sale(session, rows, {row.id: ("id",) for row in rows}, actor=actor)
    await deleting.remove_product(session, product_id, [row.id for row in rows])


async def delete_variants(session: Session, product_id: UUID, variant_ids: Sequence[UUID], *, actor: str) -> None:
    """Delete variants of one product, all or none; raises `NotFound`, `LastVariant`, or `Refused`."""
    if len(variant_ids) > MOST_VARIANTS:
        raise InvalidInput(f"A call carries at most {MOST_VARIANTS} variants.", field=("variantIds",))
    await locked_product(session, product_id)
    known = {row.id: row for row in (await queries.variants_by_product(session, [product_id])).get(product_id, [])}
    paths: dict[UUID, tuple[str | int, ...]] = {}
    for index, variant_id in enumerate(variant_ids):
        if variant_id not in known:
            raise NotFound(field=("variantIds", index))
        paths.setdefault(variant_id, ("variantIds", index))
    if not paths:
        return
    if len(paths) == len(known):
        raise LastVariant(field=("variantIds",))
    await _take_from_sale(session, [known[variant_id] for variant_id in paths], paths, actor=actor)
    await deleting.remove_variants(session, product_id, list(paths))
    channel_ids = [row.id for row in await shop_queries.all_channels(session)]
    await pricing.refresh_ranges(session, [product_id], channel_ids)
    await ledger.refresh_availability(session, [product_id])


async def _take_from_sale(
    session: Session, rows: Sequence[Record], paths: Mapping[UUID, Sequence[str | int]], *, actor: str
) -> None:
    """Write off the stock of variants, and tell whoever watches them that they are neither in stock nor priced."""
    try:
        await removing.clear(session, rows, actor=actor)
    except Refused as refused:
        for refusal in refused.refusals:
            if refusal.target is not None:
                refusal.at(*paths[refusal.target])
        raise
    channel_ids = [row.id for row in await shop_queries.all_channels(session)]
    outbox.record(session, *(StockChanged(row.id) for row in rows))
    outbox.record(session, *(PriceChanged(row.id, channel_id) for row in rows for channel_id in channel_ids))
