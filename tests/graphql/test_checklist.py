"""Is nothing published that lacks what the shop requires, unless by force, and does everyone see what is missing?"""

from datetime import timedelta
from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from headless.catalog.service import ImageDraft
from headless.platform import clock, ids
from tests.builders import Shop, recording
from tests.graphql.client import Api, of

CREATE = """mutation($i: ChecklistItemCreateInput!) { checklistItemCreate(input: $i) {
  item { id kind title parameter isRequired position } userErrors { code field }
} }"""
UPDATE = """mutation($i: ChecklistItemUpdateInput!) { checklistItemUpdate(input: $i) {
  item { kind title parameter isRequired } userErrors { code field }
} }"""
DELETE = "mutation($i: ChecklistItemDeleteInput!) { checklistItemDelete(input: $i) { deletedItemId userErrors { code field } } }"
REORDER = "mutation($i: ChecklistItemReorderInput!) { checklistItemReorder(input: $i) { checklist { items { id } } userErrors { code field } } }"
READINESS = "readiness { score items { code title isMet hint isRequired itemId tickedBy tickedAt } }"
TICK = f"mutation($i: ChecklistItemTickInput!) {{ checklistItemTick(input: $i) {{ product {{ {READINESS} }} userErrors {{ code field }} }} }}"
UNTICK = f"mutation($i: ChecklistItemUntickInput!) {{ checklistItemUntick(input: $i) {{ product {{ {READINESS} }} userErrors {{ code field }} }} }}"
PUBLISH = """mutation($i: ProductPublishInput!) { productPublish(input: $i) {
  product { version publishedAt revisions(first: 1) { nodes { actor changes { field after } } } } userErrors { code field message }
} }"""
LIST = "{ checklist { items { id kind title parameter isRequired position } } }"
WRITERS = (Permission.WRITE_PRODUCTS, Permission.WRITE_SETTINGS)


async def call(api: Api, document: str, *permissions: Permission, **wanted: Any) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.token(*(permissions or WRITERS)))
    (answer,) = reply.data.values()
    return answer


async def wanted(api: Api, kind: str, **rest: Any) -> str:
    made = await call(api, CREATE, kind=kind, **rest)
    assert made["userErrors"] == []
    return str(made["item"]["id"])


async def listed(api: Api) -> list[dict[str, Any]]:
    reply = await api.execute(LIST, token=await api.token(Permission.READ_PRODUCTS))
    found: list[dict[str, Any]] = reply.data["checklist"]["items"]
    return found


async def is_published(api: Api, shop: Shop) -> bool:
    reply = await api.execute("query($id: ID!) { product(id: $id) { id } }", {"id": of("product", shop.secret_product)})
    return not reply.codes


async def test_new_shop_wants_nothing(api: Api, shop: Shop) -> None:
    assert await listed(api) == []
    assert (await call(api, PUBLISH, Permission.WRITE_PRODUCTS, id=of("product", shop.secret_product)))[
        "userErrors"
    ] == []
    assert await is_published(api, shop)


async def test_checklist_is_made_changed_and_ordered(api: Api) -> None:
    one = await wanted(api, "IMAGE_PRESENT")
    two = await wanted(api, "DESCRIPTION_LONGER_THAN", parameter=20, isRequired=False)
    three = await wanted(api, "MANUAL", title=" Weighed ")

    changed = await call(api, UPDATE, id=two, parameter=30, isRequired=True)
    ordered = await call(api, REORDER, itemIds=[three, one, two])
    gone = await call(api, DELETE, id=one)

    assert changed["item"] == {
        "kind": "DESCRIPTION_LONGER_THAN", "title": "It is described at some length", "parameter": 30, "isRequired": True,
    }  # fmt: skip
    assert [item["id"] for item in ordered["checklist"]["items"]] == [three, one, two]
    assert gone == {"deletedItemId": one, "userErrors": []}
    assert [(item["id"], item["title"], item["position"]) for item in await listed(api)] == [
        (three, "Weighed", 1),
        (two, "It is described at some length", 3),
    ]


async def test_bad_changes_of_the_checklist_change_nothing(api: Api) -> None:
    one, two = await wanted(api, "SEO_SET"), await wanted(api, "ALT_TEXTS")
    before = await listed(api)
    unknown = of("checklist_item", ids.new())

    refused = [
        await call(api, CREATE, kind="MANUAL"),
        await call(api, CREATE, kind="SEO_SET", parameter=3),
        await call(api, UPDATE, id=one, parameter=3),
        await call(api, UPDATE, id=one, isRequired=None),
        await call(api, UPDATE, id=unknown, title="x"),
        await call(api, DELETE, id=unknown),
        await call(api, REORDER, itemIds=[one]),
        await call(api, REORDER, itemIds=[one, two, two]),
        await call(api, REORDER, itemIds=[one, unknown]),
        await call(api, REORDER, itemIds=[one, "x"]),
    ]

    assert [(error["code"], error["field"]) for one in refused for error in one["userErrors"]] == [
        ("INVALID_INPUT", ["title"]),
        ("INVALID_INPUT", ["parameter"]),
        ("INVALID_INPUT", ["parameter"]),
        ("INVALID_INPUT", ["isRequired"]),
        ("NOT_FOUND", ["id"]),
        ("NOT_FOUND", ["id"]),
        ("INVALID_INPUT", ["itemIds"]),
        ("INVALID_INPUT", ["itemIds"]),
        ("INVALID_INPUT", ["itemIds"]),
        ("NOT_FOUND", ["itemIds", "1"]),
    ]
    assert await listed(api) == before


async def test_what_lacks_something_required_is_not_published(api: Api, shop: Shop) -> None:
    secret = of("product", shop.secret_product)
    await wanted(api, "IMAGE_PRESENT")
    await wanted(api, "PRICE_IN_EVERY_CHANNEL")
    await wanted(api, "SEO_SET", isRequired=False)
    weighed = await wanted(api, "MANUAL", title="Weighed")
    later = (clock.now() + timedelta(days=1)).isoformat()

    refused = await call(api, PUBLISH, id=secret)
    planned = await call(api, PUBLISH, id=secret, publishAt=later)

    assert refused["product"] is None
    assert [(error["code"], error["field"]) for error in refused["userErrors"]] == [
        ("CHECKLIST_INCOMPLETE", ["id"])
    ] * 2
    assert [error["message"] for error in refused["userErrors"]] == [
        "It has a picture: Add a picture. Or publish it by force, with the permission WRITE_SETTINGS.",
        "Weighed: Do it, then tick it. Or publish it by force, with the permission WRITE_SETTINGS.",
    ]
    assert planned == refused
    assert not await is_published(api, shop)
    async with api.server.database.transaction() as session:
        await catalog.replace_media(session, shop.secret_product, [ImageDraft(url="a.svg", alt_text="")])
    await call(api, TICK, Permission.WRITE_PRODUCTS, itemId=weighed, subjectId=secret)
    assert (await call(api, PUBLISH, Permission.WRITE_PRODUCTS, id=secret))["userErrors"] == []
    assert await is_published(api, shop)


async def test_force_needs_its_permission_and_is_told(api: Api, shop: Shop) -> None:
    secret = of("product", shop.secret_product)
    await wanted(api, "IMAGE_PRESENT")

    refused = await api.execute(
        PUBLISH, {"i": {"id": secret, "force": True}}, token=await api.token(Permission.WRITE_PRODUCTS)
    )
    assert refused.codes == ["FORBIDDEN"]
    assert not await is_published(api, shop)
    forced = await call(api, PUBLISH, id=secret, force=True)
    async with recording(api.server.database) as facts:
        again = await call(api, PUBLISH, id=secret, force=True)

    assert facts.topics == ["product.updated"], "the product's version is another one"
    assert await is_published(api, shop)
    told = {"field": "checklist", "after": {"forcedIn": "default", "unmet": ["It has a picture"]}}
    assert forced["product"]["revisions"]["nodes"] == [
        {"actor": "Robot", "changes": [told, {"field": "status", "after": "ACTIVE"}]}
    ]
    assert again["product"]["revisions"]["nodes"] == [{"actor": "Robot", "changes": [told]}]
    assert again["product"]["version"] == forced["product"]["version"] + 1


async def test_force_without_need_leaves_no_trace(api: Api, shop: Shop) -> None:
    made = await call(api, PUBLISH, id=of("product", shop.secret_product), force=True)

    assert made["product"]["revisions"]["nodes"] == [
        {"actor": "Robot", "changes": [{"field": "status", "after": "ACTIVE"}]}
    ]


async def test_ticks_are_a_persons_word_for_one_product(api: Api, shop: Shop) -> None:
    mug, item = of("product", shop.mug_product), await wanted(api, "MANUAL", title="Weighed")
    seen = await wanted(api, "SEO_SET")

    ticked = await call(api, TICK, itemId=item, subjectId=mug)
    again = await call(api, TICK, Permission.WRITE_PRODUCTS, itemId=item, subjectId=mug)
    other = await call(api, TICK, itemId=seen, subjectId=mug)
    nowhere = await call(api, TICK, itemId=item, subjectId=of("product", ids.new()))
    foreign = await call(api, TICK, itemId=item, subjectId=of("variant", shop.mug))
    unticked = await call(api, UNTICK, itemId=item, subjectId=mug)

    first, last = ticked["product"]["readiness"]["items"][0], unticked["product"]["readiness"]["items"][0]
    assert (first["code"], first["itemId"], first["isMet"], first["tickedBy"]) == ("MANUAL", item, True, "Robot")
    assert again["product"]["readiness"]["items"][0]["tickedAt"] == first["tickedAt"] is not None
    assert (last["isMet"], last["tickedBy"], last["tickedAt"]) == (False, None, None)
    assert [one["userErrors"] for one in (other, nowhere, foreign)] == [
        [{"code": "INVALID_INPUT", "field": ["itemId"]}],
        [{"code": "NOT_FOUND", "field": ["subjectId"]}],
        [{"code": "NOT_FOUND", "field": ["subjectId"]}],
    ]


async def test_page_is_scored_and_told_what_would_improve_it(api: Api, shop: Shop) -> None:
    item = await wanted(api, "DESCRIPTION_LONGER_THAN", parameter=3)
    async with api.server.database.transaction() as session:
        await catalog.update_product(
            session, shop.voucher_product, expected_version=2, actor="ann",
            changes={"description_html": "<p>Buys things</p>", "seo_title": "T", "seo_description": "D"},
        )  # fmt: skip
        await catalog.replace_media(
            session, shop.voucher_product,
            [ImageDraft(url="a.svg", alt_text=""), ImageDraft(url="b.svg", alt_text="A card")],
        )  # fmt: skip
    document = f"query($id: ID!) {{ product(id: $id) {{ {READINESS} }} }}"

    reply = await api.execute(
        document, {"id": of("product", shop.voucher_product)}, token=await api.token(Permission.READ_PRODUCTS)
    )

    found = reply.data["product"]["readiness"]
    assert found["score"] == 66
    assert [(one["code"], one["isMet"], one["hint"], one["isRequired"], one["itemId"]) for one in found["items"]] == [
        ("DESCRIPTION_LONGER_THAN", True, None, True, item),
        ("IMAGE_PRESENT", True, None, False, None),
        ("ALT_TEXTS", False, "Write the missing alt texts of pictures: 1.", False, None),
        ("PRICE_IN_EVERY_CHANNEL", True, None, False, None),
        ("SEO_SET", True, None, False, None),
        ("STOCK_TRACKED", False, "Track the stock of all variants; untracked ones: 1.", False, None),
    ]


async def test_readiness_of_a_list_takes_as_many_statements_as_of_one(api: Api, shop: Shop) -> None:
    document = "query($first: Int!) { products(first: $first) { nodes { title readiness { score items { hint } } } } }"
    token = await api.token(Permission.READ_PRODUCTS)

    _first, one, five = [await api.execute(document, {"first": first}, token=token) for first in (1, 1, 5)]

    assert len(five.data["products"]["nodes"]) == 5
    assert one.statements == five.statements == 6


@pytest.mark.parametrize(("permission", "code"), [(None, "UNAUTHENTICATED"), (Permission.WRITE_ORDERS, "FORBIDDEN")])
async def test_readiness_is_for_staff_alone(api: Api, shop: Shop, permission: Permission | None, code: str) -> None:
    token = await api.token(permission) if permission else None

    reply = await api.execute(
        "{ products(first: 1) { nodes { readiness { score } } } checklist { items { id } } }", token=token
    )

    assert reply.body["data"] == {"products": {"nodes": [{"readiness": None}]}, "checklist": None}
    assert reply.codes == [code, code]
