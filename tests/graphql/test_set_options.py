"""Can a product that is set whole get options, get others and lose them, and do its variants stay what they were?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance, recording, stocks
from tests.graphql.client import Api, of

SET = """mutation($i: ProductSetInput!) { productSet(input: $i) {
  outcome userErrors { code field message }
  product { version options { name values } variants { nodes {
    id sku title selectedOptions { name value } price { amount } compareAtPrice { amount } quantityAvailable
  } } }
} }"""
REVISIONS = """query($id: ID!) { product(id: $id) {
  variantBySelectedOptions(selectedOptions: [{name: "Size", value: "S"}]) { id }
  revisions(first: 1) { nodes { version changes { field before after } } }
} }"""
FACETS = """{ products { filters { id values { label count } } } }"""
SIZES = [{"name": "Size", "values": ["S", "L"]}]
COLORS = [{"name": "Color", "values": ["Red", "Blue"]}]


async def put(api: Api, handle: str, **wanted: Any) -> Any:
    token = await api.token(Permission.WRITE_PRODUCTS)
    return (await api.execute(SET, {"i": {"identifier": {"handle": handle}, **wanted}}, token=token)).data["productSet"]


def having(size: str | None = None, color: str | None = None, **rest: Any) -> dict[str, Any]:
    chosen = {"Size": size, "Color": color}
    return {"selectedOptions": [{"name": name, "value": value} for name, value in chosen.items() if value], **rest}


def found(done: Any) -> list[tuple[str, str | None, str]]:
    """Its variants: their ids, SKUs and titles."""
    assert done["userErrors"] == []
    return [(row["id"], row["sku"], row["title"]) for row in done["product"]["variants"]["nodes"]]


async def assert_refused(
    api: Api, database: Database, handle: str, code: str, field: list[str], /, **wanted: Any
) -> str:
    async with recording(database) as facts:
        done = await put(api, handle, **wanted)

    assert (done["product"], done["outcome"]) == (None, None)
    (error,) = done["userErrors"]
    assert (error["code"], error["field"]) == (code, field)
    assert facts.found == []
    return str(error["message"])


@pytest.mark.parametrize("known_by", ["id", "sku", "being the only one"])
async def test_the_only_variant_gets_the_values_of_new_options_and_stays_what_it_was(
    api: Api, shop: Shop, database: Database, known_by: str
) -> None:
    named = {"id": {"id": of("variant", shop.mug)}, "sku": {"sku": "MUG"}}.get(known_by, {})
    before = await stocks(database, shop.mug)

    done = await put(api, "mug", options=SIZES, variants=[having("S", **named)])

    assert done["outcome"] == "UPDATED"
    assert done["product"] == {
        "version": 3,
        "options": SIZES,
        "variants": {
            "nodes": [
                {
                    "id": of("variant", shop.mug),
                    "sku": "MUG",
                    "title": "S",
                    "selectedOptions": [{"name": "Size", "value": "S"}],
                    "price": {"amount": "12.90"},
                    "compareAtPrice": None,
                    "quantityAvailable": 10,
                }
            ]
        },
    }
    assert await stocks(database, shop.mug) == before
    await assert_books_balance(database)


@pytest.mark.parametrize("known_by", ["id", "sku"])
async def test_new_variants_come_beside_the_one_that_was_there(
    api: Api, shop: Shop, database: Database, known_by: str
) -> None:
    named = {"id": of("variant", shop.mug)} if known_by == "id" else {"sku": "MUG"}
    wanted = [having("S", sku="MUG-S", price="9"), having("L", **named)]

    done = await put(api, "mug", options=SIZES, variants=wanted)
    again = await put(api, "mug", options=SIZES, variants=wanted)

    assert found(done) == [
        (of("variant", shop.mug), "MUG", "L"),
        (done["product"]["variants"]["nodes"][1]["id"], "MUG-S", "S"),
    ]
    assert [row["quantityAvailable"] for row in done["product"]["variants"]["nodes"]] == [10, 0]
    assert (done["outcome"], again["outcome"]) == ("UPDATED", "UNCHANGED")
    assert again["product"] == done["product"]


async def test_variants_that_are_none_of_those_wished_are_deleted_as_ever(api: Api, shop: Shop) -> None:
    done = await put(
        api, "poster", options=SIZES, variants=[having("S", sku="P-S", price="8"), having("L", sku="P-L", price="9")]
    )

    assert [(sku, title) for _id, sku, title in found(done)] == [("P-S", "S"), ("P-L", "L")]
    assert of("variant", shop.poster) not in [id_ for id_, _sku, _title in found(done)]


async def test_history_facets_and_lookups_know_the_new_options(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_PRODUCTS)
    await put(api, "mug", options=SIZES, variants=[having("S", sku="MUG")])

    product = (await api.execute(REVISIONS, {"id": of("product", shop.mug_product)}, token=token)).data["product"]
    filters = (await api.execute(FACETS)).data["products"]["filters"]

    assert product["variantBySelectedOptions"] == {"id": of("variant", shop.mug)}
    assert product["revisions"]["nodes"] == [
        {"version": 3, "changes": [{"field": "options", "before": [], "after": SIZES}]}
    ]
    (sizes,) = [one["values"] for one in filters if one["id"] == "option.Size"]
    assert sizes == [{"label": "S", "count": 2}, {"label": "L", "count": 1}]


async def test_an_option_is_added_to_variants_that_have_others(api: Api, shop: Shop) -> None:
    both = [having("S", "Red"), having("L", "Blue", price="27")]

    done = await put(api, "shirt", options=[*SIZES, *COLORS], variants=both)

    assert found(done) == [
        (of("variant", shop.shirt_small), "SHIRT-S", "S / Red"),
        (of("variant", shop.shirt_large), "SHIRT-L", "L / Blue"),
    ]
    assert [row["price"]["amount"] for row in done["product"]["variants"]["nodes"]] == ["24.00", "27.00"]
    assert [row["quantityAvailable"] for row in done["product"]["variants"]["nodes"]] == [8, 2]
    assert done["product"]["options"] == [*SIZES, *COLORS]


async def test_which_of_several_a_variant_is_to_be_is_told_by_its_sku(api: Api, shop: Shop) -> None:
    wanted = [having("S", "Red", price="24"), having("S", "Blue", sku="SHIRT-S"), having("L", "Red")]

    done = await put(api, "shirt", options=[*COLORS, *SIZES], variants=wanted)

    assert found(done)[:2] == [
        (of("variant", shop.shirt_small), "SHIRT-S", "Blue / S"),
        (of("variant", shop.shirt_large), "SHIRT-L", "Red / L"),
    ]
    assert [(sku, title) for _id, sku, title in found(done)[2:]] == [(None, "Red / S")]


async def test_options_in_another_order_leave_variants_as_they_are(api: Api, shop: Shop) -> None:
    both = [having("S", "Red", sku=None), having("L", "Blue", sku=None)]
    first = await put(api, "shirt", options=[*SIZES, *COLORS], variants=both)

    done = await put(api, "shirt", options=[*COLORS, *SIZES], variants=both)

    assert [id_ for id_, _sku, _title in found(done)] == [id_ for id_, _sku, _title in found(first)]
    assert [title for _id, _sku, title in found(done)] == ["Red / S", "Blue / L"]


@pytest.mark.parametrize("sent", [{}, {"variants": [having("S"), having("L")]}])
async def test_an_option_is_taken_away_where_variants_differ_without_it(
    api: Api, shop: Shop, sent: dict[str, Any]
) -> None:
    await put(api, "shirt", options=[*SIZES, *COLORS], variants=[having("S", "Red"), having("L", "Blue")])

    done = await put(api, "shirt", options=SIZES, **sent)

    assert found(done) == [
        (of("variant", shop.shirt_small), "SHIRT-S", "S"),
        (of("variant", shop.shirt_large), "SHIRT-L", "L"),
    ]
    assert (done["outcome"], done["product"]["options"]) == ("UPDATED", SIZES)


async def test_all_options_are_taken_away_from_the_variant_that_stays(api: Api, shop: Shop) -> None:
    done = await put(api, "shirt", options=[], variants=[{"id": of("variant", shop.shirt_large)}])

    assert found(done) == [(of("variant", shop.shirt_large), "SHIRT-L", "Default Title")]
    assert done["product"]["options"] == []


async def test_an_option_without_values_of_variants_is_refused(api: Api, shop: Shop, database: Database) -> None:
    message = await assert_refused(api, database, "mug", "INVALID_INPUT", ["options"], options=SIZES)
    assert message == "Say in `variants` which Size each one has, by its selectedOptions."

    await assert_refused(api, database, "shirt", "INVALID_INPUT", ["options"], options=[*SIZES, *COLORS])


async def test_a_variant_that_stays_has_to_say_its_values(api: Api, shop: Shop, database: Database) -> None:
    named = {"id": of("variant", shop.mug)}
    at = ["variants", "0", "selectedOptions"]

    await assert_refused(api, database, "mug", "INVALID_INPUT", at, options=SIZES, variants=[named])
    await assert_refused(api, database, "mug", "INVALID_INPUT", at, variants=[having("S")])
    await assert_refused(
        api, database, "mug", "INVALID_INPUT", at, options=[*SIZES, *COLORS], variants=[having("S", **named)]
    )


async def test_variants_that_would_be_alike_without_an_option_are_refused(
    api: Api, shop: Shop, database: Database
) -> None:
    await assert_refused(api, database, "shirt", "OPTIONS_TAKEN", ["options"], options=None)
    both = [{"id": of("variant", each)} for each in (shop.shirt_small, shop.shirt_large)]
    at = ["variants", "1", "selectedOptions"]
    await assert_refused(api, database, "shirt", "OPTIONS_TAKEN", at, options=None, variants=both)
    same = [having(color="Red", **each) for each in both]
    await assert_refused(api, database, "shirt", "OPTIONS_TAKEN", at, options=COLORS, variants=same)


async def test_a_malformed_option_is_refused_at_its_place(api: Api, shop: Shop, database: Database) -> None:
    twice = [*SIZES, {"name": " Size ", "values": ["M"]}]

    await assert_refused(api, database, "mug", "INVALID_INPUT", ["options", "0"], options=twice, variants=[having("S")])


@pytest.mark.parametrize("sizes", [("L", "S"), ("S", "S"), ("S", "L")])
async def test_a_variant_that_is_known_by_its_id_has_one_value_of_an_option(
    api: Api, shop: Shop, database: Database, sizes: tuple[str, str]
) -> None:
    chosen = [{"name": "Size", "value": size} for size in sizes]
    small, large = {"id": of("variant", shop.shirt_small)}, {"id": of("variant", shop.shirt_large)}
    variants = [large, {**small, "selectedOptions": chosen}]

    await assert_refused(
        api, database, "shirt", "INVALID_INPUT", ["variants", "1", "selectedOptions"], variants=variants
    )
