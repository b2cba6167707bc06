"""Is every object found by its id alone, by the same rules as in its own query?"""

import pytest
from graphql import GraphQLInterfaceType

from headless.catalog import service as catalog
from headless.catalog.categories import service as categories
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.metafields import defining
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place, Wish
from headless.catalog.service import ImageDraft
from headless.graphql.nodes import FINDERS
from headless.graphql.schema import schema
from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, bought, of, ready_cart

NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


def test_every_type_with_an_id_of_its_own_is_found() -> None:
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)

    found = {name for name, _find in FINDERS.values()}
    assert {kind.name for kind in schema.get_possible_types(node)} == found


async def test_every_kind_is_found_in_the_order_asked_for(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    order = await bought(api, cart)
    token = await api.every_token()
    picture, unseen = ids.new(), ids.new()
    async with api.server.database.transaction() as session:
        await catalog.replace_media(session, shop.mug_product, [ImageDraft(url="a.svg", alt_text="", id=picture)])
        await catalog.replace_media(session, shop.secret_product, [ImageDraft(url="b.svg", alt_text="", id=unseen)])
        collection = await catalog.create_collection(session, handle="all", title="All", description_html="")
        definition = await defining.create(
            session, DefinitionDraft(MetafieldOwner.PRODUCT, "specs", "size", "Size", "text", is_public=True), actor="t"
        )
        category = await categories.create(session, CategoryDraft("Home"), actor="t")
        (metafield,) = await metafields.set_metafields(
            session, [Wish(Place(MetafieldOwner.PRODUCT, shop.mug_product, "specs", "size"), "L")]
        )
    checkout = await api.execute("query($id: ID!) { cart(id: $id) { checkout { id } } }", {"id": cart})
    fulfillment = await api.execute(
        """mutation($order: ID!, $line: ID!) { fulfillmentCreate(input: {
             orderId: $order, lines: [{orderLineId: $line, quantity: 1}]
           }) { fulfillment { id } } }""",
        {"order": order["id"], "line": order["lines"]["nodes"][0]["id"]},
        token=token,
    )
    transfer = await api.execute(
        """mutation($place: ID!, $poster: ID!) {
             inventoryTransferCreate(input: {
               destinationId: $place, supplier: "Mill", lines: [{variantId: $poster, quantity: 1}]
             }) { transfer { id } }
             backInStockNotify(input: {variantId: $poster, email: "ann@shop.test"}) { userErrors { code } }
           }""",
        {"place": of("location", shop.main_id), "poster": of("variant", shop.poster)},
        token=token,
    )
    comment = await api.execute(
        'mutation($id: ID!) { commentAdd(input: {subjectId: $id, body: "Hm"}) { comment { id } } }',
        {"id": of("product", shop.mug_product)},
        token=token,
    )
    waiting = await api.execute("{ stockRequests { nodes { id } } }", token=token)
    wanted = {
        of("variant", shop.mug): "ProductVariant",
        order["id"]: "Order",
        of("channel", shop.channel_id): "Channel",
        cart: "Cart",
        of("media", picture): "Media",
        of("media", unseen): "Media",
        of("product", shop.mug_product): "Product",
        checkout.data["cart"]["checkout"]["id"]: "Checkout",
        fulfillment.data["fulfillmentCreate"]["fulfillment"]["id"]: "Fulfillment",
        of("location", shop.main_id): "Location",
        transfer.data["inventoryTransferCreate"]["transfer"]["id"]: "InventoryTransfer",
        waiting.data["stockRequests"]["nodes"][0]["id"]: "StockRequest",
        of("collection", collection): "Collection",
        comment.data["commentAdd"]["comment"]["id"]: "Comment",
        of("metafield", metafield): "Metafield",
        of("category", category): "Category",
        of("metafield_definition", definition): "MetafieldDefinition",
    }
    staff_only = {
        *("Order", "Checkout", "Fulfillment", "Location", "InventoryTransfer", "StockRequest", "Comment"),
        "MetafieldDefinition",
    }

    found = await api.execute(NODES, {"ids": list(wanted)}, token=token)
    public = await api.execute(NODES, {"ids": list(wanted)})
    single = await api.execute("query($id: ID!) { node(id: $id) { __typename id } }", {"id": cart})

    assert found.data["nodes"] == [{"__typename": name, "id": node_id} for node_id, name in wanted.items()]
    assert public.data["nodes"] == [
        None if name in staff_only or node_id == of("media", unseen) else {"__typename": name, "id": node_id}
        for node_id, name in wanted.items()
    ]
    assert single.data == {"node": {"__typename": "Cart", "id": cart}}


async def test_fields_of_a_node_are_those_of_its_type(api: Api, shop: Shop) -> None:
    document = """query($product: ID!, $variant: ID!, $cart: ID!) {
      a: node(id: $product) { ... on Product { title variants { nodes { sku } } priceRange { minVariantPrice { amount } } } }
      b: node(id: $variant) { ... on ProductVariant { sku price { amount } product { title } } ... on Product { title } }
      c: node(id: $cart) { ... on Cart { totalQuantity lines { nodes { variant { sku } } } cost { totalAmount { amount } } } }
    }"""
    cart = await ready_cart(api, shop.mug, 2)

    reply = await api.execute(
        document, {"product": of("product", shop.mug_product), "variant": of("variant", shop.mug), "cart": cart}
    )

    assert reply.data == {
        "a": {"title": "Mug", "variants": {"nodes": [{"sku": "MUG"}]}, "priceRange": {"minVariantPrice": {"amount": "12.90"}}},
        "b": {"sku": "MUG", "price": {"amount": "12.90"}, "product": {"title": "Mug"}},
        "c": {"totalQuantity": 2, "lines": {"nodes": [{"variant": {"sku": "MUG"}}]}, "cost": {"totalAmount": {"amount": "30.70"}}},
    }  # fmt: skip


async def test_what_is_not_there_is_null_in_its_place(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    wanted = [
        "",
        "x",
        "product_",
        of("product", ids.new()),
        mug,
        of("product", shop.secret_product),
        "\0",
        mug,
        "nothing_" + "0" * 26,
    ]

    reply = await api.execute(NODES, {"ids": wanted})

    found = {"__typename": "Product", "id": mug}
    assert reply.data["nodes"] == [None, None, None, None, found, None, None, found, None]


@pytest.mark.parametrize(("count", "codes"), [(0, []), (250, []), (251, ["BAD_USER_INPUT"])])
async def test_number_of_nodes_is_bounded(api: Api, count: int, codes: list[str]) -> None:
    reply = await api.execute(NODES, {"ids": [of("product", ids.new()) for _ in range(count)]})

    assert reply.codes == codes
    if not codes:
        assert reply.data == {"nodes": [None] * count}


async def test_many_nodes_of_a_kind_cost_no_statement_each(api: Api, shop: Shop) -> None:
    wanted = [of("product", shop.mug_product), of("variant", shop.mug)]
    await api.execute("{ products { totalCount } }")
    few = await api.execute(NODES, {"ids": wanted})
    many = await api.execute(NODES, {"ids": [*wanted, *(of("product", ids.new()) for _ in range(100))]})

    assert [node is not None for node in many.data["nodes"]] == [True] * 2 + [False] * 100
    assert few.statements == many.statements
