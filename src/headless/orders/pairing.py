"""Which products do placed orders hold together? Counted from the log, each order once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlmodel import Field, SQLModel

from headless.catalog.recommendations import service as recommendations
from headless.orders.events import OrderPlaced
from headless.orders.models import order_lines, orders
from headless.platform import columns
from headless.platform.columns import any_of
from headless.platform.consumers import Reader, read_on
from headless.platform.db import Database, Session, insert_into
from headless.platform.outbox import Entry

CHUNK = 500
"""Orders that one transaction looks through of those placed before."""


class PairedOrder(SQLModel, table=True):
    """An order of several products that is counted."""

    __tablename__ = "paired_order"

    order_id: UUID = Field(primary_key=True, foreign_key="orders.id", ondelete="CASCADE")


class PairingBacklog(SQLModel, table=True):
    """One row while orders placed before are still to be looked through; those up to `after` have been."""

    __tablename__ = "pairing_backlog"

    id: int = Field(primary_key=True)
    after: UUID | None = None


paired = columns.table_of(PairedOrder)
backlogs = columns.table_of(PairingBacklog)


async def pair(database: Database) -> int:
    """Bring the counts up to date with the log; answer how much was taken in."""
    done = 0
    while step := await read_on(database, READER):
        done += step
    return done


async def _handle(session: Session, entries: Sequence[Entry]) -> None:
    await _count(session, {entry.key for entry in entries})


async def _count(session: Session, order_ids: Collection[UUID]) -> None:
    """Count the orders that aren't counted yet."""
    c = order_lines.c
    baskets: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for row in await session.execute(select(c.order_id, c.product_id).where(any_of(c.order_id, sorted(order_ids)))):
        baskets[row.order_id].add(row.product_id)
    several = [order_id for order_id, basket in sorted(baskets.items()) if len(basket) > 1]
    if not several:
        return
    # One at a time: whoever counts holds the reader's row of `platform.consumers`.
    counted = set(await session.scalars(select(paired.c.order_id).where(any_of(paired.c.order_id, several))))
    fresh = [order_id for order_id in several if order_id not in counted]
    if fresh:
        await session.execute(insert(paired), [{"order_id": order_id} for order_id in fresh])
        await recommendations.count_orders(session, [baskets[order_id] for order_id in fresh])


async def _resync(session: Session) -> None:
    """Have all orders looked through: those that are counted stay so."""
    await session.execute(
        insert_into(session, backlogs)
        .values(id=1, after=None)
        .on_conflict_do_update(index_elements=["id"], set_={"after": None})
    )


async def _is_backlog_left(session: Session) -> bool:
    return (await session.execute(select(backlogs.c.id))).first() is not None


async def _count_some(session: Session) -> bool:
    """Look through the next orders that were placed before; answer whether there was a backlog."""
    backlog = (await session.execute(select(backlogs))).first()
    if backlog is None:
        return False
    beyond = (orders.c.id > backlog.after,) if backlog.after is not None else ()
    page = list(await session.scalars(select(orders.c.id).where(*beyond).order_by(orders.c.id).limit(CHUNK)))
    await _count(session, page)
    if len(page) < CHUNK:
        await session.execute(delete(backlogs))
    else:
        await session.execute(update(backlogs).values(after=page[-1]))
    return True


READER: Final = Reader(
    name="bought_together",
    topics=frozenset({OrderPlaced.topic}),
    handle=_handle,
    resync=_resync,
    is_work_left=_is_backlog_left,
    work=_count_some,
)
