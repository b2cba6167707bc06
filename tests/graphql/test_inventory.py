"""Do staff see stock as it is counted, and change it only as they saw it?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance
from tests.graphql.client import Api, of, ready_cart

LEVELS = """query($id: ID!) { variant(id: $id) { inventoryLevels {
  location { handle } quantities { name quantity } some: quantities(names: ["reserved", "nothing", "available"]) { name quantity }
} } }"""
ADJUST = """mutation($i: InventoryAdjustInput!) { inventoryAdjust(input: $i) {
  movements { name delta reason actor referenceDocumentUri variant { sku } location { handle } groupId }
  levels { variant { sku } location { handle } quantities(names: ["available", "on_hand"]) { name quantity } }
  userErrors { code field }
} }"""
SET = ADJUST.replace("InventoryAdjust", "InventorySet").replace("inventoryAdjust", "inventorySet")
LEDGER = """query($first: Int, $after: String, $variant: ID, $location: ID) {
  inventoryMovements(first: $first, after: $after, variantId: $variant, locationId: $location) {
    totalCount nodes { name delta reason variant { sku } } pageInfo { hasNextPage endCursor } } }"""
NOTHING: dict[str, Any] = {"movements": None, "levels": None}


async def call(
    api: Api, document: str, variables: dict[str, Any], permission: Permission = Permission.WRITE_INVENTORY
) -> Any:
    token = await api.token(permission, Permission.READ_PRODUCTS)
    return (await api.execute(document, variables, token=token)).data


async def adjust(api: Api, *changes: dict[str, Any], key: str | None = "key", **rest: Any) -> Any:
    wanted = {"reason": "correction", "idempotencyKey": key, "changes": list(changes), **rest}
    return (await call(api, ADJUST, {"i": wanted}))["inventoryAdjust"]


def change(shop: Shop, variant: str = "mug", place: str = "main_id", **rest: Any) -> dict[str, Any]:
    return {
        "variantId": of("variant", getattr(shop, variant)),
        "locationId": of("location", getattr(shop, place)),
        **rest,
    }


async def available(api: Api, shop: Shop, name: str = "mug") -> int:
    found = await call(
        api, "query($id: ID!) { variant(id: $id) { quantityAvailable } }", {"id": of("variant", getattr(shop, name))}
    )
    return int(found["variant"]["quantityAvailable"])


async def test_locations_are_listed_in_the_order_they_give_their_stock(api: Api, shop: Shop) -> None:
    document = """query($first: Int, $after: String) { locations(first: $first, after: $after) {
      totalCount nodes { id handle name isActive } pageInfo { hasNextPage endCursor } } }"""

    first = (await call(api, document, {"first": 1}, Permission.READ_INVENTORY))["locations"]
    rest = (await call(api, document, {"after": first["pageInfo"]["endCursor"]}, Permission.READ_INVENTORY))[
        "locations"
    ]

    assert first["nodes"] == [{"id": of("location", shop.main_id), "handle": "main", "name": "Main", "isActive": True}]
    assert rest["nodes"] == [
        {"id": of("location", shop.outlet_id), "handle": "outlet", "name": "Outlet", "isActive": True}
    ]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (2, True, False)


async def test_levels_say_what_is_held_and_what_is_left(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)
    await api.execute("mutation($c: ID!) { checkoutStart(input: {cartId: $c}) { userErrors { code } } }", {"c": cart})

    levels = (await call(api, LEVELS, {"id": of("variant", shop.mug)}, Permission.READ_INVENTORY))["variant"][
        "inventoryLevels"
    ]

    quantities = {
        "available": 6, "on_hand": 10, "reserved": 4, "committed": 0, "damaged": 0, "safety_stock": 0, "incoming": 0,
    }  # fmt: skip
    assert levels == [{
        "location": {"handle": "main"},
        "quantities": levels[0]["quantities"],
        "some": [{"name": "reserved", "quantity": 4}, {"name": "available", "quantity": 6}],
    }]  # fmt: skip
    assert {one["name"]: one["quantity"] for one in levels[0]["quantities"]} == quantities


async def test_stock_is_adjusted_and_the_ledger_says_why(api: Api, database: Database, shop: Shop) -> None:
    changes = [
        change(shop, delta=-3, changeFromQuantity=10),
        change(shop, "shirt_small", delta=2, changeFromQuantity=None),
    ]

    made = await adjust(api, *changes, referenceDocumentUri="count:7")

    why = {"reason": "correction", "actor": "Robot", "referenceDocumentUri": "count:7", "location": {"handle": "main"}}
    group = made["movements"][0]["groupId"]
    assert made["userErrors"] == []
    assert sorted(made["movements"], key=lambda one: one["delta"]) == [
        {"name": "on_hand", "delta": -3, "variant": {"sku": "MUG"}, "groupId": group, **why},
        {"name": "on_hand", "delta": 2, "variant": {"sku": "SHIRT-S"}, "groupId": group, **why},
    ]
    assert sorted((level["variant"]["sku"], level["quantities"][0]["quantity"]) for level in made["levels"]) == [
        ("MUG", 7),
        ("SHIRT-S", 5),
    ]
    assert (await available(api, shop), await available(api, shop, "shirt_small")) == (7, 10)
    await assert_books_balance(database)


async def test_stock_is_set_to_what_was_counted(api: Api, database: Database, shop: Shop) -> None:
    wanted = {
        "reason": "count", "idempotencyKey": "1",
        "changes": [
            change(shop, quantity=4, changeFromQuantity=10),
            change(shop, "poster", "outlet_id", name="on_hand", quantity=9, changeFromQuantity=0),
        ],
    }  # fmt: skip

    made = (await call(api, SET, {"i": wanted}))["inventorySet"]

    assert made["userErrors"] == []
    assert (await available(api, shop), await available(api, shop, "poster")) == (4, 9)
    await assert_books_balance(database)


async def test_repeated_call_with_its_key_counts_once(api: Api, shop: Shop) -> None:
    wanted = change(shop, delta=-3, changeFromQuantity=None)

    first, again = await adjust(api, wanted), await adjust(api, wanted)
    other = await adjust(api, change(shop, delta=-4, changeFromQuantity=None))

    assert again == first
    assert other == {
        **NOTHING,
        "userErrors": [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["idempotencyKey"]}],
    }
    assert await available(api, shop) == 7


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"delta": 1}, "CHANGE_FROM_QUANTITY_REQUIRED", "changeFromQuantity"),
        ({"delta": 1, "changeFromQuantity": 9}, "CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity"),
        ({"delta": -11, "changeFromQuantity": 10}, "INVALID_QUANTITY", "delta"),
        ({"delta": 2**31 - 1, "changeFromQuantity": None}, "INVALID_QUANTITY", "delta"),
        ({"delta": -(2**31), "changeFromQuantity": None}, "INVALID_QUANTITY", "delta"),
        ({"delta": 1, "changeFromQuantity": None, "name": "reserved"}, "UNKNOWN_QUANTITY_NAME", "name"),
        ({"delta": 1, "changeFromQuantity": None, "name": "committed"}, "UNKNOWN_QUANTITY_NAME", "name"),
        ({"delta": 1, "changeFromQuantity": None, "name": ""}, "UNKNOWN_QUANTITY_NAME", "name"),
        ({"delta": 1, "changeFromQuantity": None, "variantId": "x"}, "NOT_FOUND", "variantId"),
        ({"delta": 1, "changeFromQuantity": None, "variantId": of("variant", ids.new())}, "NOT_FOUND", "variantId"),
        ({"delta": 1, "changeFromQuantity": None, "locationId": ""}, "NOT_FOUND", "locationId"),
        ({"delta": 1, "changeFromQuantity": None, "locationId": of("location", ids.new())}, "NOT_FOUND", "locationId"),
    ],
)
async def test_one_bad_change_stops_the_whole_call(
    api: Api, database: Database, shop: Shop, rest: dict[str, Any], code: str, field: str
) -> None:
    good = change(shop, "shirt_small", delta=1, changeFromQuantity=None)

    refused = await adjust(api, good, {**change(shop), **rest})
    after = await adjust(api, good)

    assert refused == {**NOTHING, "userErrors": [{"code": code, "field": ["changes", "1", field]}]}
    assert after["userErrors"] == []  # the key is free again
    assert (await available(api, shop), await available(api, shop, "shirt_small")) == (10, 9)
    await assert_books_balance(database)


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"key": None}, "IDEMPOTENCY_KEY_REQUIRED", ["idempotencyKey"]),
        ({"changes": []}, "INVALID_INPUT", ["changes"]),
    ],
)
async def test_call_without_key_or_changes_is_refused(
    api: Api, shop: Shop, rest: dict[str, Any], code: str, field: list[str]
) -> None:
    refused = await adjust(api, change(shop, delta=1, changeFromQuantity=None), **rest)

    assert refused == {**NOTHING, "userErrors": [{"code": code, "field": field}]}
    assert await available(api, shop) == 10


async def test_call_makes_so_many_changes_and_no_more(api: Api, shop: Shop) -> None:
    wanted = change(shop, delta=0, changeFromQuantity=None)

    most, more = await adjust(api, *[wanted] * 250), await adjust(api, *[wanted] * 251, key="more")

    assert most["userErrors"] == []
    assert more["userErrors"] == [{"code": "INVALID_INPUT", "field": ["changes"]}]


async def test_same_place_twice_in_a_call_adds_up(api: Api, database: Database, shop: Shop) -> None:
    made = await adjust(api, change(shop, delta=-3, changeFromQuantity=10), change(shop, delta=1, changeFromQuantity=7))

    assert made["userErrors"] == []
    assert await available(api, shop) == 8
    await assert_books_balance(database)


async def test_ledger_is_paged_newest_first_and_filtered(api: Api, shop: Shop) -> None:
    for number in range(3):
        await adjust(api, change(shop, delta=number + 1, changeFromQuantity=None), key=str(number))
    mug, main = of("variant", shop.mug), of("location", shop.main_id)

    async def page(**arguments: Any) -> Any:
        return (await call(api, LEDGER, arguments, Permission.READ_INVENTORY))["inventoryMovements"]

    first = await page(first=2, variant=mug)
    rest = await page(first=9, variant=mug, after=first["pageInfo"]["endCursor"])
    there, elsewhere = (
        await page(variant=mug, location=main),
        await page(variant=mug, location=of("location", shop.outlet_id)),
    )

    assert [row["delta"] for row in first["nodes"]] == [3, 2]
    assert [row["delta"] for row in rest["nodes"]] == [1, 10]
    assert {row["variant"]["sku"] for row in first["nodes"] + rest["nodes"]} == {"MUG"}
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (4, True, False)
    assert (there["totalCount"], elsewhere["totalCount"]) == (4, 0)


@pytest.mark.parametrize("argument", ["variant", "location"])
@pytest.mark.parametrize("value", ["", "x", "order_01h455vb4pex5vsknk084sn02q"])
async def test_ledger_of_what_is_not_there_is_not_found(api: Api, argument: str, value: str) -> None:
    reply = await api.execute(LEDGER, {argument: value}, token=await api.token(Permission.READ_INVENTORY))

    assert reply.body["data"] == {"inventoryMovements": None}
    assert reply.codes == ["NOT_FOUND"]


async def test_hidden_variant_is_nameless_in_the_ledger_of_who_may_not_see_products(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_INVENTORY)

    reply = await api.execute(LEDGER, {"variant": of("variant", shop.secret)}, token=token)

    assert [row["variant"] for row in reply.data["inventoryMovements"]["nodes"]] == [None]
