"""How do bulk jobs begin, change hands and end?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import and_, delete, insert, or_, select, update

from headless.merchandising.jobs.models import JobFormat, JobKind, JobStatus, bulk_jobs, bulk_uploads
from headless.platform import clock, ids
from headless.platform.db import Database, Record, Session
from headless.platform.errors import InvalidInput, NotFound

LEASE: Final = timedelta(minutes=2)
"""How long a step may take; a crashed worker's job is taken over after that."""
ATTEMPTS: Final = 5
"""How often a job is taken up without getting any further before it counts as failed."""
UPLOADS_KEPT: Final = timedelta(days=2)
JOBS_KEPT: Final = timedelta(days=30)
RUNS: Final = (JobStatus.QUEUED, JobStatus.RUNNING)


class LeaseLost(Exception):
    """The job was cancelled, or another worker has it now."""


async def note_upload(session: Session, upload_id: UUID, *, key: str, size: int, actor: str) -> None:
    """Note a stored file that waits for an import."""
    await session.execute(
        insert(bulk_uploads).values(id=upload_id, key=key, size=size, created_by=actor, created_at=clock.now())
    )


async def start_import(
    session: Session,
    *,
    upload_id: UUID,
    file_format: JobFormat,
    channel_id: UUID,
    is_dry_run: bool,
    with_stock: bool,
    actor: str,
) -> UUID:
    """Queue the import of a file; raises `NotFound` when there is no such upload."""
    key = await session.scalar(select(bulk_uploads.c.key).where(bulk_uploads.c.id == upload_id).with_for_update())
    if key is None:
        raise NotFound(field=("uploadId",))
    return await _queue(
        session,
        kind=JobKind.IMPORT,
        format=file_format,
        channel_id=channel_id,
        upload_key=key,
        is_dry_run=is_dry_run,
        with_stock=with_stock,
        created_by=actor,
    )


async def start_export(
    session: Session, *, file_format: JobFormat, channel_id: UUID, query: str | None, actor: str
) -> UUID:
    """Queue an export of a channel's products."""
    return await _queue(
        session, kind=JobKind.EXPORT, format=file_format, channel_id=channel_id, query=query, created_by=actor
    )


async def _queue(session: Session, **values: object) -> UUID:
    job_id = ids.new()
    await session.execute(
        insert(bulk_jobs).values(id=job_id, status=JobStatus.QUEUED, counts={}, created_at=clock.now(), **values)
    )
    return job_id


async def cancel(session: Session, job_id: UUID) -> None:
    """End a job before its end: what it has done stays. Raises `NotFound`, `InvalidInput` when it is over."""
    c = bulk_jobs.c
    ended = await session.execute(
        update(bulk_jobs)
        .where(c.id == job_id, c.status.in_(RUNS))
        .values(status=JobStatus.CANCELLED, finished_at=clock.now(), leased_until=None)
        .returning(c.id)
    )
    if ended.first() is not None:
        return
    status = await session.scalar(select(c.status).where(c.id == job_id))
    if status is None:
        raise NotFound(field=("id",))
    if status != JobStatus.CANCELLED:
        message = f"The job is {status} already."
        raise InvalidInput(message, field=("id",))


async def claim(session: Session) -> Record | None:
    """Take the oldest job that waits, or whose worker has crashed; of several workers one gets it."""
    c, at = bulk_jobs.c, clock.now()
    free = or_(c.status == JobStatus.QUEUED, and_(c.status == JobStatus.RUNNING, c.leased_until <= at))
    oldest = (
        await session.execute(select(c.id).where(free).order_by(c.id).limit(1).with_for_update(skip_locked=True))
    ).scalar()
    if oldest is None:
        return None
    taken = await session.execute(
        update(bulk_jobs)
        .where(c.id == oldest, free)
        .values(
            status=JobStatus.RUNNING,
            holder=ids.new(),
            leased_until=at + LEASE,
            attempts=c.attempts + 1,
            started_at=at,
        )
        .returning(*c)
    )
    return taken.first()


async def is_any_free(session: Session) -> bool:
    """Whether a job waits for a worker."""
    c = bulk_jobs.c
    free = or_(c.status == JobStatus.QUEUED, and_(c.status == JobStatus.RUNNING, c.leased_until <= clock.now()))
    return (await session.execute(select(c.id).where(free).limit(1))).first() is not None


async def advance(database: Database, job: Record, **values: Any) -> None:
    """Keep how far a job is; raises `LeaseLost`."""
    await _write(database, job, {"leased_until": clock.now() + LEASE, "attempts": 0, **values})


async def end(database: Database, job: Record, status: JobStatus, *, message: str | None = None) -> None:
    """Say that a job is over; raises `LeaseLost`."""
    await _write(
        database, job, {"status": status, "message": message, "leased_until": None, "finished_at": clock.now()}
    )


async def give_back(database: Database, job: Record, *, after: timedelta) -> None:
    """Let another worker, or this one later, go on with a job; raises `LeaseLost`."""
    await _write(database, job, {"leased_until": clock.now() + after})


async def _write(database: Database, job: Record, values: dict[str, Any]) -> None:
    c = bulk_jobs.c
    async with database.transaction(patience=30) as session:
        mine = c.id == job.id, c.holder == job.holder, c.status == JobStatus.RUNNING
        kept = await session.execute(update(bulk_jobs).where(*mine).values(**values).returning(c.id))
        if kept.first() is None:
            raise LeaseLost


async def sweep(session: Session) -> tuple[list[str], list[UUID]]:
    """Forget old uploads and jobs; answer the keys of the files and the ids of the jobs."""
    at = clock.now()
    waits = select(bulk_jobs.c.id).where(bulk_jobs.c.upload_key == bulk_uploads.c.key, bulk_jobs.c.status.in_(RUNS))
    gone = await session.execute(
        delete(bulk_uploads)
        .where(bulk_uploads.c.created_at < at - UPLOADS_KEPT, ~waits.exists())
        .returning(bulk_uploads.c.key)
    )
    old = await session.execute(
        delete(bulk_jobs).where(bulk_jobs.c.finished_at < at - JOBS_KEPT).returning(bulk_jobs.c.id)
    )
    return list(gone.scalars()), list(old.scalars())
