"""Do orders look as they were placed, and do staff move them on by the rules?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance
from tests.graphql.client import Api, bought, of, ready_cart

ORDER = """query($id: ID!, $token: String) { order(id: $id, accessToken: $token) {
  id number status financialStatus fulfillmentStatus email note cancelReason cancelledAt version accessToken
  lines { totalCount nodes { title variantTitle sku quantity currentQuantity fulfillableQuantity refundableQuantity
    variant { sku } attributes { key } cost { amountPerQuantity { amount } totalAmount { amount } } } }
  cost { subtotalAmount { amount } totalDiscountAmount { amount } totalDeliveryAmount { amount } totalTaxAmount { amount }
    totalAmount { amount currencyCode } }
  shippingAddress { lastName city countryCode } billingAddress { city } deliveryOption { id title cost { amount } }
  payments { provider status amount { amount } } refunds { status reason amount { amount } }
  fulfillments { status tracking { company number url } lines { quantity orderLine { sku } } } attributes { key }
} }"""
SHIP = """mutation($i: FulfillmentCreateInput!) { fulfillmentCreate(input: $i) {
  fulfillment { id status tracking { company number url } lines { quantity orderLine { sku } } shippedAt deliveredAt }
  order { status fulfillmentStatus version lines { nodes { fulfillableQuantity } } } userErrors { code field }
} }"""
CANCEL = """mutation($i: OrderCancelInput!) { orderCancel(input: $i) {
  order { status financialStatus cancelReason cancelledAt lines { nodes { currentQuantity refundableQuantity fulfillableQuantity } }
    refunds { status reason amount { amount } } } userErrors { code field }
} }"""


@pytest.fixture
async def order(api: Api, shop: Shop) -> dict[str, Any]:
    """Three mugs, paid."""
    placed: dict[str, Any] = await bought(api, await ready_cart(api, shop.mug, 3))
    return {**placed, "line": placed["lines"]["nodes"][0]["id"]}


async def staff(
    api: Api, document: str, variables: dict[str, Any], permission: Permission = Permission.WRITE_ORDERS
) -> Any:
    return (await api.execute(document, variables, token=await api.token(permission))).data


async def ship(api: Api, order: dict[str, Any], quantity: int, **rest: Any) -> Any:
    wanted = {"orderId": order["id"], "lines": [{"orderLineId": order["line"], "quantity": quantity}], **rest}
    return (await staff(api, SHIP, {"i": wanted}))["fulfillmentCreate"]


async def test_order_is_told_to_its_guest_as_it_was_placed(api: Api, shop: Shop, order: dict[str, Any]) -> None:
    found = (await api.execute(ORDER, {"id": order["id"], "token": order["accessToken"]})).data["order"]

    assert found == {
        "id": order["id"], "number": order["number"], "status": "CONFIRMED", "financialStatus": "PAID",
        "fulfillmentStatus": "UNFULFILLED", "email": "marie@example.com", "note": "", "cancelReason": None, "cancelledAt": None,
        "version": 1, "accessToken": order["accessToken"],
        "lines": {"totalCount": 1, "nodes": [{
            "title": "Mug", "variantTitle": "Default Title", "sku": "MUG", "quantity": 3, "currentQuantity": 3,
            "fulfillableQuantity": 3, "refundableQuantity": 3, "variant": {"sku": "MUG"}, "attributes": [],
            "cost": {"amountPerQuantity": {"amount": "12.90"}, "totalAmount": {"amount": "38.70"}},
        }]},
        "cost": {
            "subtotalAmount": {"amount": "38.70"}, "totalDiscountAmount": {"amount": "0.00"},
            "totalDeliveryAmount": {"amount": "4.90"}, "totalTaxAmount": {"amount": "0.00"},
            "totalAmount": {"amount": "43.60", "currencyCode": "EUR"},
        },
        "shippingAddress": {"lastName": "Curie", "city": "Berlin", "countryCode": "DE"}, "billingAddress": None,
        "deliveryOption": {"id": of("delivery_option", shop.german_rate_id), "title": "Parcel", "cost": {"amount": "4.90"}},
        "payments": [{"provider": "sandbox", "status": "CAPTURED", "amount": {"amount": "43.60"}}], "refunds": [],
        "fulfillments": [], "attributes": [],
    }  # fmt: skip
    assert found == (await staff(api, ORDER, {"id": order["id"]}, Permission.READ_ORDERS))["order"]


@pytest.mark.parametrize("token", [None, "", "wrong", "oat_", "oat_" + "0" * 48, "\u2603", "x" * 1000])
async def test_order_without_its_token_does_not_exist(api: Api, order: dict[str, Any], token: str | None) -> None:
    other = await api.token(Permission.WRITE_PRODUCTS, Permission.READ_CUSTOMERS)

    for wanted in (order["id"], of("order", ids.new()), "x"):
        for bearer in (None, other):
            reply = await api.execute(ORDER, {"id": wanted, "token": token}, token=bearer)
            assert reply.body["data"] == {"order": None}
            assert reply.codes == ["NOT_FOUND"]


async def test_token_of_one_order_opens_no_other(api: Api, shop: Shop, order: dict[str, Any]) -> None:
    other = await bought(api, await ready_cart(api, shop.mug))

    reply = await api.execute(ORDER, {"id": order["id"], "token": other["accessToken"]})

    assert other["accessToken"] != order["accessToken"]
    assert reply.codes == ["NOT_FOUND"]


async def test_orders_are_paged_in_the_order_they_were_placed(api: Api, shop: Shop) -> None:
    numbers = [(await bought(api, await ready_cart(api, shop.voucher)))["number"] for _ in range(5)]
    document = """query($first: Int, $after: String, $last: Int, $before: String, $reverse: Boolean! = false) {
      orders(first: $first, after: $after, last: $last, before: $before, reverse: $reverse) {
        totalCount nodes { number } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

    async def page(**arguments: Any) -> Any:
        return (await staff(api, document, arguments, Permission.READ_ORDERS))["orders"]

    first = await page(first=2)
    second = await page(first=2, after=first["pageInfo"]["endCursor"])
    back = await page(last=2, before=second["pageInfo"]["startCursor"])
    newest = await page(first=1, reverse=True)
    bad = await api.execute(document, {"first": 1, "after": "x"}, token=await api.token(Permission.READ_ORDERS))

    assert len(set(numbers)) == 5
    assert [row["number"] for row in first["nodes"] + second["nodes"]] == numbers[:4]
    assert back["nodes"] == first["nodes"]
    assert newest["nodes"] == [{"number": numbers[-1]}]
    assert first["totalCount"] == 5
    assert (bad.codes, bad.body["data"]) == (["BAD_USER_INPUT"], {"orders": None})


async def test_order_list_costs_no_statement_per_order(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_ORDERS)
    document = """query($first: Int) { orders(first: $first) { nodes {
      number lines { nodes { title fulfillableQuantity refundableQuantity variant { sku } cost { totalAmount { amount } } } }
      payments { status } refunds { amount { amount } } fulfillments { status lines { orderLine { sku } } }
    } } }"""
    for _ in range(4):
        await bought(api, await ready_cart(api, shop.voucher))

    await api.execute(document, {"first": 1}, token=token)
    one, many = (
        await api.execute(document, {"first": 1}, token=token),
        await api.execute(document, {"first": 9}, token=token),
    )

    assert len(many.data["orders"]["nodes"]) == 4
    assert many.statements == one.statements


async def test_order_is_shipped_in_parts_and_delivered(api: Api, database: Database, order: dict[str, Any]) -> None:
    tracking = {"company": "DHL", "number": "1", "url": "https://dhl.test/1"}
    send = """mutation($id: ID!, $t: TrackingInput) { fulfillmentShip(input: {fulfillmentId: $id, tracking: $t}) {
      fulfillment { status tracking { number } } order { status } userErrors { code field } } }"""
    deliver = """mutation($id: ID!, $at: DateTime) { fulfillmentMarkDelivered(input: {fulfillmentId: $id, deliveredAt: $at}) {
      fulfillment { status deliveredAt } order { status } userErrors { code field } } }"""

    prepared = await ship(api, order, 1, shipped=False)
    early = await staff(api, deliver, {"id": prepared["fulfillment"]["id"]})
    sent = (await staff(api, send, {"id": prepared["fulfillment"]["id"], "t": {"number": "7"}}))["fulfillmentShip"]
    twice = (await staff(api, send, {"id": prepared["fulfillment"]["id"]}))["fulfillmentShip"]
    shipped = await ship(api, order, 2, tracking=tracking)
    first = await staff(api, deliver, {"id": prepared["fulfillment"]["id"], "at": "2026-01-31T12:00:00+02:00"})
    second = await staff(api, deliver, {"id": shipped["fulfillment"]["id"]})

    assert prepared["userErrors"] == []
    assert prepared["fulfillment"]["status"] == "PENDING"
    assert (prepared["order"]["status"], prepared["order"]["lines"]["nodes"]) == (
        "PROCESSING",
        [{"fulfillableQuantity": 2}],
    )
    invalid = [{"code": "FULFILLMENT_STATUS_INVALID", "field": ["fulfillmentId"]}]
    assert early["fulfillmentMarkDelivered"]["userErrors"] == twice["userErrors"] == invalid
    assert sent == {
        "fulfillment": {"status": "SHIPPED", "tracking": {"number": "7"}}, "order": {"status": "PARTIALLY_SHIPPED"}, "userErrors": [],
    }  # fmt: skip
    assert shipped["fulfillment"]["tracking"] == tracking
    assert shipped["fulfillment"]["lines"] == [{"quantity": 2, "orderLine": {"sku": "MUG"}}]
    assert (shipped["order"]["status"], shipped["order"]["fulfillmentStatus"]) == ("SHIPPED", "FULFILLED")
    assert first["fulfillmentMarkDelivered"]["fulfillment"] == {
        "status": "DELIVERED",
        "deliveredAt": "2026-01-31T10:00:00Z",
    }
    assert first["fulfillmentMarkDelivered"]["order"] == {"status": "SHIPPED"}
    assert second["fulfillmentMarkDelivered"]["order"] == {"status": "DELIVERED"}
    await assert_books_balance(database)


@pytest.mark.parametrize(
    ("quantity", "code", "field"),
    [
        (0, "INVALID_QUANTITY", ["lines", "0", "quantity"]),
        (-1, "INVALID_QUANTITY", ["lines", "0", "quantity"]),
        (4, "NOTHING_TO_FULFILL", ["lines", "0", "quantity"]),
        (2**31 - 1, "NOTHING_TO_FULFILL", ["lines", "0", "quantity"]),
    ],
)
async def test_more_than_is_left_is_not_shipped(
    api: Api, order: dict[str, Any], quantity: int, code: str, field: list[str]
) -> None:
    refused = await ship(api, order, quantity)

    assert refused == {"fulfillment": None, "order": None, "userErrors": [{"code": code, "field": field}]}
    found = await staff(api, ORDER, {"id": order["id"]})
    assert (found["order"]["version"], found["order"]["fulfillments"]) == (1, [])


async def test_shipment_names_what_is_there(api: Api, shop: Shop, order: dict[str, Any]) -> None:
    other = await bought(api, await ready_cart(api, shop.mug))
    line = {"orderLineId": order["line"], "quantity": 1}
    bad = {
        "orderId": {"orderId": of("order", ids.new()), "lines": [line]},
        "lines": {"orderId": order["id"], "lines": []},
        "orderLineId": {"orderId": other["id"], "lines": [line]},
        "malformed": {"orderId": order["id"], "lines": [line, {"orderLineId": "x", "quantity": 1}]},
        "locationId": {"orderId": order["id"], "locationId": of("location", ids.new()), "lines": [line]},
        "empty location": {"orderId": order["id"], "locationId": "", "lines": [line]},
        "elsewhere": {"orderId": order["id"], "locationId": of("location", shop.outlet_id), "lines": [line]},
        "url": {"orderId": order["id"], "lines": [line], "tracking": {"url": "javascript:alert(1)"}},
    }

    errors = {
        name: [
            (error["code"], error["field"])
            for error in (await staff(api, SHIP, {"i": wanted}))["fulfillmentCreate"]["userErrors"]
        ]
        for name, wanted in bad.items()
    }

    assert errors == {
        "orderId": [("NOT_FOUND", ["orderId"])],
        "lines": [("NOTHING_TO_FULFILL", ["lines"])],
        "orderLineId": [("NOT_FOUND", ["lines", "0", "orderLineId"])],
        "malformed": [("NOT_FOUND", ["lines", "1", "orderLineId"])],
        "locationId": [("NOT_FOUND", ["locationId"])],
        "empty location": [("NOT_FOUND", ["locationId"])],
        "elsewhere": [("OUT_OF_STOCK", ["locationId"])],
        "url": [("INVALID_INPUT", ["tracking", "url"])],
    }
    assert (await staff(api, ORDER, {"id": order["id"]}))["order"]["version"] == 1


async def test_repeated_shipment_with_its_key_is_one(api: Api, order: dict[str, Any]) -> None:
    first, again = [await ship(api, order, 1, idempotencyKey="one") for _ in range(2)]
    other = await ship(api, order, 2, idempotencyKey="one")

    assert again == first
    assert other["userErrors"] == [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["idempotencyKey"]}]
    assert len((await staff(api, ORDER, {"id": order["id"]}))["order"]["fulfillments"]) == 1


@pytest.mark.parametrize(("restock", "left"), [(True, 10), (False, 7)])
async def test_cancelled_order_gives_its_money_back_and_its_stock_if_wanted(
    api: Api, database: Database, shop: Shop, order: dict[str, Any], restock: bool, left: int
) -> None:
    wanted = {"orderId": order["id"], "reason": "CUSTOMER", "restock": restock}

    cancelled = (await staff(api, CANCEL, {"i": wanted}))["orderCancel"]
    again = (await staff(api, CANCEL, {"i": wanted}))["orderCancel"]
    shipped = await ship(api, order, 1)
    stocked = await api.execute(
        "query($id: ID!) { variant(id: $id) { quantityAvailable } }", {"id": of("variant", shop.mug)}
    )

    assert cancelled == {"userErrors": [], "order": {
        "status": "CANCELLED", "financialStatus": "REFUNDED", "cancelReason": "CUSTOMER",
        "cancelledAt": cancelled["order"]["cancelledAt"],
        "lines": {"nodes": [{"currentQuantity": 0, "refundableQuantity": 0, "fulfillableQuantity": 0}]},
        "refunds": [{"status": "SUCCEEDED", "reason": "order_cancelled", "amount": {"amount": "43.60"}}],
    }}  # fmt: skip
    assert again == {"order": None, "userErrors": [{"code": "ORDER_NOT_CANCELLABLE", "field": ["orderId"]}]}
    assert shipped["userErrors"] == [{"code": "ORDER_NOT_FULFILLABLE", "field": ["orderId"]}]
    assert stocked.data["variant"]["quantityAvailable"] == left
    await assert_books_balance(database)


async def test_shipped_order_is_not_cancelled(api: Api, order: dict[str, Any]) -> None:
    await ship(api, order, 1)

    refused = (await staff(api, CANCEL, {"i": {"orderId": order["id"], "reason": "STAFF"}}))["orderCancel"]

    assert refused == {"order": None, "userErrors": [{"code": "ORDER_NOT_CANCELLABLE", "field": ["orderId"]}]}
    assert (await staff(api, ORDER, {"id": order["id"]}))["order"]["status"] == "PARTIALLY_SHIPPED"


@pytest.mark.parametrize("order_id", ["", "x", "\0", "unknown", "foreign"])
async def test_order_that_is_not_there_is_not_cancelled(api: Api, shop: Shop, order_id: str) -> None:
    wanted = {"unknown": of("order", ids.new()), "foreign": of("product", shop.mug_product)}.get(order_id, order_id)

    refused = (await staff(api, CANCEL, {"i": {"orderId": wanted, "reason": "OTHER"}}))["orderCancel"]

    assert refused == {"order": None, "userErrors": [{"code": "NOT_FOUND", "field": ["orderId"]}]}
