"""How do products and variants go, with all that is only theirs?"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select

from headless.catalog.events import CollectionUpdated, ProductDeleted, ProductUpdated
from headless.catalog.metafields import service as metafields
from headless.catalog.models import collection_products, products, variants
from headless.catalog.search import index as search
from headless.platform import outbox
from headless.platform.columns import any_of
from headless.platform.db import Session


async def remove_product(session: Session, product_id: UUID, variant_ids: Sequence[UUID]) -> None:
    """Delete a product that the caller has locked: its variants, media, listings and places in collections go with it.

    Its history and what was said about it stay.
    """
    c = collection_products.c
    held = await session.scalars(select(c.collection_id).where(c.product_id == product_id).order_by(c.collection_id))
    outbox.record(session, *(CollectionUpdated(collection_id) for collection_id in held.all()))
    await metafields.forget_owners(session, [product_id, *variant_ids])
    await session.execute(delete(products).where(products.c.id == product_id))
    outbox.record(session, ProductDeleted(product_id))


async def remove_variants(session: Session, product_id: UUID, variant_ids: Sequence[UUID]) -> None:
    """Delete variants of a product that the caller has locked; the product's options stay."""
    await metafields.forget_owners(session, variant_ids)
    await session.execute(delete(variants).where(any_of(variants.c.id, variant_ids)))
    search.touch(session, [product_id])
    outbox.record(session, ProductUpdated(product_id))
