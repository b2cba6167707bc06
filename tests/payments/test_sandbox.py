"""Does the sandbox behave like a careful provider: once per key, whatever is lost or repeated?"""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.payments.providers.sandbox import Sandbox, charges
from headless.payments.rules import AnswerLost, Authorization, PaymentStatus
from headless.platform import ids
from headless.platform.db import Database, Record


def request(token: str, key: UUID | None = None, *, capture: bool = True) -> Authorization:
    return Authorization(key or ids.new(), token, 1000, "EUR", capture, "http://shop.test/back")


async def charge_of(database: Database, key: UUID) -> Record | None:
    async with database.reading() as session:
        return (await session.execute(select(charges).where(charges.c.key == key))).first()


@pytest.mark.parametrize(("capture", "status"), [(True, PaymentStatus.CAPTURED), (False, PaymentStatus.AUTHORIZED)])
async def test_repeated_authorization_charges_once(database: Database, capture: bool, status: PaymentStatus) -> None:
    sandbox, wanted = Sandbox(database), request("tok_visa", capture=capture)

    answers = await asyncio.gather(*(sandbox.authorize(wanted) for _ in range(5)))

    assert {answer.status for answer in answers} == {status}
    assert len({answer.reference for answer in answers}) == 1
    found = await sandbox.find(wanted.key)
    assert found is not None
    assert found.status == status


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("tok_declined", PaymentStatus.DECLINED),
        ("tok_insufficient_funds", PaymentStatus.DECLINED),
        ("tok_nobody_knows", PaymentStatus.DECLINED),
        ("tok_error", PaymentStatus.FAILED),
    ],
)
async def test_refused_tokens_charge_nothing_and_say_why(database: Database, token: str, status: PaymentStatus) -> None:
    sandbox, wanted = Sandbox(database), request(token)

    answer = await sandbox.authorize(wanted)

    assert answer.status == status
    assert answer.message
    assert await sandbox.find(wanted.key) is None


async def test_lost_answer_has_charged(database: Database) -> None:
    sandbox, wanted = Sandbox(database), request("tok_timeout")

    for _ in range(2):
        with pytest.raises(AnswerLost):
            await sandbox.authorize(wanted)

    found = await sandbox.find(wanted.key)
    assert found is not None
    assert found.status == PaymentStatus.CAPTURED


async def test_action_is_asked_for_once(database: Database) -> None:
    sandbox, wanted = Sandbox(database), request("tok_3ds")

    first, second, third = [await sandbox.authorize(wanted) for _ in range(3)]

    assert first.status == PaymentStatus.ACTION_REQUIRED
    assert first.next_action is not None
    assert first.next_action.url == "http://shop.test/back"
    assert (second.status, third.status) == (PaymentStatus.CAPTURED, PaymentStatus.CAPTURED)
    assert second.next_action is None


async def test_abandoned_key_can_never_be_charged(database: Database) -> None:
    sandbox, unheard, waiting = Sandbox(database), request("tok_visa"), request("tok_3ds")
    await sandbox.authorize(waiting)

    given_up = [await sandbox.abandon(wanted.key) for wanted in (unheard, waiting, waiting)]
    late = [await sandbox.authorize(wanted) for wanted in (unheard, waiting)]

    assert {answer.status for answer in [*given_up, *late]} == {PaymentStatus.VOIDED}


async def test_what_is_charged_can_not_be_abandoned(database: Database) -> None:
    sandbox, wanted = Sandbox(database), request("tok_visa")
    await sandbox.authorize(wanted)

    assert (await sandbox.abandon(wanted.key)).status == PaymentStatus.CAPTURED


async def test_money_is_given_back_once_per_key_and_never_more_than_was_taken(database: Database) -> None:
    sandbox, wanted = Sandbox(database), request("tok_visa")
    await sandbox.authorize(wanted)
    part, rest, more = ids.new(), ids.new(), ids.new()

    answers = [
        await sandbox.give_back(part, payment=wanted.key, amount=400),
        await sandbox.give_back(part, payment=wanted.key, amount=400),
        await sandbox.give_back(more, payment=wanted.key, amount=601),
        await sandbox.give_back(more, payment=wanted.key, amount=601),
        await sandbox.give_back(rest, payment=wanted.key, amount=600),
    ]

    charge = await charge_of(database, wanted.key)
    assert answers == [True, True, False, False, True]
    assert charge is not None
    assert charge.returned_amount == 1000


async def test_authorization_is_released(database: Database) -> None:
    sandbox, wanted, key = Sandbox(database), request("tok_visa", capture=False), ids.new()
    await sandbox.authorize(wanted)

    answers = [await sandbox.give_back(key, payment=wanted.key, amount=1000) for _ in range(2)]

    found = await sandbox.find(wanted.key)
    assert answers == [True, True]
    assert found is not None
    assert found.status == PaymentStatus.VOIDED
