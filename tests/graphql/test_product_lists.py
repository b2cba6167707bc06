"""Are lists of products searched, narrowed and counted in the API as the contract says?"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from tests.builders import Shop
from tests.catalog.shelves import Item, fill
from tests.graphql.client import Api, of

LISTED = """query($filters: [ProductFilter!], $query: String, $key: ProductSortKey) {
  products(first: 24, filters: $filters, query: $query, sortKey: $key) {
    totalCount nodes { title } filters { id label type values { id label count selected input } }
  }
}"""
LISTING = """query($filters: [ProductFilter!], $query: String) { products(first: 24, filters: $filters, query: $query) {
  nodes {
    id handle title availableForSale totalInventory priceRange { minVariantPrice { amount } }
    featuredMedia { url altText } media(first: 3) { nodes { url } }
    variants(first: 10) { nodes {
      id title sku price { amount currencyCode } availableForSale quantityAvailable selectedOptions { name value }
    } }
  }
  filters { id label values { id label count input } } pageInfo { hasNextPage endCursor }
} }"""


@pytest.fixture
async def stocked(api: Api, shop: Shop) -> Shop:
    """The small shop and three more products."""
    await fill(
        api.server.database,
        shop,
        Item("Tee", "Acme", "Clothes", ("Summer sale",), ("Red", "Blue"), 2000),
        Item("Polo", "acme", "Clothes", ("summer sale",), ("red",), 3000),
        Item("Jeans", "Zed", "Clothes", (), ("Blue",), 5000, is_available=False),
    )
    return shop


async def listed(api: Api, query: str | None = None, *filters: Mapping[str, Any], token: str | None = None) -> Any:
    reply = await api.execute(LISTED, {"filters": list(filters), "query": query}, token=token)
    return reply.data["products"]


def titles(products: Any) -> list[str]:
    assert products["totalCount"] == len(products["nodes"])
    return [node["title"] for node in products["nodes"]]


def facet(products: Any, name: str) -> Any:
    return next((one for one in products["filters"] if one["id"] == name), None)


async def test_facets_tell_what_a_list_can_be_narrowed_to(api: Api, stocked: Shop) -> None:
    products = await listed(api, "product_type:clothes")

    assert titles(products) == ["Tee", "Polo", "Jeans"]
    assert products["filters"] == [
        {"id": "available", "label": "Availability", "type": "BOOLEAN", "values": [
            {"id": "available.true", "label": "In stock", "count": 2, "selected": False, "input": {"available": True}},
            {"id": "available.false", "label": "Out of stock", "count": 1, "selected": False, "input": {"available": False}},
        ]},
        {"id": "price", "label": "Price", "type": "PRICE_RANGE", "values": [
            {"id": "price.range", "label": "20.00 - 50.00", "count": 3, "selected": False, "input": {"price": {"min": "20.00", "max": "50.00"}}},
        ]},
        {"id": "productType", "label": "Product type", "type": "LIST", "values": [
            {"id": "productType.clothes", "label": "Clothes", "count": 3, "selected": False, "input": {"productType": "Clothes"}},
        ]},
        {"id": "vendor", "label": "Vendor", "type": "LIST", "values": [
            {"id": "vendor.acme", "label": "acme", "count": 2, "selected": False, "input": {"vendor": "acme"}},
            {"id": "vendor.zed", "label": "Zed", "count": 1, "selected": False, "input": {"vendor": "Zed"}},
        ]},
        {"id": "tag", "label": "Tag", "type": "LIST", "values": [
            {"id": "tag.summer sale", "label": "summer sale", "count": 2, "selected": False, "input": {"tag": "summer sale"}},
        ]},
        {"id": "option.Color", "label": "Color", "type": "LIST", "values": [
            {"id": "option.Color.blue", "label": "Blue", "count": 2, "selected": False, "input": {"variantOption": {"name": "Color", "value": "Blue"}}},
            {"id": "option.Color.red", "label": "red", "count": 2, "selected": False, "input": {"variantOption": {"name": "Color", "value": "red"}}},
        ]},
    ]  # fmt: skip


async def test_every_input_goes_back_unchanged_and_leads_to_as_many_products_as_it_says(
    api: Api, stocked: Shop
) -> None:
    whole = await listed(api)

    tried = 0
    for one in whole["filters"]:
        for value in one["values"]:
            narrowed = await listed(api, None, value["input"])
            assert len(titles(narrowed)) == value["count"]
            again = next(v for v in facet(narrowed, one["id"])["values"] if v["id"] == value["id"])
            assert (again["selected"], again["count"], again["input"]) == (True, value["count"], value["input"])
            tried += 1
    assert tried == 11


async def test_filters_of_different_keys_all_hold_and_of_the_same_key_one(api: Api, stocked: Shop) -> None:
    blue = {"variantOption": {"name": "color", "value": "BLUE"}}

    assert titles(await listed(api, None, blue, {"vendor": "ACME"})) == ["Tee"]
    assert titles(await listed(api, None, blue, {"variantOption": {"name": "Color", "value": "Red"}})) == [
        "Tee", "Polo", "Jeans",
    ]  # fmt: skip
    assert titles(await listed(api, "summer", {"price": {"max": "20"}})) == ["Tee"]
    assert titles(await listed(api, None, {"price": {"min": "20.001", "max": "30.005"}}, {"tag": "Summer Sale"})) == [
        "Polo"
    ]


async def test_a_collection_is_narrowed_alike(api: Api, stocked: Shop) -> None:
    async with api.server.database.transaction() as session:
        collection = await catalog.create_collection(session, handle="all", title="All", description_html="")
        await catalog.add_to_collection(session, collection, [stocked.voucher_product, stocked.mug_product])

    reply = await api.execute(
        """{ collection(handle: "all") {
             all: products { nodes { title } filters { id values { count } } }
             cheap: products(filters: [{price: {max: "20"}}], sortKey: TITLE) { totalCount nodes { title } }
           } }"""
    )

    found = reply.data["collection"]
    assert [node["title"] for node in found["all"]["nodes"]] == ["Voucher", "Mug"]
    assert found["all"]["filters"] == [
        {"id": "available", "values": [{"count": 2}, {"count": 0}]},
        {"id": "price", "values": [{"count": 2}]},
    ]
    assert found["cheap"] == {"totalCount": 1, "nodes": [{"title": "Mug"}]}


@pytest.mark.parametrize(
    "filters",
    [
        [{}], [{"vendor": "a", "tag": "b"}], [{"vendor": None}], [{"available": True}, {}],
        [{"available": False, "price": {"min": "1"}}], [{"tag": "x"}] * 101,
    ],
)  # fmt: skip
async def test_an_entry_with_no_key_or_with_several_is_refused(api: Api, filters: Sequence[Mapping[str, Any]]) -> None:
    reply = await api.execute(LISTED, {"filters": filters})

    assert reply.body["data"] is None or reply.body["data"]["products"] is None
    assert reply.codes == ["BAD_USER_INPUT"]


async def test_hidden_products_are_neither_found_nor_counted_for_shoppers(api: Api, stocked: Shop) -> None:
    token = await api.token(Permission.READ_PRODUCTS)

    assert titles(await listed(api, "secret")) == []
    assert (await listed(api, "secret"))["filters"] == [
        {"id": "available", "label": "Availability", "type": "BOOLEAN", "values": [
            {"id": "available.true", "label": "In stock", "count": 0, "selected": False, "input": {"available": True}},
            {"id": "available.false", "label": "Out of stock", "count": 0, "selected": False, "input": {"available": False}},
        ]},
    ]  # fmt: skip
    assert titles(await listed(api, "secret", token=token)) == ["Secret"]


async def test_best_hits_come_first_and_slips_are_forgiven(api: Api, stocked: Shop) -> None:
    assert titles(await listed(api, "sumer sael")) == ["Tee", "Polo"]
    assert titles(await listed(api, "vouhcer")) == ["Voucher"]
    assert facet(await listed(api, "sumer"), "vendor")["values"][0]["count"] == 2


@pytest.mark.parametrize(
    ("arguments", "statements"),
    [
        ({}, 6),
        ({"filters": [{"tag": "summer sale"}, {"variantOption": {"name": "Color", "value": "Red"}}]}, 6),
        ({"query": "summer sale -polo vendor:acme price:<100"}, 6),
    ],
)
async def test_a_list_with_facets_takes_six_statements(
    api: Api, stocked: Shop, arguments: Mapping[str, Any], statements: int
) -> None:
    await api.execute(LISTING)

    reply = await api.execute(LISTING, arguments)
    again = await api.execute(LISTING, arguments)
    await fill(api.server.database, stocked, Item("Vest", "Acme", "Clothes", ("Summer sale",), ("Red",), 2500))
    after_a_change = await api.execute(LISTING, arguments)

    assert reply.data["products"]["nodes"]
    assert again.data == reply.data
    assert len(after_a_change.data["products"]["nodes"]) == len(reply.data["products"]["nodes"]) + 1
    assert [one.statements for one in (reply, again, after_a_change)] == [statements] * 3


async def test_products_that_are_made_and_changed_in_the_api_are_found_at_once(api: Api, stocked: Shop) -> None:
    token = await api.every_token()
    made = await api.execute(
        """mutation { productCreate(input: {
             title: "Lantern", vendor: "Glow", options: [{name: "Wick", values: ["Long"]}],
             variants: [{price: "5", sku: "LANT-1", tracked: false, selectedOptions: [{name: "Wick", value: "Long"}]}]
           }) { product { id version } userErrors { code message } } }""",
        token=token,
    )
    product = made.data["productCreate"]["product"]
    await api.execute(
        'mutation($id: ID!) { productPublish(input: {id: $id, channel: "default"}) { userErrors { code } } }',
        {"id": product["id"]}, token=token,
    )  # fmt: skip

    assert titles(await listed(api, "lant-1")) == titles(await listed(api, "glow long")) == ["Lantern"]
    assert facet(await listed(api, "lantern"), "option.Wick")["values"][0]["label"] == "Long"
    assert of("product", stocked.mug_product) != product["id"]


async def test_metafields_narrow_lists_where_their_definition_says_so(api: Api, stocked: Shop) -> None:
    token = await api.every_token()
    for key, kind, flags in (
        ("fabric", "text", "filterable: true, public: true"),
        ("cost", "integer", "filterable: true"),
    ):
        made = await api.execute(
            f"""mutation {{ metafieldDefinitionCreate(input: {{
                 ownerType: PRODUCT, namespace: "facts", key: "{key}", name: "{key.title()}", type: "{kind}", {flags}
               }}) {{ userErrors {{ code message field }} }} }}""",
            token=token,
        )
        assert made.data["metafieldDefinitionCreate"]["userErrors"] == []
    ids = {
        row["title"]: row["id"]
        for row in (await api.execute("{ products { nodes { id title } } }")).data["products"]["nodes"]
    }
    values = [
        ("Tee", "fabric", "Linen"),
        ("Polo", "fabric", "linen"),
        ("Jeans", "fabric", "Denim"),
        ("Tee", "cost", "7"),
    ]
    entries = [
        {"ownerId": ids[title], "namespace": "facts", "key": key, "value": value} for title, key, value in values
    ]
    written = await api.execute(
        "mutation($entries: [MetafieldsSetItemInput!]!) { metafieldsSet(input: {metafields: $entries}) { userErrors { code message field } } }",
        {"entries": entries}, token=token,
    )  # fmt: skip
    assert written.data["metafieldsSet"]["userErrors"] == []

    shown, staff = await listed(api), await listed(api, token=token)
    wanted = {"metafield": {"namespace": "facts", "key": "fabric", "value": "LINEN"}}
    narrowed = await listed(api, None, wanted, {"price": {"max": "25"}})

    fabric = facet(shown, "metafield.facts.fabric")
    assert (fabric["label"], [(one["count"], one["input"]["metafield"]["value"].lower()) for one in fabric["values"]]) == (
        "Fabric", [(2, "linen"), (1, "denim")],
    )  # fmt: skip
    assert facet(shown, "metafield.facts.cost") is None
    assert facet(staff, "metafield.facts.cost")["values"][0]["input"]["metafield"]["value"] == "7"
    assert titles(narrowed) == ["Tee"]
    assert [(one["count"], one["selected"]) for one in facet(narrowed, "metafield.facts.fabric")["values"]] == [
        (1, True)
    ]
    await api.execute(LISTING)
    denim = {"metafield": {**wanted["metafield"], "value": "denim"}}
    for given, count in (([wanted], 2), ([wanted, {"tag": "summer sale"}], 2), ([wanted, denim], 3)):
        reply = await api.execute(LISTING, {"filters": given})
        assert len(reply.data["products"]["nodes"]) == count
        assert reply.statements <= 6
    hidden = {"metafield": {"namespace": "facts", "key": "cost", "value": "7"}}
    assert titles(await listed(api, None, hidden)) == []
    assert titles(await listed(api, None, hidden)) != titles(await listed(api, token=token))
    reply = await api.execute(LISTED, {"filters": [hidden]}, token=token)
    assert titles(reply.data["products"]) == ["Tee"]


async def test_lists_among_metafields_narrow_by_any_of_their_items(api: Api, stocked: Shop) -> None:
    token = await api.every_token()
    made = await api.execute(
        """mutation { metafieldDefinitionCreate(input: {
             ownerType: PRODUCT, namespace: "facts", key: "worn", name: "Worn", type: "list.text", filterable: true, public: true
           }) { metafieldDefinition { id version } userErrors { code } } }""",
        token=token,
    )
    definition = made.data["metafieldDefinitionCreate"]["metafieldDefinition"]
    ids = {
        row["title"]: row["id"]
        for row in (await api.execute("{ products { nodes { id title } } }")).data["products"]["nodes"]
    }
    written = await api.execute(
        "mutation($entries: [MetafieldsSetItemInput!]!) { metafieldsSet(input: {metafields: $entries}) { userErrors { code } } }",
        {"entries": [
            {"ownerId": ids[title], "namespace": "facts", "key": "worn", "value": value}
            for title, value in (("Tee", '["Summer", "spring"]'), ("Polo", '["SUMMER"]'), ("Jeans", '["Winter", "winter"]'))
        ]}, token=token,
    )  # fmt: skip
    assert written.data["metafieldsSet"]["userErrors"] == []

    def worn(value: str) -> dict[str, Any]:
        return {"metafield": {"namespace": "facts", "key": "worn", "value": value}}

    counted = facet(await listed(api), "metafield.facts.worn")
    assert [(one["count"], one["input"]["metafield"]["value"].lower()) for one in counted["values"]] == [
        (2, "summer"),
        (1, "spring"),
        (1, "winter"),
    ]
    for one in counted["values"]:
        assert len(titles(await listed(api, None, one["input"]))) == one["count"]
    assert sorted(titles(await listed(api, None, worn("summer")))) == ["Polo", "Tee"]
    assert titles(await listed(api, None, worn("Winter"))) == ["Jeans"]
    assert sorted(titles(await listed(api, None, worn("spring"), worn("winter")))) == ["Jeans", "Tee"]
    assert titles(await listed(api, None, worn('["Summer", "spring"]'))) == []
    narrowed = facet(await listed(api, None, worn("spring")), "metafield.facts.worn")["values"]
    assert [one["selected"] for one in narrowed if one["input"] == worn("spring")] == [True]

    changed = await api.execute(
        "mutation($i: MetafieldDefinitionUpdateInput!) { metafieldDefinitionUpdate(input: $i) { userErrors { code } } }",
        {"i": {"id": definition["id"], "expectedVersion": definition["version"], "filterable": False}}, token=token,
    )  # fmt: skip
    assert changed.data["metafieldDefinitionUpdate"]["userErrors"] == []
    assert titles(await listed(api, None, worn("summer"))) == []
    assert facet(await listed(api), "metafield.facts.worn") is None
