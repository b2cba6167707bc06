"""Does a cart become an order exactly once, and is what stops it told exactly?"""

import asyncio
from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform.db import Database
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop, assert_books_balance, stock
from tests.graphql.client import Api, Reply, empty_cart, filled_cart, of, ready_cart

START = """mutation($cart: ID!, $accept: Boolean! = false, $key: String) {
  checkoutStart(input: {cartId: $cart, acceptPriceChanges: $accept, idempotencyKey: $key}) {
    checkout { id status expiresAt cost { totalAmount { amount } } nextAction { type } order { id } }
    cart { checkout { status } } order { id } userErrors { code field } warnings { code }
  }
}"""
COMPLETE = """mutation($cart: ID!, $token: String!, $key: String, $provider: String! = "sandbox", $accept: Boolean! = false) {
  checkoutComplete(input: {
    cartId: $cart, payment: {provider: $provider, token: $token}, idempotencyKey: $key, acceptPriceChanges: $accept
  }) {
    checkout { status nextAction { type url clientSecret } } cart { problems { code } order { number } }
    order { number status financialStatus } userErrors { code field } warnings { code }
  }
}"""
CANCEL = """mutation($cart: ID!) { checkoutCancel(input: {cartId: $cart}) {
  checkout { status } cart { totalQuantity } order { id } userErrors { code field }
} }"""
LEFT = "query($id: ID!) { variant(id: $id) { quantityAvailable } }"


async def left(api: Api, shop: Shop) -> int:
    return int((await api.execute(LEFT, {"id": of("variant", shop.mug)})).data["variant"]["quantityAvailable"])


async def orders(api: Api) -> int:
    token = await api.token(Permission.READ_ORDERS)
    return int((await api.execute("{ orders { totalCount } }", token=token)).data["orders"]["totalCount"])


async def complete(api: Api, cart: str, card: str = "tok_visa", key: str | None = "key", **rest: Any) -> Any:
    reply = await api.execute(COMPLETE, {"cart": cart, "token": card, "key": key, **rest})
    return {**reply.data["checkoutComplete"], "replayed": "extensions" in reply.body}


async def test_guest_buys_in_few_statements(api: Api, database: Database, shop: Shop) -> None:
    created = await api.execute(
        """mutation($variant: ID!) { cartCreate(input: {
             lines: [{variantId: $variant, quantity: 2}], buyerIdentity: {email: "marie@example.com"}
           }) { cart { id cost { subtotalAmount { amount } } } userErrors { code } warnings { code } } }""",
        {"variant": of("variant", shop.mug)},
    )
    cart = created.data["cartCreate"]["cart"]["id"]
    addressed = await api.execute(
        """mutation($cart: ID!) { cartDeliveryAddressUpdate(input: {cartId: $cart, address: {
             countryCode: DE, firstName: "Marie", lastName: "Curie", address1: "Hauptstraße 1", city: "Berlin", postalCode: "10115"
           }}) { cart { deliveryOptions { id title cost { amount } } } userErrors { code } } }""",
        {"cart": cart},
    )
    (option,) = addressed.data["cartDeliveryAddressUpdate"]["cart"]["deliveryOptions"]
    selected = await api.execute(
        """mutation($cart: ID!, $option: ID!) { cartDeliveryOptionSelect(input: {cartId: $cart, deliveryOptionId: $option}) {
             cart { cost { totalAmount { amount } } problems { code } } userErrors { code } } }""",
        {"cart": cart, "option": option["id"]},
    )
    paid = await api.execute(
        """mutation($cart: ID!) { checkoutComplete(input: {
             cartId: $cart, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "once"
           }) { checkout { status } userErrors { code } order {
             id number status financialStatus fulfillmentStatus email accessToken cost { totalAmount { amount currencyCode } }
           } } }""",
        {"cart": cart},
    )

    assert selected.data["cartDeliveryOptionSelect"] == {
        "userErrors": [], "cart": {"cost": {"totalAmount": {"amount": "30.70"}}, "problems": []},
    }  # fmt: skip
    order = paid.data["checkoutComplete"]["order"]
    assert paid.data["checkoutComplete"] == {"checkout": {"status": "COMPLETED"}, "userErrors": [], "order": {
        "id": order["id"], "number": order["number"], "status": "CONFIRMED", "financialStatus": "PAID",
        "fulfillmentStatus": "UNFULFILLED", "email": "marie@example.com", "accessToken": order["accessToken"],
        "cost": {"totalAmount": {"amount": "30.70", "currencyCode": "EUR"}},
    }}  # fmt: skip
    assert sum(reply.statements for reply in (created, addressed, selected, paid)) <= 40
    assert await left(api, shop) == 8
    await assert_books_balance(database)


async def test_started_checkout_holds_stock_and_can_be_renewed_and_cancelled(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)

    started = (await api.execute(START, {"cart": cart})).data["checkoutStart"]
    held = await left(api, shop)
    renewed = (await api.execute(START, {"cart": cart})).data["checkoutStart"]
    held_still = await left(api, shop)
    cancelled = (await api.execute(CANCEL, {"cart": cart})).data["checkoutCancel"]
    again = (await api.execute(CANCEL, {"cart": cart})).data["checkoutCancel"]

    assert started == {
        "checkout": {
            "id": started["checkout"]["id"], "status": "OPEN", "expiresAt": started["checkout"]["expiresAt"],
            "cost": {"totalAmount": {"amount": "56.50"}}, "nextAction": None, "order": None,
        },
        "cart": {"checkout": {"status": "OPEN"}}, "order": None, "userErrors": [], "warnings": [],
    }  # fmt: skip
    assert renewed["checkout"]["status"] == "OPEN"
    assert renewed["checkout"]["expiresAt"] > started["checkout"]["expiresAt"]
    assert (held, held_still, await left(api, shop)) == (6, 6, 10)
    assert cancelled == {
        "checkout": {"status": "CANCELLED"},
        "cart": {"totalQuantity": 4},
        "order": None,
        "userErrors": [],
    }
    assert again["userErrors"] == [{"code": "CHECKOUT_NOT_STARTED", "field": ["cartId"]}]


async def test_what_a_cart_lacks_stops_its_checkout(api: Api, shop: Shop) -> None:
    empty, bare = await empty_cart(api), await filled_cart(api, shop.mug)

    answers = {}
    for name, cart in (("empty", empty), ("bare", bare)):
        started = (await api.execute(START, {"cart": cart})).data["checkoutStart"]
        completed = await complete(api, cart)
        assert started["userErrors"] == completed["userErrors"]
        assert started["checkout"] is completed["checkout"] is completed["order"] is None
        answers[name] = [error["code"] for error in completed["userErrors"]]

    assert answers == {
        "empty": ["NO_LINES", "EMAIL_MISSING", "DELIVERY_ADDRESS_MISSING"],
        "bare": ["DELIVERY_ADDRESS_MISSING"],
    }
    assert await orders(api) == 0


@pytest.mark.parametrize("token", ["tok_declined", "tok_insufficient_funds", "tok_error"])
async def test_refused_payment_leaves_the_cart_usable_and_the_key_free(api: Api, shop: Shop, token: str) -> None:
    cart = await ready_cart(api, shop.mug)

    refused = await complete(api, cart, token)
    paid = await complete(api, cart)

    code = "PAYMENT_FAILED" if token == "tok_error" else "PAYMENT_DECLINED"
    assert [error["code"] for error in refused["userErrors"]] == [code]
    assert (refused["order"], refused["checkout"]["status"], refused["replayed"]) == (None, "OPEN", False)
    assert (paid["userErrors"], paid["order"]["status"], paid["replayed"]) == ([], "CONFIRMED", False)
    assert await orders(api) == 1
    assert await left(api, shop) == 9


async def test_payment_that_wants_the_buyer_is_completed_the_second_time(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)

    first = await complete(api, cart, "tok_3ds")
    note = await api.execute(
        'mutation($c: ID!) { cartNoteUpdate(input: {cartId: $c, note: "x"}) { cart { id } userErrors { code field } } }',
        {"c": cart},
    )
    second = await complete(api, cart, "tok_3ds")

    assert (first["order"], first["checkout"]["status"]) == (None, "ACTION_REQUIRED")
    assert first["checkout"]["nextAction"]["type"] == "REDIRECT"
    assert first["checkout"]["nextAction"]["url"].startswith("http://shop.test/payments/sandbox/")
    assert note.data["cartNoteUpdate"]["cart"] is None
    assert [error["code"] for error in note.data["cartNoteUpdate"]["userErrors"]] == ["CHECKOUT_IN_PROGRESS"]
    assert (second["userErrors"], second["order"]["status"]) == ([], "CONFIRMED")
    assert second["checkout"] == {"status": "COMPLETED", "nextAction": None}
    assert (
        await api.request("GET", first["checkout"]["nextAction"]["url"].removeprefix("http://shop.test"))
    ).status == 200
    assert await orders(api) == 1


async def test_lost_answer_of_the_provider_is_settled_by_a_retry(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)

    lost = await complete(api, cart, "tok_timeout")
    settled = await complete(api, cart, "tok_timeout")

    assert (lost["checkout"]["status"], lost["order"], lost["userErrors"]) == ("PAYMENT_PENDING", None, [])
    assert (settled["checkout"]["status"], settled["order"]["status"], settled["userErrors"]) == (
        "COMPLETED",
        "CONFIRMED",
        [],
    )
    assert await orders(api) == 1
    assert await left(api, shop) == 9


async def test_completed_cart_answers_with_its_order_whatever_comes(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)

    first = await complete(api, cart, key="one")
    same = await complete(api, cart, key="one")
    other_key = await complete(api, cart, key="two")
    other_token = await complete(api, cart, "tok_declined", key="three")
    mismatch = await complete(api, cart, "tok_declined", key="one")
    edited = await api.execute(
        'mutation($c: ID!) { cartNoteUpdate(input: {cartId: $c, note: "x"}) { userErrors { code field } } }',
        {"c": cart},
    )

    assert (first["replayed"], same["replayed"]) == (False, True)
    assert same["order"] == other_key["order"] == other_token["order"] == first["order"]
    assert mismatch["userErrors"] == [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["idempotencyKey"]}]
    assert [error["code"] for error in edited.data["cartNoteUpdate"]["userErrors"]] == ["CART_COMPLETED"]
    assert await orders(api) == 1


async def test_many_at_once_make_one_order(api: Api, database: Database, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)

    async def insist(number: int) -> Reply:
        while True:
            wanted = {"cart": cart, "token": "tok_visa", "key": f"key {number % 3}"}
            reply = await api.execute(COMPLETE, wanted)
            if reply.status != 503:  # told to come again, as on a machine that is too busy
                return reply

    answers = await asyncio.gather(*map(insist, range(9)))

    numbers = {(reply.data["checkoutComplete"]["order"] or {}).get("number") for reply in answers} - {None}
    codes = {error["code"] for reply in answers for error in reply.data["checkoutComplete"]["userErrors"]}
    assert len(numbers) == 1
    assert codes <= {"IDEMPOTENCY_CONCURRENT_REQUEST", "CHECKOUT_IN_PROGRESS"}
    assert await orders(api) == 1
    await assert_books_balance(database)


async def test_same_key_on_another_cart_is_another_request(api: Api, shop: Shop) -> None:
    first, second = await ready_cart(api, shop.mug), await ready_cart(api, shop.mug)

    answers = [await complete(api, cart, key="same") for cart in (first, second)]

    assert [answer["replayed"] for answer in answers] == [False, False]
    assert answers[0]["order"]["number"] != answers[1]["order"]["number"]


async def test_price_that_changed_has_to_be_accepted(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    async with api.server.database.transaction() as session:
        await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1500, None)})

    refused = await complete(api, cart, key="one")
    accepted = await complete(api, cart, key="one", accept=True)

    assert [error["code"] for error in refused["userErrors"]] == ["PRICE_CHANGED"]
    assert accepted["userErrors"] == []
    assert accepted["order"]["status"] == "CONFIRMED"


async def test_stock_that_went_meanwhile_stops_the_checkout(api: Api, database: Database, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 3})

    started = (await api.execute(START, {"cart": cart})).data["checkoutStart"]
    completed = await complete(api, cart)

    assert [error["code"] for error in started["userErrors"]] == ["OUT_OF_STOCK"]
    assert [error["code"] for error in completed["userErrors"]] == ["OUT_OF_STOCK"]
    assert completed["order"] is None
    assert await left(api, shop) == 3
    await assert_books_balance(database)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"key": None}, {"code": "IDEMPOTENCY_KEY_REQUIRED", "field": ["idempotencyKey"]}),
        ({"key": ""}, {"code": "INVALID_INPUT", "field": ["idempotencyKey"]}),
        ({"key": "k" * 256}, {"code": "INVALID_INPUT", "field": ["idempotencyKey"]}),
        ({"token": ""}, {"code": "INVALID_INPUT", "field": ["payment", "token"]}),
        ({"token": "t" * 501}, {"code": "INVALID_INPUT", "field": ["payment", "token"]}),
        ({"provider": "stripe"}, {"code": "UNKNOWN_PAYMENT_PROVIDER", "field": ["payment", "provider"]}),
        ({"provider": ""}, {"code": "UNKNOWN_PAYMENT_PROVIDER", "field": ["payment", "provider"]}),
    ],
)
async def test_bad_payment_is_refused_before_anything_happens(
    api: Api, shop: Shop, values: dict[str, Any], error: dict[str, Any]
) -> None:
    cart = await ready_cart(api, shop.mug)

    refused = await complete(api, cart, **values)

    assert refused["userErrors"] == [error]
    assert refused["order"] is None
    assert await orders(api) == 0


async def test_two_carts_for_the_last_units_make_one_order(api: Api, database: Database, shop: Shop) -> None:
    carts = [await ready_cart(api, shop.shirt_large, 2) for _ in range(4)]

    answers = await asyncio.gather(
        *(api.execute(COMPLETE, {"cart": cart, "token": "tok_visa", "key": "k"}) for cart in carts)
    )

    won = [reply for reply in answers if reply.data["checkoutComplete"]["order"]]
    lost = [
        reply.data["checkoutComplete"]["userErrors"] for reply in answers if not reply.data["checkoutComplete"]["order"]
    ]
    assert len(won) == 1
    assert [[error["code"] for error in errors] for errors in lost] == [["OUT_OF_STOCK"]] * 3
    assert await orders(api) == 1
    await assert_books_balance(database)
