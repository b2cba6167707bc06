"""Does a guest get from the shelf to the door, whatever payments, prices and staff do on the way?"""

import asyncio
import time
from typing import cast

from tests.journeys.conftest import Offered, Staff
from tests.serving import (
    ORDER,
    SETTLED_SECONDS,
    Client,
    Json,
    cart_with,
    codes,
    edit,
    new_key,
    paid,
    pay,
    start,
    warned,
)

FOLLOW = """
subscription ($id: ID!, $accessToken: String) {
    orderStatusChanged(orderId: $id, accessToken: $accessToken) { status previousStatus order { id status } }
}
"""
FOLLOW_STOCK = "subscription ($ids: [ID!]!) { stockChanged(variantIds: $ids) { quantityAvailable availableForSale } }"
FULFILLMENT = "fulfillment { id status } order { id status fulfillmentStatus }"


async def bought(guest: Client, offered: Offered, units: int = 2) -> Json:
    cart = await cart_with(guest, {offered.variant: units})
    payload = await paid(guest, cart["id"])
    assert codes(payload) == []
    return cast("Json", payload["order"])


async def checkout_of(guest: Client, cart_id: str) -> Json:
    document = f"query ($id: ID!) {{ cart(id: $id) {{ checkout {{ status }} order {{ {ORDER} }} }} }}"
    return cast("Json", (await guest.execute(document, {"id": cart_id}))["cart"])


async def available(guest: Client, offered: Offered) -> int:
    document = "query ($id: ID!) { variant(id: $id) { quantityAvailable } }"
    return cast("int", (await guest.execute(document, {"id": offered.variant}))["variant"]["quantityAvailable"])


async def test_guest_browses_buys_and_follows_the_order_to_the_door(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Lamp", price="19.99", units=5)

    shelf = await guest.execute(
        '{ products(query: "Lamp") { nodes { id title availableForSale '
        "variants(first: 1) { nodes { id price { amount currencyCode } quantityAvailable } } } } }"
    )
    assert shelf["products"]["nodes"] == [
        {
            "id": offered.product,
            "title": "Lamp",
            "availableForSale": True,
            "variants": {
                "nodes": [
                    {
                        "id": offered.variant,
                        "price": {"amount": "19.99", "currencyCode": "EUR"},
                        "quantityAvailable": 5,
                    }
                ]
            },
        }
    ]
    cart = await cart_with(guest, {offered.variant: 3})
    assert cart["problems"] == []
    assert cart["cost"] == {
        "subtotalAmount": {"amount": "59.97", "currencyCode": "EUR"},
        "totalDeliveryAmount": {"amount": "4.90"},
        "totalAmount": {"amount": "64.87"},
    }
    started = await start(guest, cart["id"])
    assert (codes(started), started["checkout"]["status"]) == ([], "OPEN")
    assert await available(guest, offered) == 2
    placed = await paid(guest, cart["id"])
    order = placed["order"]
    assert (codes(placed), placed["checkout"]["status"], placed["checkout"]["order"]) == (
        [],
        "COMPLETED",
        {"id": order["id"]},
    )
    assert (order["status"], order["financialStatus"], order["fulfillmentStatus"]) == (
        "CONFIRMED",
        "PAID",
        "UNFULFILLED",
    )
    assert order["payments"] == [{"status": "CAPTURED", "amount": {"amount": "64.87"}}]

    async with guest.subscribed(FOLLOW, {"id": order["id"], "accessToken": order["accessToken"]}) as events:
        first = await events.next()
        line_id = order["lines"]["nodes"][0]["id"]
        lines = [{"orderLineId": line_id, "quantity": 1}]
        prepared = await staff.do("fulfillmentCreate", FULFILLMENT, orderId=order["id"], lines=lines, shipped=False)
        await staff.do("fulfillmentShip", FULFILLMENT, fulfillmentId=prepared["fulfillment"]["id"])
        lines = [{"orderLineId": line_id, "quantity": 2}]
        shipped = await staff.do("fulfillmentCreate", FULFILLMENT, orderId=order["id"], lines=lines)
        for payload in (prepared, shipped):
            delivered = await staff.do(
                "fulfillmentMarkDelivered", FULFILLMENT, fulfillmentId=payload["fulfillment"]["id"]
            )
        told = [await events.next() for _ in range(4)]

    assert first["orderStatusChanged"]["status"] == "CONFIRMED"
    assert first["orderStatusChanged"]["previousStatus"] is None
    assert [
        (event["orderStatusChanged"]["previousStatus"], event["orderStatusChanged"]["status"]) for event in told
    ] == [
        ("CONFIRMED", "PROCESSING"),
        ("PROCESSING", "PARTIALLY_SHIPPED"),
        ("PARTIALLY_SHIPPED", "SHIPPED"),
        ("SHIPPED", "DELIVERED"),
    ]
    assert delivered["order"] == {"id": order["id"], "status": "DELIVERED", "fulfillmentStatus": "FULFILLED"}
    levels = await staff.levels(offered.variant)
    assert (levels["on_hand"], levels["reserved"], levels["committed"], levels["available"]) == (2, 0, 0, 2)


async def test_order_does_not_exist_for_strangers(guest: Client, staff: Staff) -> None:
    order = await bought(guest, await staff.offer("Diary"))
    document = "query ($id: ID!, $token: String) { order(id: $id, accessToken: $token) { id } }"

    without = await guest.execute(document, {"id": order["id"]})
    forged = await guest.execute(document, {"id": order["id"], "token": f"oat_{'00' * 24}"})
    rightful = await guest.execute(document, {"id": order["id"], "token": order["accessToken"]})

    assert (without.body["data"], without.error_codes) == ({"order": None}, ["NOT_FOUND"])
    assert (forged.body["data"], forged.error_codes) == ({"order": None}, ["NOT_FOUND"])
    assert rightful["order"] == {"id": order["id"]}


async def test_shelf_tells_at_once_what_a_checkout_took_and_gave_back(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Chair", units=2)
    cart = await cart_with(guest, {offered.variant: 2})

    async with guest.subscribed(FOLLOW_STOCK, {"ids": [offered.variant]}) as events:
        told = [await events.next()]
        await start(guest, cart["id"])
        told.append(await events.next())
        document = "mutation ($input: CheckoutCancelInput!) { checkoutCancel(input: $input) { checkout { status } } }"
        cancelled = await guest.execute(document, {"input": {"cartId": cart["id"]}})
        told.append(await events.next())

    assert cancelled["checkoutCancel"] == {"checkout": {"status": "CANCELLED"}}
    assert [
        (event["stockChanged"]["quantityAvailable"], event["stockChanged"]["availableForSale"]) for event in told
    ] == [(2, True), (0, False), (2, True)]


async def test_3d_secure_wants_an_action_and_then_succeeds(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Watch")
    cart = await cart_with(guest, {offered.variant: 1})
    key = new_key()

    wanting = await paid(guest, cart["id"], "tok_3ds", key=key)
    refused = (
        await guest.execute(
            "mutation ($input: CartNoteUpdateInput!) { cartNoteUpdate(input: $input) "
            "{ cart { id } userErrors { code field } } }",
            {"input": {"cartId": cart["id"], "note": "Please ring."}},
        )
    )["cartNoteUpdate"]
    restarted = await start(guest, cart["id"])
    placed = await paid(guest, cart["id"], "tok_3ds", key=key)

    assert (codes(wanting), wanting["checkout"]["status"], wanting["order"]) == ([], "ACTION_REQUIRED", None)
    assert wanting["checkout"]["nextAction"]["type"] == "REDIRECT"
    assert wanting["checkout"]["nextAction"]["url"].startswith("http")
    assert wanting["checkout"]["nextAction"]["clientSecret"] != ""
    assert refused["userErrors"] == [{"code": "CHECKOUT_IN_PROGRESS", "field": ["cartId"]}]
    assert codes(restarted) == ["CHECKOUT_IN_PROGRESS"]
    assert (codes(placed), placed["checkout"]["status"], placed["checkout"]["nextAction"]) == ([], "COMPLETED", None)
    assert [payment["status"] for payment in placed["order"]["payments"]] == ["CAPTURED"]


async def test_other_card_may_take_the_place_of_one_that_wants_an_action(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Camera")
    cart = await cart_with(guest, {offered.variant: 1})

    wanting = await paid(guest, cart["id"], "tok_3ds")
    placed = await paid(guest, cart["id"], "tok_visa")

    assert wanting["checkout"]["status"] == "ACTION_REQUIRED"
    assert (codes(placed), placed["checkout"]["status"]) == ([], "COMPLETED")
    assert [payment["status"] for payment in placed["order"]["payments"]] == ["CAPTURED"]


async def test_declined_card_leaves_the_cart_usable_and_frees_the_key(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Radio")
    cart = await cart_with(guest, {offered.variant: 1})
    key = new_key()

    declined = await paid(guest, cart["id"], "tok_declined", key=key)
    poor = await paid(guest, cart["id"], "tok_insufficient_funds", key=key)
    failed = await paid(guest, cart["id"], "tok_error", key=key)
    placed = await paid(guest, cart["id"], "tok_visa", key=key)

    for payload, code in ((declined, "PAYMENT_DECLINED"), (poor, "PAYMENT_DECLINED"), (failed, "PAYMENT_FAILED")):
        assert (codes(payload), payload["checkout"]["status"], payload["order"]) == ([code], "OPEN", None)
        assert payload["cart"]["problems"] == []
    assert (codes(placed), placed["checkout"]["status"]) == ([], "COMPLETED")
    assert await available(guest, offered) == 9


async def test_lost_answer_is_settled_by_a_retry_with_one_charge(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Kettle", price="30.00")
    cart = await cart_with(guest, {offered.variant: 1})
    key = new_key()

    pending = await paid(guest, cart["id"], "tok_timeout", key=key)
    placed = await paid(guest, cart["id"], "tok_timeout", key=key)

    assert (codes(pending), pending["checkout"]["status"], pending["order"]) == ([], "PAYMENT_PENDING", None)
    assert (codes(placed), placed["checkout"]["status"]) == ([], "COMPLETED")
    assert placed["order"]["payments"] == [{"status": "CAPTURED", "amount": {"amount": "34.90"}}]


async def test_lost_answer_is_settled_by_another_card_with_one_charge(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Toaster", price="30.00")
    cart = await cart_with(guest, {offered.variant: 1})

    await paid(guest, cart["id"], "tok_timeout")
    placed = await paid(guest, cart["id"], "tok_visa")

    assert (codes(placed), placed["checkout"]["status"]) == ([], "COMPLETED")
    assert placed["order"]["payments"] == [{"status": "CAPTURED", "amount": {"amount": "34.90"}}]


async def test_lost_answer_is_settled_by_the_worker_alone_with_one_charge(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Oven", price="30.00")
    cart = await cart_with(guest, {offered.variant: 1})

    pending = await paid(guest, cart["id"], "tok_timeout")
    deadline = time.monotonic() + SETTLED_SECONDS
    found = await checkout_of(guest, cart["id"])
    while found["order"] is None and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        found = await checkout_of(guest, cart["id"])

    assert (codes(pending), pending["checkout"]["status"], pending["order"]) == ([], "PAYMENT_PENDING", None)
    assert found["checkout"] == {"status": "COMPLETED"}
    assert (found["order"]["status"], found["order"]["financialStatus"]) == ("CONFIRMED", "PAID")
    assert found["order"]["payments"] == [{"status": "CAPTURED", "amount": {"amount": "34.90"}}]


async def test_cancelled_order_gives_money_and_stock_back(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Bench", price="10.00", units=4)
    order = await bought(guest, offered, units=3)
    key = new_key()

    async with guest.subscribed(FOLLOW, {"id": order["id"], "accessToken": order["accessToken"]}) as events:
        await events.next()
        given = {"orderId": order["id"], "reason": "CUSTOMER", "idempotencyKey": key}
        cancelled = (await staff.do("orderCancel", f"order {{ {ORDER} }}", **given))["order"]
        told = await events.next()
    again = (await staff.do("orderCancel", f"order {{ {ORDER} }}", **given))["order"]

    assert (cancelled["status"], cancelled["financialStatus"]) == ("CANCELLED", "REFUNDED")
    assert cancelled["refunds"] == [{"status": "SUCCEEDED", "reason": "order_cancelled", "amount": {"amount": "34.90"}}]
    assert told["orderStatusChanged"]["status"] == "CANCELLED"
    assert again == cancelled
    assert await available(guest, offered) == 4


async def test_price_change_between_cart_and_checkout_is_accepted_before_it_is_charged(
    guest: Client, staff: Staff
) -> None:
    offered = await staff.offer("Vase", price="10.00")
    cart = await cart_with(guest, {offered.variant: 1})
    await staff.reprice(offered, "11.50")

    refused = await start(guest, cart["id"])
    unpaid = await paid(guest, cart["id"])
    placed = await paid(guest, cart["id"], acceptPriceChanges=True)

    for payload in (refused, unpaid):
        assert (codes(payload), payload["checkout"], payload["order"]) == (["PRICE_CHANGED"], None, None)
    assert codes(placed) == []
    assert placed["order"]["cost"]["totalAmount"] == {"amount": "16.40", "currencyCode": "EUR"}


async def test_price_change_during_a_checkout_does_not_touch_it(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Rug", price="10.00")
    cart = await cart_with(guest, {offered.variant: 1})
    await start(guest, cart["id"])
    await staff.reprice(offered, "99.00")

    placed = await paid(guest, cart["id"])

    assert codes(placed) == []
    assert placed["order"]["cost"]["totalAmount"] == {"amount": "14.90", "currencyCode": "EUR"}


async def test_product_withdrawn_between_cart_and_checkout_is_not_sold(guest: Client, staff: Staff) -> None:
    offered, other = await staff.offer("Globe"), await staff.offer("Atlas")
    cart = await cart_with(guest, {offered.variant: 1, other.variant: 1})
    await staff.do("productUnpublish", "product { id }", id=offered.product)

    refused = await start(guest, cart["id"])
    unpaid = await paid(guest, cart["id"])
    removed = await edit(guest, "cartLinesRemove", cartId=cart["id"], lineIds=[cart["lines"]["nodes"][0]["id"]])
    placed = await paid(guest, cart["id"])

    assert codes(refused) == ["NOT_AVAILABLE"]
    assert codes(unpaid) == ["NOT_AVAILABLE"]
    assert removed["cart"]["problems"] == []
    assert codes(placed) == []
    assert [line["title"] for line in placed["order"]["lines"]["nodes"]] == ["Atlas"]


async def test_editing_a_cart_with_an_open_checkout_cancels_it_and_gives_the_stock_back(
    guest: Client, staff: Staff
) -> None:
    offered = await staff.offer("Stool", units=5)
    cart = await cart_with(guest, {offered.variant: 5})
    started = await start(guest, cart["id"])
    held = await available(guest, offered)

    line_id = cart["lines"]["nodes"][0]["id"]
    edited = await edit(guest, "cartLinesUpdate", cartId=cart["id"], lines=[{"id": line_id, "quantity": 2}])

    assert (codes(started), held) == ([], 0)
    assert edited["warnings"][0]["code"] == "CHECKOUT_CANCELLED"
    assert warned(edited) == ["CHECKOUT_CANCELLED"]
    assert edited["cart"]["totalQuantity"] == 2
    assert (await checkout_of(guest, cart["id"]))["checkout"] == {"status": "CANCELLED"}
    assert await available(guest, offered) == 5


async def test_more_than_there_is_is_clamped_with_a_warning(guest: Client, staff: Staff) -> None:
    few, none = await staff.offer("Bowl", units=3), await staff.offer("Jug", units=0)

    lines = [{"variantId": few.variant, "quantity": 7}, {"variantId": none.variant, "quantity": 1}]
    made = await edit(guest, "cartCreate", lines=lines)

    (line,) = made["cart"]["lines"]["nodes"]
    assert line["quantity"] == 3
    assert [(warning["code"], warning["target"]) for warning in made["warnings"]] == [
        ("MERCHANDISE_NOT_ENOUGH_STOCK", line["id"]),
        ("MERCHANDISE_OUT_OF_STOCK", none.variant),
    ]


async def test_completed_cart_is_not_edited_or_sold_again(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Clock")
    cart = await cart_with(guest, {offered.variant: 1})
    first = await paid(guest, cart["id"])

    again = await paid(guest, cart["id"], "tok_declined")
    restarted = await start(guest, cart["id"])
    document = "mutation ($input: CartLinesAddInput!) { cartLinesAdd(input: $input) { userErrors { code field } } }"
    lines = [{"variantId": offered.variant}]
    added = await guest.execute(document, {"input": {"cartId": cart["id"], "lines": lines}})

    assert (codes(again), again["order"]) == ([], first["order"])
    assert codes(restarted) == ["CART_COMPLETED"]
    assert added["cartLinesAdd"]["userErrors"] == [{"code": "CART_COMPLETED", "field": ["cartId"]}]
    assert await available(guest, offered) == 9


async def test_same_key_replays_and_other_arguments_are_refused(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Spoon")
    cart = await cart_with(guest, {offered.variant: 1})
    key = new_key()

    first = await pay(guest, cart["id"], key=key)
    again = await pay(guest, cart["id"], key=key)
    other = await pay(guest, cart["id"], "tok_3ds", key=key)
    fresh = await pay(guest, cart["id"], "tok_3ds")

    assert (first.is_replayed, again.is_replayed) == (False, True)
    assert first["checkoutComplete"] == again["checkoutComplete"]
    assert codes(other["checkoutComplete"]) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert (codes(fresh["checkoutComplete"]), fresh.is_replayed) == ([], False)
    assert fresh["checkoutComplete"]["order"] == first["checkoutComplete"]["order"]


async def test_key_may_come_by_header_and_has_to_come(guest: Client, staff: Staff) -> None:
    offered = await staff.offer("Fork")
    cart = await cart_with(guest, {offered.variant: 1})
    document = (
        "mutation ($input: CheckoutCompleteInput!) { checkoutComplete(input: $input) "
        "{ order { id } userErrors { code field } } }"
    )
    given = {"input": {"cartId": cart["id"], "payment": {"provider": "sandbox", "token": "tok_visa"}}}
    key = {"Idempotency-Key": new_key()}

    without = await guest.execute(document, given)
    first = await guest.execute(document, given, headers=key)
    again = await guest.execute(document, given, headers=key)

    assert without["checkoutComplete"] == {
        "order": None,
        "userErrors": [{"code": "IDEMPOTENCY_KEY_REQUIRED", "field": ["idempotencyKey"]}],
    }
    assert first["checkoutComplete"]["order"] is not None
    assert (again["checkoutComplete"], again.is_replayed) == (first["checkoutComplete"], True)


async def test_incomplete_cart_is_told_everything_that_it_lacks(guest: Client, staff: Staff) -> None:
    made = await edit(guest, "cartCreate")

    refused = await start(guest, made["cart"]["id"])

    assert [problem["code"] for problem in made["cart"]["problems"]] == codes(refused)
    assert codes(refused) == ["NO_LINES", "EMAIL_MISSING", "DELIVERY_ADDRESS_MISSING"]
