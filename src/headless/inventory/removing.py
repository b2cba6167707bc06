"""When may variants leave the stock for good, and what does the ledger say of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from headless.inventory import ledger, queries
from headless.inventory.errors import PartOfBundle, StockIncoming, StockPromised
from headless.inventory.ledger import Entry, Why
from headless.inventory.models import bundle_parts
from headless.inventory.rules import Stock
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import Refusal, Refused

COUNTED_DOWN: Final = ("on_hand", "damaged", "safety_stock")
REASON: Final = "deleted"


async def clear(session: Session, variants: Sequence[Record], *, actor: str) -> None:
    """Write off all stock of variants that are about to be deleted, locked until they are.

    Raises `Refused`, one refusal a variant, with `StockPromised` while units are reserved for checkouts or committed
    to orders, `StockIncoming` while some are on their way, `PartOfBundle` while other variants are made of it.
    """
    variant_ids = [variant.id for variant in variants]
    stocks = await queries.locked_stocks(session, variant_ids)
    in_bundles = await _parts_of_others(session, variant_ids)
    problems = [
        problem
        for variant in variants
        for problem in _problems(variant, stocks.get(variant.id, ()), is_part=variant.id in in_bundles)
    ]
    if problems:
        raise Refused(problems)
    await session.execute(delete(bundle_parts).where(any_of(bundle_parts.c.bundle_id, variant_ids)))
    await ledger.post(session, Entry(Why(REASON, actor), _written_off(stocks)))


def _written_off(stocks: Mapping[UUID, Sequence[Stock]]) -> ledger.Deltas:
    return {
        (stock.variant_id, stock.location_id): {
            name: -getattr(stock, name) for name in COUNTED_DOWN if getattr(stock, name)
        }
        for per in stocks.values()
        for stock in per
    }


def _problems(variant: Record, stocks: Sequence[Stock], *, is_part: bool) -> list[Refusal]:
    called = f"{variant.title} ({variant.sku})" if variant.sku else variant.title
    reserved, committed, incoming = (
        sum(getattr(stock, name) for stock in stocks) for name in ("reserved", "committed", "incoming")
    )
    found: list[Refusal] = []
    if reserved or committed:
        message = (
            f"Of {called}, {reserved} units are reserved for checkouts and {committed} committed to orders. "
            "Wait until they are shipped or given back; until then, unpublish the product."
        )
        found.append(StockPromised(message))
    if incoming:
        message = f"Of {called}, {incoming} units are on their way. Receive or cancel the transfer first."
        found.append(StockIncoming(message))
    if is_part:
        found.append(PartOfBundle(f"Bundles are made of {called}. Take it out of them first."))
    for refusal in found:
        refusal.target = variant.id
    return found


async def _parts_of_others(session: Session, variant_ids: Sequence[UUID]) -> set[UUID]:
    c = bundle_parts.c
    rows = await session.scalars(
        select(c.part_id).where(any_of(c.part_id, variant_ids), ~any_of(c.bundle_id, variant_ids))
    )
    return set(rows)
