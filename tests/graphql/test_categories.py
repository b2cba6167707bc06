"""Do shoppers find their way through categories, and do staff shape them? And what do variants weigh?"""

from typing import Any

from headless.accounts.rules import Permission
from tests.builders import Shop
from tests.graphql.client import Api, of

CREATE = """mutation($input: CategoryCreateInput!) { categoryCreate(input: $input) {
  category { id handle title position version externalReference parent { id } } userErrors { code field } } }"""
TREE = """query($handle: String!) { category(handle: $handle) { title ancestors { title } parent { title }
  children { nodes { title } } products { nodes { title } totalCount } } }"""
VARIANT = """{ sku taxCode externalReference weight { value unit } inPounds: weight(unit: POUNDS) { value }
  dimensions { length width height unit } inMeters: dimensions(unit: METERS) { length } version }"""


async def test_staff_build_a_tree_that_shoppers_walk(api: Api, shop: Shop) -> None:
    token = await api.every_token()

    async def create(title: str, **more: Any) -> str:
        reply = await api.execute(CREATE, {"input": {"title": title, **more}}, token=token)
        assert reply.data["categoryCreate"]["userErrors"] == []
        made: str = reply.data["categoryCreate"]["category"]["id"]
        return made

    home, cups = await create("Home"), await create("Cups")
    kitchen = await create("Kitchen", parentId=home, externalReference="K")
    products = {
        of("product", shop.mug_product): cups,
        of("product", shop.secret_product): cups,
        of("product", shop.poster_product): kitchen,
    }
    for product, category in products.items():
        version = (
            await api.execute("query($id: ID!) { product(id: $id) { version } }", {"id": product}, token=token)
        ).data
        updated = await api.execute(
            """mutation($input: ProductUpdateInput!) { productUpdate(input: $input) {
                 product { category { id } } userErrors { code } } }""",
            {"input": {"id": product, "expectedVersion": version["product"]["version"], "categoryId": category}},
            token=token,
        )
        assert updated.data["productUpdate"] == {"product": {"category": {"id": category}}, "userErrors": []}

    moved = await api.execute(
        """mutation($cups: ID!, $kitchen: ID!, $home: ID!) {
             categoryMove(input: {id: $cups, parentId: $kitchen}) { category { ancestors { title } } userErrors { code } }
             ring: categoryMove(input: {id: $home, parentId: $cups}) { userErrors { code field } }
             full: categoryDelete(input: {id: $home}) { userErrors { code field } }
             categoryUpdate(input: {id: $kitchen, expectedVersion: 1, title: "Cooking"}) { category { title version } userErrors { code } }
             stale: categoryUpdate(input: {id: $kitchen, expectedVersion: 1, title: "Baking"}) { userErrors { code } } }""",
        {"cups": cups, "kitchen": kitchen, "home": home},
        token=token,
    )
    seen, staff = await api.execute(TREE, {"handle": "home"}), await api.execute(TREE, {"handle": "cups"}, token=token)
    top = await api.execute("query($id: ID) { categories(parentId: $id) { nodes { title } } }", {"id": None})

    assert moved.data == {
        "categoryMove": {"category": {"ancestors": [{"title": "Home"}, {"title": "Kitchen"}]}, "userErrors": []},
        "ring": {"userErrors": [{"code": "CATEGORY_WITHIN_ITSELF", "field": ["parentId"]}]},
        "full": {"userErrors": [{"code": "CATEGORY_HAS_CHILDREN", "field": ["id"]}]},
        "categoryUpdate": {"category": {"title": "Cooking", "version": 2}, "userErrors": []},
        "stale": {"userErrors": [{"code": "STALE_OBJECT"}]},
    }
    assert seen.data["category"] == {
        "title": "Home", "ancestors": [], "parent": None, "children": {"nodes": [{"title": "Cooking"}]},
        "products": {"nodes": [{"title": "Mug"}, {"title": "Poster"}], "totalCount": 2},
    }  # fmt: skip
    assert staff.data["category"] == {
        "title": "Cups", "ancestors": [{"title": "Home"}, {"title": "Cooking"}], "parent": {"title": "Cooking"},
        "children": {"nodes": []}, "products": {"nodes": [{"title": "Mug"}, {"title": "Secret"}], "totalCount": 2},
    }  # fmt: skip
    assert top.data == {"categories": {"nodes": [{"title": "Home"}]}}
    assert (await api.execute(TREE, {"handle": "none"})).codes == ["NOT_FOUND"]


async def test_variants_have_weights_dimensions_and_what_an_erp_knows(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    made = await api.execute(
        "mutation($input: ProductCreateInput!) { productCreate(input: $input) { product { id variants { nodes { id } } } userErrors { code field } } }",
        {"input": {"title": "Box", "variants": [{
            "price": "1", "taxCode": "T1", "externalReference": "ERP-1", "barcode": "77", "weight": {"value": "2.5", "unit": "POUNDS"},
            "dimensions": {"length": "1.5", "height": "2", "unit": "METERS"},
        }]}},
        token=token,
    )  # fmt: skip
    assert made.data["productCreate"]["userErrors"] == []
    product = made.data["productCreate"]["product"]
    variant = product["variants"]["nodes"][0]["id"]
    see = f"query($id: ID!) {{ variant(id: $id) {VARIANT} }}"

    first = await api.execute(see, {"id": variant}, token=token)
    changed = await api.execute(
        f"mutation($input: ProductVariantsUpdateInput!) {{ productVariantsUpdate(input: $input) {{ variants {VARIANT} userErrors {{ code field }} }} }}",
        {"input": {"productId": product["id"], "variants": [{
            "id": variant, "expectedVersion": 1, "weight": {"value": "300"}, "dimensions": None, "taxCode": None,
        }]}},
        token=token,
    )  # fmt: skip

    assert first.data["variant"] == {
        "sku": None, "taxCode": "T1", "externalReference": "ERP-1", "weight": {"value": "1134", "unit": "GRAMS"}, "inPounds": {"value": "2.5"},
        "dimensions": {"length": "1500", "width": None, "height": "2000", "unit": "MILLIMETERS"}, "inMeters": {"length": "1.5"}, "version": 1,
    }  # fmt: skip
    assert changed.data["productVariantsUpdate"] == {
        "variants": [{
            "sku": None, "taxCode": None, "externalReference": "ERP-1", "weight": {"value": "300", "unit": "GRAMS"}, "inPounds": {"value": "0.661"},
            "dimensions": None, "inMeters": None, "version": 2,
        }],
        "userErrors": [],
    }  # fmt: skip


async def test_codes_of_variants_are_the_shop_s_own_and_sizes_are_sizes(api: Api, shop: Shop) -> None:
    token, reader = await api.every_token(), await api.token(Permission.READ_INVENTORY)
    document = "mutation($input: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $input) { userErrors { code field } } }"
    shirt, small, large = (
        of("product", shop.shirt_product),
        of("variant", shop.shirt_small),
        of("variant", shop.shirt_large),
    )

    async def update(variant: str, **values: Any) -> list[tuple[str, str]]:
        version = (await api.execute("query($id: ID!) { variant(id: $id) { version } }", {"id": variant})).data[
            "variant"
        ]["version"]
        given = {"productId": shirt, "variants": [{"id": variant, "expectedVersion": version, **values}]}
        reply = await api.execute(document, {"input": given}, token=token)
        return [(one["code"], ".".join(one["field"])) for one in reply.data["productVariantsUpdate"]["userErrors"]]

    assert await update(small, barcode="1", externalReference="A") == []
    assert await update(small, barcode="1", externalReference="A") == []
    assert await update(large, barcode="1") == [("TAKEN", "variants.0.barcode")]
    assert await update(large, externalReference="A") == [("TAKEN", "variants.0.externalReference")]
    assert await update(large, weight={"value": "-1"}) == [("INVALID_INPUT", "variants.0.weight.value")]
    assert await update(large, weight={"value": "1e300", "unit": "POUNDS"}) == [
        ("INVALID_INPUT", "variants.0.weight.value")
    ]
    assert await update(large, dimensions={"width": "0"}) == [("INVALID_INPUT", "variants.0.dimensions.width")]
    assert await update(large, dimensions={"width": "4000", "unit": "FEET"}) == [
        ("INVALID_INPUT", "variants.0.dimensions.width")
    ]
    assert await update(large, taxCode="x" * 256) == [("INVALID_INPUT", "variants.0.taxCode")]

    hidden = await api.execute(
        "query($id: ID!) { variant(id: $id) { externalReference } }", {"id": small}, token=reader
    )
    assert (hidden.body["data"], hidden.codes) == ({"variant": {"externalReference": None}}, ["FORBIDDEN"])
