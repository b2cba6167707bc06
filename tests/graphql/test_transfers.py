"""Do staff send, receive and call back stock, once per key?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance, sellable, stocks
from tests.graphql.client import Api, Reply, of

FIELDS = """transfer { id status supplier version origin { handle } destination { handle } referenceDocumentUri
  expectedAt lines { quantity received rejected variant { sku } } } userErrors { code field }"""
DOCUMENTS = {
    verb: f"mutation($i: InventoryTransfer{verb}Input!) {{ inventoryTransfer{verb}(input: $i) {{ {FIELDS} }} }}"
    for verb in ("Create", "Receive", "Cancel")
}
LIST = """query($status: InventoryTransferStatus) { inventoryTransfers(status: $status) {
  totalCount nodes { id status lines { quantity variant { sku } } destination { handle } } } }"""


async def reply(api: Api, verb: str, **given: Any) -> Reply:
    token = await api.token(Permission.WRITE_INVENTORY, Permission.READ_PRODUCTS)
    return await api.execute(DOCUMENTS[verb], {"i": given}, token=token)


async def call(api: Api, verb: str, **given: Any) -> Any:
    return (await reply(api, verb, **given)).data[f"inventoryTransfer{verb}"]


def shipment(shop: Shop, **rest: Any) -> dict[str, Any]:
    return {
        "originId": of("location", shop.main_id),
        "destinationId": of("location", shop.outlet_id),
        "lines": [{"variantId": of("variant", shop.mug), "quantity": 6}],
        **rest,
    }


async def sent(api: Api, shop: Shop, **rest: Any) -> str:
    made = await call(api, "Create", **shipment(shop, **rest))
    assert made["userErrors"] == []
    return str(made["transfer"]["id"])


def receipt(shop: Shop, received: int, rejected: int = 0) -> dict[str, Any]:
    return {"variantId": of("variant", shop.mug), "received": received, "rejected": rejected}


async def test_transfer_is_sent_received_in_parts_and_followed(api: Api, database: Database, shop: Shop) -> None:
    made = await call(api, "Create", **shipment(shop, referenceDocumentUri="po:1", expectedAt="2027-01-01T00:00:00Z"))
    transfer = made["transfer"]["id"]
    part = await call(
        api,
        "Receive",
        transferId=transfer,
        idempotencyKey="1",
        lines=[{"variantId": of("variant", shop.mug), "received": 2}],
    )
    rest = await call(api, "Receive", transferId=transfer, idempotencyKey="2", lines=[receipt(shop, 3, 1)])

    assert made == {
        "transfer": {
            "id": transfer, "status": "IN_TRANSIT", "supplier": None, "version": 1, "origin": {"handle": "main"},
            "destination": {"handle": "outlet"}, "referenceDocumentUri": "po:1",
            "expectedAt": "2027-01-01T00:00:00Z",
            "lines": [{"quantity": 6, "received": 0, "rejected": 0, "variant": {"sku": "MUG"}}],
        },
        "userErrors": [],
    }  # fmt: skip
    assert (part["transfer"]["status"], part["transfer"]["lines"][0]["received"]) == ("PARTIALLY_RECEIVED", 2)
    assert (rest["transfer"]["status"], rest["transfer"]["lines"][0]["rejected"]) == ("RECEIVED", 1)
    assert await sellable(database, shop.mug) == 9
    await assert_books_balance(database)


async def test_levels_show_what_is_incoming(api: Api, shop: Shop) -> None:
    await sent(api, shop)

    found = await api.execute(
        """query($id: ID!) { variant(id: $id) { inventoryLevels { location { handle }
             quantities(names: ["incoming", "on_hand"]) { name quantity } } } }""",
        {"id": of("variant", shop.mug)},
        token=await api.every_token(),
    )

    assert {
        level["location"]["handle"]: [quantity["quantity"] for quantity in level["quantities"]]
        for level in found.data["variant"]["inventoryLevels"]
    } == {"main": [0, 4], "outlet": [6, 0]}


async def test_transfers_are_listed_by_status_newest_first(api: Api, shop: Shop) -> None:
    first, second = await sent(api, shop), await sent(api, shop, originId=None, supplier="Mill")
    await call(api, "Cancel", transferId=first)
    token = await api.token(Permission.READ_INVENTORY)

    every = await api.execute(LIST, token=token)
    moving = await api.execute(LIST, {"status": "IN_TRANSIT"}, token=token)

    assert [(row["id"], row["status"]) for row in every.data["inventoryTransfers"]["nodes"]] == [
        (second, "IN_TRANSIT"),
        (first, "CANCELLED"),
    ]
    assert [row["id"] for row in moving.data["inventoryTransfers"]["nodes"]] == [second]
    assert moving.data["inventoryTransfers"]["totalCount"] == 1


async def test_list_takes_as_many_statements_for_many_transfers_as_for_few(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_INVENTORY)
    await api.execute(LIST, token=token)
    await sent(api, shop, originId=None, supplier="Mill")
    few = await api.execute(LIST, token=token)
    for _ in range(4):
        await sent(api, shop, originId=None, supplier="Mill")
    many = await api.execute(LIST, token=token)

    assert few.statements == many.statements == 6  # token, page, its count, lines, variants, locations


async def test_transfer_is_found_by_its_id_alone(api: Api, shop: Shop) -> None:
    transfer = await sent(api, shop)
    document = """query($id: ID!) { inventoryTransfer(id: $id) { status }
      node(id: $id) { __typename ... on InventoryTransfer { status } } }"""

    staff = await api.execute(document, {"id": transfer}, token=await api.token(Permission.READ_INVENTORY))
    unknown = await api.execute(
        document, {"id": of("transfer", ids.new())}, token=await api.token(Permission.READ_INVENTORY)
    )
    anonymous = await api.execute(document, {"id": transfer})

    assert staff.data == {
        "inventoryTransfer": {"status": "IN_TRANSIT"},
        "node": {"__typename": "InventoryTransfer", "status": "IN_TRANSIT"},
    }
    assert (unknown.body["data"], sorted(unknown.codes)) == (
        {"inventoryTransfer": None, "node": None},
        ["NOT_FOUND", "NOT_FOUND"],
    )
    assert (anonymous.body["data"], sorted(anonymous.codes)) == (
        {"inventoryTransfer": None, "node": None},
        ["NOT_FOUND", "UNAUTHENTICATED"],
    )


async def test_repeated_calls_with_their_keys_count_once(api: Api, database: Database, shop: Shop) -> None:
    wanted = shipment(shop, idempotencyKey="create")
    first, again = await reply(api, "Create", **wanted), await reply(api, "Create", **wanted)
    transfer = first.data["inventoryTransferCreate"]["transfer"]["id"]
    arrived = {"transferId": transfer, "idempotencyKey": "receive", "lines": [receipt(shop, 2)]}
    received = [await reply(api, "Receive", **arrived) for _ in range(2)]
    called_back = [await reply(api, "Cancel", transferId=transfer, idempotencyKey="cancel") for _ in range(2)]

    assert again.data == first.data
    assert received[0].data == received[1].data
    assert called_back[0].data == called_back[1].data
    for one in (again, received[1], called_back[1]):
        assert one.body["extensions"]["idempotency"] == {"replayed": True}
    levels = await stocks(database, shop.mug)
    assert (levels[shop.mug, shop.main_id].on_hand, levels[shop.mug, shop.outlet_id].on_hand) == (8, 2)


@pytest.mark.parametrize(
    ("verb", "given", "code", "field"),
    [
        ("Receive", {"lines": [{"variantId": "x", "received": 1}]}, "NOT_FOUND", ["lines", "0", "variantId"]),
        ("Receive", {"lines": []}, "INVALID_INPUT", ["lines"]),
        ("Receive", {"idempotencyKey": None}, "IDEMPOTENCY_KEY_REQUIRED", ["idempotencyKey"]),
        ("Receive", {"transferId": of("transfer", ids.new())}, "NOT_FOUND", ["transferId"]),
        ("Cancel", {"transferId": "x"}, "NOT_FOUND", ["transferId"]),
        ("Create", {"supplier": "Mill"}, "INVALID_INPUT", ["originId"]),
        ("Create", {"originId": "x"}, "NOT_FOUND", ["originId"]),
        ("Create", {"destinationId": of("cart", ids.new())}, "NOT_FOUND", ["destinationId"]),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: Api, shop: Shop, verb: str, given: dict[str, Any], code: str, field: list[str]
) -> None:
    transfer = await sent(api, shop)
    good: dict[str, dict[str, Any]] = {
        "Create": shipment(shop),
        "Receive": {"transferId": transfer, "idempotencyKey": "k", "lines": [receipt(shop, 1)]},
        "Cancel": {"transferId": transfer},
    }

    refused = await call(api, verb, **{**good[verb], **given})

    assert refused == {"transfer": None, "userErrors": [{"code": code, "field": field}]}


async def test_more_than_was_sent_never_arrives_and_nothing_after_the_end(api: Api, shop: Shop) -> None:
    transfer = await sent(api, shop)

    more = await call(api, "Receive", transferId=transfer, idempotencyKey="k", lines=[receipt(shop, 6, 1)])
    back = await call(api, "Cancel", transferId=transfer)
    late = await call(api, "Receive", transferId=transfer, idempotencyKey="k", lines=[receipt(shop, 1)])
    twice = await call(api, "Cancel", transferId=transfer)

    assert more["userErrors"] == [{"code": "MORE_THAN_SENT", "field": ["lines", "0", "received"]}]
    assert back["transfer"]["status"] == "CANCELLED"
    assert late["userErrors"] == twice["userErrors"] == [{"code": "TRANSFER_CLOSED", "field": ["transferId"]}]
