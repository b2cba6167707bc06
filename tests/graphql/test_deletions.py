"""Do staff delete products and variants, and who is told?"""

from tests.builders import Shop, recording
from tests.graphql.client import Api, bought, of, ready_cart

DELETE = """mutation($id: ID!, $version: Int) { productDelete(input: {id: $id, expectedVersion: $version}) {
  deletedProductId userErrors { code field } } }"""
VARIANTS = """mutation($product: ID!, $ids: [ID!]!) { productVariantsDelete(input: {productId: $product, variantIds: $ids}) {
  product { variants { nodes { sku } } priceRange { minVariantPrice { amount } } } userErrors { code field } } }"""


async def test_a_deleted_product_is_gone_and_its_orders_tell_of_it(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    voucher, mug = of("product", shop.voucher_product), of("product", shop.mug_product)
    order = await bought(api, await ready_cart(api, shop.voucher))
    cart = await ready_cart(api, shop.mug)

    stale = await api.execute(DELETE, {"id": mug, "version": 77}, token=token)
    async with recording(api.server.database) as facts:
        gone = [(await api.execute(DELETE, {"id": one}, token=token)).data["productDelete"] for one in (voucher, mug)]
    again = await api.execute(DELETE, {"id": mug}, token=token)
    read = await api.execute("query($id: ID!) { product(id: $id) { id } }", {"id": mug}, token=token)
    told = await api.execute(
        "query($id: ID!) { order(id: $id) { lines { nodes { title sku variant { id } } } } }",
        {"id": order["id"]},
        token=token,
    )
    left = await api.execute(
        "query($id: ID!) { cart(id: $id) { lines { nodes { variant { id } } } problems { code } } }", {"id": cart}
    )

    assert stale.data["productDelete"]["userErrors"] == [{"code": "STALE_OBJECT", "field": ["expectedVersion"]}]
    assert gone == [{"deletedProductId": one, "userErrors": []} for one in (voucher, mug)]
    assert facts.of("product.deleted") == [{"product_id": str(one)} for one in (shop.voucher_product, shop.mug_product)]
    assert again.data["productDelete"] == {
        "deletedProductId": None,
        "userErrors": [{"code": "NOT_FOUND", "field": ["id"]}],
    }
    assert read.codes == ["NOT_FOUND"]
    assert told.data["order"]["lines"]["nodes"] == [{"title": "Voucher", "sku": "VOUCHER", "variant": None}]
    assert left.data["cart"]["lines"]["nodes"] == [{"variant": None}]
    assert "NOT_AVAILABLE" in [problem["code"] for problem in left.data["cart"]["problems"]]


async def test_variants_are_deleted_and_what_is_owed_is_not(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    shirt, small, large = (
        of("product", shop.shirt_product),
        of("variant", shop.shirt_small),
        of("variant", shop.shirt_large),
    )
    await bought(api, await ready_cart(api, shop.shirt_large))

    owed = await api.execute(VARIANTS, {"product": shirt, "ids": [large]}, token=token)
    foreign = await api.execute(VARIANTS, {"product": shirt, "ids": [of("variant", shop.mug)]}, token=token)
    gone = await api.execute(VARIANTS, {"product": shirt, "ids": [small]}, token=token)
    last = await api.execute(VARIANTS, {"product": shirt, "ids": [large]}, token=token)
    unknown = await api.execute(VARIANTS, {"product": of("product", shop.mug), "ids": [large]}, token=token)

    def errors(reply: object) -> object:
        return [(one["code"], one["field"]) for one in reply.data["productVariantsDelete"]["userErrors"]]  # type: ignore[attr-defined]

    assert errors(owed) == [("STOCK_PROMISED", ["variantIds", "0"])]
    assert errors(foreign) == [("NOT_FOUND", ["variantIds", "0"])]
    assert errors(last) == [("LAST_VARIANT", ["variantIds"])]
    assert errors(unknown) == [("NOT_FOUND", ["productId"])]
    assert gone.data["productVariantsDelete"] == {
        "product": {"variants": {"nodes": [{"sku": "SHIRT-L"}]}, "priceRange": {"minVariantPrice": {"amount": "26.00"}}}, "userErrors": [],
    }  # fmt: skip
