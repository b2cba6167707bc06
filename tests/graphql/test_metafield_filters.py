"""Is a filter by a metafield that can't be what the metafield is told, whatever the list would show?"""

from collections.abc import Mapping
from typing import Any

import pytest

from headless.platform import ids
from tests.builders import Shop
from tests.graphql.client import Api, Reply, of

DEFINE = """mutation($i: MetafieldDefinitionCreateInput!) {
  metafieldDefinitionCreate(input: $i) { userErrors { code field } }
}"""
WRITE = "mutation($i: MetafieldsSetInput!) { metafieldsSet(input: $i) { userErrors { code field } } }"
LISTED = """query($filters: [ProductFilter!], $query: String, $key: ProductSortKey) {
  products(filters: $filters, query: $query, sortKey: $key) { nodes { title } filters { id } }
}"""
GROW = 'mutation { categoryCreate(input: {title: "Kitchen"}) { category { id } } }'
WITHIN = """query($id: ID!, $filters: [ProductFilter!]) {
  category(id: $id) { handle products(filters: $filters) { nodes { title } } }
}"""
DEFINED = {
    "with": {"type": "product_reference", "public": True},
    "sets": {"type": "list.product_reference", "public": True},
    "size": {"type": "integer", "public": True},
    "born": {"type": "date", "public": True},
    "note": {"type": "text", "public": True},
    "cost": {"type": "integer", "public": False},
    "free": {"type": "integer", "public": True, "filterable": False},
}


@pytest.fixture
async def told(api: Api, shop: Shop) -> Shop:
    """The small shop, whose mug goes with the shirt and has the size 3."""
    token = await api.every_token()
    for key, how in DEFINED.items():
        wanted = {"ownerType": "PRODUCT", "namespace": "facts", "key": key, "name": key, "filterable": True, **how}
        made = await api.execute(DEFINE, {"i": wanted}, token=token)
        assert made.data["metafieldDefinitionCreate"]["userErrors"] == []
    mug, shirt = of("product", shop.mug_product), of("product", shop.shirt_product)
    values = {"with": shirt, "sets": f'["{shirt}"]', "size": "3", "note": "blue", "cost": "7"}
    written = [{"ownerId": mug, "namespace": "facts", "key": key, "value": value} for key, value in values.items()]
    done = await api.execute(WRITE, {"i": {"metafields": written}}, token=token)
    assert done.data["metafieldsSet"]["userErrors"] == []
    return shop


def fact(key: str, value: str) -> dict[str, Any]:
    return {"metafield": {"namespace": "facts", "key": key, "value": value}}


async def listed(api: Api, *filters: Mapping[str, Any], token: str | None = None, **arguments: Any) -> Reply:
    return await api.execute(LISTED, {"filters": list(filters), **arguments}, token=token)


async def titles(api: Api, *filters: Mapping[str, Any], **also: Any) -> list[str]:
    return [node["title"] for node in (await listed(api, *filters, **also)).data["products"]["nodes"]]


def assert_told(reply: Reply, message: str, path: list[str]) -> None:
    (error,) = reply.errors
    assert (error["extensions"]["code"], error["path"], error["message"]) == ("BAD_USER_INPUT", path, message)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("with", "nonsense", "product_reference"),
        ("with", "", "product_reference"),
        ("with", "variant_01h455vb4pex5vsknk084sn02q", "product_reference"),
        ("sets", "product_01", "product_reference"),
        ("size", "many", "integer"),
        ("size", "1.5", "integer"),
        ("born", "31.01.2026", "date"),
    ],
)
async def test_value_that_no_metafield_of_the_type_has_is_told(
    api: Api, told: Shop, key: str, value: str, kind: str
) -> None:
    message = f"`filters[0].metafield.value`: facts.{key} is of the type {kind}, and {value!r} is no value of it."

    reply = await listed(api, fact(key, value))

    assert_told(reply, message, ["products"])
    assert not (reply.body["data"] or {}).get("products")


@pytest.mark.parametrize("arguments", [{}, {"key": "TITLE"}, {"query": "mug"}, {"query": "vendor:nobody"}])
async def test_it_is_told_by_its_place_whatever_the_others_find(
    api: Api, told: Shop, arguments: dict[str, Any]
) -> None:
    message = "`filters[2].metafield.value`: facts.size is of the type integer, and 'x' is no value of it."

    reply = await listed(api, {"available": True}, fact("size", "3"), fact("size", "x"), fact("with", "y"), **arguments)

    assert_told(reply, message, ["products"])


async def test_a_long_text_is_not_repeated_whole(api: Api, told: Shop) -> None:
    reply = await listed(api, fact("size", "9" * 5_000))

    assert_told(
        reply,
        f"`filters[0].metafield.value`: facts.size is of the type integer, and {'9' * 100!r} is no value of it.",
        ["products"],
    )


async def test_lists_of_categories_tell_it_too(api: Api, told: Shop) -> None:
    made = await api.execute(GROW, token=await api.every_token())
    category = made.data["categoryCreate"]["category"]["id"]

    reply = await api.execute(WITHIN, {"id": category, "filters": [fact("with", "nonsense")]})

    (error,) = reply.errors
    assert (error["extensions"]["code"], error["path"]) == ("BAD_USER_INPUT", ["category", "products"])


async def test_what_could_be_a_value_finds_what_has_it_or_nothing(api: Api, told: Shop) -> None:
    shirt = of("product", told.shirt_product)

    assert await titles(api, fact("with", shirt)) == ["Mug"]
    assert await titles(api, fact("sets", shirt)) == ["Mug"]
    assert await titles(api, fact("size", "3")) == ["Mug"]
    assert await titles(api, fact("with", of("product", ids.new()))) == []
    assert await titles(api, fact("size", "4"), fact("note", "blue")) == []
    assert await titles(api, fact("note", "nonsense")) == []


async def test_what_is_not_there_not_shown_or_not_filterable_has_no_type(api: Api, told: Shop) -> None:
    staff = await api.every_token()

    assert await titles(api, fact("none", "x")) == []
    assert await titles(api, fact("free", "x")) == []
    assert await titles(api, fact("cost", "x")) == []
    assert await titles(api, fact("cost", "7"), token=staff) == ["Mug"]
    assert (await listed(api, fact("cost", "x"), token=staff)).codes == ["BAD_USER_INPUT"]


async def test_no_other_statement_asks_where_products_are_found(api: Api, told: Shop) -> None:
    plain = await listed(api)
    plain = await listed(api, {"available": True})
    narrowed = await listed(api, fact("size", "3"))

    assert narrowed.data["products"]["nodes"] == [{"title": "Mug"}]
    assert narrowed.statements == plain.statements
