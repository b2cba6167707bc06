"""Do staff make and change products as the contract says?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, of, ready_cart

CREATE = """mutation($i: ProductCreateInput!) { productCreate(input: $i) {
  product { id handle title description descriptionHtml vendor productType tags status publishedAt seo { title description }
    options { name values } version priceRange { minVariantPrice { amount } maxVariantPrice { amount } }
    variants { nodes { sku barcode title price { amount } compareAtPrice { amount } quantityAvailable selectedOptions { name value } } } }
  userErrors { code field }
} }"""
UPDATE = """mutation($i: ProductUpdateInput!) { productUpdate(input: $i) {
  product { handle title descriptionHtml vendor tags status seo { title description } options { name values } version }
  userErrors { code field message }
} }"""
MAKE = """mutation($i: ProductVariantsCreateInput!) { productVariantsCreate(input: $i) {
  product { options { values } variants { nodes { sku } } } variants { sku title price { amount } } userErrors { code field }
} }"""
CHANGE = """mutation($i: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $i) {
  product { priceRange { maxVariantPrice { amount } } }
  variants { sku barcode price { amount } compareAtPrice { amount } version } userErrors { code field }
} }"""
PUBLISH = "mutation($i: ProductPublishInput!) { productPublish(input: $i) { product { status publishedAt version } userErrors { code field } } }"
HIDE = "mutation($i: ProductUnpublishInput!) { productUnpublish(input: $i) { product { status publishedAt } userErrors { code field } } }"
COUNT = "{ products { totalCount } }"


async def call(api: Api, document: str, wanted: dict[str, Any]) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.token(Permission.WRITE_PRODUCTS))
    (answer,) = reply.data.values()
    return answer


async def count(api: Api) -> int:
    reply = await api.execute(COUNT, token=await api.token(Permission.WRITE_PRODUCTS))
    return int(reply.data["products"]["totalCount"])


def row(**rest: Any) -> dict[str, Any]:
    return {"price": "1", **rest}


async def test_product_is_made_with_everything(api: Api) -> None:
    made = await call(api, CREATE, {
        "title": " Tea ", "handle": "tea", "descriptionHtml": "<p>Good <b>tea</b><script>alert(1)</script></p>", "vendor": "Lü",
        "productType": "Drink", "tags": ["a", " a ", "", "b"], "status": "DRAFT", "seo": {"title": "T", "description": "D"},
        "options": [{"name": "Size", "values": ["S"]}], "externalReference": "erp-1",
        "variants": [
            row(price="10", compareAtPrice="12.5", sku="T-S", barcode="123", selectedOptions=[{"name": "Size", "value": "S"}]),
            row(price="20.05", tracked=False, selectedOptions=[{"name": "Size", "value": "L"}]),
        ],
    })  # fmt: skip

    product = made["product"]
    assert made["userErrors"] == []
    assert product == {
        "id": product["id"], "handle": "tea", "title": "Tea", "description": "Good tea", "descriptionHtml": "<p>Good <b>tea</b></p>",
        "vendor": "Lü", "productType": "Drink", "tags": ["a", "b"], "status": "DRAFT", "publishedAt": None,
        "seo": {"title": "T", "description": "D"}, "options": [{"name": "Size", "values": ["S", "L"]}],
        "version": product["version"], "priceRange": {"minVariantPrice": {"amount": "10.00"}, "maxVariantPrice": {"amount": "20.05"}},
        "variants": {"nodes": [
            {
                "sku": "T-S", "barcode": "123", "title": "S", "price": {"amount": "10.00"}, "compareAtPrice": {"amount": "12.50"},
                "quantityAvailable": 0, "selectedOptions": [{"name": "Size", "value": "S"}],
            },
            {
                "sku": None, "barcode": None, "title": "L", "price": {"amount": "20.05"}, "compareAtPrice": None,
                "quantityAvailable": None, "selectedOptions": [{"name": "Size", "value": "L"}],
            },
        ]},
    }  # fmt: skip
    hidden = await api.execute("query($id: ID!) { product(id: $id) { id } }", {"id": product["id"]})
    assert hidden.codes == ["NOT_FOUND"]


async def test_product_without_variants_gets_one(api: Api) -> None:
    made = await call(api, CREATE, {"title": "Äther ß"})

    assert (made["product"]["handle"], made["product"]["status"]) == ("ather-ss", "DRAFT")
    assert [variant["title"] for variant in made["product"]["variants"]["nodes"]] == ["Default Title"]


async def test_same_title_gets_another_handle(api: Api) -> None:
    handles = [(await call(api, CREATE, {"title": "Mug"}))["product"]["handle"] for _ in range(2)]

    assert handles == ["mug-1", "mug-2"]


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"title": ""}, "INVALID_INPUT", ["title"]),
        ({"title": "   "}, "INVALID_INPUT", ["title"]),
        ({"title": "x" * 256}, "INVALID_INPUT", ["title"]),
        ({"handle": "mug"}, "TAKEN", ["handle"]),
        ({"handle": "Mug"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "a--b"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "x" * 256}, "INVALID_INPUT", ["handle"]),
        ({"options": [{"name": "Size", "values": []}]}, "INVALID_INPUT", ["options", "0"]),
        ({"options": [{"name": "", "values": ["S"]}]}, "INVALID_INPUT", ["options", "0"]),
        ({"options": [{"name": str(n), "values": ["S"]} for n in range(6)]}, "INVALID_INPUT", ["options"]),
        ({"variants": [row(sku="MUG")]}, "TAKEN", ["variants", "0", "sku"]),
        ({"variants": [row(price="-1")]}, "INVALID_INPUT", ["variants", "0", "price"]),
        ({"variants": [row(price="1.005")]}, "INVALID_INPUT", ["variants", "0", "price"]),
        ({"variants": [row(price="1e15")]}, "INVALID_INPUT", ["variants", "0", "price"]),
        ({"variants": [row(price="1e400")]}, "INVALID_INPUT", ["variants", "0", "price"]),
        ({"variants": [row(price="2", compareAtPrice="1")]}, "INVALID_INPUT", ["variants", "0", "compareAtPrice"]),
        ({"variants": [row(compareAtPrice="-1")]}, "INVALID_INPUT", ["variants", "0", "compareAtPrice"]),
        ({"variants": [row(selectedOptions=[{"name": "Size", "value": "S"}])]}, "INVALID_INPUT", ["variants", "0", "selectedOptions"]),
        ({"variants": [row(), row()]}, "OPTIONS_TAKEN", ["variants", "1", "selectedOptions"]),
        ({"variants": [row()] * 251}, "INVALID_INPUT", ["variants"]),
    ],
)  # fmt: skip
async def test_bad_product_is_refused_where_it_is_bad_and_nothing_is_made(
    api: Api, rest: dict[str, Any], code: str, field: list[str]
) -> None:
    title = {"title": "New"} if "options" not in rest else {"title": "New", "variants": [row()]}

    made = await call(api, CREATE, {**title, **rest})

    assert made == {"product": None, "userErrors": [{"code": code, "field": field}]}
    assert await count(api) == 5


@pytest.mark.parametrize("price", ["NaN", "Infinity", "", "x", 1.5, True, "9" * 41, None, "\0"])
async def test_price_that_is_no_number_is_no_input_at_all(api: Api, price: object) -> None:
    token = await api.token(Permission.WRITE_PRODUCTS)

    reply = await api.execute(CREATE, {"i": {"title": "New", "variants": [{"price": price}]}}, token=token)

    assert set(reply.codes) == {"BAD_USER_INPUT"}
    assert "data" not in reply.body
    assert await count(api) == 5


async def test_several_bad_prices_are_told_at_once(api: Api) -> None:
    made = await call(
        api, CREATE, {"title": "New", "variants": [row(price="-1"), row(price="1.001", compareAtPrice="-2")]}
    )

    assert [error["field"] for error in made["userErrors"]] == [
        ["variants", "0", "price"],
        ["variants", "1", "price"],
        ["variants", "1", "compareAtPrice"],
    ]


async def version(api: Api, product: str) -> int:
    reply = await api.execute(
        "query($id: ID!) { product(id: $id) { version } }",
        {"id": product},
        token=await api.token(Permission.WRITE_PRODUCTS),
    )
    return int(reply.data["product"]["version"])


async def test_update_changes_what_is_given_and_clears_what_is_null(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    seen = await version(api, mug)

    first = await call(
        api, UPDATE, {"id": mug, "expectedVersion": seen, "vendor": "V", "tags": ["t"], "seo": {"title": "S"}}
    )
    second = await call(
        api,
        UPDATE,
        {"id": mug, "expectedVersion": seen + 1, "title": "Cup", "vendor": None, "seo": {"description": "D"}},
    )
    third = await call(api, UPDATE, {"id": mug, "expectedVersion": seen + 2, "tags": None, "seo": None})

    assert first["product"] == {
        "handle": "mug", "title": "Mug", "descriptionHtml": "", "vendor": "V", "tags": ["t"], "status": "ACTIVE",
        "seo": {"title": "S", "description": None}, "options": [], "version": seen + 1,
    }  # fmt: skip
    assert second["product"] == {
        **first["product"], "title": "Cup", "vendor": "", "seo": {"title": "S", "description": "D"}, "version": seen + 2,
    }  # fmt: skip
    assert third["product"] == {
        **second["product"], "tags": [], "seo": {"title": None, "description": None}, "version": seen + 3,
    }  # fmt: skip
    searched = await api.execute('{ products(query: "cup") { nodes { title } } }')
    assert searched.data["products"]["nodes"] == [{"title": "Cup"}]


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"expectedVersion": 99}, "STALE_OBJECT", ["expectedVersion"]),
        ({"title": None}, "INVALID_INPUT", ["title"]),
        ({"title": ""}, "INVALID_INPUT", ["title"]),
        ({"handle": None}, "INVALID_INPUT", ["handle"]),
        ({"handle": "shirt"}, "TAKEN", ["handle"]),
        ({"handle": "\u00e4"}, "INVALID_INPUT", ["handle"]),
        ({"options": [{"name": "Size", "values": ["S"]}]}, "INVALID_INPUT", ["options"]),
        ({"id": "x"}, "NOT_FOUND", ["id"]),
        ({"id": of("product", ids.new())}, "NOT_FOUND", ["id"]),
        ({"id": of("order", ids.new())}, "NOT_FOUND", ["id"]),
    ],
)
async def test_bad_update_changes_nothing(
    api: Api, shop: Shop, rest: dict[str, Any], code: str, field: list[str]
) -> None:
    mug = of("product", shop.mug_product)
    seen = await version(api, mug)

    refused = await call(api, UPDATE, {"id": mug, "expectedVersion": seen, "vendor": "changed", **rest})

    assert refused["product"] is None
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [(code, field)]
    if code == "STALE_OBJECT":
        assert all(word in refused["userErrors"][0]["message"] for word in ("99", str(seen), "tester"))
    assert await version(api, mug) == seen
    assert (await api.execute('{ product(handle: "mug") { title vendor } }')).data == {
        "product": {"title": "Mug", "vendor": ""}
    }


async def test_two_updates_of_one_version_are_one(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    seen = await version(api, mug)

    first = await call(api, UPDATE, {"id": mug, "expectedVersion": seen, "vendor": "one"})
    second = await call(api, UPDATE, {"id": mug, "expectedVersion": seen, "vendor": "two"})

    assert first["userErrors"] == []
    assert [error["code"] for error in second["userErrors"]] == ["STALE_OBJECT"]
    assert "Robot" in second["userErrors"][0]["message"]


async def test_product_is_published_and_hidden(api: Api, shop: Shop) -> None:
    made = (await call(api, CREATE, {"title": "Tea", "variants": [row()]}))["product"]["id"]

    async def is_seen() -> bool:
        return (await api.execute("query($id: ID!) { product(id: $id) { id } }", {"id": made})).codes == []

    before = await is_seen()
    shown = await call(api, PUBLISH, {"id": made})
    again = await call(api, PUBLISH, {"id": made, "channel": "default"})
    during = await is_seen()
    hidden = await call(api, HIDE, {"id": made})

    assert shown["userErrors"] == again["userErrors"] == hidden["userErrors"] == []
    assert shown["product"]["status"] == "ACTIVE"
    assert shown["product"] == again["product"]
    assert shown["product"]["publishedAt"] is not None
    assert hidden["product"] == {"status": "ACTIVE", "publishedAt": None}
    assert (before, during, await is_seen()) == (False, True, False)


async def test_archived_product_is_not_published(api: Api) -> None:
    made = (await call(api, CREATE, {"title": "Old", "status": "ARCHIVED"}))["product"]["id"]

    refused = await call(api, PUBLISH, {"id": made})

    assert refused == {"product": None, "userErrors": [{"code": "INVALID_INPUT", "field": ["id"]}]}


@pytest.mark.parametrize("document", [PUBLISH, HIDE])
async def test_product_that_is_not_there_is_not_published(api: Api, shop: Shop, document: str) -> None:
    for bad in ("x", "", of("product", ids.new()), of("variant", shop.mug)):
        assert await call(api, document, {"id": bad}) == {
            "product": None,
            "userErrors": [{"code": "NOT_FOUND", "field": ["id"]}],
        }
    token = await api.token(Permission.WRITE_PRODUCTS)
    reply = await api.execute(document, {"i": {"id": of("product", shop.mug_product), "channel": "moon"}}, token=token)
    assert reply.codes == ["BAD_USER_INPUT"]


async def test_variants_are_added_and_changed(api: Api, shop: Shop) -> None:
    shirt, small = of("product", shop.shirt_product), of("variant", shop.shirt_small)

    added = await call(
        api,
        MAKE,
        {"productId": shirt, "variants": [row(sku="SHIRT-X", selectedOptions=[{"name": "Size", "value": "X"}])]},
    )
    changed = await call(api, CHANGE, {"productId": shirt, "variants": [
        {"id": small, "expectedVersion": 1, "sku": "SHIRT-1", "price": "99.90", "compareAtPrice": "100"},
    ]})  # fmt: skip
    cleared = await call(api, CHANGE, {"productId": shirt, "variants": [
        {"id": small, "expectedVersion": 2, "sku": None, "compareAtPrice": None, "barcode": "7"},
    ]})  # fmt: skip

    assert added["userErrors"] == changed["userErrors"] == cleared["userErrors"] == []
    assert added["variants"] == [{"sku": "SHIRT-X", "title": "X", "price": {"amount": "1.00"}}]
    assert added["product"]["options"] == [{"values": ["S", "L", "X"]}]
    assert [variant["sku"] for variant in added["product"]["variants"]["nodes"]] == ["SHIRT-S", "SHIRT-L", "SHIRT-X"]
    assert changed["variants"] == [
        {
            "sku": "SHIRT-1",
            "barcode": None,
            "price": {"amount": "99.90"},
            "compareAtPrice": {"amount": "100.00"},
            "version": 2,
        }
    ]
    assert changed["product"]["priceRange"]["maxVariantPrice"] == {"amount": "99.90"}
    assert cleared["variants"] == [
        {"sku": None, "barcode": "7", "price": {"amount": "99.90"}, "compareAtPrice": None, "version": 3}
    ]


@pytest.mark.parametrize(
    ("rest", "code", "field"),
    [
        ({"expectedVersion": 2}, "STALE_OBJECT", "expectedVersion"),
        ({"id": "x"}, "NOT_FOUND", "id"),
        ({"id": "mug"}, "NOT_FOUND", "id"),
        ({"sku": "MUG"}, "TAKEN", "sku"),
        ({"price": None}, "INVALID_INPUT", "price"),
        ({"price": "-0.01"}, "INVALID_INPUT", "price"),
        ({"price": "10000000000000.01"}, "INVALID_INPUT", "price"),
        ({"compareAtPrice": "1"}, "INVALID_INPUT", "compareAtPrice"),
        ({"selectedOptions": [{"name": "Size", "value": "L"}]}, "OPTIONS_TAKEN", "selectedOptions"),
        ({"selectedOptions": [{"name": "Color", "value": "L"}]}, "INVALID_INPUT", "selectedOptions"),
        ({"selectedOptions": []}, "INVALID_INPUT", "selectedOptions"),
    ],
)
async def test_one_bad_variant_stops_the_whole_update(
    api: Api, shop: Shop, rest: dict[str, Any], code: str, field: str
) -> None:
    rest = {**rest, "id": of("variant", shop.mug)} if rest.get("id") == "mug" else rest
    small, large = of("variant", shop.shirt_small), of("variant", shop.shirt_large)
    wanted = [
        {"id": large, "expectedVersion": 1, "barcode": "changed", "price": "50", "compareAtPrice": None},
        {"id": small, "expectedVersion": 1, **rest},
    ]

    refused = await call(api, CHANGE, {"productId": of("product", shop.shirt_product), "variants": wanted})

    assert refused == {
        "product": None,
        "variants": None,
        "userErrors": [{"code": code, "field": ["variants", "1", field]}],
    }
    untouched = await api.execute(
        "query($id: ID!) { variant(id: $id) { barcode price { amount } version } }", {"id": large}
    )
    assert untouched.data["variant"] == {"barcode": None, "price": {"amount": "26.00"}, "version": 1}


@pytest.mark.parametrize("document", [MAKE, CHANGE])
@pytest.mark.parametrize("product", ["", "x", "\0", "unknown", "foreign"])
async def test_variants_of_what_is_not_there_are_not_found(api: Api, shop: Shop, document: str, product: str) -> None:
    wanted = {"unknown": of("product", ids.new()), "foreign": of("variant", shop.mug)}.get(product, product)
    rows = [row()] if document == MAKE else [{"id": of("variant", shop.mug), "expectedVersion": 1}]

    refused = await call(api, document, {"productId": wanted, "variants": rows})

    assert refused["userErrors"] == [{"code": "NOT_FOUND", "field": ["productId"]}]


@pytest.mark.parametrize("quantity", [900, 100_000])
async def test_dearest_cart_is_summed_exactly_and_bought_or_refused(api: Api, quantity: int) -> None:
    made = await call(api, CREATE, {"title": "Moon", "variants": [row(price="10000000000000", tracked=False)]})
    await call(api, PUBLISH, {"id": made["product"]["id"]})
    found = await api.execute('{ product(handle: "moon") { variants { nodes { id } } } }')
    moon = ids.decode("variant", found.data["product"]["variants"]["nodes"][0]["id"])
    cart = await ready_cart(api, moon, quantity)

    shown = await api.execute("query($id: ID!) { cart(id: $id) { cost { subtotalAmount { amount } } } }", {"id": cart})
    reply = await api.execute(
        """mutation($cart: ID!) { checkoutComplete(input: {
             cartId: $cart, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "pay"
           }) { order { cost { subtotalAmount { amount } } } userErrors { code } } }""",
        {"cart": cart},
    )

    assert shown.data["cart"]["cost"]["subtotalAmount"] == {"amount": f"{quantity * 10**13}.00"}
    assert reply.codes == []
    bought = reply.data["checkoutComplete"]
    assert bought["order"] == shown.data["cart"] or (bought["order"] is None and bought["userErrors"])
