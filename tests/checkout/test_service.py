"""Does a checkout hold stock from its start to its end, and only then?"""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from headless.cart import queries as cart_queries
from headless.cart import service as cart_service
from headless.cart.errors import (
    CartCompleted,
    DeliveryAddressMissing,
    EmailMissing,
    NoLines,
    NotAvailable,
    PriceChanged,
)
from headless.cart.rules import Wanted
from headless.catalog import publishing
from headless.checkout import queries, service
from headless.checkout.errors import CheckoutInProgress, CheckoutNotStarted
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.inventory.errors import OutOfStock
from headless.platform import clock
from headless.platform.db import Database, Record
from headless.platform.errors import NotFound, Refused
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import (
    SETTLED,
    Shop,
    assert_books_balance,
    cart_ready_to_check_out,
    cart_with,
    complete,
    desk,
    recording,
    sellable,
    stocks,
)

TERMS = SETTLED.terms


async def start(database: Database, cart_id: UUID, *, accept_price_changes: bool = False) -> Record:
    return await desk(database).start(cart_id, accept_price_changes=accept_price_changes)


async def checkout_of(database: Database, cart_id: UUID) -> Record:
    async with database.reading() as session:
        return (await queries.checkouts_by_cart(session, [cart_id]))[cart_id]


async def let_time_pass(database: Database, checkout_id: UUID) -> None:
    async with database.transaction() as session:
        past = clock.now() - timedelta(seconds=1)
        await session.execute(update(checkouts).where(checkouts.c.id == checkout_id).values(expires_at=past))


async def ready(database: Database, shop: Shop, lines: dict[UUID, int]) -> UUID:
    async with database.transaction() as session:
        return await cart_ready_to_check_out(session, shop, lines)


async def test_start_holds_stock_over_both_locations_and_freezes_prices(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.shirt_small: 6, shop.voucher: 1})

    async with recording(database) as facts:
        checkout = await start(database, cart_id)

    levels = await stocks(database, shop.shirt_small)
    assert levels[shop.shirt_small, shop.main_id].reserved == 3
    assert levels[shop.shirt_small, shop.outlet_id].reserved == 3
    assert await sellable(database, shop.shirt_small) == 2
    assert checkout.status == CheckoutStatus.OPEN
    assert checkout.quote["totals"] == {
        "subtotal_amount": 6 * 2400 + 2500,
        "discount_amount": 0,
        "delivery_amount": 490,
        "tax_amount": 0,
    }
    assert facts.found == [
        ("stock.changed", {"variant_id": str(shop.shirt_small)}),
        ("cart.changed", {"cart_id": str(cart_id)}),
    ]
    await assert_books_balance(database)


async def test_starting_again_renews_the_same_checkout_and_holds_nothing_more(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 4})
    first = await start(database, cart_id)

    second = await start(database, cart_id)

    assert second.id == first.id
    assert second.expires_at > first.expires_at
    assert await sellable(database, shop.mug) == 6
    await assert_books_balance(database)


async def test_starting_an_expired_one_makes_a_new_checkout_and_gives_the_old_stock_back(
    database: Database, shop: Shop
) -> None:
    cart_id = await ready(database, shop, {shop.mug: 10})
    first = await start(database, cart_id)
    await let_time_pass(database, first.id)

    second = await start(database, cart_id)

    assert second.id != first.id
    assert await sellable(database, shop.mug) == 0
    async with database.reading() as session:
        before = (await queries.checkouts_by_id(session, [first.id]))[first.id]
    assert before.status == CheckoutStatus.EXPIRED
    await assert_books_balance(database)


async def test_empty_cart_names_everything_that_stops_it_and_makes_no_checkout(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        cart = await cart_with(session, shop, {})

    with pytest.raises(Refused) as caught:
        await start(database, cart.id)

    assert [type(refusal) for refusal in caught.value.refusals] == [NoLines, EmailMissing, DeliveryAddressMissing]
    assert {refusal.field for refusal in caught.value.refusals} == {("cartId",)}
    async with database.reading() as session:
        assert await queries.checkouts_by_cart(session, [cart.id]) == {}


async def test_what_sold_out_meanwhile_is_refused_with_its_cart_line(database: Database, shop: Shop) -> None:
    first, second = [await ready(database, shop, {shop.voucher: 1, shop.mug: 6}) for _ in range(2)]
    await start(database, first)

    async with recording(database) as facts:
        with pytest.raises(Refused) as caught:
            await start(database, second)

    async with database.reading() as session:
        lines = (await cart_queries.lines_by_cart(session, [second]))[second]
        assert await queries.checkouts_by_cart(session, [second]) == {}
    mug_line = next(line.id for line in lines if line.variant_id == shop.mug)
    (refusal,) = caught.value.refusals
    assert isinstance(refusal, OutOfStock)
    assert refusal.target == mug_line
    assert refusal.field == ("cartId",)
    assert refusal.message == "Only 4 left. Lower the quantity or remove the line."
    assert facts.found == []
    assert await sellable(database, shop.mug) == 4
    await assert_books_balance(database)


async def test_unpublished_product_stops_the_checkout(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 1, shop.voucher: 1})
    async with database.transaction() as session:
        await publishing.unpublish(session, shop.mug_product, channel_id=shop.channel_id)

    with pytest.raises(Refused) as caught:
        await start(database, cart_id)

    assert [type(refusal) for refusal in caught.value.refusals] == [NotAvailable]
    assert await sellable(database, shop.mug) == 10


async def test_changed_price_is_refused_until_it_is_accepted(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 2})
    async with database.transaction() as session:
        await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1390)})

    with pytest.raises(Refused) as caught:
        await start(database, cart_id)
    checkout = await start(database, cart_id, accept_price_changes=True)

    assert [type(refusal) for refusal in caught.value.refusals] == [PriceChanged]
    assert checkout.quote["totals"]["subtotal_amount"] == 2780


async def test_price_that_changes_after_the_start_is_not_charged(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 2})
    await start(database, cart_id)
    async with database.transaction() as session:
        await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(9990)})

    result = await complete(database, cart_id)

    assert result.refusals == ()
    checkout = await checkout_of(database, cart_id)
    assert checkout.status == CheckoutStatus.COMPLETED
    assert checkout.quote["totals"]["subtotal_amount"] == 2580


async def test_cancelling_gives_the_stock_back(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 10})
    await start(database, cart_id)

    async with recording(database) as facts, database.transaction() as session:
        ended = await service.cancel(session, cart_id)

    assert ended.status == CheckoutStatus.CANCELLED
    assert await sellable(database, shop.mug) == 10
    assert sorted(facts.topics) == ["cart.changed", "stock.changed"]
    await assert_books_balance(database)


async def test_what_was_not_started_can_not_be_cancelled(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 1})

    async with recording(database) as facts:
        with pytest.raises(CheckoutNotStarted):
            async with database.transaction() as session:
                await service.cancel(session, cart_id)

    assert facts.found == []


async def test_editing_the_cart_cancels_its_checkout_and_warns(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 10})
    checkout = await start(database, cart_id)

    async with database.transaction() as session:
        cart, warnings = await service.edit(session, cart_id, terms=TERMS)
        await cart_service.add_lines(session, cart, [Wanted(shop.voucher)])

    assert [(warning.code, warning.target) for warning in warnings] == [("CHECKOUT_CANCELLED", checkout.id)]
    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.CANCELLED
    assert await sellable(database, shop.mug) == 10


async def test_cart_can_not_be_edited_while_its_payment_wants_an_action(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 1})
    await complete(database, cart_id, "tok_3ds")

    with pytest.raises(CheckoutInProgress):
        async with database.transaction() as session:
            await service.edit(session, cart_id, terms=TERMS, values={"note": "hurry"})
    with pytest.raises(CheckoutInProgress):
        async with database.transaction() as session:
            await service.cancel(session, cart_id)

    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.ACTION_REQUIRED
    async with database.reading() as session:
        assert (await cart_queries.carts_by_id(session, [cart_id]))[cart_id].note == ""


async def test_completed_cart_can_neither_be_edited_nor_cancelled_nor_started(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 1})
    await complete(database, cart_id)

    with pytest.raises(CartCompleted):
        async with database.transaction() as session:
            await service.edit(session, cart_id, terms=TERMS)
    with pytest.raises(CartCompleted):
        async with database.transaction() as session:
            await service.cancel(session, cart_id)
    with pytest.raises(CartCompleted):
        await start(database, cart_id)


async def test_expiry_gives_stock_back_once_its_time_is_over_and_not_before(database: Database, shop: Shop) -> None:
    cart_id = await ready(database, shop, {shop.mug: 10})
    checkout = await start(database, cart_id)

    async with recording(database) as early, database.transaction() as session:
        await service.expire(session, checkout)
    assert early.found == []
    assert await sellable(database, shop.mug) == 0
    await let_time_pass(database, checkout.id)
    for _ in range(2):
        async with database.transaction() as session:
            await service.expire(session, checkout)

    assert (await checkout_of(database, cart_id)).status == CheckoutStatus.EXPIRED
    assert await sellable(database, shop.mug) == 10
    await assert_books_balance(database)


async def test_unknown_cart_is_not_found(database: Database, shop: Shop) -> None:
    with pytest.raises(NotFound):
        await start(database, uuid4())
