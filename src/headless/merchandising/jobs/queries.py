"""Which bulk jobs are there, and how far are they?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import func, select

from headless.merchandising.jobs.models import bulk_jobs
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


async def jobs_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(bulk_jobs).where(any_of(bulk_jobs.c.id, keys)))
    return {row.id: row for row in rows}


async def job_page(session: Session, window: pages.Window) -> pages.Slice:
    """One page of jobs, the newest first."""
    order = pages.Order("NEWEST", (bulk_jobs.c.id,), is_descending=True)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(bulk_jobs)) or 0)

    return await pages.fetch(session, select(bulk_jobs), order=order, window=window, count=count)
