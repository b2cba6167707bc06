"""Which shop and channels are there?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select

from headless.platform.columns import any_of
from headless.platform.db import Record, SerializationFailure, Session
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


async def hold_channels(session: Session, *, alone: bool = False) -> None:
    """Keep channels as they are until the transaction ends: together with others, or alone, to change that.

    Whoever makes a product lists it in every channel, and whoever opens a channel lists every product in it: of the
    two, one waits for the other, and sees what it did.
    """
    await session.execute(select(shops.c.id).with_for_update(read=not alone))


async def channels_to_list_in(session: Session) -> Sequence[Record]:
    """All channels, which stay all of them until the transaction ends."""
    known: Sequence[Record] | None = session.info.get("channels")
    if known is None:
        await hold_channels(session)
        known = session.info["channels"] = await all_channels(session)
    return known


async def confirm_currency(session: Session, channel: Record) -> None:
    """See to it that amounts are written in the currency that the channel has when the transaction ends.

    Raises `SerializationFailure` when it has another one by now: read the channel again.
    """
    current = await channels_to_list_in(session)
    if not any((row.id, row.currency_code) == (channel.id, channel.currency_code) for row in current):
        raise SerializationFailure


async def unlisted(session: Session) -> Sequence[UUID]:
    """The channels that don't list every product yet."""
    rows = await session.scalars(select(channels.c.id).where(channels.c.unlisted_after.is_not(None)))
    return list(rows)


async def locked_unlisted(session: Session, channel_id: UUID) -> UUID | None:
    """The product after which a channel lists none yet, for whoever is to list more; None: it lists all.

    The lock lets pass those who refer to the channel: one who prices a product there holds what this one waits for.
    """
    after = select(channels.c.unlisted_after).where(channels.c.id == channel_id).with_for_update(key_share=True)
    found: UUID | None = await session.scalar(after)
    return found
