"""What does a variant cost?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select

from headless.catalog.models import variants
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.pricing.models import prices


async def prices_by_variant(session: Session, keys: Sequence[UUID], channel_id: UUID) -> Mapping[UUID, Record]:
    c = prices.c
    rows = await session.execute(
        select(c.variant_id, c.amount, c.compare_at_amount).where(
            any_of(c.variant_id, keys), c.channel_id == channel_id
        )
    )
    return {row.variant_id: row for row in rows}


async def ranges_by_product(session: Session, product_ids: Sequence[UUID], channel_id: UUID) -> Sequence[Record]:
    """Lowest and highest prices of products in a channel; products without a price are left out."""
    rows = await session.execute(
        select(
            variants.c.product_id,
            func.min(prices.c.amount).label("min_amount"),
            func.max(prices.c.amount).label("max_amount"),
            func.min(prices.c.compare_at_amount).label("min_compare_at_amount"),
            func.max(prices.c.compare_at_amount).label("max_compare_at_amount"),
        )
        .join(prices, prices.c.variant_id == variants.c.id)
        .where(any_of(variants.c.product_id, product_ids), prices.c.channel_id == channel_id)
        .group_by(variants.c.product_id)
    )
    return rows.all()
