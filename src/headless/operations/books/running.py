"""How are the checks run? Each is one statement in a short read session of its own: a statement sees one state."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from time import perf_counter

from sqlalchemy import func, select, text

from headless.operations.books import delays, log, orders, promises, stock
from headless.operations.books.check import Check, Finding
from headless.platform import clock
from headless.platform.db import Database

CHECKS: tuple[Check, ...] = (*stock.CHECKS, *promises.CHECKS, *orders.CHECKS, *delays.CHECKS, *log.CHECKS)
SAMPLES = 10
PATIENCE = text("SET LOCAL statement_timeout = '120s'")
"""Whole tables are summed: on PostgreSQL that may take longer than a request is allowed to."""


async def find(database: Database, check: Check, *, at: datetime | None = None, limit: int = SAMPLES) -> Finding:
    """Count the rows that break a promise as of an instant, and show the first few."""
    broken = check.broken(at or clock.now()).subquery("broken")
    statement = select(broken, func.count().over().label("violations")).order_by(broken.c.id).limit(limit)
    started = perf_counter()
    async with database.reading() as session:
        if not database.is_sqlite:
            await session.execute(PATIENCE)
        rows = (await session.execute(statement)).all()
    return Finding(
        check,
        violations=int(rows[0].violations) if rows else 0,
        samples=[check.sample(row) for row in rows],
        took_seconds=perf_counter() - started,
    )


async def find_all(
    database: Database, checks: Iterable[Check] = CHECKS, *, at: datetime | None = None
) -> list[Finding]:
    """Run checks one after the other."""
    return [await find(database, check, at=at) for check in checks]
