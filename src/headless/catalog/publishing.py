"""When does a product begin and end to be shown in a channel?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import update

from headless.catalog import history, listing, publication
from headless.catalog.events import ProductPublished, ProductUnpublished, ProductUpdated
from headless.catalog.models import ProductStatus, listings
from headless.catalog.service import locked_product
from headless.platform import clock, outbox
from headless.platform.columns import any_of
from headless.platform.db import Session
from headless.platform.errors import InvalidInput


async def publish(
    session: Session,
    product_id: UUID,
    *,
    channel_id: UUID,
    at: datetime | None = None,
    until: datetime | None = None,
    actor: str = "system",
) -> Sequence[UUID]:
    """Show a product in a channel from an instant, by default now, until another one, by default for good.

    A draft becomes active, an archived one is refused. Answers the channels in which shoppers see a change now.
    """
    current = await locked_product(session, product_id)
    if current.status == ProductStatus.ARCHIVED:
        message = "An archived product can't be published. Set its status to ACTIVE or DRAFT first."
        raise InvalidInput(message, field=("id",))
    now = clock.now()
    begins = at if at is not None and at > now else now
    if until is not None and until <= begins:
        message = f"It would be hidden before it is shown: it is to be published at {begins.isoformat()}."
        raise InvalidInput(message, field=("unpublishAt",))
    before = await listing.locked(session, product_id, channel_id)
    was_shown, is_shown = publication.was_told(before), begins <= now
    since = before.published_at if was_shown and is_shown and before.published_at is not None else begins
    values = {"is_published": True, "published_at": since, "unpublish_at": until, "turns_at": until}
    if not is_shown:
        values["turns_at"] = begins
    await listing.write(session, before, values)
    changed = [channel_id] if was_shown != is_shown else []
    was_draft = current.status == ProductStatus.DRAFT
    if was_draft:
        await history.change_product(session, current, {"status": ProductStatus.ACTIVE}, actor=actor)
        changed = await listing.published_channels(session, product_id)
    if is_shown and (was_draft or not was_shown):
        outbox.record(session, ProductPublished(product_id, channel_id))
    elif was_shown and not is_shown and not was_draft:
        outbox.record(session, ProductUnpublished(product_id, channel_id))
    elif was_draft or (before.published_at, before.unpublish_at) != (since, until):
        outbox.record(session, ProductUpdated(product_id))
    return changed


async def show(session: Session, product_ids: Sequence[UUID], *, channel_id: UUID, at: datetime | None = None) -> None:
    """Show products that are active, and held by this transaction, in a channel."""
    shown = await session.execute(
        update(listings)
        .where(
            any_of(listings.c.product_id, product_ids), listings.c.channel_id == channel_id, ~listings.c.is_published
        )
        .values(is_published=True, published_at=at or clock.now(), unpublish_at=None, turns_at=None)
        .returning(listings.c.product_id)
    )
    outbox.record(session, *(ProductPublished(shown_id, channel_id) for shown_id in shown.scalars()))


async def unpublish(session: Session, product_id: UUID, *, channel_id: UUID) -> Sequence[UUID]:
    """Hide a product in a channel and forget its schedule there; answer the channels in which shoppers see it go."""
    await locked_product(session, product_id)
    before = await listing.locked(session, product_id, channel_id)
    values = {"is_published": False, "published_at": None, "unpublish_at": None, "turns_at": None}
    await listing.write(session, before, values)
    if publication.was_told(before):
        outbox.record(session, ProductUnpublished(product_id, channel_id))
        return [channel_id]
    if before.published_at is not None:
        outbox.record(session, ProductUpdated(product_id))
    return []
