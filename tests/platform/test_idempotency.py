"""Is a request with a key carried out once, whoever repeats it and whenever?"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from headless.platform import clock, idempotency
from headless.platform.db import Database
from headless.platform.errors import (
    IdempotencyConcurrentRequest,
    IdempotencyKeyParameterMismatch,
    IdempotencyKeyRequired,
    InvalidInput,
)
from headless.platform.idempotency import Claim, idempotency_keys
from tests.builders import persistently

DONE = {"order_id": "1"}


def claim(*, scope: str = "anna", key: str | None = "one", operation: str = "pay", amount: int = 5) -> Claim:
    return idempotency.claim(scope, key, operation, {"amount": amount}, required=False)


async def begin(database: Database, wanted: Claim) -> dict[str, Any] | None:
    async with database.transaction() as session:
        return await idempotency.begin(session, wanted)


async def finish(database: Database, wanted: Claim) -> None:
    async with database.transaction() as session:
        await idempotency.finish(session, wanted, DONE)


async def age(database: Database, *, lease: timedelta = timedelta(0), made: timedelta = timedelta(0)) -> None:
    """Let time pass for every key."""
    c = idempotency_keys.c
    async with database.transaction() as session:
        row = (await session.execute(select(c.leased_until, c.created_at))).one()
        await session.execute(
            update(idempotency_keys).values(leased_until=row.leased_until - lease, created_at=row.created_at - made)
        )


async def keys_left(database: Database) -> int:
    async with database.reading() as session:
        return len(list(await session.execute(select(idempotency_keys.c.key))))


async def test_repetition_gets_the_first_result(database: Database) -> None:
    first = claim()
    assert await begin(database, first) is None
    await finish(database, first)

    assert await begin(database, claim()) == DONE
    assert await begin(database, claim()) == DONE


@pytest.mark.parametrize("other", [claim(amount=6), claim(operation="refund")])
async def test_other_arguments_under_the_same_key_are_refused(database: Database, other: Claim) -> None:
    first = claim()
    await begin(database, first)
    with pytest.raises(IdempotencyKeyParameterMismatch):
        await begin(database, other)
    await finish(database, first)

    with pytest.raises(IdempotencyKeyParameterMismatch) as caught:
        await begin(database, other)

    assert caught.value.field == ("idempotencyKey",)


@pytest.mark.parametrize("other", [claim(scope="bert"), claim(key="two"), claim(key="ONE")])
async def test_other_callers_and_other_keys_are_apart(database: Database, other: Claim) -> None:
    first = claim()
    await begin(database, first)
    await finish(database, first)

    assert await begin(database, other) is None


async def test_request_that_runs_keeps_its_key(database: Database) -> None:
    first = claim()
    await begin(database, first)

    with pytest.raises(IdempotencyConcurrentRequest):
        await begin(database, claim())

    assert await begin(database, first) is None


async def test_crashed_request_loses_its_key_after_the_lease(database: Database) -> None:
    dead, heir = claim(), claim()
    await begin(database, dead)
    await age(database, lease=idempotency.LEASE + timedelta(seconds=1))

    assert await begin(database, heir) is None

    with pytest.raises(IdempotencyConcurrentRequest):
        await begin(database, claim())
    async with database.transaction() as session:
        await idempotency.release(session, dead)
    assert await keys_left(database) == 1
    await finish(database, heir)
    assert await begin(database, claim()) == DONE


async def test_takeover_at_once_has_one_heir(database: Database) -> None:
    await begin(database, claim())
    await age(database, lease=idempotency.LEASE + timedelta(seconds=1))

    async def take() -> bool:
        try:
            return await begin(database, claim()) is None
        except IdempotencyConcurrentRequest:
            return False

    assert (await asyncio.gather(*(persistently(take) for _ in range(10)))).count(True) == 1


async def test_first_uses_at_once_have_one_winner(database: Database) -> None:
    async def take() -> bool:
        try:
            return await begin(database, claim()) is None
        except IdempotencyConcurrentRequest:
            return False

    assert (await asyncio.gather(*(persistently(take) for _ in range(20)))).count(True) == 1
    assert await keys_left(database) == 1


async def test_released_key_is_free_and_a_finished_one_is_not_released(database: Database) -> None:
    first, second = claim(), claim()
    await begin(database, first)
    async with database.transaction() as session:
        await idempotency.release(session, first)
    assert await keys_left(database) == 0
    assert await begin(database, second) is None
    await finish(database, second)

    async with database.transaction() as session:
        await idempotency.release(session, second)

    assert await begin(database, claim()) == DONE


async def test_old_key_may_be_used_anew_even_with_other_arguments(database: Database) -> None:
    first = claim()
    await begin(database, first)
    await finish(database, first)
    await age(database, made=idempotency.KEPT + timedelta(minutes=1))

    assert await begin(database, claim(amount=6)) is None


async def test_sweep_forgets_only_old_keys(database: Database) -> None:
    await begin(database, claim())
    await age(database, made=idempotency.KEPT + timedelta(minutes=1))
    await begin(database, claim(key="two"))

    async with database.transaction() as session:
        assert await idempotency.sweep(session) == 1

    assert await keys_left(database) == 1


async def test_keys_are_forgotten_in_parts_by_several_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "BATCH", 3)
    for nth in range(7):
        await begin(database, claim(key=str(nth)))
    async with database.transaction() as session:
        long_ago = clock.now() - idempotency.KEPT - timedelta(minutes=1)
        await session.execute(update(idempotency_keys).values(created_at=long_ago))
    await begin(database, claim(key="new"))

    async def sweep() -> int:
        async with database.transaction() as session:
            return await idempotency.sweep(session)

    forgotten = [*await asyncio.gather(sweep(), sweep()), await sweep(), await sweep(), await sweep()]

    assert sum(forgotten) == 7
    assert max(forgotten) == 3
    assert forgotten[-1] == 0
    assert await keys_left(database) == 1


async def test_request_without_a_key_is_carried_out_each_time(database: Database) -> None:
    first = claim(key=None)

    assert await begin(database, first) is None
    await finish(database, first)
    async with database.transaction() as session:
        await idempotency.release(session, first)

    assert await begin(database, first) is None
    assert await keys_left(database) == 0


def test_key_is_required_where_it_is() -> None:
    with pytest.raises(IdempotencyKeyRequired):
        idempotency.claim("anna", None, "pay", {}, required=True)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_key_of_a_wrong_length_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        claim(key=key)


def test_order_of_arguments_does_not_matter() -> None:
    one, other = (
        idempotency.claim("anna", "k", "pay", arguments, required=True)
        for arguments in ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    )

    assert one.fingerprint == other.fingerprint
    assert one.run != other.run
