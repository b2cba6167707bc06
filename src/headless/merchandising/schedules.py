"""Who tells that a product's publication began or ended by itself?"""

from __future__ import annotations

from uuid import UUID

from headless.catalog import publication
from headless.catalog.events import ProductPublished, ProductUnpublished
from headless.merchandising import service
from headless.platform import outbox
from headless.platform.db import Database, Session

AT_ONCE = 50
"""Publications of one transaction: each is told once for every variant."""


async def tell_of_turns(database: Database) -> int:
    """Tell of every publication that has begun or ended; answer how many did. Several workers tell of each once."""
    told = 0
    while True:
        # Looked at before: writing takes a lock, and mostly there is nothing.
        async with database.reading() as session:
            if not await publication.is_any_due(session):
                return told
        async with database.transaction() as session:
            turned = await _tell(session)
        if not turned:
            # Others hold what is due: theirs, or to be looked at again in a moment.
            return told
        told += turned


async def _tell(session: Session) -> int:
    turns = await publication.turn(session, limit=AT_ONCE)
    changed: dict[UUID, list[UUID]] = {}
    for one in turns:
        if one.is_seen:
            fact = ProductPublished if one.is_shown else ProductUnpublished
            outbox.record(session, fact(one.product_id, one.channel_id))
            changed.setdefault(one.product_id, []).append(one.channel_id)
    await service.tell_watchers(session, changed)
    return len(turns)
