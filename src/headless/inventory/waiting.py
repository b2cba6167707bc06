"""Who wants to be told when a variant is back, and whose turn is it?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, literal, select, update

from headless.catalog import publication
from headless.catalog.models import listings, products, variants
from headless.inventory import queries
from headless.inventory.errors import InStock
from headless.inventory.events import StockRequestServed
from headless.inventory.models import stock_requests
from headless.platform import clock, ids, jobs, outbox
from headless.platform.columns import any_of
from headless.platform.db import Database, Session, insert_into
from headless.platform.errors import NotFound

MOST_PER_EMAIL = 50
"""Requests of one address that may wait. Further ones are passed over in silence: an error would tell others of it."""
HEAD_START = timedelta(hours=1)
"""How long units are left to those who were told of them before the next in the queue are told."""
AT_ONCE = 500


class RequestStatus(StrEnum):
    """What became of a wish to be told."""

    WAITING = "WAITING"
    SERVED = "SERVED"
    CANCELLED = "CANCELLED"


IS_WAITING = stock_requests.c.status == RequestStatus.WAITING


async def ask(session: Session, variant_id: UUID, email: str) -> None:
    """Put a shopper into the queue for a variant that the caller knows is shown; asking again changes nothing.

    Raises `InStock` when it can be bought now.
    """
    found = (await queries.sellable_by_variant(session, [variant_id])).get(variant_id)
    if found is None:
        raise NotFound(field=("variantId",))
    if found.grants(1):
        raise InStock(field=("variantId",))
    c, email = stock_requests.c, email.lower()
    mine = select(func.count()).select_from(stock_requests).where(c.email == email, IS_WAITING)
    row = {
        "id": ids.new(),
        "variant_id": variant_id,
        "email": email,
        "status": RequestStatus.WAITING,
        "created_at": clock.now(),
    }
    values = select(*(literal(value, c[name].type) for name, value in row.items()))
    # One statement for whoever asks: neither the answer nor its time tells whether the address was known.
    await session.execute(
        insert_into(session, stock_requests)
        .from_select(list(row), values.where(mine.scalar_subquery() < MOST_PER_EMAIL))
        .on_conflict_do_nothing()
    )


async def cancel(session: Session, request_id: UUID) -> None:
    """Take a request out of the queue; one that was served or cancelled stays as it is. Raises `NotFound`."""
    c = stock_requests.c
    await session.execute(
        update(stock_requests).where(c.id == request_id, IS_WAITING).values(status=RequestStatus.CANCELLED)
    )
    if await session.scalar(select(c.id).where(c.id == request_id)) is None:
        raise NotFound(field=("id",))


async def serve_all(database: Database) -> int:
    """Serve the queues of all variants that can be bought again; answer how many requests were served."""
    served, last = 0, UUID(int=0)
    while True:
        async with database.reading() as session:
            waiting = await _awaited(session, after=last)
            ready = await _room(session, await _shown(session, waiting))
        turns: list[int] = []

        async def serve_one(variant_id: UUID, done: list[int] = turns) -> None:
            done.append(await _serve(database, variant_id))

        await jobs.each([variant_id for variant_id, room in ready.items() if room], serve_one, name="serve_requests")
        served += sum(turns)
        if len(waiting) < AT_ONCE:
            return served
        last = waiting[-1]


async def _serve(database: Database, variant_id: UUID) -> int:
    c = stock_requests.c
    queue = select(c.id).where(c.variant_id == variant_id, IS_WAITING).order_by(c.id)
    async with database.transaction() as session:
        # Of two workers, the second waits for the first one's turn to end and finds the head of the queue gone.
        if (await session.execute(queue.limit(1).with_for_update())).first() is None:
            return 0
        room = (await _room(session, [variant_id])).get(variant_id, 0)
        next_ones = list((await session.execute(queue.limit(min(room, AT_ONCE)))).scalars())
        served = await session.execute(
            update(stock_requests)
            .where(any_of(c.id, next_ones), IS_WAITING)
            .values(status=RequestStatus.SERVED, served_at=clock.now())
            .returning(c.id)
        )
        done = sorted(served.scalars())
        outbox.record(session, *(StockRequestServed(request_id, variant_id) for request_id in done))
    return len(done)


async def _awaited(session: Session, *, after: UUID) -> Sequence[UUID]:
    c = stock_requests.c
    rows = await session.execute(
        select(c.variant_id)
        .where(IS_WAITING, c.variant_id > after)
        .group_by(c.variant_id)
        .order_by(c.variant_id)
        .limit(AT_ONCE)
    )
    return list(rows.scalars())


async def _shown(session: Session, variant_ids: Sequence[UUID]) -> Sequence[UUID]:
    """Those of the variants that shoppers can reach."""
    rows = await session.execute(
        select(variants.c.id)
        .join(products, products.c.id == variants.c.product_id)
        .join(listings, listings.c.product_id == products.c.id)
        .where(any_of(variants.c.id, variant_ids), publication.is_shown(clock.now()))
        .distinct()
        .order_by(variants.c.id)
    )
    return list(rows.scalars())


async def _room(session: Session, variant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many may be told of each variant: as many as there are units, less those who were told a moment ago."""
    c = stock_requests.c
    rows = await session.execute(
        select(c.variant_id, func.count().label("told"))
        .where(
            any_of(c.variant_id, variant_ids), c.status == RequestStatus.SERVED, c.served_at > clock.now() - HEAD_START
        )
        .group_by(c.variant_id)
    )
    told = {row.variant_id: row.told for row in rows}
    sellable = await queries.sellable_by_variant(session, variant_ids)
    return {
        variant_id: max(0, stock.quantity - told.get(variant_id, 0)) if stock.is_tracked else AT_ONCE
        for variant_id, stock in sellable.items()
    }
