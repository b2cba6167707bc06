"""Are products set whole, and many at once, as the contract says?"""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from headless.accounts.rules import Permission
from headless.catalog.models import products, variants
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, recording
from tests.graphql.client import Api, of

SET = """mutation($i: ProductSetInput!) { productSet(input: $i) {
  outcome userErrors { code field }
  product { id handle title vendor tags status version seo { title } options { name values }
    variants { nodes { id sku title version price { amount } compareAtPrice { amount } } } }
} }"""
UPDATE = """mutation($i: ProductsBulkUpdateInput!) { productsBulkUpdate(input: $i) {
  results { index product { title version } userErrors { code field } } userErrors { code field }
} }"""
ADD = """mutation($i: ProductVariantsBulkCreateInput!) { productVariantsBulkCreate(input: $i) {
  product { options { values } } results { index variant { sku title } userErrors { code field } } userErrors { code field }
} }"""
SHIRT: dict[str, Any] = {
    "identifier": {"handle": "shirt"},
    "title": "Shirt",
    "options": [{"name": "Size", "values": ["S", "L"]}],
    "variants": [
        {"sku": "SHIRT-S", "price": "24", "selectedOptions": [{"name": "Size", "value": "S"}]},
        {"sku": "SHIRT-L", "price": "26", "compareAtPrice": "30", "selectedOptions": [{"name": "Size", "value": "L"}]},
    ],
}


async def call(api: Api, document: str, wanted: dict[str, Any]) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.token(Permission.WRITE_PRODUCTS))
    (answer,) = reply.data.values()
    return answer


def size(value: str, **rest: Any) -> dict[str, Any]:
    return {"price": "10", "selectedOptions": [{"name": "Size", "value": value}], **rest}


async def test_absent_product_is_made(api: Api) -> None:
    made = await call(api, SET, {
        "identifier": {"externalReference": "erp-7"}, "title": "Tea", "vendor": "Lü", "tags": ["b", "a"], "seo": {"title": "T"},
        "options": [{"name": "Size", "values": ["S"]}], "variants": [size("S", sku="T-S"), size("L", price="12.5")],
    })  # fmt: skip

    product = made["product"]
    assert (made["outcome"], made["userErrors"]) == ("CREATED", [])
    assert (product["handle"], product["vendor"], product["tags"], product["seo"]) == (
        "tea",
        "Lü",
        ["b", "a"],
        {"title": "T"},
    )
    assert product["options"] == [{"name": "Size", "values": ["S", "L"]}]
    assert [(row["sku"], row["price"]["amount"]) for row in product["variants"]["nodes"]] == [
        ("T-S", "10.00"),
        (None, "12.50"),
    ]


async def test_what_is_as_sent_stays_untouched(api: Api, shop: Shop, database: Database) -> None:
    first = await call(api, SET, SHIRT)
    async with recording(database) as facts:
        again = await call(api, SET, SHIRT)

    assert first["outcome"] == again["outcome"] == "UNCHANGED"
    assert first["product"] == again["product"]
    assert again["product"]["version"] == 2
    assert facts.found == []


async def test_what_differs_is_changed(api: Api, shop: Shop) -> None:
    small, large = SHIRT["variants"]
    done = await call(api, SET, {
        **SHIRT, "title": "Better shirt", "expectedVersion": 2,
        "variants": [{**small, "price": "25"}, large, size("XL", sku="SHIRT-XL")],
    })  # fmt: skip

    rows = done["product"]["variants"]["nodes"]
    assert (done["outcome"], done["product"]["title"], done["product"]["version"]) == ("UPDATED", "Better shirt", 3)
    assert [(row["sku"], row["price"]["amount"], row["version"]) for row in rows] == [
        ("SHIRT-S", "25.00", 2), ("SHIRT-L", "26.00", 1), ("SHIRT-XL", "10.00", 1),
    ]  # fmt: skip
    assert [row["id"] for row in rows[:2]] == [of("variant", shop.shirt_small), of("variant", shop.shirt_large)]
    assert done["product"]["options"] == [{"name": "Size", "values": ["S", "L", "XL"]}]


async def test_variant_is_known_by_id_by_options_and_by_sku(api: Api, shop: Shop) -> None:
    by_id = {"id": of("variant", shop.shirt_small), "sku": "NEW-S"}
    by_sku = size("Large", sku="SHIRT-L", price="26")
    done = await call(api, SET, {"identifier": {"id": of("product", shop.shirt_product)}, "variants": [by_id, by_sku]})

    rows = done["product"]["variants"]["nodes"]
    assert [(row["id"], row["sku"], row["title"]) for row in rows] == [
        (of("variant", shop.shirt_small), "NEW-S", "S"),
        (of("variant", shop.shirt_large), "SHIRT-L", "Large"),
    ]


async def test_weight_and_dimensions_are_set_in_any_unit_and_stay_when_they_are_not_sent(api: Api) -> None:
    measures = {"weight": {"value": "1.5", "unit": "KILOGRAMS"}, "dimensions": {"length": "20", "unit": "CENTIMETERS"}}
    tea = {"identifier": {"handle": "tea"}, "title": "Tea", "variants": [{"sku": "T", "price": "10", **measures}]}
    document = """mutation($i: ProductSetInput!) { productSet(input: $i) { outcome userErrors { code field } product {
      variants { nodes { weight(unit: GRAMS) { value } dimensions(unit: MILLIMETERS) { length width } } } } } }"""

    kept = [{"weight": {"value": "1500"}, "dimensions": {"length": "200", "width": None}}]
    made, again, changed = [await call(api, document, wanted) for wanted in (
        tea,
        tea | {"variants": [{"sku": "T", "price": "10"}]},
        tea | {"variants": [{"sku": "T", "weight": None}]},
    )]  # fmt: skip
    assert [done["outcome"] for done in (made, again, changed)] == ["CREATED", "UNCHANGED", "UPDATED"]
    assert made["product"]["variants"]["nodes"] == again["product"]["variants"]["nodes"] == kept
    assert changed["product"]["variants"]["nodes"] == [kept[0] | {"weight": None}]


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        ({"identifier": {}}, "INVALID_INPUT", ["identifier"]),
        ({"identifier": {"handle": "shirt", "externalReference": "x"}}, "INVALID_INPUT", ["identifier"]),
        ({"identifier": {"handle": "nothing"}}, "INVALID_INPUT", ["title"]),
        ({"identifier": {"handle": "nothing"}, "title": "T", "expectedVersion": 2}, "NOT_FOUND", ["identifier"]),
        ({"identifier": {"id": "product_01h455vb4pex5vsknk084sn02q"}, "title": "T"}, "NOT_FOUND", ["identifier"]),
        ({"identifier": {"id": "nonsense"}}, "NOT_FOUND", ["identifier", "id"]),
        ({"identifier": {"handle": "shirt"}, "expectedVersion": 9}, "STALE_OBJECT", ["expectedVersion"]),
        ({"identifier": {"handle": "shirt"}, "variants": []}, "LAST_VARIANT", ["variants"]),
        ({"identifier": {"handle": "shirt"}, "handle": "mug"}, "TAKEN", ["handle"]),
        ({"identifier": {"handle": "shirt"}, "title": None}, "INVALID_INPUT", ["title"]),
        ({"identifier": {"handle": "t"}, "title": "T", "variants": [{}]}, "INVALID_INPUT", ["variants", "0", "price"]),
        (
            {
                "identifier": {"handle": "shirt"},
                "variants": [size("S", weight={"value": "-1", "unit": "GRAMS"}), size("L")],
            },
            "INVALID_INPUT",
            ["variants", "0", "weight", "value"],
        ),
        (
            {
                "identifier": {"handle": "shirt"},
                "variants": [size("S", weight={"value": "1", "unit": "GRAMS"}, weightGrams=1), size("L")],
            },
            "INVALID_INPUT",
            ["variants", "0", "weight"],
        ),
        (
            {"identifier": {"handle": "shirt"}, "variants": [size("S"), size("L"), size("XL", sku="MUG")]},
            "TAKEN",
            ["variants", "2", "sku"],
        ),
        (
            {"identifier": {"handle": "shirt"}, "variants": [size("S"), size("L", compareAtPrice="1")]},
            "INVALID_INPUT",
            ["variants", "1", "compareAtPrice"],
        ),
        (
            {"identifier": {"handle": "shirt"}, "variants": [size("S"), size("L"), size("S")]},
            "OPTIONS_TAKEN",
            ["variants", "2", "selectedOptions"],
        ),
    ],
)
async def test_what_cannot_be_set_is_refused_and_changes_nothing(
    api: Api, shop: Shop, database: Database, wanted: dict[str, Any], code: str, field: list[str]
) -> None:
    async with recording(database) as facts:
        done = await call(api, SET, wanted)

    assert (done["product"], done["outcome"]) == (None, None)
    assert done["userErrors"] == [{"code": code, "field": field}]
    assert facts.found == []


async def test_variants_that_are_not_named_go(api: Api, shop: Shop) -> None:
    some = await call(api, SET, {"identifier": {"handle": "shirt"}, "variants": [size("L", price="26")]})
    other = await call(api, SET, {"identifier": {"handle": "shirt"}, "variants": [size("XL", sku="XL")]})

    assert [row["sku"] for row in some["product"]["variants"]["nodes"]] == ["SHIRT-L"]
    assert [row["sku"] for row in other["product"]["variants"]["nodes"]] == ["XL"]
    assert (some["outcome"], other["outcome"]) == ("UPDATED", "UPDATED")


async def test_two_who_set_one_new_handle_at_once_make_one_product(api: Api, database: Database) -> None:
    wanted = {"identifier": {"handle": "tea"}, "title": "Tea", "variants": [{"price": "1", "sku": "TEA"}]}

    done = await asyncio.gather(*(call(api, SET, wanted) for _nth in range(4)))

    assert sorted(each["outcome"] for each in done) == ["CREATED", "UNCHANGED", "UNCHANGED", "UNCHANGED"]
    assert len({each["product"]["id"] for each in done}) == 1
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).where(variants.c.sku == "TEA")) == 1


def rows(shop: Shop) -> list[dict[str, Any]]:
    return [
        {"id": of("product", shop.shirt_product), "expectedVersion": 2, "title": "One"},
        {"id": of("product", shop.mug_product), "expectedVersion": 5, "title": "Two"},
        {"id": of("product", ids.new()), "expectedVersion": 2},
        {"id": of("product", shop.poster_product), "expectedVersion": 2, "handle": "mug"},
        {"id": of("product", shop.voucher_product), "expectedVersion": 2, "title": "Five"},
    ]


ERRORS = [
    {"code": "STALE_OBJECT", "field": ["products", "1", "expectedVersion"]},
    {"code": "NOT_FOUND", "field": ["products", "2", "id"]},
    {"code": "TAKEN", "field": ["products", "3", "handle"]},
]


async def titles(database: Database) -> set[str]:
    async with database.reading() as session:
        return set(await session.scalars(select(products.c.title)))


async def test_one_bad_product_rejects_all_by_default(api: Api, shop: Shop, database: Database) -> None:
    async with recording(database) as facts:
        done = await call(api, UPDATE, {"products": rows(shop)})

    assert done == {"results": [], "userErrors": ERRORS}
    assert await titles(database) == {"Mug", "Shirt", "Voucher", "Poster", "Secret"}
    assert facts.found == []


async def test_good_products_are_saved_when_only_the_failed_are_rejected(
    api: Api, shop: Shop, database: Database
) -> None:
    async with recording(database) as facts:
        done = await call(api, UPDATE, {"products": rows(shop), "errorPolicy": "REJECT_FAILED"})

    assert done["userErrors"] == ERRORS
    assert [(row["index"], row["product"], len(row["userErrors"])) for row in done["results"]] == [
        (0, {"title": "One", "version": 3}, 0), (1, None, 1), (2, None, 1), (3, None, 1), (4, {"title": "Five", "version": 3}, 0),
    ]  # fmt: skip
    assert await titles(database) == {"Mug", "One", "Five", "Poster", "Secret"}
    assert facts.topics == ["product.updated", "product.updated"]


async def test_at_most_250_products_go_at_once(api: Api, shop: Shop) -> None:
    done = await call(api, UPDATE, {"products": [rows(shop)[0]] * 251})

    assert done == {"results": [], "userErrors": [{"code": "INVALID_INPUT", "field": ["products"]}]}


@pytest.mark.parametrize("policy", ["REJECT_ALL", "REJECT_FAILED"])
async def test_variants_come_all_or_as_many_as_can(api: Api, shop: Shop, database: Database, policy: str) -> None:
    new = [
        size("S"),
        size("XL", sku="X"),
        size("M", sku="MUG"),
        size("XXL", price="1.234"),
        size("XS", sku="X"),
        size("3XL"),
    ]
    done = await call(
        api, ADD, {"productId": of("product", shop.shirt_product), "variants": new, "errorPolicy": policy}
    )

    assert sorted(done["userErrors"], key=lambda error: error["field"]) == [
        {"code": "OPTIONS_TAKEN", "field": ["variants", "0", "selectedOptions"]},
        {"code": "TAKEN", "field": ["variants", "2", "sku"]},
        {"code": "INVALID_INPUT", "field": ["variants", "3", "price"]},
        {"code": "TAKEN", "field": ["variants", "4", "sku"]},
    ]
    made = {row["index"]: row["variant"] for row in done["results"] if row["variant"]}
    if policy == "REJECT_ALL":
        assert (made, done["product"]) == ({}, None)
    else:
        assert made == {1: {"sku": "X", "title": "XL"}, 5: {"sku": None, "title": "3XL"}}
        assert done["product"] == {"options": [{"values": ["S", "L", "XL", "3XL"]}]}
    async with database.reading() as session:
        count = select(func.count()).where(variants.c.product_id == shop.shirt_product)
        assert await session.scalar(count) == (2 if policy == "REJECT_ALL" else 4)


async def test_unknown_product_gets_no_variants(api: Api) -> None:
    done = await call(api, ADD, {"productId": of("product", ids.new()), "variants": [size("S")]})

    assert done["userErrors"] == [{"code": "NOT_FOUND", "field": ["productId"]}]
