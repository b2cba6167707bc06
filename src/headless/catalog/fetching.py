"""How do pictures of other addresses become the shop's own?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import httpx2
import structlog
from sqlalchemy import select, update

from headless.catalog import uploads
from headless.catalog.events import ProductUpdated
from headless.catalog.kinds import MediaStatus
from headless.catalog.models import media
from headless.platform import clock, fetching, jobs, outbox
from headless.platform.columns import any_of
from headless.platform.db import Database, Record, Session
from headless.platform.errors import Unavailable
from headless.platform.fetching import FetchFailed, Guard
from headless.platform.images import NotAPicture, Picture, Studio
from headless.platform.storage import Storage, StorageUnavailable

log = structlog.get_logger(__name__)

AT_ONCE: Final = jobs.AT_ONCE
SECONDS: Final = 30.0
"""How long a download may take in all."""
LEASE: Final = timedelta(minutes=5)
"""After how long another worker takes up what one began and never ended."""
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 600, 3600))
"""How long it is waited after each attempt; after the last of them it is given up."""
ACCEPT: Final = "image/avif,image/webp,image/png,image/jpeg,image/gif"


@dataclass(frozen=True, slots=True)
class Means:
    """What a worker fetches with."""

    database: Database
    storage: Storage
    studio: Studio
    guard: Guard
    most_bytes: int


async def fetch_due(means: Means) -> int:
    """Fetch the pictures whose turn it is, several at once; answers how many were tried.

    Each belongs to this worker for the length of a lease. What comes out of it is written only while it still does.
    """
    async with means.database.transaction() as session:
        due = await _claim(session)
    if due:
        async with fetching.client(means.guard, seconds=SECONDS) as client:
            await jobs.each(due, lambda row: _fetch(means, client, row), name="fetch_picture")
    return len(due)


async def _claim(session: Session) -> list[Record]:
    now, c = clock.now(), media.c
    chosen = select(c.id).where(c.fetch_at <= now).order_by(c.fetch_at, c.id).limit(AT_ONCE)
    ids = list(await session.scalars(chosen.with_for_update(skip_locked=True)))
    claimed = await session.execute(
        update(media)
        .where(any_of(c.id, ids))
        .values(fetch_at=now + LEASE, attempts=c.attempts + 1)
        .returning(c.id, c.product_id, c.url, c.status, c.attempts)
    )
    return list(claimed)


async def _fetch(means: Means, client: httpx2.AsyncClient, row: Record) -> None:
    try:
        picture = await _picture(means, client, row.url)
    except FetchFailed as failure:
        async with means.database.transaction() as session:
            await _note_failure(session, row, failure)
        return
    with picture.content:
        try:
            key = await uploads.store(means.database, means.storage, picture)
        except StorageUnavailable as error:
            raise Unavailable(str(error)) from error  # the picture is fetched again when the lease is over
    async with means.database.transaction() as session:
        await _note_success(session, row, picture, key)


async def _picture(means: Means, client: httpx2.AsyncClient, url: str) -> Picture:
    content = await fetching.download(client, url, most_bytes=means.most_bytes, seconds=SECONDS, accept=ACCEPT)
    with content:
        try:
            return await means.studio.clean(content)
        except NotAPicture as error:
            raise FetchFailed(str(error), is_final=True) from None


async def _note_success(session: Session, row: Record, picture: Picture, key: str) -> None:
    written = await session.execute(
        update(media)
        .where(media.c.id == row.id, media.c.attempts == row.attempts, media.c.fetch_at.is_not(None))
        .values(
            status=MediaStatus.READY,
            file=key,
            mime_type=picture.mime_type,
            width=picture.width,
            height=picture.height,
            error=None,
            fetch_at=None,
        )
        .returning(media.c.id)
    )
    if written.first() is not None:
        outbox.record(session, ProductUpdated(row.product_id))


async def _note_failure(session: Session, row: Record, failure: FetchFailed) -> None:
    is_over = failure.is_final or row.attempts > len(PAUSES)
    # What was linked before stays linked: a browser may see what we can't.
    is_failed = is_over and row.status == MediaStatus.PROCESSING
    written = await session.execute(
        update(media)
        .where(media.c.id == row.id, media.c.attempts == row.attempts, media.c.fetch_at.is_not(None))
        .values(
            status=MediaStatus.FAILED if is_failed else row.status,
            error=str(failure),
            fetch_at=None if is_over else clock.now() + PAUSES[row.attempts - 1],
        )
        .returning(media.c.id)
    )
    if written.first() is not None and is_failed:
        log.info("picture_not_fetched", media=str(row.id), error=str(failure))
        outbox.record(session, ProductUpdated(row.product_id))
