"""Do staff move stock, once per key, only as they saw it?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance, stocks
from tests.graphql.client import Api, Reply, of

MOVE = """mutation($i: InventoryMoveInput!) { inventoryMove(input: $i) {
  movements { name delta reason actor referenceDocumentUri groupId location { handle } }
  levels { location { handle } quantities(names: ["available", "on_hand", "damaged"]) { name quantity } }
  userErrors { code field }
} }"""
NOTHING: dict[str, Any] = {"movements": None, "levels": None}


def change(shop: Shop, **rest: Any) -> dict[str, Any]:
    main, outlet = of("location", shop.main_id), of("location", shop.outlet_id)
    return {
        "variantId": of("variant", shop.mug),
        "quantity": 4,
        "from": {"locationId": main, "changeFromQuantity": 10, **rest.pop("origin", {})},
        "to": {"locationId": outlet, **rest.pop("to", {})},
        **rest,
    }


async def reply(api: Api, *changes: dict[str, Any], **rest: Any) -> Reply:
    wanted = {"reason": "move", "idempotencyKey": "key", "changes": list(changes), **rest}
    return await api.execute(MOVE, {"i": wanted}, token=await api.token(Permission.WRITE_INVENTORY))


async def move(api: Api, *changes: dict[str, Any], **rest: Any) -> Any:
    return (await reply(api, *changes, **rest)).data["inventoryMove"]


async def test_both_sides_are_one_group_of_the_ledger(api: Api, database: Database, shop: Shop) -> None:
    made = await move(api, change(shop), referenceDocumentUri="order:1")

    why = {"reason": "move", "actor": "Robot", "referenceDocumentUri": "order:1", "name": "on_hand"}
    group = made["movements"][0]["groupId"]
    assert made["userErrors"] == []
    assert sorted(made["movements"], key=lambda one: one["delta"]) == [
        {**why, "delta": -4, "groupId": group, "location": {"handle": "main"}},
        {**why, "delta": 4, "groupId": group, "location": {"handle": "outlet"}},
    ]
    assert {level["location"]["handle"]: level["quantities"][0]["quantity"] for level in made["levels"]} == {
        "main": 6,
        "outlet": 4,
    }
    await assert_books_balance(database)


async def test_units_change_their_state_where_they_are(api: Api, database: Database, shop: Shop) -> None:
    made = await move(
        api,
        change(shop, origin={"name": "on_hand"}, to={"locationId": of("location", shop.main_id), "name": "damaged"}),
    )

    assert made["levels"] == [
        {
            "location": {"handle": "main"},
            "quantities": [
                {"name": "available", "quantity": 6},
                {"name": "on_hand", "quantity": 10},
                {"name": "damaged", "quantity": 4},
            ],
        }
    ]
    assert [(entry["name"], entry["delta"]) for entry in made["movements"]] == [("damaged", 4)]
    await assert_books_balance(database)


async def test_repeated_call_with_its_key_moves_once(api: Api, shop: Shop) -> None:
    first, again = await reply(api, change(shop)), await reply(api, change(shop))
    other = await move(api, change(shop, quantity=3))

    assert again.data == first.data
    assert again.body["extensions"]["idempotency"] == {"replayed": True}
    assert other == {
        **NOTHING,
        "userErrors": [{"code": "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "field": ["idempotencyKey"]}],
    }
    assert (await stocks(api.server.database, shop.mug))[shop.mug, shop.main_id].on_hand == 6


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"quantity": 0}, "INVALID_QUANTITY", ["quantity"]),
        ({"quantity": 11}, "OUT_OF_STOCK", ["quantity"]),
        ({"origin": {"changeFromQuantity": 9}}, "CHANGE_FROM_QUANTITY_STALE", ["from", "changeFromQuantity"]),
        ({"origin": {"name": "reserved"}}, "UNKNOWN_QUANTITY_NAME", ["from", "name"]),
        ({"to": {"name": "incoming"}}, "UNKNOWN_QUANTITY_NAME", ["to", "name"]),
        ({"to": {"locationId": of("location", ids.new())}}, "NOT_FOUND", ["to", "locationId"]),
        ({"origin": {"locationId": "x"}}, "NOT_FOUND", ["from", "locationId"]),
        ({"variantId": of("product", ids.new())}, "NOT_FOUND", ["variantId"]),
    ],
)
async def test_one_bad_move_stops_the_whole_call(
    api: Api, database: Database, shop: Shop, rest: dict[str, Any], code: str, field: list[str]
) -> None:
    good = change(shop, quantity=1, origin={"changeFromQuantity": None})

    # The good one comes last: what was seen before is still so.
    refused = await move(api, change(shop, **rest), good)
    after = await move(api, good)

    assert refused == {**NOTHING, "userErrors": [{"code": code, "field": ["changes", "0", *field]}]}
    assert after["userErrors"] == []  # the key is free again
    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].on_hand == 9


async def test_quantity_that_was_seen_is_asked_for(api: Api, shop: Shop) -> None:
    wanted = change(shop)
    del wanted["from"]["changeFromQuantity"]

    assert await move(api, wanted) == {
        **NOTHING,
        "userErrors": [
            {"code": "CHANGE_FROM_QUANTITY_REQUIRED", "field": ["changes", "0", "from", "changeFromQuantity"]}
        ],
    }


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"idempotencyKey": None}, "IDEMPOTENCY_KEY_REQUIRED", "idempotencyKey"),
        ({"reason": " "}, "INVALID_INPUT", "reason"),
        ({"reason": "x" * 256}, "INVALID_INPUT", "reason"),
        ({"reason": "4242 4242 4242 4242"}, "CARD_NUMBER_REFUSED", "reason"),
        ({"referenceDocumentUri": "x" * 2001}, "INVALID_INPUT", "referenceDocumentUri"),
        ({"changes": []}, "INVALID_INPUT", "changes"),
    ],
)
async def test_call_without_what_it_needs_is_refused(
    api: Api, shop: Shop, rest: dict[str, Any], code: str, field: str
) -> None:
    assert await move(api, change(shop), **rest) == {**NOTHING, "userErrors": [{"code": code, "field": [field]}]}


async def test_call_makes_so_many_moves_and_no_more(api: Api, shop: Shop) -> None:
    there = change(shop, quantity=1, origin={"changeFromQuantity": None})
    back = {**there, "from": {**there["from"], **there["to"]}, "to": {"locationId": there["from"]["locationId"]}}

    most = await move(api, *[there, back] * 125)
    more = await move(api, *[there, back] * 125, there, idempotencyKey="more")

    assert most["userErrors"] == []
    assert more == {**NOTHING, "userErrors": [{"code": "INVALID_INPUT", "field": ["changes"]}]}
