"""How are the checks run? Record by record in batches, each in a short session of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select

from headless.catalog.events import ProductUpdated
from headless.catalog.models import products
from headless.operations.catalog import listings, search
from headless.operations.catalog.check import WHOLE, Check, Finding, Problem
from headless.platform import outbox
from headless.platform.db import Database

CHECKS: tuple[Check, ...] = (*search.CHECKS, *listings.CHECKS)
BATCH = 500
PATIENCE = 10.0
"""Seconds that a repair may queue behind SQLite's other writers."""


async def find_all(
    database: Database, checks: Iterable[Check] = CHECKS, *, on_progress: Callable[[int], None] = lambda _done: None
) -> list[Finding]:
    """Recompute everything and tell what differs; nothing is changed."""
    found = [Finding(check) for check in checks]
    columns = list(dict.fromkeys(finding.check.of for finding in found if finding.check.of is not None))
    for column in columns:
        alike = [finding for finding in found if finding.check.of is column]
        async for keys in _batches(database, column):
            async with database.reading() as session:
                for finding in alike:
                    broken = await finding.check.broken(session, keys)
                    finding.problems += [Problem(key, detail) for key, detail in sorted(broken.items())]
            on_progress(len(keys))
    for finding in found:
        if finding.check.of is None:
            # SQLite's own check of its index is asked for by a statement that writes, though it writes nothing.
            async with database.transaction(patience=PATIENCE) as session:
                broken = await finding.check.broken(session, [WHOLE])
            finding.problems += [Problem(key, detail) for key, detail in broken.items()]
    return found


async def repair(database: Database, found: Sequence[Finding]) -> None:
    """Write anew what was found to differ, each batch in a transaction of its own, and tell what knew it otherwise."""
    for finding in found:
        keys = [problem.id for problem in finding.problems]
        for start in range(0, len(keys), BATCH):
            async with database.transaction(patience=PATIENCE) as session:
                await finding.check.repair(session, keys[start : start + BATCH])
                if finding.check.of is products.c.id:
                    outbox.record(session, *(ProductUpdated(key) for key in keys[start : start + BATCH]))


async def _batches(database: Database, column: ColumnElement[UUID]) -> AsyncIterator[list[UUID]]:
    last: UUID | None = None
    while True:
        page = select(column).order_by(column).limit(BATCH)
        async with database.reading() as session:
            keys = list(await session.scalars(page if last is None else page.where(column > last)))
        if keys:
            yield keys
        if len(keys) < BATCH:
            return
        last = keys[-1]
