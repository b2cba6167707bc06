"""What happens in the background: payments whose answer was lost, reservations past their time, old keys and carts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from headless.cart import service as carts
from headless.catalog import fetching, listing, uploads
from headless.catalog.fetching import Means
from headless.catalog.search import index as search
from headless.checkout import completion
from headless.checkout import queries as checkout_queries
from headless.graphql.context import Server
from headless.inventory import waiting
from headless.merchandising import channels, collecting, schedules
from headless.merchandising.jobs import running as bulk_jobs
from headless.operations import service as operations
from headless.orders import pairing
from headless.orders import queries as order_queries
from headless.orders import service as orders
from headless.platform import clock, idempotency, outbox
from headless.platform.errors import Fault
from headless.platform.fetching import Guard
from headless.platform.storage import StorageUnavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do again and again; running it twice at once is harmless."""

    name: str
    seconds: float
    run: Callable[[Server], Awaitable[int]]


async def _settle(server: Server) -> int:
    return await completion.settle_left_over(server.database, server.providers, server.rules)


async def _refund(server: Server) -> int:
    return await orders.settle_refunds(server.database, server.providers)


async def _forget_keys(server: Server) -> int:
    forgotten = 0
    while True:
        async with server.database.transaction() as session:
            gone = await idempotency.sweep(session)
        forgotten += gone
        if gone < idempotency.BATCH:
            return forgotten


async def _forget_carts(server: Server) -> int:
    async with server.database.transaction() as session:
        return await carts.sweep(session, but=checkout_queries.carts_being_paid())


async def _forget_events(server: Server) -> int:
    settings, forgotten = server.settings, 0
    before = clock.now() - timedelta(days=settings.events_days)
    while True:
        async with server.database.transaction() as session:
            gone = await outbox.forget(session, before=before, most=settings.events_kept)
        forgotten += gone
        if gone < outbox.BATCH:
            return forgotten


async def _count_sales(server: Server) -> int:
    """Keep BEST_SELLING right to the minute; the overlap makes up for missed rounds and slow commits."""
    async with server.database.transaction() as session:
        sold = await order_queries.units_sold(session, since=clock.now() - timedelta(minutes=10))
        await listing.write_units_sold(session, sold)
    return len(sold)


async def _turn_publications(server: Server) -> int:
    return await schedules.tell_of_turns(server.database)


async def _collect(server: Server) -> int:
    return await collecting.collect(server.database)


async def _pair_products(server: Server) -> int:
    return await pairing.pair(server.database)


async def _list_products(server: Server) -> int:
    return await channels.list_products(server.database)


async def _check_books(server: Server) -> int:
    every = timedelta(minutes=server.settings.books_minutes)
    return await operations.check_books(server.database, every=every)


async def _index_products(server: Server) -> int:
    """Index what is older than the index itself, piece by piece."""
    return await search.complete(server.database)


async def _tell_who_waits(server: Server) -> int:
    return await waiting.serve_all(server.database)


async def _fetch_media(server: Server) -> int:
    settings = server.settings
    if not settings.fetch_media:
        return 0
    means = Means(
        database=server.database,
        storage=server.storage,
        studio=server.studio,
        guard=Guard(allows_http=settings.fetch_http),
        most_bytes=settings.upload_mb * 1024 * 1024,
    )
    fetched = 0
    while True:
        tried = await fetching.fetch_due(means)
        fetched += tried
        if tried < fetching.AT_ONCE:
            return fetched


async def _forget_uploads(server: Server) -> int:
    async with server.database.transaction() as session:
        forgotten = await uploads.forget_unused(session)
    return forgotten + await uploads.sweep(server.database, server.storage)


async def _do_bulk_job(server: Server) -> int:
    media_url = f"{server.settings.base_url}/media/"
    return await bulk_jobs.run_next(server.database, server.storage, media_url=media_url)


async def _forget_bulk_files(server: Server) -> int:
    return await bulk_jobs.sweep(server.database, server.storage)


CHORES = (
    Chore("do_bulk_jobs", 1, _do_bulk_job),
    Chore("forget_bulk_files", 3600, _forget_bulk_files),
    Chore("settle_payments_and_expire_checkouts", 1, _settle),
    Chore("tell_of_publications", 0.5, _turn_publications),
    Chore("fill_collections_by_rules", 0.4, _collect),
    Chore("list_products_in_channels", 1, _list_products),
    Chore("settle_refunds", 5, _refund),
    Chore("count_sales", 60, _count_sales),
    Chore("count_products_bought_together", 5, _pair_products),
    Chore("tell_who_waits_for_stock", 20, _tell_who_waits),
    Chore("index_products", 60, _index_products),
    Chore("check_books", 30, _check_books),
    Chore("forget_idempotency_keys", 600, _forget_keys),
    Chore("forget_old_events", 60, _forget_events),
    Chore("forget_expired_carts", 600, _forget_carts),
    Chore("fetch_media", 2, _fetch_media),
    Chore("forget_unused_uploads", 600, _forget_uploads),
)


async def work(server: Server) -> None:
    """Do all chores until cancelled."""
    async with asyncio.TaskGroup() as group:
        for chore in CHORES:
            group.create_task(_repeat(chore, server))


async def _repeat(chore: Chore, server: Server) -> None:
    while True:
        try:
            done = await chore.run(server)
            if done:
                log.debug("chore_done", chore=chore.name, count=done)
        except (Fault, OSError, StorageUnavailable) as error:
            log.warning("chore_postponed", chore=chore.name, error=str(error))
        except Exception:
            log.exception("chore_failed", chore=chore.name)
        await asyncio.sleep(chore.seconds)
