"""Do staff put collections together, by hand and by rules?"""

from typing import Any

from headless.accounts.rules import Permission
from headless.merchandising import collecting
from headless.platform import outbox
from tests.builders import Shop
from tests.graphql.client import Api, of

CREATE = """mutation($input: CollectionCreateInput!) { collectionCreate(input: $input) {
  collection { id handle title description version externalReference products { nodes { id } }
    ruleSet { appliedDisjunctively rules { column relation condition metafield { namespace key } } } }
  userErrors { code field } } }"""
PRODUCTS = "query($id: ID!) { collection(id: $id) { products { nodes { id } } } }"


async def products_of(api: Api, collection: str) -> list[str]:
    found = await api.execute(PRODUCTS, {"id": collection})
    return [node["id"] for node in found.data["collection"]["products"]["nodes"]]


async def test_a_collection_is_made_filled_arranged_and_deleted(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    mug, shirt, poster = (of("product", one) for one in (shop.mug_product, shop.shirt_product, shop.poster_product))
    made = await api.execute(
        CREATE,
        {
            "input": {
                "title": "For Mum",
                "descriptionHtml": "<p>Nice<script>x</script></p>",
                "externalReference": "E1",
                "productIds": [mug, shirt],
            }
        },
        token=token,
    )
    collection = made.data["collectionCreate"]["collection"]
    gifts = collection["id"]
    assert made.data["collectionCreate"]["userErrors"] == []
    assert collection == {
        "id": gifts, "handle": "for-mum", "title": "For Mum", "description": "Nice", "version": 1, "externalReference": "E1",
        "products": {"nodes": [{"id": mug}, {"id": shirt}]}, "ruleSet": None,
    }  # fmt: skip

    changes: Any = await api.execute(
        """mutation($id: ID!, $add: [ID!]!, $remove: [ID!]!, $moves: [CollectionMoveInput!]!) {
             collectionAddProducts(input: {id: $id, productIds: $add}) { userErrors { code } }
             collectionRemoveProducts(input: {id: $id, productIds: $remove}) { userErrors { code } }
             collectionReorderProducts(input: {id: $id, moves: $moves}) { collection { products { nodes { id } } } userErrors { code } }
             collectionUpdate(input: {id: $id, expectedVersion: 1, title: "For Dad"}) { collection { title version } userErrors { code } }
             stale: collectionUpdate(input: {id: $id, expectedVersion: 1, title: "For me"}) { userErrors { code field } } }""",
        {"id": gifts, "add": [poster], "remove": [mug], "moves": [{"id": poster, "newPosition": 0}]},
        token=token,
    )
    assert changes.data == {
        "collectionAddProducts": {"userErrors": []},
        "collectionRemoveProducts": {"userErrors": []},
        "collectionReorderProducts": {
            "collection": {"products": {"nodes": [{"id": poster}, {"id": shirt}]}},
            "userErrors": [],
        },
        "collectionUpdate": {"collection": {"title": "For Dad", "version": 2}, "userErrors": []},
        "stale": {"userErrors": [{"code": "STALE_OBJECT", "field": ["expectedVersion"]}]},
    }

    gone = await api.execute(
        "mutation($id: ID!) { collectionDelete(input: {id: $id}) { deletedCollectionId userErrors { code } } }",
        {"id": gifts},
        token=token,
    )
    assert gone.data["collectionDelete"] == {"deletedCollectionId": gifts, "userErrors": []}
    assert (await api.execute(PRODUCTS, {"id": gifts})).codes == ["NOT_FOUND"]


async def test_a_tag_written_through_the_api_fills_a_collection(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    made = await api.execute(
        CREATE,
        {
            "input": {
                "title": "Sale",
                "ruleSet": {"rules": [{"column": "TAG", "relation": "EQUALS", "condition": "sale"}]},
            }
        },
        token=token,
    )
    collection = made.data["collectionCreate"]["collection"]
    assert collection["ruleSet"] == {
        "appliedDisjunctively": False,
        "rules": [{"column": "TAG", "relation": "EQUALS", "condition": "sale", "metafield": None}],
    }
    version = (
        await api.execute("query($id: ID!) { product(id: $id) { version } }", {"id": of("product", shop.mug_product)})
    ).data

    await api.execute(
        "mutation($input: ProductUpdateInput!) { productUpdate(input: $input) { userErrors { code } } }",
        {
            "input": {
                "id": of("product", shop.mug_product),
                "expectedVersion": version["product"]["version"],
                "tags": ["Sale"],
            }
        },
        token=token,
    )
    async with api.server.database.transaction() as session:
        await outbox.number(session)
    await collecting.collect(api.server.database)

    assert await products_of(api, collection["id"]) == [of("product", shop.mug_product)]


async def test_rules_and_references_are_for_staff(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.WRITE_PRODUCTS)
    made = await api.execute(CREATE, {"input": {"title": "Gifts"}}, token=token)
    gifts = made.data["collectionCreate"]["collection"]["id"]

    asked = await api.execute(
        "query($id: ID!) { collection(id: $id) { title ruleSet { rules { column } } externalReference } }",
        {"id": gifts},
    )

    assert asked.body["data"] == {"collection": {"title": "Gifts", "ruleSet": None, "externalReference": None}}
    assert asked.codes == ["UNAUTHENTICATED", "UNAUTHENTICATED"]


async def test_refusals_name_the_field(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    await api.execute(CREATE, {"input": {"title": "Gifts", "externalReference": "E1"}}, token=token)
    rule = {"column": "PRICE", "relation": "CONTAINS", "condition": "1"}
    cases = [
        ({"title": " "}, "INVALID_INPUT", ["title"]),
        ({"title": "A", "handle": "gifts"}, "TAKEN", ["handle"]),
        ({"title": "A", "externalReference": "E1"}, "TAKEN", ["externalReference"]),
        ({"title": "A", "productIds": ["x"]}, "NOT_FOUND", ["productIds", "0"]),
        ({"title": "A", "ruleSet": {"rules": []}}, "INVALID_INPUT", ["ruleSet", "rules"]),
        ({"title": "A", "ruleSet": {"rules": [rule]}}, "INVALID_INPUT", ["ruleSet", "rules", "0", "relation"]),
        (
            {
                "title": "A",
                "productIds": [of("product", shop.mug_product)],
                "ruleSet": {"rules": [{**rule, "relation": "LESS_THAN"}]},
            },
            "COLLECTION_HAS_RULES",
            ["productIds"],
        ),
    ]
    for given, code, path in cases:
        reply = await api.execute(CREATE, {"input": given}, token=token)
        assert [(one["code"], one["field"]) for one in reply.data["collectionCreate"]["userErrors"]] == [(code, path)]
