"""Which products do orders hold together? Counted from the log, each order once, for as long as it isn't cancelled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlmodel import Field, SQLModel

from headless.catalog.models import products
from headless.catalog.recommendations import service as recommendations
from headless.catalog.recommendations.models import bought_together
from headless.orders.events import OrderPlaced, OrderStatusChanged
from headless.orders.models import order_lines, orders
from headless.platform import columns
from headless.platform.columns import any_of
from headless.platform.consumers import Reader, consumers, read_on
from headless.platform.db import Database, Session, insert_into
from headless.platform.outbox import Entry

CHUNK = 500
"""Orders that one transaction looks through of those placed before."""


class PairedOrder(SQLModel, table=True):
    """An order of several products that is counted. Cancelled, it no longer is."""

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
    """Count the orders that aren't counted yet, and no longer those that were cancelled."""
    placed = await _placed(session, order_ids)
    # One at a time: whoever counts holds the reader's row of `platform.consumers`.
    counted = await _counted(session, placed)
    fresh = sorted(order_id for order_id, one in placed.items() if one.counts and order_id not in counted)
    gone = sorted(order_id for order_id in counted if not placed[order_id].counts)
    if fresh:
        await session.execute(insert(paired), [{"order_id": order_id} for order_id in fresh])
        await recommendations.count_orders(session, [placed[order_id].basket for order_id in fresh])
    if gone:
        await session.execute(delete(paired).where(any_of(paired.c.order_id, gone)))
        await recommendations.discount_orders(session, [placed[order_id].basket for order_id in gone])


@dataclass(frozen=True, slots=True)
class _Placed:
    """The products of an order."""

    is_cancelled: bool
    basket: set[UUID] = field(default_factory=set)

    @property
    def counts(self) -> bool:
        return not self.is_cancelled and len(self.basket) > 1


async def _placed(session: Session, order_ids: Collection[UUID]) -> Mapping[UUID, _Placed]:
    c = order_lines.c
    rows = await session.execute(
        select(c.order_id, c.product_id, orders.c.cancelled_at)
        .join(orders, orders.c.id == c.order_id)
        .where(any_of(c.order_id, sorted(order_ids)))
    )
    found: dict[UUID, _Placed] = {}
    for row in rows:
        found.setdefault(row.order_id, _Placed(row.cancelled_at is not None)).basket.add(row.product_id)
    return found


async def _counted(session: Session, order_ids: Collection[UUID]) -> set[UUID]:
    c = paired.c
    return set(await session.scalars(select(c.order_id).where(any_of(c.order_id, sorted(order_ids)))))


async def miscounted(session: Session, product_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some products that stand beside others more or less often than their orders say."""
    placed = await _of_products(session, product_ids)
    counted = await _counted(session, placed)
    wrong = {
        product_id
        for order_id, one in placed.items()
        if one.counts != (order_id in counted)
        for product_id in one.basket
    }
    there = set(await session.scalars(select(products.c.id).where(any_of(products.c.id, _all(placed)))))
    pairs = recommendations.pairs_of(one.basket for one in placed.values() if one.counts)
    expected = {pair: number for pair, number in pairs.items() if there.issuperset(pair)}
    c = bought_together.c
    rows = (await session.execute(select(bought_together).where(any_of(c.product_id, product_ids)))).all()
    kept = {(row.product_id, row.other_id): row.orders for row in rows}
    wrong |= {pair[0] for pair in expected.keys() | kept.keys() if expected.get(pair) != kept.get(pair)}
    return wrong.intersection(product_ids)


async def recount(session: Session, product_ids: Sequence[UUID]) -> None:
    """Count the orders of some products from scratch."""
    await session.execute(select(consumers.c.name).where(consumers.c.name == READER.name).with_for_update())
    placed = await _of_products(session, product_ids)
    await session.execute(delete(paired).where(any_of(paired.c.order_id, sorted(placed))))
    counting = sorted(order_id for order_id, one in placed.items() if one.counts)
    if counting:
        await session.execute(insert(paired), [{"order_id": order_id} for order_id in counting])
    pairs = recommendations.pairs_of(placed[order_id].basket for order_id in counting)
    await recommendations.rewrite(session, set(product_ids), pairs)


async def _of_products(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, _Placed]:
    """All orders that hold one of some products."""
    c = order_lines.c
    found = select(c.order_id).where(any_of(c.product_id, product_ids)).distinct()
    return await _placed(session, list(await session.scalars(found)))


def _all(placed: Mapping[UUID, _Placed]) -> list[UUID]:
    return sorted(set().union(*(one.basket for one in placed.values())))


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
    topics=frozenset({OrderPlaced.topic, OrderStatusChanged.topic}),
    handle=_handle,
    resync=_resync,
    is_work_left=_is_backlog_left,
    work=_count_some,
)
