"""How does a shop come into being, and how do its channels change?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, column, exists, insert, or_, select, table, update
from sqlalchemy.exc import IntegrityError

from headless.platform import ids, money, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Taken
from headless.shop import queries, rules
from headless.shop.errors import CurrencyInUse
from headless.shop.events import ChannelCreated, ChannelUpdated
from headless.shop.models import channels, shops

IN_CURRENCY = tuple(table(name, column("channel_id", Uuid())) for name in ("price", "delivery_rate", "cart", "orders"))
"""What holds amounts in a channel's currency: tables of other domains, by name."""


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """What a new channel is made of."""

    handle: str
    currency: str
    country: str
    language: str
    name: str | None = None
    allocation_strategy: str = "PRIORITY"


async def open_shop(session: Session, *, name: str, currency: str, country: str, language: str) -> UUID:
    """Create the shop with its default channel; answer the channel's id."""
    channel_id = ids.new()
    await session.execute(insert(shops).values(id=1, name=name))
    await session.execute(
        insert(channels).values(
            id=channel_id,
            handle="default",
            name="Default",
            currency_code=currency,
            default_country=country,
            default_language=language,
            is_default=True,
        )
    )
    return channel_id


async def create_channel(session: Session, draft: ChannelDraft) -> Record:
    """Open a channel in which no product is listed yet; raises `Taken` or `InvalidInput`.

    Until the transaction ends nobody else makes a product: each one is listed in every channel.
    """
    await queries.hold_channels(session, alone=True)
    channel_id = ids.new()
    values = {
        "handle": rules.checked_handle(draft.handle),
        "name": rules.checked_name(draft.handle if draft.name is None else draft.name),
        "currency_code": _checked_currency(draft.currency),
        "default_country": rules.checked_country(draft.country),
        "default_language": rules.checked_language(draft.language),
        "allocation_strategy": draft.allocation_strategy,
        "is_default": False,
        "unlisted_after": UUID(int=0),
    }
    try:
        made = await session.execute(insert(channels).values(id=channel_id, **values).returning(*channels.c))
    except IntegrityError:
        raise _taken(draft.handle) from None
    outbox.record(session, ChannelCreated(channel_id))
    return made.one()


async def update_channel(session: Session, channel_id: UUID, changes: Mapping[str, Any]) -> Record:
    """Change the named columns of a channel; raises `NotFound`, `Taken`, `CurrencyInUse` or `InvalidInput`."""
    values = {name: _CHECKS[name](value) if name in _CHECKS else value for name, value in changes.items()}
    c = channels.c
    if "currency_code" in values:
        await queries.hold_channels(session, alone=True)
    row = (await session.execute(select(channels).where(c.id == channel_id).with_for_update())).first()
    if row is None:
        raise NotFound(field=("id",))
    values = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not values:
        return row
    if "currency_code" in values and await session.scalar(select(_has_amounts(channel_id))):
        raise CurrencyInUse(field=("currencyCode",))
    try:
        changed = await session.execute(update(channels).where(c.id == channel_id).values(values).returning(*c))
    except IntegrityError:
        raise _taken(values["handle"]) from None
    outbox.record(session, ChannelUpdated(channel_id))
    return changed.one()


async def note_listed(session: Session, channel_id: UUID, *, upto: UUID | None) -> None:
    """Note up to which product a channel lists what there is; None: all of it."""
    await session.execute(update(channels).where(channels.c.id == channel_id).values(unlisted_after=upto))
    if upto is None:
        outbox.record(session, ChannelUpdated(channel_id))


def _has_amounts(channel_id: UUID) -> ColumnElement[bool]:
    return or_(*(exists().where(one.c.channel_id == channel_id).select_from(one) for one in IN_CURRENCY))


def _checked_currency(currency: str) -> str:
    try:
        money.digits(currency)
    except InvalidInput as refusal:
        raise refusal.at("currencyCode") from None
    return currency


def _taken(handle: str) -> Taken:
    message = f"Another channel has the handle {handle!r}. Choose a different one."
    return Taken(message, field=("handle",))


_CHECKS = {
    "handle": rules.checked_handle,
    "name": rules.checked_name,
    "currency_code": _checked_currency,
    "default_country": rules.checked_country,
    "default_language": rules.checked_language,
}
