"""How does a shop come into being, and how do its channels change?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from headless.platform import ids
from headless.platform.db import Record, Session
from headless.platform.errors import NotFound
from headless.shop.models import channels, shops


async def open_shop(session: Session, *, name: str, currency: str, country: str, language: str) -> UUID:
    """Create the shop with its default channel; answer the channel's id."""
    channel_id = ids.new()
    await session.execute(insert(shops).values(id=1, name=name))
    await session.execute(
        insert(channels).values(
            id=channel_id,
            handle="default",
            currency_code=currency,
            default_country=country,
            default_language=language,
            is_default=True,
        )
    )
    return channel_id


async def update_channel(session: Session, channel_id: UUID, changes: Mapping[str, Any]) -> Record:
    """Change the named columns of a channel; raises `NotFound`."""
    if changes:
        await session.execute(update(channels).where(channels.c.id == channel_id).values(**changes))
    row = (await session.execute(select(channels).where(channels.c.id == channel_id))).first()
    if row is None:
        raise NotFound(field=("id",))
    return row
