"""Whatever a provider's calls do: is a cart paid once or not at all, and does its order or its money come back?"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.checkout import completion, concluding, service
from headless.checkout.rules import CheckoutStatus
from headless.orders import service as order_service
from headless.orders.rules import OrderCancelReason
from headless.payments import service as payments
from headless.payments.models import payments as payment_rows
from headless.payments.rules import AnswerLost, Authorization, Outcome, PaymentStatus
from headless.payments.service import Providers
from headless.platform import ids
from headless.platform.db import Database, Record
from tests import builders
from tests.builders import SETTLED, desk, sellable
from tests.payments import books
from tests.payments.fault_ledger import KeyReused, State
from tests.payments.fault_provider import NAME
from tests.payments.tills import GOOD, Till

TABS = 3


@dataclass(frozen=True, slots=True)
class Story:
    """How a provider behaves, and what comes of it when the buyer asks once and goes."""

    habits: str
    is_bought_by_who_goes: bool
    is_declined: bool = False


STORIES = [
    Story(GOOD, is_bought_by_who_goes=True),
    Story("declined", is_bought_by_who_goes=False, is_declined=True),
    Story("action", is_bought_by_who_goes=False),
    Story("action+lost", is_bought_by_who_goes=False),
    Story("processing", is_bought_by_who_goes=True),
    Story("processing_declined", is_bought_by_who_goes=False, is_declined=True),
    Story("lost", is_bought_by_who_goes=True),
    Story("twice", is_bought_by_who_goes=True),
    Story("error_before", is_bought_by_who_goes=False),
    Story("error_after", is_bought_by_who_goes=True),
    Story("bug_before", is_bought_by_who_goes=False),
    Story("bug_after", is_bought_by_who_goes=True),
    Story("stall_before", is_bought_by_who_goes=False),
    Story("stall_after", is_bought_by_who_goes=True),
    Story("arrives_after_find", is_bought_by_who_goes=True),
    Story("arrives_after_abandon", is_bought_by_who_goes=False),
    Story("lost+find_late", is_bought_by_who_goes=True),
    Story("lost+find_stale", is_bought_by_who_goes=True),
    Story("lost+find_dropped", is_bought_by_who_goes=True),
    Story("lost+find_lost", is_bought_by_who_goes=True),
    Story("lost+find_stall_before", is_bought_by_who_goes=True),
    Story("lost+find_error_after", is_bought_by_who_goes=True),
    Story("lost+find_bug_after", is_bought_by_who_goes=True),
    Story("lost+find_dropped+abandon_lost", is_bought_by_who_goes=True),
    Story("action+abandon_lost+abandon_twice", is_bought_by_who_goes=False),
    Story("action+abandon_error_after", is_bought_by_who_goes=False),
]
REFUNDS = ["refund_lost", "refund_twice"] + [
    f"refund_{fault}_{when}" for fault in ("error", "bug", "stall") for when in ("before", "after")
]


async def leave(till: Till, cart_id: UUID, token: str) -> None:
    """Ask once and never again."""
    await till.ask(builders.wish(cart_id, token, provider=NAME))


async def change_cards(till: Till, cart_id: UUID, token: str) -> None:
    """Take another card when the first doesn't end in an order at once."""
    first = await till.ask(builders.wish(cart_id, token, provider=NAME))
    if first is None or first.order_id is None:
        await books.let_leases_end(till.database)
        result = await till.insist(cart_id, f"{GOOD}@other")
        if result.order_id is None:
            # That was still about the first card.
            result = await till.insist(cart_id, f"{GOOD}@other")
        assert result.order_id is not None


async def open_tabs(till: Till, cart_id: UUID, token: str) -> None:
    """Pay in several tabs at once, while the worker works, too."""
    wishes = [builders.wish(cart_id, token, provider=NAME) for _ in range(TABS)]
    await asyncio.gather(*(till.ask(wanted) for wanted in wishes), till.work(), till.work())
    await till.insist(cart_id, token)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.habits)
async def test_cart_is_paid_once_or_not_at_all(till: Till, story: Story) -> None:
    left, insisted, changed, tabbed = [await till.cart() for _ in range(4)]

    await asyncio.gather(
        leave(till, left, f"{story.habits}@left"),
        till.insist(insisted, f"{story.habits}@insisted"),
        change_cards(till, changed, f"{story.habits}@changed"),
        open_tabs(till, tabbed, f"{story.habits}@tabbed"),
    )
    await till.settle()

    bought = [await till.is_bought(cart_id) for cart_id in (left, insisted, changed, tabbed)]
    assert bought == [story.is_bought_by_who_goes, not story.is_declined, True, not story.is_declined]
    assert sum(charge.is_kept for charge in till.provider.ledger.charges()) == sum(bought)
    assert await sellable(till.database, till.goods) == 10 - sum(bought)
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


@pytest.mark.parametrize("capture", [True, False], ids=["captured", "authorized"])
@pytest.mark.parametrize("habits", REFUNDS)
async def test_money_of_a_cancelled_order_is_given_back_once(till: Till, habits: str, capture: bool) -> None:
    cart_id = await till.cart()
    settled = concluding.Rules(capture=capture, terms=SETTLED.terms, base_url=SETTLED.base_url)
    wanted = builders.wish(cart_id, habits, provider=NAME)
    result = await completion.complete(desk(till.database, settled), till.providers, wanted, settled)
    assert result.order_id is not None
    async with till.database.transaction() as session:
        await order_service.cancel(
            session, result.order_id, reason=OrderCancelReason.CUSTOMER, restock=True, actor="tester"
        )

    await asyncio.gather(*(till.work() for _ in range(3)), return_exceptions=True)
    await till.settle()

    (charge,) = till.provider.ledger.charges()
    assert (charge.returned, charge.amount) == (1990, 1990)
    assert charge.state is (State.SUCCEEDED if capture else State.CANCELED)
    assert await sellable(till.database, till.goods) == 10
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


@pytest.mark.parametrize("habits", [GOOD, "lost", "processing"])
async def test_money_that_comes_after_the_checkout_is_over_is_given_back(till: Till, habits: str) -> None:
    """The worker was late: the buyer's stock was given back by hand before the outcome was known."""
    cart_id = await till.cart()
    wanted = builders.wish(cart_id, f"{habits}+refund_lost", provider=NAME)
    await desk(till.database).start(cart_id, accept_price_changes=False)
    async with till.database.transaction() as session:
        step = await completion._begin(session, till.providers, wanted, is_last=False)
    assert isinstance(step, completion._Pay)
    await completion._ask(till.providers, step, wanted, SETTLED)
    async with till.database.transaction() as session:
        current = await service.live(session, cart_id)
        assert current is not None
        await service.end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")

    await till.settle()

    (charge,) = till.provider.ledger.charges()
    assert (charge.returned, charge.is_kept) == (charge.amount, False)
    assert not await till.is_bought(cart_id)
    assert await sellable(till.database, till.goods) == 10
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_provider_that_does_not_answer_keeps_no_unit_of_others_from_sale(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker asks what became of one payment, and another buyer's time is over meanwhile."""
    pending, forgotten = await till.cart(), await till.cart()
    await leave(till, pending, "lost")
    await desk(till.database).start(forgotten, accept_price_changes=False)
    await books.let_leases_end(till.database)
    await books.let_reservations_end(till.database)
    asked, answers = asyncio.Event(), asyncio.Event()
    find = till.provider.find

    async def find_slowly(key: UUID) -> Outcome | None:
        asked.set()
        await answers.wait()
        return await find(key)

    monkeypatch.setattr(till.provider, "find", find_slowly)
    patient = Providers({NAME: till.provider}, timeout_seconds=60)
    work = asyncio.create_task(completion.settle_left_over(till.database, patient, SETTLED))
    await asked.wait()
    while await sellable(till.database, till.goods) < 9:
        await asyncio.sleep(0.01)

    assert not work.done()
    answers.set()
    await work
    assert [await till.is_bought(cart_id) for cart_id in (pending, forgotten)] == [True, False]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def test_answer_that_was_overtaken_does_not_part_a_buyer_from_his_order(till: Till) -> None:
    """Two ask what became of a charge; the one who heard an old answer writes it down first."""
    cart_id = await till.cart()
    wanted = builders.wish(cart_id, "lost+find_stale", provider=NAME)
    assert await till.ask(wanted) is not None
    (left,) = await payments_of(till.database)
    stale = await payments.inquire(till.providers, left)
    fresh = await payments.inquire(till.providers, left)
    assert stale is not None
    assert fresh is not None
    assert (stale.status, fresh.status) == (PaymentStatus.ACTION_REQUIRED, PaymentStatus.CAPTURED)

    for outcome in (stale, fresh):
        async with till.database.transaction() as session:
            await concluding.conclude(session, left, cart_id, outcome, SETTLED)
    again = await till.insist(cart_id, "lost+find_stale")
    await till.settle()

    assert again.order_id is not None
    assert [charge.returned for charge in till.provider.ledger.charges()] == [0]
    await books.assert_money_and_stock_agree(till.database, till.provider.ledger)


async def payments_of(database: Database) -> list[Record]:
    async with database.reading() as session:
        return list(await session.execute(select(payment_rows)))


async def test_amount_that_the_provider_does_not_take_fails_and_charges_nothing(till: Till) -> None:
    outcome = await till.provider.authorize(request(amount=49))

    assert outcome.status is PaymentStatus.FAILED
    assert "between 50 and 99999999" in outcome.message
    assert till.provider.ledger.charges() == []


async def test_key_is_not_taken_for_two_payments(till: Till) -> None:
    first = request()
    await till.provider.authorize(first)

    for other in (request(first.key, amount=1001), request(first.key, token="other"), request(first.key, code="USD")):
        with pytest.raises(KeyReused):
            await till.provider.authorize(other)

    assert till.provider.ledger.mismatches() == 3
    assert till.provider.ledger.times_charged() == {first.key: 1}


async def test_repeated_request_charges_once_and_is_answered_alike(till: Till) -> None:
    wanted = request()

    answers = [await till.provider.authorize(wanted) for _ in range(3)]

    assert len(set(answers)) == 1
    assert till.provider.ledger.times_charged() == {wanted.key: 1}


async def test_what_is_processed_can_not_be_abandoned(till: Till) -> None:
    wanted = request(token="processing")
    for call in (till.provider.authorize(wanted), till.provider.abandon(wanted.key), till.provider.find(wanted.key)):
        with pytest.raises(AnswerLost):
            await call

    found = await till.provider.find(wanted.key)

    assert found is not None
    assert found.status is PaymentStatus.CAPTURED


def request(key: UUID | None = None, *, amount: int = 1000, token: str = GOOD, code: str = "EUR") -> Authorization:
    return Authorization(key or ids.new(), token, amount, code, capture=True, return_url="http://shop.test/back")
