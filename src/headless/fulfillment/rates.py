"""What does a channel's delivery cost, and who says so?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select

from headless.fulfillment.models import delivery_rates, delivery_zones
from headless.fulfillment.service import create_zone
from headless.platform import ids
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput

MAX_RATES = 100
MAX_TITLE = 255


@dataclass(frozen=True, slots=True)
class Rate:
    """What delivery into some countries costs, in minor units; without countries, into all others."""

    title: str
    amount: int
    countries: frozenset[str] = frozenset()


async def rates_by_channel(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    """The delivery rates of channels, each with the countries of its zone."""
    c = delivery_rates.c
    rows = await session.execute(
        select(delivery_rates, delivery_zones.c.countries)
        .join(delivery_zones, delivery_zones.c.id == c.zone_id)
        .where(any_of(c.channel_id, keys))
        .order_by(c.channel_id, c.id)
    )
    by_channel: dict[UUID, list[Record]] = {}
    for row in rows:
        by_channel.setdefault(row.channel_id, []).append(row)
    return by_channel


async def copy_rates(session: Session, *, source: UUID, target: UUID) -> None:
    """Give a channel the delivery rates of another one with the same currency."""
    found = (await rates_by_channel(session, [source])).get(source, [])
    rows = [
        {"id": ids.new(), "zone_id": row.zone_id, "channel_id": target, "title": row.title, "amount": row.amount}
        for row in found
    ]
    if rows:
        await session.execute(insert(delivery_rates), rows)


async def set_rates(session: Session, channel_id: UUID, rates: Sequence[Rate]) -> None:
    """Deliver from a channel at exactly these rates; carts that chose another one have to choose again.

    Zones are shared by channels: one that has the countries already is used. Raises `InvalidInput`.
    """
    checked = _checked(rates)
    zones = {frozenset(row.countries): row.id for row in await session.execute(select(delivery_zones))}
    for rate in checked:
        if rate.countries not in zones:
            zones[rate.countries] = await create_zone(
                session, name=_zone_name(rate.countries), countries=sorted(rate.countries)
            )
    await session.execute(delete(delivery_rates).where(delivery_rates.c.channel_id == channel_id))
    rows = [
        {
            "id": ids.new(),
            "zone_id": zones[rate.countries],
            "channel_id": channel_id,
            "title": rate.title,
            "amount": rate.amount,
        }
        for rate in checked
    ]
    if rows:
        await session.execute(insert(delivery_rates), rows)


def _checked(rates: Sequence[Rate]) -> list[Rate]:
    if len(rates) > MAX_RATES:
        message = f"A channel has at most {MAX_RATES} delivery rates."
        raise InvalidInput(message, field=("deliveryRates",))
    checked = []
    for index, rate in enumerate(rates):
        title = rate.title.strip()
        if not title or len(title) > MAX_TITLE:
            message = f"A title has 1 to {MAX_TITLE} characters."
            raise InvalidInput(message, field=("deliveryRates", index, "title"))
        checked.append(Rate(title, rate.amount, rate.countries))
    return checked


def _zone_name(countries: Collection[str]) -> str:
    return ", ".join(sorted(countries)) or "Rest of the world"
