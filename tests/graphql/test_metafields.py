"""Do staff define and write metafields, and who sees them?"""

from typing import Any

from headless.accounts.rules import Permission
from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, of

DEFINE = """mutation($input: MetafieldDefinitionCreateInput!) { metafieldDefinitionCreate(input: $input) {
  metafieldDefinition { id ownerType namespace key name type filterable public version validations { min max regex choices } }
  userErrors { code field } } }"""
SET = """mutation($items: [MetafieldsSetItemInput!]!) { metafieldsSet(input: {metafields: $items}) {
  metafields { id namespace key type value definition { key } } userErrors { code field message } } }"""
READ = """query($id: ID!) { product(id: $id) {
  twin: metafield(namespace: "specs", key: "twin") { value reference { id __typename ... on Product { title } } }
  metafields(first: 10, namespace: "specs") { nodes { key value type references(first: 5) { nodes { id } } } } } }"""


def item(owner: str, key: str, value: str, **more: Any) -> dict[str, Any]:
    return {"ownerId": owner, "namespace": "specs", "key": key, "value": value, **more}


async def test_staff_define_and_write_and_shoppers_see_what_is_public(api: Api, shop: Shop) -> None:
    token, reader = await api.every_token(), await api.token(Permission.READ_PRODUCTS)
    mug, secret, poster = (of("product", one) for one in (shop.mug_product, shop.secret_product, shop.poster_product))
    defined = await api.execute(
        DEFINE,
        {"input": {
            "ownerType": "PRODUCT", "namespace": "specs", "key": "twin", "name": "Twin", "type": "product_reference", "public": True,
            "filterable": True,
        }},
        token=token,
    )  # fmt: skip
    definition = defined.data["metafieldDefinitionCreate"]["metafieldDefinition"]
    assert definition == {
        "id": definition["id"], "ownerType": "PRODUCT", "namespace": "specs", "key": "twin", "name": "Twin", "type": "product_reference",
        "filterable": True, "public": True, "version": 1, "validations": {"min": None, "max": None, "regex": None, "choices": None},
    }  # fmt: skip
    await api.execute(
        DEFINE,
        {"input": {
            "ownerType": "PRODUCT", "namespace": "specs", "key": "likes", "name": "Likes", "type": "list.product_reference", "public": True,
        }},
        token=token,
    )  # fmt: skip

    written = await api.execute(
        SET,
        {"items": [
            item(mug, "twin", secret), item(mug, "likes", f'["{secret}", "{poster}"]'), item(mug, "cost", "7.5", type="decimal"),
        ]},
        token=token,
    )  # fmt: skip
    shown = await api.execute(READ, {"id": mug}, token=reader)
    public = await api.execute(READ, {"id": mug})

    assert [(one["key"], one["value"], one["definition"]) for one in written.data["metafieldsSet"]["metafields"]] == [
        ("twin", secret, {"key": "twin"}), ("likes", f'["{secret}","{poster}"]', {"key": "likes"}), ("cost", "7.5", None),
    ]  # fmt: skip
    assert shown.data["product"] == {
        "twin": {"value": secret, "reference": {"id": secret, "__typename": "Product", "title": "Secret"}},
        "metafields": {"nodes": [
            {"key": "cost", "value": "7.5", "type": "decimal", "references": {"nodes": []}},
            {"key": "likes", "value": f'["{secret}","{poster}"]', "type": "list.product_reference", "references": {"nodes": [{"id": secret}, {"id": poster}]}},
            {"key": "twin", "value": secret, "type": "product_reference", "references": {"nodes": []}},
        ]},
    }  # fmt: skip
    assert public.data["product"] == {
        "twin": {"value": secret, "reference": None},
        "metafields": {"nodes": [
            {"key": "likes", "value": f'["{secret}","{poster}"]', "type": "list.product_reference", "references": {"nodes": [{"id": poster}]}},
            {"key": "twin", "value": secret, "type": "product_reference", "references": {"nodes": []}},
        ]},
    }  # fmt: skip


async def test_nodes_of_metafields_follow_their_owner(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    await api.execute(
        DEFINE,
        {
            "input": {
                "ownerType": "PRODUCT",
                "namespace": "specs",
                "key": "size",
                "name": "S",
                "type": "integer",
                "public": True,
            }
        },
        token=token,
    )
    written = await api.execute(
        SET,
        {"items": [
            item(of("product", owner), key, "1", type="integer")
            for owner, key in ((shop.mug_product, "size"), (shop.mug_product, "cost"), (shop.secret_product, "size"))
        ]},
        token=token,
    )  # fmt: skip
    listed = await api.execute("{ metafieldDefinitions(ownerType: PRODUCT) { nodes { id } totalCount } }", token=token)
    wanted = [one["id"] for one in written.data["metafieldsSet"]["metafields"]]
    definition = listed.data["metafieldDefinitions"]["nodes"][0]["id"]
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    staff = await api.execute(document, {"ids": [*wanted, definition]}, token=token)
    public = await api.execute(document, {"ids": [*wanted, definition]})

    assert listed.data["metafieldDefinitions"]["totalCount"] == 1
    assert staff.data["nodes"] == [{"id": one} for one in (*wanted, definition)]
    assert public.data["nodes"] == [{"id": wanted[0]}, None, None, None]


async def test_refusals_name_the_field(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    mug = of("product", shop.mug_product)
    cases = [
        ([item("x", "a1", "1")], "NOT_FOUND", ["metafields", "0", "ownerId"]),
        ([item(of("order", shop.mug_product), "a1", "1")], "NOT_FOUND", ["metafields", "0", "ownerId"]),
        ([item(of("product", ids.new()), "a1", "1", type="text")], "NOT_FOUND", ["metafields", "0", "ownerId"]),
        ([item(mug, "a1", "1", type="text"), item(mug, "b1", "x", type="integer")], "INVALID_INPUT", ["metafields", "1", "value"]),
        ([item(mug, "a1", "1", type="number")], "INVALID_INPUT", ["metafields", "0", "type"]),
    ]  # fmt: skip
    for items, code, path in cases:
        reply = await api.execute(SET, {"items": items}, token=token)
        assert [(one["code"], one["field"]) for one in reply.data["metafieldsSet"]["userErrors"]] == [(code, path)]

    read = await api.execute(
        "query($id: ID!) { product(id: $id) { metafields { totalCount } } }", {"id": mug}, token=token
    )
    assert read.data["product"]["metafields"]["totalCount"] == 0


async def test_a_definition_is_changed_and_taken_back(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    made = await api.execute(
        DEFINE,
        {"input": {"ownerType": "PRODUCT_VARIANT", "namespace": "specs", "key": "size", "name": "S", "type": "text"}},
        token=token,
    )
    definition = made.data["metafieldDefinitionCreate"]["metafieldDefinition"]["id"]
    mug = of("variant", shop.mug)
    await api.execute(SET, {"items": [item(mug, "size", "big")]}, token=token)
    see = 'query($id: ID!) { variant(id: $id) { metafield(namespace: "specs", key: "size") { value } } }'
    assert (await api.execute(see, {"id": mug})).data == {"variant": {"metafield": None}}

    changed = await api.execute(
        """mutation($input: MetafieldDefinitionUpdateInput!) { metafieldDefinitionUpdate(input: $input) {
             metafieldDefinition { name public version validations { choices } } userErrors { code field } } }""",
        {
            "input": {
                "id": definition,
                "expectedVersion": 1,
                "name": "Size",
                "public": True,
                "validations": {"choices": ["small"]},
            }
        },
        token=token,
    )
    seen = await api.execute(see, {"id": mug})
    refused = await api.execute(SET, {"items": [item(mug, "size", "big")]}, token=token)
    gone = await api.execute(
        """mutation($id: ID!) { metafieldDefinitionDelete(input: {id: $id, deleteAllAssociatedMetafields: true}) {
             deletedMetafieldDefinitionId userErrors { code } } }""",
        {"id": definition},
        token=token,
    )

    assert changed.data["metafieldDefinitionUpdate"] == {
        "metafieldDefinition": {"name": "Size", "public": True, "version": 2, "validations": {"choices": ["small"]}}, "userErrors": [],
    }  # fmt: skip
    assert seen.data == {"variant": {"metafield": {"value": "big"}}}
    assert refused.data["metafieldsSet"]["userErrors"][0]["message"] == "This is one of: small."
    assert gone.data["metafieldDefinitionDelete"] == {"deletedMetafieldDefinitionId": definition, "userErrors": []}
    assert (await api.execute(see, {"id": mug}, token=token)).data == {"variant": {"metafield": None}}


async def test_a_list_reads_the_metafields_of_all_its_products_at_once(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    for _first_reads_the_channel in range(2):
        plain = await api.execute("{ products { nodes { id } } }", token=token)

    listed = await api.execute(
        '{ products { nodes { id metafield(namespace: "specs", key: "size") { value } metafields { nodes { id } } } } }',
        token=token,
    )

    assert len(listed.data["products"]["nodes"]) == 5
    assert listed.statements == plain.statements + 1
