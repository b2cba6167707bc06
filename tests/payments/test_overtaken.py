"""Answers of a provider come in any order: does money that was taken always end in its order, or go back?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest
from sqlalchemy import select, update

from headless.checkout import completion, concluding, queries, service
from headless.checkout.completion import Wish
from headless.checkout.concluding import Result
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.checkout.service import MAX_RENEWALS, MORE_ACTIONS
from headless.orders import service as order_service
from headless.orders.rules import OrderCancelReason
from headless.payments import service as payments
from headless.payments.errors import PaymentDeclined, PaymentFailed
from headless.payments.models import payments as payment_rows
from headless.payments.models import refunds
from headless.payments.rules import PAID, NextAction, Outcome, PaymentStatus
from headless.platform import clock
from headless.platform.db import Record, SerializationFailure, Session
from tests import builders
from tests.builders import SETTLED, desk, sellable
from tests.payments import books
from tests.payments.fault_ledger import State
from tests.payments.fault_provider import NAME
from tests.payments.tills import GOOD, Till

STALE = {
    "declined": Outcome(PaymentStatus.DECLINED, message="The card was declined."),
    "failed": Outcome(PaymentStatus.FAILED, message="The provider failed."),
    "voided": Outcome(PaymentStatus.VOIDED),
    "action": Outcome(
        PaymentStatus.ACTION_REQUIRED,
        next_action=NextAction(type="REDIRECT", url="http://bank.test/confirm", client_secret="secret"),
    ),
}
MANUAL = concluding.Rules(capture=False, terms=SETTLED.terms, base_url=SETTLED.base_url)


async def charge(
    till: Till, cart_id: UUID, token: str = f"{GOOD}@first", settled: concluding.Rules = SETTLED
) -> tuple[Record, Outcome]:
    """Have a cart's first card charged without anybody writing it down; answer the payment and the true answer."""
    await desk(till.database).start(cart_id, accept_price_changes=False)
    step = await begin(till, builders.wish(cart_id, token, provider=NAME))
    outcome = await completion._ask(till.providers, step, builders.wish(cart_id, token, provider=NAME), settled)
    assert outcome is not None
    assert outcome.status in PAID
    return step.payment, outcome


async def begin(till: Till, wanted: Wish) -> completion._Pay:
    async with till.database.transaction() as session:
        step = await completion._begin(session, till.providers, wanted, is_last=False)
    assert isinstance(step, completion._Pay)
    return step


async def write(till: Till, payment: Record, cart_id: UUID, outcome: Outcome | None) -> Result:
    async with till.database.transaction() as session:
        return await concluding.conclude(session, payment, cart_id, outcome, SETTLED)


async def checkout_of(till: Till, cart_id: UUID) -> Record:
    async with till.database.reading() as session:
        return (await queries.checkouts_by_cart(session, [cart_id]))[cart_id]


async def statuses(till: Till) -> list[str]:
    async with till.database.reading() as session:
        return [row.status for row in await session.execute(select(payment_rows).order_by(payment_rows.c.id))]


async def returned(till: Till) -> list[tuple[str, int]]:
    async with till.database.reading() as session:
        return [(row.reason, row.amount) for row in await session.execute(select(refunds))]


@pytest.mark.parametrize("settled", [SETTLED, MANUAL], ids=["captured", "authorized"])
@pytest.mark.parametrize("stale", STALE)
async def test_money_that_an_older_answer_denied_ends_in_its_order(
    till: Till, stale: str, settled: concluding.Rules
) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id, settled=settled)

    denied = await write(till, payment, cart_id, STALE[stale])
    placed = await write(till, payment, cart_id, fresh)
    again = await write(till, payment, cart_id, fresh)
    denied_again = await write(till, payment, cart_id, STALE[stale])

    assert denied.order_id is None
    assert placed.order_id is not None
    assert (again.order_id, denied_again.order_id) == (placed.order_id, placed.order_id)
    assert [result.refusals for result in (placed, again, denied_again)] == [(), (), ()]
    assert await statuses(till) == [fresh.status]
    assert await returned(till) == []
    assert (await checkout_of(till, cart_id)).status == CheckoutStatus.COMPLETED
    assert await sellable(till.database, till.goods) == 9
    await till.settle()
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_money_has_the_last_word_whatever_was_said_before_it(till: Till) -> None:
    orders = list(permutations(STALE))
    async with till.database.transaction() as session:
        await builders.stock(session, till.shop.main_id, {till.goods: len(orders)})
    for nth, order in enumerate(orders):
        cart_id = await till.cart()
        payment, fresh = await charge(till, cart_id, f"{GOOD}@{nth}")
        for stale in order:
            await write(till, payment, cart_id, STALE[stale])

        results = await asyncio.gather(*(write(till, payment, cart_id, fresh) for _ in range(2)))

        assert {result.order_id is not None for result in results} == {True}, order
    assert await statuses(till) == ["CAPTURED"] * len(orders)
    assert await returned(till) == []
    await till.settle()
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def pay_with_another(till: Till, cart_id: UUID) -> None:
    await till.insist(cart_id, f"{GOOD}@second")


async def edit(till: Till, cart_id: UUID) -> None:
    async with till.database.transaction() as session:
        await service.edit(session, cart_id, terms=SETTLED.terms, values={"note": "Ring twice."})


async def cancel(till: Till, cart_id: UUID) -> None:
    async with till.database.transaction() as session:
        await service.cancel(session, cart_id)


async def expire(till: Till, _cart_id: UUID) -> None:
    await books.let_reservations_end(till.database)
    await till.work()


async def start_anew(till: Till, cart_id: UUID) -> None:
    await cancel(till, cart_id)
    await desk(till.database).start(cart_id, accept_price_changes=False)


Deed = Callable[[Till, UUID], Awaitable[None]]


@pytest.mark.parametrize("stale", ["declined", "failed", "voided"])
@pytest.mark.parametrize(
    "meanwhile", [pay_with_another, edit, cancel, expire, start_anew], ids=lambda deed: deed.__name__
)
async def test_money_that_comes_when_its_checkout_is_over_goes_back(till: Till, stale: str, meanwhile: Deed) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id)
    await write(till, payment, cart_id, STALE[stale])
    await meanwhile(till, cart_id)

    late = await write(till, payment, cart_id, fresh)
    again = await write(till, payment, cart_id, fresh)

    is_bought = meanwhile is pay_with_another
    assert (late.order_id is not None, again.order_id) == (is_bought, late.order_id)
    # Who paid in vain is told that he gets it back; whose other card paid has his order and hears of no refusal.
    assert [type(refusal) for refusal in late.refusals] == ([] if is_bought else [PaymentFailed])
    assert await returned(till) == [("no_order", 1990)]
    await till.settle()
    assert [found.returned for found in till.provider.ledger.charges() if found.key == payment.id] == [1990]
    assert sum(found.is_kept for found in till.provider.ledger.charges()) == is_bought
    assert await sellable(till.database, till.goods) == 10 - is_bought
    # Heard once more, now that it is given back, it is no news.
    await write(till, payment, cart_id, fresh)
    assert await returned(till) == [("no_order", 1990)]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_money_that_comes_while_another_card_is_asked_goes_back(till: Till) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id)
    await write(till, payment, cart_id, STALE["declined"])
    other = builders.wish(cart_id, f"{GOOD}@second", provider=NAME)
    step = await begin(till, other)

    first = await write(till, payment, cart_id, fresh)
    outcome = await completion._ask(till.providers, step, other, SETTLED)
    second = await write(till, step.payment, cart_id, outcome)

    assert first.order_id is None
    assert [refusal.code for refusal in first.refusals] == ["PAYMENT_FAILED"]
    assert second.order_id is not None
    assert await returned(till) == [("no_order", 1990)]
    await till.settle()
    assert [found.is_kept for found in till.provider.ledger.charges()] == [False, True]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


@pytest.mark.parametrize("stale", ["declined", "failed", "voided"])
async def test_authorization_that_was_released_is_not_taken_for_a_new_one(till: Till, stale: str) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id, settled=MANUAL)
    assert fresh.status == PaymentStatus.AUTHORIZED
    await write(till, payment, cart_id, STALE[stale])
    await cancel(till, cart_id)
    await write(till, payment, cart_id, fresh)
    await till.settle()
    assert await statuses(till) == ["VOIDED"]

    late = await write(till, payment, cart_id, fresh)

    assert late.order_id is None
    assert await statuses(till) == ["VOIDED"]
    assert await returned(till) == [("no_order", 1990)]
    assert [found.state for found in till.provider.ledger.charges()] == [State.CANCELED]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_cancelled_order_is_not_paid_anew_by_an_old_answer(till: Till) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id, settled=MANUAL)
    placed = await write(till, payment, cart_id, fresh)
    assert placed.order_id is not None
    async with till.database.transaction() as session:
        await order_service.cancel(
            session, placed.order_id, reason=OrderCancelReason.CUSTOMER, restock=True, actor="tester"
        )
    await till.settle()

    late = await write(till, payment, cart_id, fresh)

    assert late.order_id == placed.order_id
    assert await statuses(till) == ["VOIDED"]
    assert await returned(till) == [("order_cancelled", 1990)]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


@pytest.mark.parametrize("stale", ["declined", "failed", "voided"])
async def test_worker_and_buyer_who_hear_the_same_refusal_both_tell_it(till: Till, stale: str) -> None:
    cart_id = await till.cart()
    await desk(till.database).start(cart_id, accept_price_changes=False)
    step = await begin(till, builders.wish(cart_id, "declined", provider=NAME))

    first = await write(till, step.payment, cart_id, STALE[stale])
    second = await write(till, step.payment, cart_id, STALE[stale])
    third = await write(till, step.payment, cart_id, None)

    refusal = PaymentDeclined if stale == "declined" else PaymentFailed
    for result in (first, second, third):
        assert [(type(found), found.message) for found in result.refusals] == [(refusal, first.refusals[0].message)]
    assert (await checkout_of(till, cart_id)).status == CheckoutStatus.OPEN
    assert await sellable(till.database, till.goods) == 9


async def test_answer_that_was_lost_of_a_payment_that_ended_changes_nothing(till: Till) -> None:
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id)
    placed = await write(till, payment, cart_id, fresh)

    lost = await write(till, payment, cart_id, None)

    assert lost.order_id == placed.order_id
    assert await statuses(till) == ["CAPTURED"]


async def test_who_keeps_failing_to_pay_does_not_keep_the_stock_for_ever(till: Till) -> None:
    cart_id = await till.cart()
    ends = []
    for nth in range(MAX_RENEWALS + 3):
        # Each time at the last moment.
        async with till.database.transaction() as session:
            await session.execute(update(checkouts).values(expires_at=clock.now() + timedelta(seconds=30)))
        await till.insist(cart_id, f"declined@{nth}")
        ends.append((await checkout_of(till, cart_id)).expires_at)

    soon = clock.now() + timedelta(minutes=5)
    assert [end > soon for end in ends] == [True] * MAX_RENEWALS + [False] * 3
    await till.settle()
    assert await sellable(till.database, till.goods) == 10


async def test_who_never_confirms_does_not_keep_the_stock_for_ever(till: Till) -> None:
    cart_id = await till.cart()
    await desk(till.database).start(cart_id, accept_price_changes=False)
    step = await begin(till, builders.wish(cart_id, "action", provider=NAME))
    ends = []
    for _ in range(MAX_RENEWALS + MORE_ACTIONS + 2):
        async with till.database.transaction() as session:
            await session.execute(update(checkouts).values(expires_at=clock.now() + timedelta(seconds=30)))
            await payments.take_over(session, step.payment.id, lease=timedelta(seconds=9))
        await write(till, step.payment, cart_id, STALE["action"])
        ends.append((await checkout_of(till, cart_id)).expires_at)

    soon = clock.now() + timedelta(minutes=5)
    assert [end > soon for end in ends] == [True] * (MAX_RENEWALS + MORE_ACTIONS) + [False] * 2
    await till.settle()
    assert await sellable(till.database, till.goods) == 10
    assert not await till.is_bought(cart_id)


async def test_provider_that_does_not_give_a_payment_up_is_not_asked_in_circles(till: Till) -> None:
    """It answers that the buyer may still act: the first card isn't given up, so the second isn't charged."""
    cart_id = await till.cart()
    await till.ask(builders.wish(cart_id, "action+abandon_unheard@first", provider=NAME))

    result = await till.ask(builders.wish(cart_id, f"{GOOD}@second", provider=NAME))

    assert result is not None
    assert (result.order_id, result.refusals) == (None, ())
    assert (await checkout_of(till, cart_id)).status == CheckoutStatus.ACTION_REQUIRED
    assert len(till.provider.ledger.charges()) == 1
    again = await till.insist(cart_id, f"{GOOD}@second")
    assert again.order_id is not None
    assert [found.is_kept for found in till.provider.ledger.charges()] == [False, True]
    await till.settle()
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_outcome_whose_transaction_lost_a_race_is_written_all_the_same(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = concluding.conclude, 0

    async def lose_once(
        session: Session, payment: Record, cart_id: UUID, outcome: Outcome | None, settled: concluding.Rules
    ) -> Result:
        nonlocal times
        times += 1
        result = await real(session, payment, cart_id, outcome, settled)
        if times == 1:
            raise SerializationFailure
        return result

    monkeypatch.setattr(completion, "conclude", lose_once)
    cart_id = await till.cart()

    result = await till.ask(builders.wish(cart_id, GOOD, provider=NAME))

    assert result is not None
    assert result.order_id is not None
    assert times == 2
    await till.settle()
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


@pytest.mark.parametrize("answers", [[False, True], [True, False], [None, False, True], [True, None]], ids=str)
async def test_refund_that_was_carried_out_is_never_unsaid(till: Till, answers: list[bool | None]) -> None:
    """Several ask for one refund at once, and who heard that it was refused writes first, or last."""
    cart_id = await till.cart()
    payment, fresh = await charge(till, cart_id, settled=MANUAL)
    await write(till, payment, cart_id, STALE["declined"])
    await cancel(till, cart_id)
    await write(till, payment, cart_id, fresh)
    async with till.database.reading() as session:
        (refund,) = (await session.execute(select(refunds))).all()
        paid = (await session.execute(select(payment_rows))).one()
    assert await payments.give_back(till.providers, refund, paid) is True

    for done in answers:
        async with till.database.transaction() as session:
            await payments.settle_refund(session, refund, payment=paid, done=done)

    async with till.database.reading() as session:
        assert [row.status for row in await session.execute(select(refunds))] == ["SUCCEEDED"]
    assert await statuses(till) == ["VOIDED"]
    await till.settle()
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)
