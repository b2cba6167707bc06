"""Are the books checked when it is time, and is who runs the shop told once of what is newly wrong?"""

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

import pytest
import structlog
import time_machine
from sqlalchemy import insert, select, text, update
from structlog.testing import LogCapture

from headless.inventory.models import levels
from headless.operations import queries, service
from headless.operations.books import CHECKS
from headless.operations.models import book_checks
from headless.platform import clock, ids, jobs
from headless.platform.db import Database, Record
from headless.platform.idempotency import idempotency_keys
from tests.builders import Shop

EVERY = timedelta(minutes=5)
LATER = timedelta(minutes=5, seconds=1)


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[MutableMapping[str, Any]]:
    capture, every_level = LogCapture(), structlog.make_filtering_bound_logger(0)
    for module in (service, jobs):
        # Whatever level another test has configured.
        logger = structlog.wrap_logger(None, processors=[capture], wrapper_class=every_level)
        monkeypatch.setattr(module, "log", logger)
    return capture.entries


async def results(database: Database) -> dict[str, Record]:
    async with database.reading() as session:
        return dict(await queries.last_checks(session))


async def put_on_shelf(database: Database, shop: Shop, units: int) -> None:
    """Change a level behind the ledger's back."""
    c = levels.c
    async with database.transaction() as session:
        shelf = (c.variant_id == shop.mug, c.location_id == shop.main_id)
        await session.execute(update(levels).where(*shelf).values(on_hand=c.on_hand + units))


async def test_every_check_is_run_and_kept(
    database: Database, shop: Shop, logs: list[MutableMapping[str, Any]]
) -> None:
    at = clock.now()

    ran = await service.check_books(database, every=EVERY)

    kept = await results(database)
    assert ran == len(CHECKS)
    assert set(kept) == {check.name for check in CHECKS}
    assert {(row.violations, tuple(row.samples), row.since) for row in kept.values()} == {(0, (), None)}
    assert all(at <= row.checked_at <= clock.now() for row in kept.values())
    assert logs == []


async def test_what_was_checked_by_another_worker_is_not_due(database: Database, shop: Shop) -> None:
    await service.check_books(database, every=EVERY)

    assert await service.check_books(database, every=EVERY) == 0
    with time_machine.travel(clock.now() + LATER):
        assert await service.check_books(database, every=EVERY) == len(CHECKS)


async def test_check_that_takes_long_rests_long(database: Database, shop: Shop) -> None:
    await service.check_books(database, every=EVERY)
    async with database.transaction() as session:
        await session.execute(update(book_checks).where(book_checks.c.name == "ledger").values(took_seconds=12))

    with time_machine.travel(clock.now() + timedelta(minutes=9)):
        assert await service.check_books(database, every=EVERY) == len(CHECKS) - 1
    with time_machine.travel(clock.now() + timedelta(minutes=11)):
        assert await service.check_books(database, every=timedelta(minutes=11)) == 1


async def test_what_is_newly_wrong_is_logged_once_and_told_when_it_is_right_again(
    database: Database, shop: Shop, logs: list[MutableMapping[str, Any]]
) -> None:
    start = clock.now()
    await put_on_shelf(database, shop, 2)

    with time_machine.travel(start, tick=False):
        await service.check_books(database, every=EVERY)
    with time_machine.travel(start + LATER, tick=False):
        await service.check_books(database, every=EVERY)
    wrong = (await results(database))["ledger"]
    await put_on_shelf(database, shop, -2)
    with time_machine.travel(start + LATER * 2, tick=False):
        await service.check_books(database, every=EVERY)
    right = (await results(database))["ledger"]

    mug = ids.encode("variant", shop.mug)
    detail = f"on_hand at {ids.encode('location', shop.main_id)} is off by +2"
    assert (wrong.violations, wrong.samples) == (1, [{"id": mug, "detail": detail}])
    assert (wrong.since, wrong.checked_at) == (start, start + LATER)
    assert (right.violations, right.samples, right.since) == (0, [], None)
    assert logs == [
        {
            "event": "book_broken",
            "log_level": "warning",
            "check": "ledger",
            "severity": "CRITICAL",
            "violations": 1,
            "samples": [mug],
        },
        {"event": "book_balances_again", "log_level": "info", "check": "ledger"},
    ]


async def test_nothing_private_is_logged_or_kept(
    database: Database, shop: Shop, logs: list[MutableMapping[str, Any]]
) -> None:
    run, past = ids.new(), clock.now() - timedelta(hours=2)
    async with database.transaction() as session:
        await session.execute(
            insert(idempotency_keys).values(
                scope="cart:secret", key="marie@example.com", fingerprint="f", run=run, leased_until=past,
                created_at=past,
            )
        )  # fmt: skip

    await service.check_books(database, every=EVERY)

    kept = (await results(database))["stuck_keys"]
    request = ids.encode("request", run)
    assert kept.samples == [{"id": request, "detail": f"held until {past:%Y-%m-%d %H:%M} UTC"}]
    assert [entry["samples"] for entry in logs] == [[request]]


async def test_check_that_fails_does_not_keep_the_others_from_running(
    database: Database, shop: Shop, logs: list[MutableMapping[str, Any]]
) -> None:
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE idempotency_key"))

    await service.check_books(database, every=EVERY)

    assert {check.name for check in CHECKS} - set(await results(database)) == {"stuck_keys"}
    assert [(entry["event"], entry["work"]) for entry in logs] == [("piece_failed", "check_books")]


async def test_checking_writes_nothing_but_its_results(database: Database, shop: Shop) -> None:
    async with database.reading() as session:
        before = (await session.execute(select(levels).order_by(levels.c.variant_id, levels.c.location_id))).all()

    await service.check_books(database, every=EVERY)

    async with database.reading() as session:
        after = (await session.execute(select(levels).order_by(levels.c.variant_id, levels.c.location_id))).all()
    assert before == after
