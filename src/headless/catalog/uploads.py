"""What becomes of a file that somebody sent, and when is one forgotten that nobody shows?"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from headless.catalog.models import media, stored_files, uploads
from headless.platform import clock, ids
from headless.platform.columns import any_of
from headless.platform.db import Database, Session, insert_into
from headless.platform.errors import Unavailable
from headless.platform.images import Picture
from headless.platform.storage import Storage

UPLOAD_LIFETIME: Final = timedelta(days=1)
"""How long an upload waits to be used."""
FILE_LIFETIME: Final = timedelta(days=30)
"""How long a file is kept that a product showed and no longer does."""
CONDEMNED_SECONDS: Final = 300
"""After how long another worker takes up what one began to delete."""
PATIENCE: Final = 10
BATCH: Final = 100


def key_of(picture: Picture) -> str:
    """Where a picture is kept: the same content in the same place."""
    return f"files/{picture.sha256[:2]}/{picture.sha256}.{picture.extension}"


def thumbnails_of(key: str) -> str:
    """The folder of a file's thumbnails."""
    return f"thumbs/{key.removeprefix('files/')}"


async def store(database: Database, storage: Storage, picture: Picture) -> str:
    """Keep a picture's file; answers its key. Raises `StorageUnavailable` or `Unavailable`."""
    key = key_of(picture)
    for attempt in range(PATIENCE):
        async with database.transaction() as session:
            is_claimed = await _claim(session, key, picture.size)
        if is_claimed:
            break
        # It is being deleted this moment: nobody showed it any more.
        await asyncio.sleep(0.1 * (attempt + 1))
    else:
        raise Unavailable
    if not await storage.exists(key):
        await storage.put(key, picture.content)
    return key


async def receive(session: Session, picture: Picture, *, key: str, file_name: str, actor: str) -> tuple[UUID, datetime]:
    """Note a stored file that waits for a product to show it; answers its id and until when it waits."""
    upload_id, at = ids.new(), clock.now()
    await session.execute(
        insert(uploads).values(
            id=upload_id,
            key=key,
            file_name=file_name,
            mime_type=picture.mime_type,
            width=picture.width,
            height=picture.height,
            created_by=actor,
            created_at=at,
        )
    )
    return upload_id, at + UPLOAD_LIFETIME


async def keep_for_now(session: Session, keys: list[str]) -> None:
    """Let files stay for a while that were shown until now: a change may be taken back."""
    until = clock.now() + FILE_LIFETIME
    await session.execute(update(stored_files).where(any_of(stored_files.c.key, keys)).values(kept_until=until))


async def forget_unused(session: Session) -> int:
    """Drop uploads that nobody used in time; answers how many."""
    expired = uploads.c.created_at < clock.now() - UPLOAD_LIFETIME
    gone = await session.execute(delete(uploads).where(expired).returning(uploads.c.id))
    return len(gone.all())


async def sweep(database: Database, storage: Storage) -> int:
    """Delete files that neither a product nor an upload needs, with their thumbnails; answers how many.

    A file is condemned first: from then on nobody can claim it, so that what is deleted afterwards, outside of any
    transaction, isn't what somebody just sent again.
    """
    async with database.transaction() as session:
        keys = await _condemn(session)
    for key in keys:
        for thumbnail in await storage.keys(thumbnails_of(key)):
            await storage.delete(thumbnail)
        await storage.delete(key)
        async with database.transaction() as session:
            is_condemned = stored_files.c.condemned_at.is_not(None)
            await session.execute(delete(stored_files).where(stored_files.c.key == key, is_condemned))
    return len(keys)


async def _claim(session: Session, key: str, size: int) -> bool:
    until = clock.now() + UPLOAD_LIFETIME + timedelta(hours=1)
    claimed = insert_into(session, stored_files).values(key=key, size=size, kept_until=until)
    row = await session.execute(
        claimed.on_conflict_do_update(
            index_elements=[stored_files.c.key],
            set_={"kept_until": until},
            where=stored_files.c.condemned_at.is_(None),
        ).returning(stored_files.c.key)
    )
    return row.first() is not None


async def _condemn(session: Session) -> list[str]:
    now, c = clock.now(), stored_files.c
    is_shown = select(media.c.id).where(media.c.file == c.key).exists()
    is_waiting = select(uploads.c.id).where(uploads.c.key == c.key).exists()
    is_new = c.condemned_at.is_(None) & (c.kept_until < now) & ~is_shown & ~is_waiting
    is_left_over = c.condemned_at < now - timedelta(seconds=CONDEMNED_SECONDS)
    chosen = select(c.key).where(is_new | is_left_over).order_by(c.key).limit(BATCH).with_for_update(skip_locked=True)
    found = list(await session.scalars(chosen))
    await session.execute(update(stored_files).where(any_of(c.key, found)).values(condemned_at=now))
    return found
