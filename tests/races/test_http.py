"""Do the promises hold over HTTP, with two server processes on one database?"""

from collections import Counter
from datetime import timedelta

from sqlalchemy import func, select, update

from headless.inventory.models import allocations
from headless.platform import clock, idempotency, ids
from headless.platform.idempotency import idempotency_keys
from tests import builders
from tests.builders import assert_books_balance, stocks
from tests.races.street import Street, at_once, outcome, variant
from tests.serving import (
    Answer,
    Json,
    cart_with,
    codes,
    edit,
    insist,
    new_key,
    paid,
    pay,
    start,
    warned,
)

UPDATE = """
mutation ($input: ProductUpdateInput!) {
    productUpdate(input: $input) { product { title version } userErrors { code field message } }
}
"""
ADJUST = """
mutation ($input: InventoryAdjustInput!) {
    inventoryAdjust(input: $input) { movements { id } userErrors { code field message } }
}
"""


async def test_sixty_buyers_of_ten_units_get_exactly_ten_orders(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of sixty", 10)
    carts = await at_once((cart_with(street.buyers, {variant(mug): 1}) for _ in range(60)), most=10)
    before = await street.charges()

    answers = await at_once((pay(street.buyers, cart["id"]) for cart in carts), most=20)

    assert Counter(outcome(answer) for answer in answers) == {"ORDER": 10, "OUT_OF_STOCK": 50}
    assert await street.level(mug) == (10, 0, 10)
    assert await street.orders_of(cart["id"] for cart in carts) == 10
    assert await street.charges() - before == 10
    await assert_books_balance(street.database)


async def test_sixty_at_once_who_come_again_when_told_to_get_exactly_ten_orders(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of the crowd", 10)
    carts = await at_once((cart_with(street.buyers, {variant(mug): 1}) for _ in range(60)), most=10)
    before = await street.charges()

    ended = await at_once(insist(street.buyers, cart["id"]) for cart in carts)

    told = Counter(",".join(codes(one.payload)) or "ORDER" for one in ended)
    assert told == {"ORDER": 10, "OUT_OF_STOCK": 50}
    assert await street.level(mug) == (10, 0, 10)
    assert await street.orders_of(cart["id"] for cart in carts) == 10
    assert await street.charges() - before == 10
    await assert_books_balance(street.database)


async def test_sixty_whole_journeys_end_in_ten_orders_and_fifty_typed_refusals(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of journeys", 10)

    async def shop_for_one() -> tuple[str, str]:
        cart = await cart_with(street.buyers, {variant(mug): 1})
        return cart["id"], outcome(await pay(street.buyers, cart["id"]))

    ended = await at_once((shop_for_one() for _ in range(60)), most=20)

    told = Counter(word for _, word in ended)
    assert told["ORDER"] == 10
    assert told["OUT_OF_STOCK"] + told["NO_LINES"] == 50
    assert await street.level(mug) == (10, 0, 10)
    assert await street.orders_of(cart_id for cart_id, _ in ended) == 10
    await assert_books_balance(street.database)


async def test_units_on_two_lines_and_in_two_places_are_sold_once(street: Street) -> None:
    _, (small, large) = await street.offer("Shirt of many", 6, "S", "L")
    async with street.database.transaction() as session:
        await builders.stock(session, street.shop.outlet_id, {small: 3})

    async def made(nth: int) -> str:
        cart = await cart_with(street.buyers, {variant(small): 1, variant(large): 1}
                               if nth % 2 else {variant(large): 1, variant(small): 1})  # fmt: skip
        line = {"variantId": variant(small), "attributes": [{"key": "engraving", "value": str(nth)}]}
        await edit(street.buyers, "cartLinesAdd", cartId=cart["id"], lines=[line])
        return str(cart["id"])

    carts = await at_once((made(nth) for nth in range(24)), most=10)

    answers = await at_once(pay(street.buyers, cart_id) for cart_id in carts)

    told = Counter(outcome(answer) for answer in answers)
    assert told["ORDER"] == 4
    assert told["OUT_OF_STOCK"] + told["OUT_OF_STOCK,OUT_OF_STOCK"] == 20
    levels = await stocks(street.database, small)
    assert sum(level.committed for level in levels.values()) == 8
    assert sum(level.reserved for level in levels.values()) == 0
    assert await street.level(large) == (6, 0, 4)
    await assert_books_balance(street.database)


async def test_last_unit_goes_to_one_of_two_carts(street: Street) -> None:
    _, (last,) = await street.offer("Last unit", 1)
    carts = await at_once(cart_with(street.buyers, {variant(last): 1}) for _ in range(2))

    answers = await at_once(pay(street.buyers, cart["id"]) for cart in carts)

    assert sorted(outcome(answer) for answer in answers) == ["ORDER", "OUT_OF_STOCK"]
    loser = next(cart for cart, answer in zip(carts, answers, strict=True) if outcome(answer) != "ORDER")
    assert codes(await start(street.buyers, loser["id"])) == ["OUT_OF_STOCK"]
    assert await street.level(last) == (1, 0, 1)


async def test_cart_completed_twenty_times_at_once_becomes_one_order(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of twenty", 40)
    cart = await cart_with(street.buyers, {variant(mug): 2})
    before = await street.charges()

    payloads = await at_once(paid(street.buyers, cart["id"]) for _ in range(20))

    assert [codes(payload) for payload in payloads] == [[]] * 20
    assert len({payload["order"]["id"] for payload in payloads}) == 1
    assert await street.level(mug) == (40, 0, 2)
    assert await street.charges() - before == 1


async def test_one_key_used_twenty_times_at_once_makes_one_order(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of one key", 40)
    cart = await cart_with(street.buyers, {variant(mug): 2})
    before, key = await street.charges(), new_key()

    answers = await at_once(pay(street.buyers, cart["id"], key=key) for _ in range(20))

    assert [outcome(answer) for answer in answers] == ["ORDER"] * 20
    assert len({answer["checkoutComplete"]["order"]["id"] for answer in answers}) == 1
    assert sum(not answer.is_replayed for answer in answers) == 1
    assert await street.level(mug) == (40, 0, 2)
    assert await street.charges() - before == 1


async def test_one_key_declined_twenty_times_at_once_is_free_again(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of declines", 40)
    cart = await cart_with(street.buyers, {variant(mug): 2})
    key = new_key()

    answers = await at_once(pay(street.buyers, cart["id"], "tok_declined", key=key) for _ in range(20))
    placed = await paid(street.buyers, cart["id"], key=key)

    # They are declined one after the other; who has waited for too long is told so.
    told = Counter(outcome(answer) for answer in answers)
    assert told["PAYMENT_DECLINED"] >= 1
    assert told["PAYMENT_DECLINED"] + told["IDEMPOTENCY_CONCURRENT_REQUEST"] == 20
    assert codes(placed) == []
    assert await street.level(mug) == (40, 0, 2)


async def test_good_and_bad_cards_for_one_cart_at_once_end_in_one_charge(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of many cards", 40)
    tokens = ["tok_visa", "tok_declined", "tok_timeout", "tok_3ds", "tok_error"] * 4
    cart = await cart_with(street.buyers, {variant(mug): 2})
    before = await street.charges()

    await at_once(pay(street.buyers, cart["id"], token) for token in tokens)
    placed = await paid(street.buyers, cart["id"])

    assert codes(placed) == []
    assert [payment["status"] for payment in placed["order"]["payments"]] == ["CAPTURED"]
    assert await street.level(mug) == (40, 0, 2)
    assert await street.charges() - before == 1
    await assert_books_balance(street.database)


async def test_starting_cancelling_editing_and_paying_at_once_keep_the_books_right(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of chaos", 40)
    cart = await cart_with(street.buyers, {variant(mug): 2})

    async def cancel() -> Answer:
        document = "mutation ($input: CheckoutCancelInput!) { checkoutCancel(input: $input) { userErrors { code } } }"
        return await street.buyers.execute(document, {"input": {"cartId": cart["id"]}})

    async def write() -> Answer:
        document = "mutation ($input: CartNoteUpdateInput!) { cartNoteUpdate(input: $input) { userErrors { code } } }"
        return await street.buyers.execute(document, {"input": {"cartId": cart["id"], "note": "x"}})

    async def begin() -> Answer:
        document = "mutation ($input: CheckoutStartInput!) { checkoutStart(input: $input) { userErrors { code } } }"
        return await street.buyers.execute(document, {"input": {"cartId": cart["id"]}})

    answers = await at_once(
        wish for _ in range(8) for wish in (begin(), cancel(), write(), pay(street.buyers, cart["id"], "tok_declined"))
    )
    placed = await paid(street.buyers, cart["id"])

    assert {answer.status for answer in answers} == {200}
    assert [answer.error_codes for answer in answers] == [[]] * 32
    assert codes(placed) == []
    assert await street.level(mug) == (40, 0, 2)
    async with street.database.reading() as session:
        owed = await session.scalar(select(func.sum(allocations.c.quantity)).where(allocations.c.variant_id == mug))
    assert owed == 2
    await assert_books_balance(street.database)


async def test_twenty_additions_to_one_cart_at_once_all_count(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of additions", 50)
    made = await edit(street.buyers, "cartCreate")
    wish = {"cartId": made["cart"]["id"], "lines": [{"variantId": variant(mug)}]}

    payloads = await at_once(edit(street.buyers, "cartLinesAdd", **wish) for _ in range(20))

    assert [warned(payload) for payload in payloads] == [[]] * 20
    found = await street.buyers.execute(
        "query ($id: ID!) { cart(id: $id) { totalQuantity version lines(first: 9) { nodes { quantity } } } }",
        {"id": made["cart"]["id"]},
    )
    assert found["cart"] == {"totalQuantity": 20, "version": 21, "lines": {"nodes": [{"quantity": 20}]}}


async def test_of_two_updates_of_the_same_version_one_wins(street: Street) -> None:
    product_id, _ = await street.offer("Title to change", 1)
    product = ids.encode("product", product_id)
    found = await street.staff.execute("query ($id: ID!) { product(id: $id) { version } }", {"id": product})
    version = found["product"]["version"]

    async def rename(title: str) -> Json:
        given = {"id": product, "expectedVersion": version, "title": title}
        payload: Json = (await street.staff.execute(UPDATE, {"input": given}))["productUpdate"]
        return payload

    payloads = await at_once(rename(title) for title in ("First", "Second"))

    assert sorted(codes(payload) for payload in payloads) == [[], ["STALE_OBJECT"]]
    winner = next(payload for payload in payloads if not codes(payload))
    after = await street.staff.execute("query ($id: ID!) { product(id: $id) { title version } }", {"id": product})
    assert after["product"] == winner["product"]
    assert after["product"]["version"] == version + 1


async def test_adjustment_retried_twenty_times_at_once_under_one_key_counts_once(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of adjustments", 10)
    change = {
        "variantId": variant(mug),
        "locationId": ids.encode("location", street.shop.main_id),
        "delta": 5,
        "changeFromQuantity": None,
    }
    given = {"reason": "received", "idempotencyKey": new_key(), "changes": [change]}

    answers = await at_once(street.staff.execute(ADJUST, {"input": given}) for _ in range(20))

    assert [codes(answer["inventoryAdjust"]) for answer in answers] == [[]] * 20
    assert sum(not answer.is_replayed for answer in answers) == 1
    assert await street.level(mug) == (15, 0, 0)


async def test_key_past_its_time_is_taken_by_one_of_twenty(street: Street) -> None:
    _, (mug,) = await street.offer("Mug of old keys", 10)
    change = {
        "variantId": variant(mug),
        "locationId": ids.encode("location", street.shop.main_id),
        "delta": 5,
        "changeFromQuantity": None,
    }
    key = new_key()
    given = {"reason": "received", "idempotencyKey": key, "changes": [change]}
    await street.staff.execute(ADJUST, {"input": given})
    async with street.database.transaction() as session:
        old = {"created_at": clock.now() - idempotency.KEPT - timedelta(hours=1)}
        await session.execute(update(idempotency_keys).where(idempotency_keys.c.key == key).values(old))

    answers = await at_once(street.staff.execute(ADJUST, {"input": given}) for _ in range(20))

    told = Counter(",".join(codes(answer["inventoryAdjust"])) or "DONE" for answer in answers)
    assert told["DONE"] + told["IDEMPOTENCY_CONCURRENT_REQUEST"] == 20
    assert sum(not answer.is_replayed and not codes(answer["inventoryAdjust"]) for answer in answers) == 1
    assert await street.level(mug) == (20, 0, 0)
