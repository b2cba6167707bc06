"""How are the books checked again and again, and who is told when something is wrong?"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import structlog

from headless.operations import books, queries
from headless.operations.books import CHECKS, Check, Finding
from headless.operations.models import book_checks
from headless.platform import clock, jobs
from headless.platform.db import Database, Record, Session, insert_into

log = structlog.get_logger(__name__)

SHARE = 50
"""A check rests for at least so many times as long as it took: on a huge shop it runs less often."""


async def check_books(database: Database, *, every: timedelta) -> int:
    """Run the checks that are due, keep their results and log what is newly wrong; answer how many ran.

    Several workers share the work: what one has checked isn't due for the others.
    """
    async with database.reading() as session:
        last = await queries.last_checks(session)
    due = [check for check in CHECKS if _is_due(last.get(check.name), every=every)]

    async def run(check: Check) -> None:
        finding = await books.find(database, check)
        async with database.transaction() as session:
            await keep(session, finding)

    for check in due:
        await jobs.each([check], run, name="check_books")
    return len(due)


async def keep(session: Session, finding: Finding) -> None:
    """Keep a result; `since` stays as long as there are violations. What is newly wrong or right again is logged."""
    name, at = finding.check.name, clock.now()
    last = (await queries.last_checks(session)).get(name)
    was_wrong = last is not None and last.violations > 0
    since = (last.since if last is not None and was_wrong else at) if finding.violations else None
    values = {
        "violations": finding.violations,
        "samples": [asdict(sample) for sample in finding.samples],
        "took_seconds": finding.took_seconds,
        "checked_at": at,
        "since": since,
    }
    insertion = insert_into(session, book_checks).values(name=name, **values)
    await session.execute(insertion.on_conflict_do_update(index_elements=["name"], set_=values))
    if finding.violations and not was_wrong:
        log.warning(
            "book_broken",
            check=name,
            severity=finding.check.severity.value,
            violations=finding.violations,
            samples=[sample.id for sample in finding.samples],
        )
    elif was_wrong and not finding.violations:
        log.info("book_balances_again", check=name)


def _is_due(last: Record | None, *, every: timedelta) -> bool:
    if last is None:
        return True
    return bool(clock.now() >= last.checked_at + max(every, timedelta(seconds=SHARE * last.took_seconds)))
