"""Which categories are there, and which products lie below them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from headless.catalog.categories.models import categories
from headless.platform import pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session


def below(path: str) -> ColumnElement[bool]:
    """The category of a path and all that lies below it: one range of the index."""
    c = categories.c
    return and_(c.path >= path, c.path < f"{path[:-1]}0")


async def category(session: Session, *, category_id: UUID | None = None, handle: str | None = None) -> Record | None:
    wanted = categories.c.id == category_id if category_id is not None else categories.c.handle == handle
    row: Record | None = (await session.execute(select(categories).where(wanted))).first()
    return row


async def categories_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(categories).where(any_of(categories.c.id, keys)))
    return {row.id: row for row in rows}


async def category_page(session: Session, window: pages.Window, *, parent_id: UUID | None) -> pages.Slice:
    """One page of the categories below another one, or of those at the top, in their order."""
    c = categories.c
    of_parent = c.parent_id == parent_id if parent_id is not None else c.parent_id.is_(None)

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(categories).where(of_parent)) or 0)

    order = pages.Order("CATEGORY", (c.position, c.id))
    return await pages.fetch(session, select(categories).where(of_parent), order=order, window=window, count=count)


def ancestor_ids(path: str) -> list[UUID]:
    """The categories above the one of a path, the topmost first."""
    return [UUID(part) for part in path.strip("/").split("/")[:-1]]
