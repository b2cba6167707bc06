"""Does a cart become an order exactly once, whatever the provider, the network and other buyers do?"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from headless.cart import service as cart_service
from headless.cart.models import carts
from headless.checkout import completion, concluding, queries, service, starting
from headless.checkout.completion import Wish
from headless.checkout.desk import Desk
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus, Quote
from headless.orders.models import order_lines, orders
from headless.payments import service as payment_service
from headless.payments.errors import PaymentDeclined, PaymentFailed, UnknownPaymentProvider
from headless.payments.models import payments, refunds
from headless.payments.providers.sandbox import charges
from headless.payments.rules import PaymentStatus
from headless.platform import clock
from headless.platform.db import Database, Record, Session
from headless.platform.errors import (
    IdempotencyConcurrentRequest,
    IdempotencyKeyParameterMismatch,
    NotFound,
    Refused,
)
from headless.platform.idempotency import idempotency_keys
from tests.builders import (
    SETTLED,
    Shop,
    assert_books_balance,
    cart_ready_to_check_out,
    complete,
    desk,
    persistently,
    recording,
    sandbox_providers,
    sellable,
    stocks,
    wish,
)

PAST = timedelta(minutes=5)


async def ready(database: Database, shop: Shop, units: int = 2) -> UUID:
    async with database.transaction() as session:
        return await cart_ready_to_check_out(session, shop, {shop.mug: units})


async def all_orders(database: Database) -> list[Record]:
    async with database.reading() as session:
        return list(await session.execute(select(orders).order_by(orders.c.number)))


async def all_payments(database: Database) -> list[Record]:
    async with database.reading() as session:
        return list(await session.execute(select(payments).order_by(payments.c.id)))


async def charged(database: Database) -> list[tuple[str, int]]:
    """What the provider did: token and amount of every payment it took and didn't void."""
    taken = charges.c.status.in_([PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED])
    async with database.reading() as session:
        rows = await session.execute(select(charges.c.token, charges.c.amount).where(taken).order_by(charges.c.key))
        return [(row.token, row.amount) for row in rows]


async def checkout_of(database: Database, cart_id: UUID) -> Record:
    async with database.reading() as session:
        return (await queries.checkouts_by_cart(session, [cart_id]))[cart_id]


async def let_leases_end(database: Database) -> None:
    """Let the time pass after which anybody may ask what became of a payment."""
    past = clock.now() - PAST
    async with database.transaction() as session:
        await session.execute(update(payments).values(leased_until=past, updated_at=past))
        await session.execute(update(idempotency_keys).values(leased_until=past))


async def let_reservations_end(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(update(checkouts).values(expires_at=clock.now() - PAST))


async def settle_left_over(database: Database) -> int:
    return await completion.settle_left_over(database, sandbox_providers(database), SETTLED)


async def crash_after_intent(database: Database, wanted: Wish) -> Record:
    """Begin a payment as a process does that dies before it asks the provider."""
    await desk(database).start(wanted.cart_id, accept_price_changes=False)
    async with database.transaction() as session:
        step = await completion._begin(session, sandbox_providers(database), wanted, is_last=False)
    assert isinstance(step, completion._Pay)
    return step.payment


async def test_paid_cart_becomes_one_order_with_its_stock_committed(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, {shop.mug: 2, shop.shirt_large: 1, shop.voucher: 1})

    async with recording(database) as facts:
        result = await complete(database, cart_id)

    (order,) = await all_orders(database)
    (payment,) = await all_payments(database)
    total = 2 * 1290 + 2600 + 2500 + 490
    assert result.order_id == order.id
    assert (result.refusals, result.is_replayed) == ((), False)
    assert (order.number, order.cart_id, order.email) == (1001, cart_id, "marie@example.com")
    assert (order.subtotal_amount, order.delivery_amount, order.tax_amount) == (total - 490, 490, 0)
    assert (order.total_amount, order.currency) == (total, "EUR")
    assert (order.status, order.financial_status, order.fulfillment_status) == ("CONFIRMED", "PAID", "UNFULFILLED")
    assert order.shipping_address["city"] == "Berlin"
    assert (payment.status, payment.amount, payment.order_id) == ("CAPTURED", total, order.id)
    assert await charged(database) == [("tok_visa", total)]
    async with database.reading() as session:
        lines = await session.execute(select(order_lines).order_by(order_lines.c.position))
        assert [(line.title, line.variant_title, line.sku, line.quantity, line.total_amount) for line in lines] == [
            ("Mug", "Default Title", "MUG", 2, 2580),
            ("Shirt", "L", "SHIRT-L", 1, 2600),
            ("Voucher", "Default Title", "VOUCHER", 1, 2500),
        ]
    mug = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (mug.on_hand, mug.reserved, mug.committed) == (10, 0, 2)
    checkout = await checkout_of(database, cart_id)
    assert (checkout.status, checkout.order_id) == (CheckoutStatus.COMPLETED, order.id)
    assert facts.of("order.placed") == [{"order_id": str(order.id)}]
    assert facts.of("order.status_changed") == [
        {"order_id": str(order.id), "status": "CONFIRMED", "previous_status": None, "version": 1}
    ]
    assert {fact["variant_id"] for fact in facts.of("stock.changed")} == {str(shop.mug), str(shop.shirt_large)}
    await assert_books_balance(database)


async def test_order_numbers_count_up(database: Database, shop: Shop) -> None:
    for _ in range(3):
        await complete(database, await ready(database, shop, 1))

    assert [order.number for order in await all_orders(database)] == [1001, 1002, 1003]


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        ("tok_declined", PaymentDeclined),
        ("tok_insufficient_funds", PaymentDeclined),
        ("tok_unheard_of", PaymentDeclined),
        ("tok_error", PaymentFailed),
    ],
)
async def test_refused_payment_leaves_the_checkout_open_and_the_key_free(
    database: Database, shop: Shop, token: str, refusal: type[Exception]
) -> None:
    cart_id = await ready(database, shop)

    result = await complete(database, cart_id, token, key="one")

    assert [type(found) for found in result.refusals] == [refusal]
    assert result.order_id is None
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.OPEN
    assert await all_orders(database) == []
    assert await charged(database) == []
    assert await sellable(database, shop.mug) == 8
    again = await complete(database, cart_id, key="one")
    assert again.order_id is not None
    assert await charged(database) == [("tok_visa", 3070)]
    assert await sellable(database, shop.mug) == 8
    await assert_books_balance(database)


async def test_unknown_provider_is_refused_before_anything_is_written(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)

    with pytest.raises(UnknownPaymentProvider):
        await completion.complete(desk(database), sandbox_providers(database), wish(cart_id, provider="acme"), SETTLED)

    assert await all_payments(database) == []
    assert await sellable(database, shop.mug) == 10


async def test_unknown_cart_is_not_found_and_frees_its_key(database: Database, shop: Shop) -> None:
    with pytest.raises(NotFound):
        await complete(database, shop.mug, key="one")

    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(idempotency_keys)) == 0


async def test_manual_capture_only_authorizes(database: Database, shop: Shop) -> None:
    settled = concluding.Rules(capture=False, terms=SETTLED.terms, base_url=SETTLED.base_url)

    await complete(database, await ready(database, shop), settled=settled)

    (order,) = await all_orders(database)
    assert (order.status, order.financial_status) == ("CONFIRMED", "AUTHORIZED")
    assert [payment.status for payment in await all_payments(database)] == ["AUTHORIZED"]


async def test_completed_cart_answers_its_order_whatever_the_key_or_token(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    first = await complete(database, cart_id, key="one")

    same_key = await complete(database, cart_id, key="one")
    other_key = await complete(database, cart_id, "tok_declined", key="two")
    repeated = await complete(database, cart_id, "tok_declined", key="two")

    assert {same_key.order_id, other_key.order_id, repeated.order_id} == {first.order_id}
    assert (same_key.is_replayed, other_key.is_replayed, repeated.is_replayed) == (True, False, True)
    assert other_key.refusals == ()
    assert await charged(database) == [("tok_visa", 3070)]


async def test_key_of_other_arguments_is_refused_even_on_a_completed_cart(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, key="one")

    with pytest.raises(IdempotencyKeyParameterMismatch):
        await complete(database, cart_id, "tok_declined", key="one")


@pytest.mark.parametrize("key", ["the same", None])
async def test_twenty_completions_at_once_make_one_order_and_one_charge(
    database: Database, shop: Shop, key: str | None
) -> None:
    cart_id = await ready(database, shop)
    wishes = [wish(cart_id, key=key) for _ in range(20)]
    providers = sandbox_providers(database)

    async def go(wanted: Wish) -> concluding.Result:
        return await persistently(completion.complete, desk(database), providers, wanted, SETTLED)

    results = await asyncio.gather(*map(go, wishes))

    (order,) = await all_orders(database)
    assert {result.order_id for result in results} == {order.id}
    assert [result.refusals for result in results] == [()] * 20
    assert await charged(database) == [("tok_visa", 3070)]
    assert [payment.status for payment in await all_payments(database)] == ["CAPTURED"]
    assert await sellable(database, shop.mug) == 8
    await assert_books_balance(database)


async def test_carts_that_want_the_last_unit_at_once_make_one_order(database: Database, shop: Shop) -> None:
    wanted_carts = [await ready(database, shop, 10) for _ in range(8)]

    async def go(cart_id: UUID) -> UUID | None:
        wanted = wish(cart_id)
        try:
            result = await persistently(
                completion.complete, desk(database), sandbox_providers(database), wanted, SETTLED
            )
        except Refused as refused:
            if [refusal.code for refusal in refused.refusals] != ["OUT_OF_STOCK"]:
                raise
            return None
        return result.order_id

    results = await asyncio.gather(*map(go, wanted_carts))

    (order,) = await all_orders(database)
    assert [found for found in results if found is not None] == [order.id]
    assert await charged(database) == [("tok_visa", 13390)]
    assert await sellable(database, shop.mug) == 0
    await assert_books_balance(database)


async def test_lost_answer_leaves_the_payment_pending_and_a_retry_finds_the_one_charge(
    database: Database, shop: Shop
) -> None:
    cart_id = await ready(database, shop)

    lost = await complete(database, cart_id, "tok_timeout", key="one")

    assert (lost.order_id, lost.refusals) == (None, ())
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.PAYMENT_PENDING
    assert await all_orders(database) == []
    found = await complete(database, cart_id, "tok_timeout", key="one")
    (order,) = await all_orders(database)
    assert found.order_id == order.id
    assert await charged(database) == [("tok_timeout", 3070)]
    assert [payment.status for payment in await all_payments(database)] == ["CAPTURED"]
    await assert_books_balance(database)


async def test_retry_with_another_card_after_a_lost_answer_does_not_charge_twice(
    database: Database, shop: Shop
) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_timeout")

    found = await complete(database, cart_id, "tok_visa")

    assert found.order_id is not None
    assert await charged(database) == [("tok_timeout", 3070)]


async def test_worker_settles_a_lost_answer(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_timeout")
    assert await settle_left_over(database) == 0
    await let_leases_end(database)

    async with recording(database) as facts:
        assert await settle_left_over(database) == 1
        assert await settle_left_over(database) == 0

    (order,) = await all_orders(database)
    assert facts.of("order.placed") == [{"order_id": str(order.id)}]
    assert await charged(database) == [("tok_timeout", 3070)]
    await assert_books_balance(database)


async def test_payment_of_a_cart_that_expired_meanwhile_still_becomes_its_order(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_timeout")
    async with database.transaction() as session:
        await session.execute(update(carts).values(expires_at=clock.now() - cart_service.KEPT_FOR_PAYMENTS - PAST))
        assert await cart_service.sweep(session, but=queries.carts_being_paid()) == 0
    await let_leases_end(database)

    assert await settle_left_over(database) == 1

    (order,) = await all_orders(database)
    assert order.cart_id == cart_id
    assert await charged(database) == [("tok_timeout", 3070)]
    async with database.transaction() as session:
        assert await cart_service.sweep(session, but=queries.carts_being_paid()) == 1


async def test_worker_and_buyer_settle_a_lost_answer_at_once_into_one_order(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_timeout")
    await let_leases_end(database)
    wanted = wish(cart_id, "tok_timeout")

    result, _, _ = await asyncio.gather(
        persistently(completion.complete, desk(database), sandbox_providers(database), wanted, SETTLED),
        persistently(settle_left_over, database),
        persistently(settle_left_over, database),
    )

    (order,) = await all_orders(database)
    assert result.order_id == order.id
    assert await charged(database) == [("tok_timeout", 3070)]
    await assert_books_balance(database)


async def test_card_that_wants_an_action_succeeds_when_completed_again(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)

    first = await complete(database, cart_id, "tok_3ds", key="one")

    assert (first.order_id, first.refusals) == (None, ())
    (payment,) = await all_payments(database)
    assert payment.status == PaymentStatus.ACTION_REQUIRED
    assert payment.next_action["type"] == "REDIRECT"
    assert payment.next_action["url"].startswith("http://shop.test/payments/sandbox/payment_")
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.ACTION_REQUIRED
    assert await charged(database) == []
    second = await complete(database, cart_id, "tok_3ds", key="one")
    (order,) = await all_orders(database)
    assert second.order_id == order.id
    assert await charged(database) == [("tok_3ds", 3070)]
    assert [payment.status for payment in await all_payments(database)] == ["CAPTURED"]


async def test_another_card_isnt_told_what_became_of_the_first(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, {shop.mug: 2})
    crashed = await crash_after_intent(database, wish(cart_id, "tok_declined", key="one"))
    await let_leases_end(database)

    result = await complete(database, cart_id, key="two")

    assert (result.order_id is not None, result.refusals) == (True, ())
    assert await charged(database) == [("tok_visa", 3070)]
    statuses = {payment.id: payment.status for payment in await all_payments(database)}
    assert statuses.pop(crashed.id) == PaymentStatus.VOIDED
    assert list(statuses.values()) == [PaymentStatus.CAPTURED]


async def test_another_card_gives_up_the_one_that_wants_an_action(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_3ds")

    result = await complete(database, cart_id, "tok_visa")

    (order,) = await all_orders(database)
    assert result.order_id == order.id
    assert [payment.status for payment in await all_payments(database)] == ["VOIDED", "CAPTURED"]
    assert await charged(database) == [("tok_visa", 3070)]
    assert await sellable(database, shop.mug) == 8
    await assert_books_balance(database)


async def test_declined_card_after_one_that_wanted_an_action_charges_nothing(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    await complete(database, cart_id, "tok_3ds")

    result = await complete(database, cart_id, "tok_declined")

    assert [refusal.code for refusal in result.refusals] == ["PAYMENT_DECLINED"]
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.OPEN
    assert await charged(database) == []
    assert await all_orders(database) == []


async def test_buyer_who_never_returns_from_an_action_loses_the_reservation(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, 10)
    await complete(database, cart_id, "tok_3ds")
    await let_reservations_end(database)

    assert await settle_left_over(database) == 1
    assert await settle_left_over(database) == 1
    assert await settle_left_over(database) == 0

    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.EXPIRED
    assert [payment.status for payment in await all_payments(database)] == ["VOIDED"]
    assert await sellable(database, shop.mug) == 10
    assert await charged(database) == []
    again = await complete(database, cart_id)
    assert again.order_id is not None
    await assert_books_balance(database)


async def test_expired_reservation_is_given_back_by_the_worker(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, 10)
    await complete(database, cart_id, "tok_declined")
    assert await settle_left_over(database) == 0
    await let_reservations_end(database)

    async with recording(database) as facts:
        assert await settle_left_over(database) == 1

    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.EXPIRED
    assert await sellable(database, shop.mug) == 10
    assert sorted(facts.topics) == ["cart.changed", "stock.changed"]
    await assert_books_balance(database)


async def test_expiry_and_completion_at_once_end_with_the_order(database: Database, shop: Shop) -> None:
    for _ in range(5):
        cart_id = await ready(database, shop, 2)
        await complete(database, cart_id, "tok_declined")
        await let_reservations_end(database)
        wanted = wish(cart_id)

        result, *_ = await asyncio.gather(
            persistently(completion.complete, desk(database), sandbox_providers(database), wanted, SETTLED),
            persistently(settle_left_over, database),
            persistently(settle_left_over, database),
        )

        assert result.order_id is not None
        assert (await checkout_of(database, cart_id)).status == CheckoutStatus.COMPLETED

    assert len(await all_orders(database)) == 5
    assert await charged(database) == [("tok_visa", 3070)] * 5
    mug = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (mug.on_hand, mug.reserved, mug.committed) == (10, 0, 10)
    await assert_books_balance(database)


async def test_twenty_completions_at_once_of_an_expired_checkout_make_one_order(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, 10)
    await desk(database).start(cart_id, accept_price_changes=False)
    await let_reservations_end(database)
    counters, providers = [desk(database), desk(database)], sandbox_providers(database)

    results = await asyncio.gather(
        *(persistently(completion.complete, counters[nth % 2], providers, wish(cart_id), SETTLED) for nth in range(20))
    )

    (order,) = await all_orders(database)
    assert {result.order_id for result in results} == {order.id}
    assert await charged(database) == [("tok_visa", 13390)]
    await assert_books_balance(database)


class Overtaken(Desk):
    """A desk at which another buyer's deed is done right before a checkout is started."""

    def __init__(self, database: Database, deed: Callable[[], Awaitable[object]]) -> None:
        super().__init__(database, SETTLED.terms)
        self._deed: Callable[[], Awaitable[object]] | None = deed

    async def start(self, cart_id: UUID, *, accept_price_changes: bool, language: str | None = None) -> Record:
        if self._deed is not None:
            deed, self._deed = self._deed, None
            await deed()
        return await super().start(cart_id, accept_price_changes=accept_price_changes, language=language)


@pytest.mark.parametrize("token", ["tok_visa", "tok_timeout", "tok_3ds"])
async def test_who_is_overtaken_while_he_starts_gets_the_order_all_the_same(
    database: Database, shop: Shop, token: str
) -> None:
    """The other request's payment has succeeded, is pending, or wants an action when this one comes to start."""
    cart_id = await ready(database, shop, 10)
    await desk(database).start(cart_id, accept_price_changes=False)
    await let_reservations_end(database)
    late = Overtaken(database, lambda: complete(database, cart_id, token))

    result = await completion.complete(late, sandbox_providers(database), wish(cart_id), SETTLED)

    (order,) = await all_orders(database)
    assert (result.order_id, result.refusals) == (order.id, ())
    assert len(await charged(database)) == 1
    await assert_books_balance(database)


async def test_who_finds_his_own_units_gone_is_told_of_his_order(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two requests for one cart that wants all there is, the second reads while the first holds and pays."""
    cart_id = await ready(database, shop, 10)
    real, first = starting._quote, list[concluding.Result]()

    async def read_late(session: Session, cart: Record, *, accept_price_changes: bool) -> Quote:
        if not first:
            monkeypatch.setattr(starting, "_quote", real)
            first.append(await complete(database, cart_id))
        return await real(session, cart, accept_price_changes=accept_price_changes)

    monkeypatch.setattr(starting, "_quote", read_late)

    second = await complete(database, cart_id)

    assert second.order_id is not None
    assert (second.order_id, second.refusals) == (first[0].order_id, ())
    assert await charged(database) == [("tok_visa", 13390)]


async def test_pending_payment_keeps_its_reservation_past_its_time(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, 10)
    await complete(database, cart_id, "tok_timeout")
    await let_reservations_end(database)

    assert await settle_left_over(database) == 0

    assert await sellable(database, shop.mug) == 0
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.PAYMENT_PENDING


async def test_crash_before_the_provider_was_asked_ends_without_charge_or_order(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    wanted = wish(cart_id, key="one")
    payment = await crash_after_intent(database, wanted)
    await let_leases_end(database)

    assert await settle_left_over(database) == 1

    assert [found.status for found in await all_payments(database)] == ["VOIDED"]
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.OPEN
    assert await all_orders(database) == []
    assert await charged(database) == []
    # The request that was only slow, not dead, asks the provider now: too late to charge.
    outcome = await payment_service.authorize(
        sandbox_providers(database), payment, token="tok_visa", capture=True, return_url=""
    )
    assert outcome is not None
    assert outcome.status == PaymentStatus.VOIDED
    assert await charged(database) == []
    result = await complete(database, cart_id, key="one")
    assert result.order_id is not None
    assert await charged(database) == [("tok_visa", 3070)]
    await assert_books_balance(database)


async def test_crash_after_the_provider_charged_ends_with_the_order(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    wanted = wish(cart_id, key="one")
    providers = sandbox_providers(database)
    payment = await crash_after_intent(database, wanted)
    outcome = await payment_service.authorize(providers, payment, token="tok_visa", capture=True, return_url="")
    await let_leases_end(database)

    assert await settle_left_over(database) == 1

    (order,) = await all_orders(database)
    assert await charged(database) == [("tok_visa", 3070)]
    # The request that was only slow writes its outcome now: it finds the order and makes no second one.
    async with database.transaction() as session:
        late = await concluding.conclude(session, payment, cart_id, outcome, SETTLED)
    replayed = await complete(database, cart_id, key="one")
    assert (late.order_id, replayed.order_id) == (order.id, order.id)
    assert len(await all_orders(database)) == 1
    async with database.reading() as session:
        assert list(await session.execute(select(refunds))) == []
    await assert_books_balance(database)


async def test_buyer_who_repeats_after_a_crash_finishes_what_was_begun(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    wanted = wish(cart_id, key="one")
    payment = await crash_after_intent(database, wanted)
    await payment_service.authorize(sandbox_providers(database), payment, token="tok_visa", capture=True, return_url="")
    await let_leases_end(database)

    result = await complete(database, cart_id, key="one")

    (order,) = await all_orders(database)
    assert result.order_id == order.id
    assert await charged(database) == [("tok_visa", 3070)]
    assert len(await all_payments(database)) == 1
    await assert_books_balance(database)


async def test_request_that_still_runs_keeps_its_key_to_itself(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 0.0)
    cart_id = await ready(database, shop)
    await crash_after_intent(database, wish(cart_id, key="one"))

    with pytest.raises(IdempotencyConcurrentRequest):
        await complete(database, cart_id, key="one")
    other = await complete(database, cart_id, key="two")

    assert (other.order_id, other.refusals) == (None, ())
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.PAYMENT_PENDING
    assert await charged(database) == []
    assert len(await all_payments(database)) == 1


async def test_money_that_arrives_for_a_checkout_that_is_over_is_given_back(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop)
    providers = sandbox_providers(database)
    payment = await crash_after_intent(database, wish(cart_id))
    outcome = await payment_service.authorize(providers, payment, token="tok_visa", capture=True, return_url="")
    async with database.transaction() as session:
        cart = await cart_service.lock(session, cart_id)
        current = await service.live(session, cart.id)
        assert current is not None
        await service.end(session, current, CheckoutStatus.EXPIRED, reason="reservation_expired")

    async with database.transaction() as session:
        result = await concluding.conclude(session, payment, cart_id, outcome, SETTLED)

    assert result.order_id is None
    assert await all_orders(database) == []
    async with database.reading() as session:
        (refund,) = await session.execute(select(refunds))
    assert (refund.amount, refund.status, refund.order_id) == (3070, "PENDING", None)
    assert await sellable(database, shop.mug) == 10
    await assert_books_balance(database)
