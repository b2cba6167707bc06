"""Do subscriptions tell the present state first, and then every change?"""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from headless.accounts.rules import Permission
from headless.catalog import publishing
from headless.platform import ids
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import Api, Socket, bought, empty_cart, filled_cart, of, ready_cart, running

STOCK = """subscription($ids: [ID!]!, $after: String) {
  stockChanged(variantIds: $ids, after: $after) {
    id cursor occurredAt variant { id sku } availableForSale quantityAvailable
  }
}"""
CART = "subscription($id: ID!, $after: String) { cartChanged(cartId: $id, after: $after) { cursor cart { version note } } }"
ORDER = """subscription($id: ID!, $token: String, $after: String) {
  orderStatusChanged(orderId: $id, accessToken: $token, after: $after) {
    id cursor status previousStatus order { number status }
  }
}"""
NOTE = """mutation($cart: ID!, $note: String!) {
  cartNoteUpdate(input: {cartId: $cart, note: $note}) { cart { version } userErrors { code } }
}"""


async def told(socket: Socket, operation: str, name: str, **wanted: Any) -> list[dict[str, Any]]:
    """Messages up to the first that holds what is wanted, each reduced to the wanted fields."""
    seen = []
    while True:
        event = (await socket.next(operation))[name]
        seen.append({field: event[field] for field in wanted})
        if seen[-1] == wanted:
            return seen


async def test_stock_is_told_now_and_after_a_reservation(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)
    await api.settled()
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        first = (await socket.next("1"))["stockChanged"]
        started = await api.execute(
            "mutation($c: ID!) { checkoutStart(input: {cartId: $c}) { userErrors { code } } }", {"c": cart}
        )
        second = (await socket.next("1"))["stockChanged"]

        assert await socket.is_usable()
    assert started.data == {"checkoutStart": {"userErrors": []}}
    mug = {"id": of("variant", shop.mug), "sku": "MUG"}
    assert (first["variant"], first["availableForSale"], first["quantityAvailable"]) == (mug, True, 10)
    assert (second["variant"], second["availableForSale"], second["quantityAvailable"]) == (mug, True, 6)
    assert first["id"].startswith("event_")
    assert first["id"] != second["id"]
    assert first["cursor"] != second["cursor"]


async def test_every_variant_is_told_once_at_first_and_each_by_itself_later(api: Api, shop: Shop) -> None:
    variants = [shop.mug, shop.voucher, shop.poster, shop.mug]
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", variant) for variant in variants]})
        first = [(await socket.next("1"))["stockChanged"] for _ in range(3)]
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {shop.poster: 2, shop.shirt_small: 1})
        later = (await socket.next("1"))["stockChanged"]

        assert await socket.is_usable()
    assert [(event["variant"]["sku"], event["availableForSale"], event["quantityAvailable"]) for event in first] == [
        ("MUG", True, 10),
        ("VOUCHER", True, None),
        ("POSTER", False, 0),
    ]
    assert (later["variant"]["sku"], later["availableForSale"], later["quantityAvailable"]) == ("POSTER", True, 2)


async def test_last_message_after_many_changes_is_the_last_state(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("1")
        for left in (9, 8, 7, 0, 5, 4, 3):
            async with api.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: left})

        seen = await told(socket, "1", "stockChanged", quantityAvailable=3, availableForSale=True)
        assert await socket.is_usable()
    assert 1 <= len(seen) <= 7


async def test_variant_that_is_hidden_meanwhile_tells_nothing_more(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("1")
        async with api.server.database.transaction() as session:
            await publishing.unpublish(session, shop.mug_product, channel_id=shop.channel_id)
            await stock(session, shop.main_id, {shop.mug: 3})
        event = (await socket.next("1"))["stockChanged"]

    assert (event["variant"], event["availableForSale"], event["quantityAvailable"]) == (None, False, None)


@pytest.mark.parametrize("name", ["unknown", "malformed", "foreign", "hidden", "empty", "one of two"])
async def test_stock_of_what_is_not_there_is_not_found(api: Api, shop: Shop, name: str) -> None:
    wanted = {
        "unknown": [of("variant", ids.new())],
        "malformed": ["variant_x\0"],
        "foreign": [of("product", shop.mug_product)],
        "hidden": [of("variant", shop.secret)],
        "empty": [""],
        "one of two": [of("variant", shop.mug), of("variant", shop.secret)],
    }[name]
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": wanted})

        assert await socket.refusal("1") == ["NOT_FOUND"]
        assert await socket.is_usable()
    assert api.listeners == 0


async def test_staff_follow_the_stock_of_what_is_hidden(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_PRODUCTS)
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.secret)]})
        event = (await socket.next("1"))["stockChanged"]

    assert (event["variant"]["sku"], event["quantityAvailable"]) == ("SECRET", 7)
    assert event["availableForSale"] is False


@pytest.mark.parametrize(("count", "code"), [(0, "BAD_USER_INPUT"), (251, "BAD_USER_INPUT"), (250, "NOT_FOUND")])
async def test_number_of_followed_variants_is_bounded(api: Api, count: int, code: str) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", UUID(int=number)) for number in range(count)]})

        assert await socket.refusal("1") == [code]


async def test_cart_is_told_now_and_after_every_change(api: Api, shop: Shop) -> None:
    cart, other = await filled_cart(api, shop.mug), await filled_cart(api, shop.mug)
    await api.settled()
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", CART, {"id": cart})
        first = (await socket.next("1"))["cartChanged"]["cart"]
        await api.execute(NOTE, {"cart": other, "note": "not mine"})
        await api.execute(NOTE, {"cart": cart, "note": "mine"})
        second = (await socket.next("1"))["cartChanged"]["cart"]

        assert await socket.is_usable()
    assert first == {"version": 1, "note": ""}
    assert second == {"version": 2, "note": "mine"}


async def test_cart_tells_of_its_checkout_and_its_order(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    await api.settled()
    document = """subscription($id: ID!) { cartChanged(cartId: $id) {
      cart { checkout { status } order { status } }
    } }"""
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", document, {"id": cart})
        assert await socket.next("1") == {"cartChanged": {"cart": {"checkout": None, "order": None}}}
        await bought(api, cart)
        seen = await told(
            socket, "1", "cartChanged", cart={"checkout": {"status": "COMPLETED"}, "order": {"status": "CONFIRMED"}}
        )

        assert await socket.is_usable()
    assert all(event["cart"]["order"] is None for event in seen[:-1])


@pytest.mark.parametrize("cart", ["", "cart_", "nonsense", "\0", "unknown", "foreign"])
async def test_cart_that_is_not_there_is_not_found(api: Api, shop: Shop, cart: str) -> None:
    wanted = {"unknown": of("cart", ids.new_secret()), "foreign": of("product", shop.mug_product)}.get(cart, cart)
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", CART, {"id": wanted})

        assert await socket.refusal("1") == ["NOT_FOUND"]


async def test_order_is_followed_by_its_buyer_from_confirmed_to_delivered(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug, 2))
    token = await api.token(Permission.WRITE_ORDERS)
    line = order["lines"]["nodes"][0]["id"]
    ship = """mutation($order: ID!, $line: ID!, $shipped: Boolean!) { fulfillmentCreate(input: {
      orderId: $order, lines: [{orderLineId: $line, quantity: 1}], shipped: $shipped
    }) { fulfillment { id } userErrors { code } } }"""
    send = "mutation($id: ID!) { fulfillmentShip(input: {fulfillmentId: $id}) { userErrors { code } } }"
    deliver = "mutation($id: ID!) { fulfillmentMarkDelivered(input: {fulfillmentId: $id}) { userErrors { code } } }"

    async def fulfill(*, is_shipped: bool) -> str:
        reply = await api.execute(ship, {"order": order["id"], "line": line, "shipped": is_shipped}, token=token)
        return str(reply.data["fulfillmentCreate"]["fulfillment"]["id"])

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", ORDER, {"id": order["id"], "token": order["accessToken"]})
        seen = [(await socket.next("1"))["orderStatusChanged"]]
        first = await fulfill(is_shipped=False)
        await api.execute(send, {"id": first}, token=token)
        second = await fulfill(is_shipped=True)
        await api.execute(deliver, {"id": first}, token=token)
        await api.execute(deliver, {"id": second}, token=token)
        while seen[-1]["status"] != "DELIVERED":
            seen.append((await socket.next("1"))["orderStatusChanged"])

        assert await socket.is_usable()
    assert [(event["previousStatus"], event["status"]) for event in seen] == [
        (None, "CONFIRMED"),
        ("CONFIRMED", "PROCESSING"),
        ("PROCESSING", "PARTIALLY_SHIPPED"),
        ("PARTIALLY_SHIPPED", "SHIPPED"),
        ("SHIPPED", "DELIVERED"),
    ]
    assert {event["order"]["number"] for event in seen} == {order["number"]}
    assert len({event["id"] for event in seen}) == len({event["cursor"] for event in seen}) == 5


async def test_order_that_is_cancelled_says_so_to_all_who_follow_it(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug))
    token = await api.token(Permission.WRITE_ORDERS)
    async with api.socket() as buyer, api.socket() as staff:
        await buyer.init()
        await staff.init({"authToken": token})
        await buyer.subscribe("1", ORDER, {"id": order["id"], "token": order["accessToken"]})
        await staff.subscribe("1", ORDER, {"id": order["id"]})
        for socket in (buyer, staff):
            assert (await socket.next("1"))["orderStatusChanged"]["status"] == "CONFIRMED"
        await api.execute(
            "mutation($id: ID!) { orderCancel(input: {orderId: $id, reason: STAFF}) { userErrors { code } } }",
            {"id": order["id"]},
            token=token,
        )
        events = [(await socket.next("1"))["orderStatusChanged"] for socket in (buyer, staff)]

        assert await buyer.is_usable()
        assert await staff.is_usable()
    assert [(event["previousStatus"], event["status"]) for event in events] == [("CONFIRMED", "CANCELLED")] * 2
    assert events[0]["id"] == events[1]["id"]


@pytest.mark.parametrize(
    "access", ["none", "null", "empty", "wrong", "another order's", "another cart's", "no hex", "snowman"]
)
async def test_order_without_its_token_does_not_exist(api: Api, shop: Shop, access: str) -> None:
    order = await bought(api, await ready_cart(api, shop.mug))
    other = await bought(api, await ready_cart(api, shop.mug))
    cases: dict[str, dict[str, str | None]] = {
        "none": {},
        "null": {"token": None},
        "empty": {"token": ""},
        "wrong": {"token": order["accessToken"][:-1] + ("0" if order["accessToken"][-1] != "0" else "1")},
        "another order's": {"token": other["accessToken"]},
        "another cart's": {"token": order["id"]},
        "no hex": {"token": "oat_zz"},
        "snowman": {"token": "\u2603"},
    }
    wanted = cases[access]
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", ORDER, {"id": order["id"], **wanted})
        assert await socket.refusal("1") == ["NOT_FOUND"]
        await socket.subscribe("2", ORDER, {"id": of("order", ids.new()), **wanted})
        assert await socket.refusal("2") == ["NOT_FOUND"]
    await api.nobody_listens()


async def test_token_without_the_permission_follows_no_order(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug))
    token = await api.token(Permission.WRITE_PRODUCTS)
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", ORDER, {"id": order["id"]})

        assert await socket.refusal("1") == ["NOT_FOUND"]


async def test_many_followers_are_all_told(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        for number in range(20):
            await socket.subscribe(str(number), STOCK, {"ids": [of("variant", shop.mug)]})
            await socket.next(str(number))
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 3})
        told_of: set[str] = set()
        while len(told_of) < 20:
            message = await socket.receive()
            assert message["payload"]["data"]["stockChanged"]["quantityAvailable"] == 3
            assert message["id"] not in told_of
            told_of.add(message["id"])

        assert await socket.is_usable()


async def test_change_made_by_another_process_is_told(
    api: Api, settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = await empty_cart(api)
    await api.settled()
    async with running(settings, monkeypatch) as other, api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", CART, {"id": cart})
        assert (await socket.next("1"))["cartChanged"]["cart"] == {"version": 1, "note": ""}
        await other.execute(NOTE, {"cart": cart, "note": "from elsewhere"})

        assert (await socket.next("1"))["cartChanged"]["cart"] == {"version": 2, "note": "from elsewhere"}


async def test_nothing_between_the_first_message_and_the_next_is_lost(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    await api.settled()
    versions: list[int] = []
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", CART, {"id": cart})
        await asyncio.gather(*(api.execute(NOTE, {"cart": cart, "note": str(number)}) for number in range(10)))
        while not versions or versions[-1] < 11:
            versions.append((await socket.next("1"))["cartChanged"]["cart"]["version"])

    assert versions == sorted(versions)
    assert versions[-1] == 11
