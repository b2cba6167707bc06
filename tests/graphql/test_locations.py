"""Do staff open, change and close locations, only as they saw them?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, of, ready_cart

FIELDS = """location { id handle name position isActive shipsOrders offersPickup countryCode version
  address { address1 city countryCode } } userErrors { code field message }"""
DOCUMENTS = {
    verb: f"mutation($i: Location{verb}Input!) {{ location{verb}(input: $i) {{ {FIELDS} }} }}"
    for verb in ("Create", "Update", "Activate", "Deactivate")
}
AVAILABLE = """query($id: ID!, $product: ID!) { variant(id: $id) { availableForSale quantityAvailable }
  product(id: $product) { availableForSale } }"""


async def call(api: Api, verb: str, **given: Any) -> Any:
    reply = await api.execute(DOCUMENTS[verb], {"i": given}, token=await api.token(Permission.WRITE_INVENTORY))
    return reply.data[f"location{verb}"]


def refusals(made: Any) -> list[tuple[str, list[str]]]:
    assert made["location"] is None
    return [(error["code"], error["field"]) for error in made["userErrors"]]


async def test_location_is_made_and_found_by_its_id(api: Api, shop: Shop) -> None:
    address = {"address1": "Ring 1", "city": "Wien", "countryCode": "AT"}

    made = await call(api, "Create", name="Vienna", address=address, shipsOrders=False, offersPickup=True)

    assert made["userErrors"] == []
    assert made["location"] == {
        "id": made["location"]["id"], "handle": "vienna", "name": "Vienna", "position": 3, "isActive": True,
        "shipsOrders": False, "offersPickup": True, "countryCode": "AT", "version": 1, "address": address,
    }  # fmt: skip
    found = await api.execute(
        "query($id: ID!) { node(id: $id) { ... on Location { name } } }",
        {"id": made["location"]["id"]},
        token=await api.token(Permission.READ_INVENTORY),
    )
    assert found.data == {"node": {"name": "Vienna"}}


async def test_location_is_changed_where_it_was_seen(api: Api, shop: Shop) -> None:
    main = of("location", shop.main_id)

    changed = await call(api, "Update", id=main, expectedVersion=1, name="Berlin", position=9, address={
        "countryCode": "DE", "city": "Berlin",
    })  # fmt: skip
    cleared = await call(api, "Update", id=main, expectedVersion=2, address=None)
    stale = await call(api, "Update", id=main, expectedVersion=2, name="Bonn")

    location = changed["location"]
    assert (location["name"], location["handle"], location["position"], location["countryCode"]) == (
        "Berlin", "main", 9, "DE",
    )  # fmt: skip
    assert (cleared["location"]["address"], cleared["location"]["countryCode"]) == (None, None)
    assert cleared["location"]["name"] == "Berlin"
    assert refusals(stale) == [("STALE_OBJECT", ["expectedVersion"])]


@pytest.mark.parametrize(
    ("verb", "given", "code", "field"),
    [
        ("Create", {"name": "X", "handle": "main"}, "TAKEN", "handle"),
        ("Create", {"name": ""}, "INVALID_INPUT", "name"),
        ("Create", {"name": "X", "address": {"countryCode": "DE", "city": "x" * 256}}, "INVALID_INPUT", "address"),
        ("Update", {"expectedVersion": 1, "handle": "outlet"}, "TAKEN", "handle"),
        ("Update", {"expectedVersion": 1, "shipsOrders": None}, "INVALID_INPUT", "shipsOrders"),
        ("Update", {"expectedVersion": 1, "name": None}, "INVALID_INPUT", "name"),
        ("Update", {"id": of("location", ids.new()), "expectedVersion": 1}, "NOT_FOUND", "id"),
        ("Activate", {"id": of("order", ids.new())}, "NOT_FOUND", "id"),
        ("Deactivate", {"id": of("location", ids.new())}, "NOT_FOUND", "id"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    api: Api, shop: Shop, verb: str, given: dict[str, Any], code: str, field: str
) -> None:
    named = {} if verb == "Create" else {"id": of("location", shop.main_id)}

    assert refusals(await call(api, verb, **{**named, **given})) == [(code, [field])]


async def test_closed_location_sells_nothing_from_the_next_answer_on(api: Api, shop: Shop) -> None:
    main, wanted = (
        of("location", shop.main_id),
        {"id": of("variant", shop.mug), "product": of("product", shop.mug_product)},
    )
    gone = {"variant": {"availableForSale": False, "quantityAvailable": 0}, "product": {"availableForSale": False}}
    there = {"variant": {"availableForSale": True, "quantityAvailable": 10}, "product": {"availableForSale": True}}

    closed = await call(api, "Deactivate", id=main)
    after_closing = (await api.execute(AVAILABLE, wanted)).data
    opened = await call(api, "Activate", id=main)
    after_opening = (await api.execute(AVAILABLE, wanted)).data
    unshipped = await call(api, "Update", id=main, expectedVersion=3, shipsOrders=False)
    after_that = (await api.execute(AVAILABLE, wanted)).data

    assert (closed["location"]["isActive"], opened["location"]["isActive"]) == (False, True)
    assert unshipped["location"]["isActive"]
    assert (after_closing, after_opening, after_that) == (gone, there, gone)


async def test_location_with_a_checkout_under_way_says_what_to_do(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)
    await api.execute("mutation($c: ID!) { checkoutStart(input: {cartId: $c}) { userErrors { code } } }", {"c": cart})

    refused = await call(api, "Deactivate", id=of("location", shop.main_id))
    await api.execute("mutation($c: ID!) { checkoutCancel(input: {cartId: $c}) { userErrors { code } } }", {"c": cart})
    closed = await call(api, "Deactivate", id=of("location", shop.main_id))

    assert refusals(refused) == [("LOCATION_IN_USE", ["id"])]
    assert "4 reserved" in refused["userErrors"][0]["message"]
    assert closed["userErrors"] == []
