"""Are many buyers served together as if each were alone?"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from sqlalchemy import event, select, update

from headless.cart.models import carts
from headless.checkout import starting
from headless.checkout.desk import Desk
from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.checkout.service import MAX_RENEWALS
from headless.checkout.starting import Answer, Changed, Held, Prepared
from headless.inventory import service as inventory
from headless.inventory.errors import OutOfStock
from headless.platform import clock
from headless.platform.db import Database
from headless.platform.errors import Refused, Unavailable
from tests.builders import (
    SETTLED,
    Form,
    Shop,
    assert_books_balance,
    cart_ready_to_check_out,
    desk,
    make_product,
    persistently,
    sellable,
    stock,
    stocks,
)


async def ready(database: Database, shop: Shop, *quantities: int) -> list[UUID]:
    """Carts with so many mugs each, of which there are ten."""
    made = []
    async with database.transaction() as session:
        for nth, quantity in enumerate(quantities):
            made.append(await cart_ready_to_check_out(session, shop, {shop.mug: quantity}, email=f"{nth}@example.com"))
    return made


async def prepared(database: Database, cart_ids: Sequence[UUID]) -> list[Prepared]:
    wishes = []
    for cart_id in cart_ids:
        async with database.reading() as session:
            wish = await starting.prepare(session, cart_id, accept_price_changes=False)
        assert wish is not None
        wishes.append(wish)
    return wishes


async def hold(database: Database, wishes: Sequence[Prepared]) -> list[Answer]:
    async with database.transaction() as session:
        answers = await starting.hold(session, wishes, terms=SETTLED.terms)
    return [answers[wish.cart.id] for wish in wishes]


async def started(database: Database) -> set[UUID]:
    async with database.reading() as session:
        return set((await session.execute(select(checkouts.c.cart_id))).scalars())


async def test_of_those_served_together_who_is_short_gets_nothing_and_the_others_all(
    database: Database, shop: Shop
) -> None:
    cart_ids = await ready(database, shop, 6, 5, 4)

    first, second, third = await hold(database, await prepared(database, cart_ids))

    assert isinstance(first, Held)
    assert isinstance(third, Held)
    assert isinstance(second, Refused)
    (refusal,) = second.refusals
    assert isinstance(refusal, OutOfStock)
    assert (refusal.field, refusal.message) == (
        ("cartId",), "5 wanted, 4 left. Lower the quantity or remove the line."
    )  # fmt: skip
    assert await started(database) == {cart_ids[0], cart_ids[2]}
    assert await sellable(database, shop.mug) == 0
    await assert_books_balance(database)


async def test_a_cart_that_changed_since_it_was_read_is_read_again(database: Database, shop: Shop) -> None:
    same, other = await ready(database, shop, 1, 1)
    wishes = await prepared(database, [same, other])
    async with database.transaction() as session:
        await session.execute(update(carts).where(carts.c.id == other).values(version=carts.c.version + 1))

    answers = await hold(database, wishes)

    assert [type(answer) for answer in answers] == [Held, Changed]
    assert await started(database) == {same}


async def test_a_cart_that_was_started_meanwhile_isnt_started_twice(database: Database, shop: Shop) -> None:
    (cart_id,) = await ready(database, shop, 2)
    wishes = await prepared(database, [cart_id])

    first, second = await hold(database, wishes), await hold(database, wishes)

    assert isinstance(first[0], Held)
    assert isinstance(second[0], Changed)
    assert await sellable(database, shop.mug) == 8


async def test_twenty_starts_of_one_cart_at_once_hold_its_stock_once(database: Database, shop: Shop) -> None:
    (cart_id,) = await ready(database, shop, 2)
    counter = desk(database)

    rows = await asyncio.gather(*(persistently(counter.start, cart_id, accept_price_changes=False) for _ in range(20)))

    assert len({row.id for row in rows}) == 1
    assert await sellable(database, shop.mug) == 8
    await assert_books_balance(database)


async def test_hundred_buyers_of_ten_units_are_ten(database: Database, shop: Shop) -> None:
    cart_ids = await ready(database, shop, *([1] * 100))
    counters = [desk(database), desk(database)]

    results = await asyncio.gather(
        *(
            persistently(counters[nth % 2].start, cart_id, accept_price_changes=False)
            for nth, cart_id in enumerate(cart_ids)
        ),
        return_exceptions=True,
    )

    refusals = [result for result in results if isinstance(result, Refused)]
    assert len(refusals) == 90
    assert {refusal.code for refused in refusals for refusal in refused.refusals} == {"OUT_OF_STOCK"}
    assert len(await started(database)) == 10
    assert await sellable(database, shop.mug) == 0
    await assert_books_balance(database)


async def test_who_makes_the_transaction_fail_doesnt_harm_the_others(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart_ids = await ready(database, shop, 1, 1, 1)
    poisoned = cart_ids[1]
    real = starting.hold

    async def poison(session: object, wishes: Sequence[Prepared], **rest: object) -> object:
        if any(wish.cart.id == poisoned for wish in wishes):
            message = "poisoned"
            raise LookupError(message)
        return await real(session, wishes, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(starting, "hold", poison)
    counter = Desk(database, SETTLED.terms)
    wishes = await prepared(database, cart_ids)

    results = await asyncio.gather(*(counter.hold(wish) for wish in wishes), return_exceptions=True)

    assert [type(result) for result in results] == [Held, LookupError, Held]
    assert await started(database) == {cart_ids[0], cart_ids[2]}
    assert await sellable(database, shop.mug) == 8


async def test_an_unreachable_database_is_told_to_everyone_and_the_desk_goes_on(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart_ids = await ready(database, shop, 1, 1)
    counter = Desk(database, SETTLED.terms)
    wishes = await prepared(database, cart_ids)

    async def fail(*_args: object, **_kwargs: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(starting, "hold", fail)
        results = await asyncio.gather(*(counter.hold(wish) for wish in wishes), return_exceptions=True)
    again = await asyncio.gather(*(counter.hold(wish) for wish in wishes))

    assert [type(result) for result in results] == [Unavailable, Unavailable]
    assert [type(result) for result in again] == [Held, Held]


async def test_buyers_one_right_after_the_other_are_all_served(database: Database, shop: Shop) -> None:
    wishes = await prepared(database, await ready(database, shop, *([1] * 8)))
    counter = Desk(database, SETTLED.terms)

    async def one_after_the_other(own: Sequence[Prepared]) -> list[object]:
        return [await counter.hold(wish) for wish in own]

    async with asyncio.timeout(60):
        held = await asyncio.gather(one_after_the_other(wishes[::2]), one_after_the_other(wishes[1::2]))

    assert {type(each) for own in held for each in own} == {Held}


async def test_who_has_gone_before_being_served_holds_nothing(database: Database, shop: Shop) -> None:
    gone, stays = await prepared(database, await ready(database, shop, 1, 1))
    counter = Desk(database, SETTLED.terms)

    waiting = asyncio.create_task(counter.hold(gone))
    await asyncio.sleep(0)
    waiting.cancel()
    held = await counter.hold(stays)

    assert isinstance(held, Held)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await started(database) == {stays.cart.id}


async def test_a_reservation_is_made_longer_only_so_often(database: Database, shop: Shop) -> None:
    (cart_id,) = await ready(database, shop, 2)
    counter = desk(database)
    ends = []
    for _ in range(MAX_RENEWALS + 3):
        checkout = await counter.start(cart_id, accept_price_changes=False)
        ends.append(checkout.expires_at)

    assert ends[: MAX_RENEWALS + 1] == sorted(set(ends[: MAX_RENEWALS + 1]))
    assert set(ends[MAX_RENEWALS:]) == {ends[MAX_RENEWALS]}
    assert await sellable(database, shop.mug) == 8


async def test_an_expired_checkout_is_ended_and_its_own_stock_held_again(database: Database, shop: Shop) -> None:
    (cart_id,) = await ready(database, shop, 10)
    counter = desk(database)
    first = await counter.start(cart_id, accept_price_changes=False)
    async with database.transaction() as session:
        await session.execute(update(checkouts).values(expires_at=clock.now()))

    second = await counter.start(cart_id, accept_price_changes=False)

    assert second.id != first.id
    async with database.reading() as session:
        rows = (await session.execute(select(checkouts.c.id, checkouts.c.status))).all()
    assert {row.id: row.status for row in rows} == {first.id: CheckoutStatus.EXPIRED, second.id: CheckoutStatus.OPEN}
    assert await sellable(database, shop.mug) == 0
    await assert_books_balance(database)


async def test_twenty_lines_over_three_locations_take_few_statements_however_many(
    database: Database, shop: Shop
) -> None:
    async with database.transaction() as session:
        forms = [Form(value=f"size {nth}") for nth in range(20)]
        _product_id, variant_ids = await make_product(session, shop.channel_id, "Rack", *forms)
        await stock(session, shop.main_id, dict.fromkeys(variant_ids, 1))
        await stock(session, shop.outlet_id, dict.fromkeys(variant_ids, 1))
        third_id = await inventory.create_location(session, handle="third", name="Third", position=3)
        await stock(session, third_id, dict.fromkeys(variant_ids, 9))
        large = await cart_ready_to_check_out(session, shop, dict.fromkeys(variant_ids, 3))
        small = await cart_ready_to_check_out(session, shop, {variant_ids[0]: 1})
    counts = []
    for cart_id in (large, small):
        wishes = await prepared(database, [cart_id])
        statements: list[str] = []

        def count(_conn: object, _cursor: object, statement: str, *_rest: object, into: list[str] = statements) -> None:
            into.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", count)
        (answer,) = await hold(database, wishes)
        event.remove(database.engine.sync_engine, "before_cursor_execute", count)
        assert isinstance(answer, Held)
        told = [text for text in statements if not text.startswith(("BEGIN", "PRAGMA"))]
        locked = next(nth for nth, text in enumerate(told) if "FROM level" in text)
        counts.append((len(told), len(told) - locked))

    # The carts with their checkouts; from the lock on the stock: lock, allocations, levels, ledger, facts.
    assert counts == [(6, 5), (6, 5)]
    levels = await stocks(database, variant_ids[3])
    assert [levels[variant_ids[3], place].reserved for place in (shop.main_id, shop.outlet_id, third_id)] == [1, 1, 1]
