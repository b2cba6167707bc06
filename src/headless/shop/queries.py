"""Which shop and channels are there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import BadUserInput
from headless.shop.models import channels, shops


async def shop(session: Session) -> Record | None:
    return (await session.execute(select(shops))).first()


async def all_channels(session: Session) -> Sequence[Record]:
    return (await session.execute(select(channels).order_by(channels.c.id))).all()


async def channel(session: Session, handle: str | None = None) -> Record:
    """The channel of a handle, by default the shop's default one; raises `BadUserInput` for an unknown handle."""
    wanted = channels.c.is_default if handle is None else channels.c.handle == handle
    row = (await session.execute(select(channels).where(wanted))).first()
    if row is None:
        message = "The shop has no channel yet." if handle is None else f"There is no channel {handle!r}."
        raise BadUserInput(message)
    return row


async def channels_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(channels).where(any_of(channels.c.id, keys)))
    return {row.id: row for row in rows}


async def channel_by_id(session: Session, channel_id: UUID) -> Record:
    return (await session.execute(select(channels).where(channels.c.id == channel_id))).one()
