"""How does a shop come into being?"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert

from headless.platform import ids
from headless.platform.db import Session
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
