"""Does whatever moves money or stock happen once per key, over two processes and whatever becomes of them?"""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest
import strawberry
from sqlalchemy import select, update
from strawberry import UNSET

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.graphql.checkout import CheckoutStartInput
from headless.graphql.context import Context
from headless.graphql.schema import schema
from headless.graphql.server.execution import KEYED
from headless.graphql.server.execution import Answer as ServerAnswer
from headless.payments.models import payments, refunds
from headless.payments.providers.sandbox import returns
from headless.platform import clock, idempotency, ids
from headless.platform.db import Record
from headless.platform.idempotency import idempotency_keys
from tests.builders import assert_books_balance
from tests.races.deeds import ALIKE, DEEDS, CheckoutComplete, Deed, OrderCancel, count
from tests.races.holding import failing, stuck
from tests.races.street import IS_SOAK, Patient, Street, at_once
from tests.serving import Client, Json, Lost, codes, insist, new_key, pay

TIMES = 50
DONE, REPLAYED = "DONE", "REPLAYED"
CONCURRENT = "IDEMPOTENCY_CONCURRENT_REQUEST"
MISMATCH = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
MOVERS = ("checkout", "draftOrder", "exchange", "fulfillment", "giftCard", "inventory", "order", "payment", "refund")
"""How the names of mutations begin that may move money or stock."""
HARMLESS = frozenset({"fulfillmentMarkDelivered"})
"""Those of them that don't."""
STARTERS = frozenset({"bulkExportStart", "bulkImportStart"})
"""They start a job, which has tests of its own, also of their keys."""

TRIED = {name: deed for name, deed in DEEDS.items() if IS_SOAK or name not in ALIKE}

all_deeds = pytest.mark.parametrize("deed", [pytest.param(deed, id=name) for name, deed in DEEDS.items()])
every_deed = pytest.mark.parametrize("deed", [pytest.param(deed, id=name) for name, deed in TRIED.items()])


def test_every_mutation_that_moves_money_or_stock_takes_a_key() -> None:
    assert schema.mutation_type is not None
    movers = {name for name in schema.mutation_type.fields if name.startswith(MOVERS)}

    assert movers - KEYED <= HARMLESS
    # A mutation that isn't among the deeds isn't tested here: describe it there.
    assert set(DEEDS) == KEYED - STARTERS


@every_deed
async def test_key_used_fifty_times_in_sequence(street: Street, deed: Deed) -> None:
    given, key = await deed.prepare(street), new_key()

    answers = [await deed.do(deed.caller(street), given, key) for _ in range(TIMES)]

    assert [deed.told(answer) for answer in answers] == [DONE] + [REPLAYED] * (TIMES - 1)
    assert all(answer[deed.name] == answers[0][deed.name] for answer in answers)
    assert await deed.times(street, given) == 1


@all_deeds
async def test_key_used_fifty_times_at_once(street: Street, deed: Deed) -> None:
    given, key = await deed.prepare(street), new_key()

    answers = await at_once((deed.do(deed.caller(street), given, key) for _ in range(TIMES)), most=TIMES)
    last = await deed.do(deed.caller(street), given, key)

    told = Counter(deed.told(answer) for answer in answers)
    assert told[REPLAYED] + told[CONCURRENT] + told[DONE] == TIMES
    # Of a request that was told to come again the first answer isn't known to the caller.
    assert told[DONE] == 1 or (told[DONE] == 0 and deed.caller(street).postponements > 0)
    assert deed.told(last) == REPLAYED
    assert await deed.times(street, given) == 1
    await assert_books_balance(street.database)


@every_deed
async def test_key_with_other_arguments(street: Street, deed: Deed) -> None:
    given, key, caller = await deed.prepare(street), new_key(), deed.caller(street)
    first = await deed.do(caller, given, key)

    others = [await deed.otherwise.do(caller, deed.other(given), key) for _ in range(4)]
    again = await deed.do(caller, given, key)

    assert deed.told(first) == DONE
    for other in others:
        payload = other[deed.otherwise.name]
        assert payload["userErrors"] == [{"code": MISMATCH, "field": ["idempotencyKey"]}]
        assert not other.is_replayed
    assert deed.told(again) == REPLAYED
    assert await deed.times(street, given) == 1


@every_deed
async def test_key_with_another_selection(street: Street, deed: Deed) -> None:
    given, key, caller = await deed.prepare(street), new_key(), deed.caller(street)

    first = await deed.do(caller, given, key, shown="__typename")
    again = [await deed.do(caller, given, key) for _ in range(2)]

    assert deed.told(first) == DONE
    assert [deed.told(answer) for answer in again] == [REPLAYED, REPLAYED]
    assert again[0][deed.name][deed.shown.split()[0]]
    assert again[0][deed.name] == again[1][deed.name]
    assert await deed.times(street, given) == 1


@every_deed
async def test_key_of_another_caller(street: Street, deed: Deed) -> None:
    """Of another token, and for guests of another cart: they know nothing of each other."""
    given, fresh, key = await deed.prepare(street), await deed.prepare(street), new_key()
    async with street.database.transaction() as session:
        token = await accounts.create_token(session, name="Colleague", permissions=Permission)

    first = await deed.do(deed.caller(street), given, key)
    async with Patient(street.served.urls, token=token if deed.is_staffs else None) as colleague:
        other = [await deed.do(colleague, fresh, key) for _ in range(2)]

    assert deed.told(first) == DONE
    assert [deed.told(answer) for answer in other] == [DONE, REPLAYED]
    assert await deed.times(street, given) == 1
    assert await deed.times(street, fresh) == 1


@every_deed
async def test_key_after_a_validation_error(street: Street, deed: Deed) -> None:
    given, key, caller = await deed.prepare(street), new_key(), deed.caller(street)
    wrong, code = await deed.spoil(street, given)

    refused = [await deed.do(caller, wrong, key) for _ in range(2)]
    await deed.mend(street, given)
    done = [await deed.do(caller, given, key) for _ in range(2)]

    assert [deed.told(answer) for answer in refused] == [code, code]
    assert [deed.told(answer) for answer in done] == [DONE, REPLAYED]
    assert await deed.times(street, given) == 1


async def test_key_after_a_500_past_the_providers_call(street: Street) -> None:
    deed, key = CheckoutComplete(), new_key()
    given = await deed.prepare(street)

    async with failing(street.database, "INSERT ON orders"):
        broken = await deed.do(street.buyers, given, key)
        charged = await deed.times(street, given)
    await let_leases_end(street, key)
    done = [await deed.do(street.buyers, given, key) for _ in range(4)]

    assert charged == 1
    assert broken.body["data"] == {"checkoutComplete": None}
    assert broken.error_codes == ["INTERNAL_SERVER_ERROR"]
    assert "trapped" not in broken.body["errors"][0]["message"]
    # The worker may have been quicker: then the first retry finds the order, and keeps it under the key.
    assert [codes(answer[deed.name]) for answer in done] == [[]] * 4
    assert [answer.is_replayed for answer in done] == [False, True, True, True]
    assert len({answer[deed.name]["order"]["id"] for answer in done}) == 1
    assert await deed.times(street, given) == 1
    await assert_books_balance(street.database)
    forgive(street, "unexpected_error", at_least=1)


async def test_key_after_a_lost_answer_of_the_provider(street: Street) -> None:
    deed, key = CheckoutComplete(), new_key()
    given = {**await deed.prepare(street), "payment": {"provider": "sandbox", "token": "tok_timeout"}}

    lost = await deed.do(street.buyers, given, key)
    told = await insist(street.buyers, given["cartId"], "tok_timeout", key=key)
    again = await deed.do(street.buyers, given, key)

    assert deed.told(lost) == DONE
    assert lost[deed.name]["checkout"]["status"] == "PAYMENT_PENDING"
    assert lost[deed.name]["order"] is None
    assert codes(told.payload) == []
    assert again[deed.name]["order"]["id"] == told.payload["order"]["id"]
    assert again.is_replayed
    assert await deed.times(street, given) == 1


async def test_key_after_a_refund_whose_outcome_was_not_written(street: Street) -> None:
    """The order is cancelled, the provider has given the money back, and then the server breaks."""
    deed, key = OrderCancel(), new_key()
    given = await deed.prepare(street)

    async with failing(street.database, "UPDATE ON refund"):
        first = await deed.do(street.staff, given, key, shown="order { status }")
    again = [await deed.do(street.staff, given, key, shown="order { status }") for _ in range(4)]
    await until_refunded(street, ids.decode("order", given["orderId"]))

    assert first.error_codes in ([], ["INTERNAL_SERVER_ERROR"])
    assert [deed.told(answer) for answer in again] == [REPLAYED] * 4
    assert again[0][deed.name]["order"] == {"status": "CANCELLED"}
    assert await deed.times(street, given) == 1
    assert await returned(street, ids.decode("order", given["orderId"])) == 1
    forgive(street, "settle_refunds", "unexpected_error", at_least=1)


async def test_key_of_a_process_killed_while_it_asks_the_provider(street: Street) -> None:
    deed, key = CheckoutComplete(), new_key()
    given = await deed.prepare(street)

    async with stuck(street.database, "INSERT ON sandbox_charge") as hold, Client(street.served.urls[:1]) as buyer:
        asked = asyncio.create_task(deed.do(buyer, given, key))
        await hold.reached()
        held = await key_row(street, key)
        await street.served.servers[0].kill()
        with pytest.raises(Lost):
            await asked
    async with Patient(street.served.urls[1:]) as survivor, asyncio.timeout(60):
        told = await insist(survivor, given["cartId"], key=key)
    await street.served.start(0)
    again = await pay(street.buyers, given["cartId"], key=key)

    assert held.result is None
    assert held.leased_until - held.created_at == idempotency.LEASE == timedelta(seconds=10)
    assert codes(told.payload) == []
    assert again["checkoutComplete"]["order"]["id"] == told.payload["order"]["id"]
    assert await deed.times(street, given) == 1
    assert await street.orders_of([given["cartId"]]) == 1
    await assert_books_balance(street.database)


async def test_keys_of_a_process_killed_before_it_commits(street: Street) -> None:
    """All was done but kept: nothing may remain, and nothing may be missing afterwards."""
    deeds = [deed for deed in DEEDS.values() if deed.name != "checkoutComplete"]
    wishes = [(deed, await deed.prepare(street), new_key()) for deed in deeds]

    async with (
        stuck(street.database, "UPDATE ON idempotency_key") as hold,
        Client(street.served.urls[:1]) as buyers,
        Client(street.served.urls[:1], token=street.token) as staff,
    ):
        asked = [
            asyncio.create_task(deed.do(staff if deed.is_staffs else buyers, given, key)) for deed, given, key in wishes
        ]
        await hold.reached()
        await street.served.servers[0].kill()
        ended = await asyncio.gather(*asked, return_exceptions=True)
    await street.served.start(0)
    await let_leases_end(street, *(key for _, _, key in wishes))
    again = [[await deed.do(deed.caller(street), given, key) for _ in range(3)] for deed, given, key in wishes]

    assert {type(one) for one in ended} == {Lost}
    for (deed, given, _), answers in zip(wishes, again, strict=True):
        assert [deed.told(answer) for answer in answers] == [DONE, REPLAYED, REPLAYED], deed.name
        assert await deed.times(street, given) == 1, deed.name
    await assert_books_balance(street.database)


@every_deed
async def test_key_after_its_time(street: Street, deed: Deed) -> None:
    given, key, caller = await deed.prepare(street), new_key(), deed.caller(street)
    await deed.do(caller, given, key)

    await let_time_pass(street, key, idempotency.KEPT - timedelta(minutes=5))
    kept = await deed.do(caller, given, key)
    await let_time_pass(street, key, timedelta(minutes=10))
    anew = await deed.otherwise.do(caller, deed.other(given), key)

    assert timedelta(hours=72) == idempotency.KEPT
    assert deed.told(kept) == REPLAYED
    assert deed.otherwise.told(anew) == deed.again


@every_deed
async def test_header_carries_the_key(street: Street, deed: Deed) -> None:
    given, key, caller = await deed.prepare(street), new_key(), deed.caller(street)
    header = {"Idempotency-Key": key}

    answers = [await deed.do(caller, given, None, headers=header) for _ in range(3)]
    by_input = await deed.do(caller, given, key)
    both = await deed.do(caller, given, key, headers=header)

    assert [deed.told(answer) for answer in answers] == [DONE, REPLAYED, REPLAYED]
    assert [deed.told(by_input), deed.told(both)] == [REPLAYED, REPLAYED]
    assert await deed.times(street, given) == 1


@every_deed
async def test_header_and_input_that_differ(street: Street, deed: Deed) -> None:
    given, caller = await deed.prepare(street), deed.caller(street)

    refused = await deed.do(caller, given, new_key(), headers={"Idempotency-Key": new_key()})

    assert refused.status == 200
    assert refused.error_codes == ["BAD_USER_INPUT"]
    assert refused.body["data"] == {deed.name: None}
    assert await deed.times(street, given) == 0


@every_deed
async def test_header_with_two_such_mutations(street: Street, deed: Deed) -> None:
    given, caller, header = await deed.prepare(street), deed.caller(street), {"Idempotency-Key": new_key()}

    refused = await caller.execute(deed.document(times=2), {"input": given}, headers=header)

    assert refused.error_codes == ["BAD_USER_INPUT"]
    assert refused.body.get("data") is None
    assert await deed.times(street, given) == 0


BUSY: Json = {"data": {"cartLinesAdd": None}, "errors": [{"extensions": {"code": "UNAVAILABLE"}}]}


@pytest.mark.parametrize(
    ("keys", "is_repeatable"),
    [
        pytest.param([], True, id="nothing-written"),
        pytest.param(["one"], True, id="written-under-a-key"),
        pytest.param([UNSET], False, id="written-without-a-key"),
        pytest.param(["one", UNSET], False, id="written-once-without-a-key"),
        pytest.param(["one", "two"], True, id="written-under-two-keys"),
    ],
)
def test_nobody_is_told_to_send_again_what_would_then_happen_twice(keys: list[str], is_repeatable: bool) -> None:
    """What was written but can't be shown is answered 503 with Retry-After only when a retry is harmless."""
    context = Context(cast("Any", None))
    for key in keys:
        wanted = CheckoutStartInput(cart_id=strawberry.ID("cart"), idempotency_key=key)
        context.claim("checkoutStart", wanted, guest=UUID(int=1))
        context.written()

    answer = ServerAnswer(BUSY, is_repeatable=context.is_repeatable)

    assert context.is_repeatable is is_repeatable
    assert answer.is_unavailable is is_repeatable


async def key_row(street: Street, key: str) -> Record:
    async with street.database.reading() as session:
        return (await session.execute(select(idempotency_keys).where(idempotency_keys.c.key == key))).one()


async def let_time_pass(street: Street, key: str, by: timedelta) -> None:
    """Have a key made earlier."""
    made = (await key_row(street, key)).created_at - by
    async with street.database.transaction(patience=10) as session:
        await session.execute(update(idempotency_keys).where(idempotency_keys.c.key == key).values(created_at=made))


async def let_leases_end(street: Street, *keys: str) -> None:
    """Have whoever held keys or a payment be gone for long enough; in a soak that is waited for."""
    if IS_SOAK:
        await asyncio.sleep(idempotency.LEASE.total_seconds())
    past = clock.now() - timedelta(seconds=1)
    async with street.database.transaction(patience=10) as session:
        held = idempotency_keys.c.key.in_(keys)
        await session.execute(update(idempotency_keys).where(held).values(leased_until=past))
        await session.execute(update(payments).where(payments.c.status == "STARTED").values(leased_until=past))


async def returned(street: Street, order: UUID) -> int:
    """How often the provider gave an order's money back."""
    mine = select(refunds.c.id).where(refunds.c.order_id == order)
    return await count(street, returns, returns.c.key.in_(mine))


async def until_refunded(street: Street, order: UUID) -> None:
    async with asyncio.timeout(60):
        while await count(street, refunds, refunds.c.order_id == order, refunds.c.status != "SUCCEEDED"):
            await asyncio.sleep(0.05)


def forgive(street: Street, *signs: str, at_least: int) -> None:
    """Forget errors in the servers' logs that a test has provoked, and only those."""
    found = 0
    for server in street.served.servers:
        errors = [line for line in server.said().splitlines() if '"level": "error"' in line]
        assert all("trapped" in line and any(sign in line for sign in signs) for line in errors), errors
        found += len(errors)
        server.log.write_text("", encoding="utf-8")
    assert found >= at_least
