"""How do collections by rules hear of changes? From the log: of each changed product they look at that one alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headless.catalog import queries
from headless.catalog.collections import membership
from headless.catalog.events import ProductCreated, ProductUpdated
from headless.inventory.events import StockChanged
from headless.platform.consumers import Reader, read_on
from headless.platform.db import Database, Session
from headless.platform.outbox import Entry
from headless.pricing.events import PriceChanged

_OF_PRODUCTS = frozenset({ProductCreated.topic, ProductUpdated.topic})
_OF_VARIANTS = frozenset({StockChanged.topic, PriceChanged.topic})


async def collect(database: Database) -> int:
    """Bring collections by rules up to date with the log; answer how much was taken in."""
    done = 0
    while step := await read_on(database, READER):
        done += step
    return done


async def _handle(session: Session, entries: Sequence[Entry]) -> None:
    changed = {entry.key for entry in entries if entry.topic in _OF_PRODUCTS}
    variant_ids = {entry.key for entry in entries if entry.topic in _OF_VARIANTS}
    if variant_ids:
        changed.update((await queries.owners_of(session, sorted(variant_ids))).values())
    await membership.evaluate(session, sorted(changed))


async def _resync(session: Session) -> None:
    await membership.rebuild(session)


READER: Final = Reader(
    name="collections",
    topics=_OF_PRODUCTS | _OF_VARIANTS,
    handle=_handle,
    resync=_resync,
    is_work_left=membership.is_rebuild_waiting,
    work=membership.rebuild_some,
)
