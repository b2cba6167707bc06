"""How does a first shop open, ready to sell from the first minute?"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, text

from headless.catalog import queries as catalog_queries
from headless.fulfillment import service as fulfillment
from headless.inventory import service as inventory
from headless.platform import outbox
from headless.platform.db import Database, Session
from headless.shop import queries as shop_queries
from headless.shop import service as shop

NAME = "My shop"
CURRENCY, COUNTRY, LANGUAGE = "EUR", "DE", "en"
EUROPEAN_UNION = (
    "AT", "BE", "BG", "CY", "CZ", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
DELIVERY = (
    ("Germany", ("DE",), "Standard delivery", 490),
    ("European Union", EUROPEAN_UNION, "Standard delivery", 990),
    ("Rest of the world", (), "International delivery", 2490),
)
"""Zone, its countries, rate, its amount in cents."""

PATIENCE = (text("SET LOCAL lock_timeout = '60s'"), text("SET LOCAL statement_timeout = '60s'"))
"""Filling a shop takes longer than PostgreSQL lets a request wait."""


async def open_default_shop(database: Database) -> bool:
    """Open a shop with one channel, one location and delivery everywhere; False when there is a shop already."""
    async with database.transaction() as session:
        await wait_for_turn(session)
        if await shop_queries.shop(session) is not None:
            return False
        await open_shop(session, name=NAME)
        return True


async def open_shop(session: Session, *, name: str) -> UUID:
    """Open a shop inside the caller's transaction; answer its channel's id."""
    channel_id = await shop.open_shop(session, name=name, currency=CURRENCY, country=COUNTRY, language=LANGUAGE)
    await inventory.create_location(session, handle="main", name="Main warehouse", position=1)
    for zone, countries, title, amount in DELIVERY:
        zone_id = await fulfillment.create_zone(session, name=zone, countries=countries)
        await fulfillment.create_rate(session, zone_id=zone_id, channel_id=channel_id, title=title, amount=amount)
    return channel_id


async def wait_for_turn(session: Session) -> None:
    """Let one transaction at a time open or fill a shop, on PostgreSQL as well."""
    if session.get_bind().dialect.name != "sqlite":
        for patience in PATIENCE:
            await session.execute(patience)
    await session.execute(select(outbox.log_heads).with_for_update())


async def is_untouched(session: Session) -> bool:
    """Whether nothing was ever for sale here: no product, and no trace of a former one."""
    return (
        await catalog_queries.is_empty(session)
        and (await session.execute(select(outbox.facts.c.seq).limit(1))).first() is None
    )
