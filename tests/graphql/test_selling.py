"""Can staff say how variants sell beyond their stock, together and per customer, and do shoppers see it?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.inventory.allocation import AllocationStrategy
from headless.platform.db import Database
from headless.shop import queries as shop_queries
from tests.builders import Shop
from tests.graphql.client import Api, of

UPDATE = """mutation($input: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $input) {
  variants { preorder expectedAt maxPerOrder maxPerCustomer backorderLimit quantityAvailable availableForSale
             currentlyNotInStock version }
  userErrors { code field message } } }"""
BUNDLE = """mutation($input: ProductVariantBundleUpdateInput!) { productVariantBundleUpdate(input: $input) {
  variant { id version availableForSale quantityAvailable bundleParts { quantity variant { sku } } }
  userErrors { code field message } } }"""
CREATE = """mutation($input: CartCreateInput!) { cartCreate(input: $input) {
  cart { id lines { nodes { quantity } } problems { code } } warnings { code message } userErrors { code field } } }"""


async def staff(api: Api, database: Database) -> str:
    return await api.token(Permission.WRITE_PRODUCTS, Permission.READ_PRODUCTS, Permission.READ_INVENTORY)


async def update(api: Api, token: str, shop: Shop, **terms: Any) -> Any:
    variant = {"id": of("variant", shop.poster), "expectedVersion": 1, **terms}
    sent = {"productId": of("product", shop.poster_product), "variants": [variant]}
    return (await api.execute(UPDATE, {"input": sent}, token=token)).data["productVariantsUpdate"]


async def test_staff_sell_a_variant_beyond_its_stock(api: Api, database: Database, shop: Shop) -> None:
    terms = {"backorderLimit": 4, "preorder": True, "expectedAt": "2027-03-01T00:00:00Z", "maxPerOrder": 3}

    found = await update(api, await staff(api, database), shop, **terms)

    assert found["userErrors"] == []
    assert found["variants"] == [
        {
            "preorder": True, "expectedAt": "2027-03-01T00:00:00Z", "maxPerOrder": 3, "maxPerCustomer": None,
            "backorderLimit": 4, "quantityAvailable": 4, "availableForSale": True, "currentlyNotInStock": True,
            "version": 2,
        }
    ]  # fmt: skip
    made = await api.execute(CREATE, {"input": {"lines": [{"variantId": of("variant", shop.poster), "quantity": 9}]}})
    assert made.data["cartCreate"]["cart"]["lines"]["nodes"] == [{"quantity": 3}]
    assert made.data["cartCreate"]["warnings"] == [
        {
            "code": "MAX_QUANTITY_EXCEEDED",
            "message": "At most 3 may be bought at once: the quantity was lowered to 3.",
        }
    ]


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"backorderLimit": -1}, "backorderLimit"),
        ({"backorderLimit": 1_000_001}, "backorderLimit"),
        ({"maxPerOrder": 0}, "maxPerOrder"),
        ({"maxPerCustomer": 0}, "maxPerCustomer"),
    ],
)
async def test_limits_that_are_none(
    api: Api, database: Database, shop: Shop, terms: dict[str, int], field: str
) -> None:
    found = await update(api, await staff(api, database), shop, **terms)

    assert found["variants"] is None
    assert [(error["code"], error["field"]) for error in found["userErrors"]] == [
        ("INVALID_INPUT", ["variants", "0", field])
    ]


async def test_null_ends_every_term(api: Api, database: Database, shop: Shop) -> None:
    token = await staff(api, database)
    await update(api, token, shop, backorderLimit=4, preorder=True, expectedAt="2027-03-01T00:00:00Z", maxPerOrder=3)
    cleared = {
        "backorderLimit": None,
        "preorder": None,
        "expectedAt": None,
        "maxPerOrder": None,
        "maxPerCustomer": None,
    }

    found = await update(api, token, shop, **cleared | {"expectedVersion": 2})

    (variant,) = found["variants"]
    assert {name: variant[name] for name in cleared} == {**cleared, "backorderLimit": 0, "preorder": False}
    assert (variant["availableForSale"], variant["quantityAvailable"]) == (False, 0)


async def test_shoppers_dont_see_the_limit(api: Api, shop: Shop) -> None:
    reply = await api.execute(
        "query($id: ID!) { variant(id: $id) { preorder backorderLimit } }", {"id": of("variant", shop.mug)}
    )

    assert reply.body["data"]["variant"] == {"preorder": False, "backorderLimit": None}
    assert reply.codes == ["UNAUTHENTICATED"]


async def test_staff_make_a_bundle_and_shoppers_see_its_parts(api: Api, database: Database, shop: Shop) -> None:
    token = await staff(api, database)
    parts = [{"variantId": of("variant", shop.mug), "quantity": 2}, {"variantId": of("variant", shop.shirt_small)}]
    sent = {"variantId": of("variant", shop.poster), "expectedVersion": 1, "parts": parts}

    made = (await api.execute(BUNDLE, {"input": sent}, token=token)).data["productVariantBundleUpdate"]
    stale = (await api.execute(BUNDLE, {"input": sent}, token=token)).data["productVariantBundleUpdate"]
    seen = await api.execute(
        "query($id: ID!) { variant(id: $id) { bundleParts { quantity variant { sku } } quantityAvailable } }",
        {"id": of("variant", shop.poster)},
    )

    assert made["userErrors"] == []
    shown = sorted((part["quantity"], part["variant"]["sku"]) for part in made["variant"]["bundleParts"])
    assert shown == [(1, "SHIRT-S"), (2, "MUG")]
    assert (made["variant"]["quantityAvailable"], made["variant"]["version"]) == (5, 2)
    assert [error["code"] for error in stale["userErrors"]] == ["STALE_OBJECT"]
    assert seen.data["variant"]["quantityAvailable"] == 5
    assert len(seen.data["variant"]["bundleParts"]) == 2


async def test_staff_choose_how_a_channel_takes_its_stock(api: Api, database: Database, shop: Shop) -> None:
    token = await api.token(Permission.WRITE_SETTINGS, Permission.READ_INVENTORY)
    reply = await api.execute(
        """mutation($id: ID!) { channelUpdate(input: {id: $id, allocationStrategy: FEWEST_SPLITS}) {
             channel { handle allocationStrategy } userErrors { code } } }""",
        {"id": of("channel", shop.channel_id)},
        token=token,
    )

    assert reply.data["channelUpdate"] == {
        "channel": {"handle": "default", "allocationStrategy": "FEWEST_SPLITS"}, "userErrors": []
    }  # fmt: skip
    async with database.reading() as session:
        channel = await shop_queries.channel_by_id(session, shop.channel_id)
    assert channel.allocation_strategy == AllocationStrategy.FEWEST_SPLITS
