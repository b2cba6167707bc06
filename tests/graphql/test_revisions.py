"""Does everyone learn who changed what, and can it be undone?"""

from typing import Any

import pytest
from sqlalchemy import delete, insert

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from headless.catalog.categories.models import categories
from headless.catalog.service import ImageDraft
from headless.platform import clock, ids
from headless.teamwork.models import revisions
from tests.builders import Shop
from tests.graphql.client import Api, Reply, of

UPDATE = """mutation($i: ProductUpdateInput!) { productUpdate(input: $i) { product { version } userErrors {
  code field message revisions { version actor changes { field before after } }
} } }"""
VARIANTS = """mutation($i: ProductVariantsUpdateInput!) { productVariantsUpdate(input: $i) {
  variants { version } userErrors { code field revisions { version changes { field before after } } }
} }"""
REVERT = """mutation($i: ProductRevertInput!) { productRevert(input: $i) {
  product { version title handle tags status seo { title } options { name values } media { nodes { id altText } } }
  userErrors { code field message }
} }"""
HISTORY = """query($id: ID!, $first: Int, $after: String) { product(id: $id) {
  version revisions(first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { version actor changedAt changes { field before after } }
  }
} }"""


async def call(api: Api, document: str, **wanted: Any) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.token(Permission.WRITE_PRODUCTS))
    (answer,) = reply.data.values()
    return answer


async def read(api: Api, product_id: str, **rest: Any) -> Any:
    token = await api.token(Permission.READ_PRODUCTS)
    return (await api.execute(HISTORY, {"id": product_id, **rest}, token=token)).data["product"]


async def changes(api: Api, product_id: str) -> list[tuple[int, list[tuple[str, Any, Any]]]]:
    found = await read(api, product_id)
    return [
        (node["version"], [(one["field"], one["before"], one["after"]) for one in node["changes"]])
        for node in found["revisions"]["nodes"]
    ]


async def test_every_version_of_a_product_has_its_revision(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big Mug", tags=["a"], seo={"title": "Mugs"})
    await call(api, UPDATE, id=mug, expectedVersion=3, title="Big Mug", options=[])

    found = await read(api, mug)

    assert found["version"] == 4
    assert found["revisions"]["totalCount"] == 4
    assert [(node["version"], node["actor"]) for node in found["revisions"]["nodes"]] == [
        (4, "Robot"), (3, "Robot"), (2, "tester"), (1, "tester"),
    ]  # fmt: skip
    assert await changes(api, mug) == [
        (4, []),
        (3, [("seo.title", None, "Mugs"), ("tags", [], ["a"]), ("title", "Mug", "Big Mug")]),
        (2, [("status", "DRAFT", "ACTIVE")]),
        (1, []),
    ]


async def test_history_is_read_page_by_page(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big Mug")

    first = (await read(api, mug, first=2))["revisions"]
    second = (await read(api, mug, first=2, after=first["pageInfo"]["endCursor"]))["revisions"]

    assert [node["version"] for node in first["nodes"]] == [3, 2]
    assert first["pageInfo"]["hasNextPage"] is True
    assert [node["version"] for node in second["nodes"]] == [1]
    assert second["pageInfo"]["hasNextPage"] is False


async def test_history_is_for_staff_alone(api: Api, shop: Shop) -> None:
    document = "query($id: ID!) { product(id: $id) { title revisions { totalCount } variants { nodes { revisions { totalCount } } } } }"
    wanted = {"id": of("product", shop.mug_product)}

    public = await api.execute(document, wanted)
    other = await api.execute(document, wanted, token=await api.token(Permission.WRITE_ORDERS))

    for reply, code in ((public, "UNAUTHENTICATED"), (other, "FORBIDDEN")):
        hidden = {"title": "Mug", "revisions": None, "variants": {"nodes": [{"revisions": None}]}}
        assert reply.body["data"] == {"product": hidden}
        assert reply.codes == [code, code]


async def test_refused_write_leaves_no_revision(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)

    refused = await call(api, UPDATE, id=mug, expectedVersion=2, title="New", handle="shirt")

    assert [error["code"] for error in refused["userErrors"]] == ["TAKEN"]
    assert [version for version, _changes in await changes(api, mug)] == [2, 1]


async def test_stale_write_is_told_what_others_changed(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big Mug")
    await call(api, UPDATE, id=mug, expectedVersion=3, vendor="Acme")

    refused = await call(api, UPDATE, id=mug, expectedVersion=2, title="Small Mug")

    assert refused["product"] is None
    (error,) = refused["userErrors"]
    assert (error["code"], error["field"]) == ("STALE_OBJECT", ["expectedVersion"])
    assert error["message"].startswith(
        'You saw version 2; it is now version 4: Robot changed title from "Mug" to "Big Mug" at '
    )
    assert error["revisions"] == [
        {"version": 3, "actor": "Robot", "changes": [{"field": "title", "before": "Mug", "after": "Big Mug"}]},
        {"version": 4, "actor": "Robot", "changes": [{"field": "vendor", "before": "", "after": "Acme"}]},
    ]
    assert (await read(api, mug))["version"] == 4


async def test_other_refusals_carry_no_revisions(api: Api, shop: Shop) -> None:
    refused = await call(api, UPDATE, id=of("product", shop.mug_product), expectedVersion=2, title="")

    assert [(error["code"], error["revisions"]) for error in refused["userErrors"]] == [("INVALID_INPUT", None)]


async def test_variant_has_a_history_of_its_own_with_its_prices(api: Api, shop: Shop) -> None:
    mug, variant = of("product", shop.mug_product), of("variant", shop.mug)
    change = {"id": variant, "expectedVersion": 1}
    await call(api, VARIANTS, productId=mug, variants=[{**change, "sku": "MUG-2", "price": "13.50", "tracked": False}])

    refused = await call(api, VARIANTS, productId=mug, variants=[{**change, "price": "14"}])

    told = {
        "version": 2,
        "changes": [
            {"field": "tracked", "before": True, "after": False},
            {"field": "price.default", "before": "12.90", "after": "13.50"},
            {"field": "sku", "before": "MUG", "after": "MUG-2"},
        ],
    }
    assert refused["variants"] is None
    assert refused["userErrors"] == [
        {"code": "STALE_OBJECT", "field": ["variants", "0", "expectedVersion"], "revisions": [told]}
    ]
    reply = await api.execute(
        "query($id: ID!) { variant(id: $id) { revisions { nodes { version changes { field before after } } } } }",
        {"id": variant},
        token=await api.token(Permission.READ_PRODUCTS),
    )
    assert reply.data["variant"]["revisions"]["nodes"] == [told, {"version": 1, "changes": []}]
    assert [version for version, _changes in await changes(api, mug)] == [2, 1]


async def test_bundle_tells_its_parts(api: Api, shop: Shop) -> None:
    document = """mutation($i: ProductVariantBundleUpdateInput!) { productVariantBundleUpdate(input: $i) {
      variant { version revisions(first: 1) { nodes { version changes { field before after } } } } userErrors { code }
    } }"""
    parts = [{"variantId": of("variant", shop.mug), "quantity": 2}]

    made = await call(api, document, variantId=of("variant", shop.poster), expectedVersion=1, parts=parts)

    assert made == {"variant": {"version": 2, "revisions": {"nodes": [{"version": 2, "changes": [
        {"field": "bundleParts", "before": [], "after": parts},
        {"field": "bundle", "before": False, "after": True},
    ]}]}}, "userErrors": []}  # fmt: skip


async def test_product_becomes_again_what_it_was(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big", handle="big", tags=["a"], seo={"title": "T"})
    await call(api, UPDATE, id=mug, expectedVersion=3, title="Bigger", status="ARCHIVED", vendor="Acme")

    made = await call(api, REVERT, id=mug, expectedVersion=4, toVersion=2)

    assert made["userErrors"] == []
    assert made["product"] == {
        "version": 5, "title": "Mug", "handle": "mug", "tags": [], "status": "ACTIVE", "seo": {"title": None},
        "options": [], "media": {"nodes": []},
    }  # fmt: skip
    assert (await changes(api, mug))[0] == (5, [
        ("handle", "big", "mug"), ("seo.title", "T", None), ("status", "ARCHIVED", "ACTIVE"), ("tags", ["a"], []),
        ("title", "Bigger", "Mug"), ("vendor", "Acme", ""),
    ])  # fmt: skip
    again = await call(api, REVERT, id=mug, expectedVersion=5, toVersion=4)
    assert (again["product"]["title"], again["product"]["status"]) == ("Bigger", "ARCHIVED")


async def test_pictures_come_back_into_their_order_as_far_as_they_are_there(api: Api, shop: Shop) -> None:
    one, two, three, four = (ids.new() for _ in range(4))

    async def show(version: int, *pictures: tuple[Any, str]) -> None:
        async with api.server.database.transaction() as session:
            drafts = [ImageDraft(url=f"{picture}.svg", alt_text=text, id=picture) for picture, text in pictures]
            change = await catalog.replace_media(session, shop.mug_product, drafts)
            await catalog.update_product(
                session, shop.mug_product, expected_version=version, changes={}, actor="ann", beside=[change]
            )

    await show(2, (one, "One"), (two, "Two"), (three, "Three"))
    await show(3, (four, "Four"), (three, "Drei"), (one, "One"))
    mug = of("product", shop.mug_product)

    made = await call(api, REVERT, id=mug, expectedVersion=4, toVersion=3)

    assert made["product"]["media"]["nodes"] == [
        {"id": of("media", one), "altText": "One"},
        {"id": of("media", three), "altText": "Three"},
        {"id": of("media", four), "altText": "Four"},
    ]
    ((version, ((field, before, after),)), *_rest) = await changes(api, mug)
    assert (version, field) == (5, "media")
    assert [picture["altText"] for picture in before] == ["Four", "Drei", "One"]
    assert [picture["altText"] for picture in after] == ["One", "Three", "Four"]


@pytest.mark.parametrize(
    ("expected", "to", "code", "field"),
    [
        (3, 0, "VERSION_UNKNOWN", ["toVersion"]),
        (3, -1, "VERSION_UNKNOWN", ["toVersion"]),
        (3, 4, "VERSION_UNKNOWN", ["toVersion"]),
        (3, 3, "INVALID_INPUT", ["toVersion"]),
        (2, 1, "STALE_OBJECT", ["expectedVersion"]),
    ],
)
async def test_revert_to_what_never_was_is_refused(
    api: Api, shop: Shop, expected: int, to: int, code: str, field: list[str]
) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big Mug")

    refused = await call(api, REVERT, id=mug, expectedVersion=expected, toVersion=to)

    assert refused["product"] is None
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [(code, field)]
    assert (await read(api, mug))["version"] == 3


async def test_revert_past_what_was_kept_is_refused(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, title="Big Mug")
    async with api.server.database.transaction() as session:
        await session.execute(delete(revisions).where(revisions.c.version == 3))

    refused = await call(api, REVERT, id=mug, expectedVersion=3, toVersion=2)

    assert [error["code"] for error in refused["userErrors"]] == ["VERSION_UNKNOWN"]


async def test_revert_to_a_handle_that_another_took_is_refused(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await call(api, UPDATE, id=mug, expectedVersion=2, handle="big", title="Big")
    await call(api, UPDATE, id=of("product", shop.poster_product), expectedVersion=2, handle="mug")

    refused = await call(api, REVERT, id=mug, expectedVersion=3, toVersion=2)

    assert refused == {
        "product": None,
        "userErrors": [
            {
                "code": "TAKEN",
                "field": ["toVersion"],
                "message": "Another product has the handle of version 2 now. Change that one first.",
            }
        ],
    }
    assert (await read(api, mug))["version"] == 3


async def test_revert_of_options_that_variants_use_is_refused(api: Api, shop: Shop) -> None:
    shirt = of("product", shop.shirt_product)
    await call(api, UPDATE, id=shirt, expectedVersion=2, options=[{"name": "Size", "values": ["S", "L", "XL"]}])
    reply: Reply = await api.execute(
        """mutation($id: ID!) { productVariantsCreate(input: {productId: $id, variants: [
             {price: "1", selectedOptions: [{name: "Size", value: "XL"}]}
           ]}) { userErrors { code } } }""",
        {"id": shirt},
        token=await api.token(Permission.WRITE_PRODUCTS),
    )
    assert reply.data == {"productVariantsCreate": {"userErrors": []}}

    refused = await call(api, REVERT, id=shirt, expectedVersion=3, toVersion=2)

    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [("OPTIONS_IN_USE", ["toVersion"])]
    assert (await read(api, shirt))["version"] == 3


async def test_category_comes_back_while_it_is_there(api: Api, shop: Shop) -> None:
    mug, category, at = of("product", shop.mug_product), ids.new(), clock.now()
    row = {"handle": "c", "title": "C", "position": 1, "path": f"/{category.hex}/", "changed_by": "ann"}

    async def put(version: int, wanted: Any) -> None:
        async with api.server.database.transaction() as session:
            await catalog.update_product(
                session, shop.mug_product, expected_version=version, changes={"category_id": wanted}, actor="ann"
            )

    async with api.server.database.transaction() as session:
        await session.execute(insert(categories).values(id=category, created_at=at, updated_at=at, **row))
    await put(2, category)
    await put(3, None)
    back = await call(api, REVERT, id=mug, expectedVersion=4, toVersion=3)
    told = (await changes(api, mug))[0]
    await put(5, None)
    async with api.server.database.transaction() as session:
        await session.execute(delete(categories))

    refused = await call(api, REVERT, id=mug, expectedVersion=6, toVersion=5)

    assert back["userErrors"] == []
    assert told == (5, [("categoryId", None, of("category", category))])
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [("NOT_FOUND", ["toVersion"])]
    assert (await read(api, mug))["version"] == 6


@pytest.mark.parametrize("name", ["unknown", "malformed", "foreign"])
async def test_revert_of_what_is_not_there_is_not_found(api: Api, shop: Shop, name: str) -> None:
    wanted = {"unknown": of("product", ids.new()), "malformed": "x", "foreign": of("variant", shop.mug)}[name]

    refused = await call(api, REVERT, id=wanted, expectedVersion=2, toVersion=1)

    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [("NOT_FOUND", ["id"])]
