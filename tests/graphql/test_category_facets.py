"""Does a list of products say which categories are left, each with all below it?"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from headless.catalog import service as catalog
from headless.catalog.categories import service as categories
from headless.catalog.categories.service import CategoryDraft
from headless.platform.db import Database
from tests.builders import Shop
from tests.catalog.shelves import Item, fill
from tests.graphql.client import Api, of
from tests.graphql.test_product_lists import LISTING

LISTED = """query($filters: [ProductFilter!]) { products(first: 24, filters: $filters) {
  totalCount nodes { title } filters { id label type values { id label count selected input } }
} }"""
WITHIN = """query($id: ID!, $filters: [ProductFilter!]) { category(id: $id) { products(filters: $filters) {
  totalCount filters { id values { label count } }
} } }"""
SHELF = {"Tee": "Shirts", "Polo": "Shirts", "Jeans": "Trousers", "Coat": "Clothes", "Vase": "Home", "Loose": None}
"""Which category each product is in. Shirts and Trousers are below Clothes; below Home there is Garden."""
Tree = Mapping[str, UUID]


@pytest.fixture
async def tree(api: Api, shop: Shop, database: Database) -> Tree:
    made: dict[str, UUID] = {}
    async with database.transaction() as session:
        for title, parent in (("Clothes", None), ("Shirts", "Clothes"), ("Trousers", "Clothes"), ("Home", None), ("Garden", "Home")):  # fmt: skip
            draft = CategoryDraft(title, parent_id=made[parent] if parent else None)
            made[title] = await categories.create(session, draft, actor="tester")
    placed = await fill(
        database,
        shop,
        Item("Tee", "Acme", price=2000),
        Item("Polo", "Zed", price=3000),
        Item("Jeans", "Acme", price=5000),
        Item("Coat", "Zed", price=9000),
        Item("Vase", "Acme", price=1000),
        Item("Loose", "Acme", price=1000),
        Item("Ghost", "Acme", price=1000, is_published=False),
    )
    for title, category in {**SHELF, "Ghost": "Shirts"}.items():
        await put(database, placed[title], made[category] if category else None)
    return {**made, **{f"product {title}": id_ for title, id_ in placed.items()}}


async def put(database: Database, product_id: UUID, category_id: UUID | None) -> None:
    async with database.transaction() as session:
        current = await catalog.locked_product(session, product_id)
        await catalog.update_product(
            session, product_id, expected_version=current.version, changes={"category_id": category_id}, actor="t"
        )


async def listed(api: Api, *filters: Mapping[str, Any]) -> Any:
    products = (await api.execute(LISTED, {"filters": list(filters)})).data["products"]
    assert products["totalCount"] == len(products["nodes"])
    return products


def values(products: Any) -> list[dict[str, Any]]:
    return next((one["values"] for one in products["filters"] if one["id"] == "category"), [])


def counts(products: Any) -> dict[str, int]:
    return {value["label"]: value["count"] for value in values(products)}


def titles(products: Any) -> list[str]:
    return sorted(node["title"] for node in products["nodes"])


async def test_each_category_counts_its_products_and_those_below_it_most_first(api: Api, tree: Tree) -> None:
    products = await listed(api)

    shown = next(one for one in products["filters"] if one["id"] == "category")
    assert (shown["label"], shown["type"]) == ("Category", "LIST")
    assert shown["values"] == [
        {
            "id": f"category.{of('category', tree[title])}",
            "label": title,
            "count": count,
            "selected": False,
            "input": {"category": of("category", tree[title])},
        }
        for title, count in (("Clothes", 4), ("Shirts", 2), ("Trousers", 1), ("Home", 1))
    ]


async def test_every_input_goes_back_unchanged_and_leads_to_as_many_products_as_it_says(api: Api, tree: Tree) -> None:
    whole = values(await listed(api))

    for value in whole:
        narrowed = await listed(api, value["input"])
        assert narrowed["totalCount"] == value["count"]
        assert values(narrowed) == [{**one, "selected": one == value} for one in whole]
    assert titles(await listed(api, whole[0]["input"])) == ["Coat", "Jeans", "Polo", "Tee"]


async def test_counts_are_of_what_the_other_filters_leave(api: Api, tree: Tree) -> None:
    shirts = {"category": of("category", tree["Shirts"])}
    home = {"category": of("category", tree["Home"])}

    assert counts(await listed(api, {"vendor": "Acme"})) == {"Clothes": 2, "Shirts": 1, "Trousers": 1, "Home": 1}
    assert counts(await listed(api, {"vendor": "Zed"}, {"price": {"min": "50"}})) == {"Clothes": 1}
    assert counts(await listed(api, {"vendor": "Zed"}, shirts)) == {"Clothes": 2, "Shirts": 1}
    both = await listed(api, shirts, home)
    assert titles(both) == ["Polo", "Tee", "Vase"]
    assert {value["label"] for value in values(both) if value["selected"]} == {"Shirts", "Home"}
    vendors = next(one["values"] for one in both["filters"] if one["id"] == "vendor")
    assert [(value["label"], value["count"]) for value in vendors] == [("Acme", 2), ("Zed", 1)]


async def test_list_of_a_category_tells_those_below_it(api: Api, tree: Tree) -> None:
    async def within(title: str) -> Any:
        return (await api.execute(WITHIN, {"id": of("category", tree[title])})).data["category"]["products"]

    assert counts(await within("Clothes")) == {"Shirts": 2, "Trousers": 1}
    assert counts(await within("Shirts")) == {}
    assert counts(await within("Garden")) == {}


async def test_counts_follow_products_and_the_tree(api: Api, database: Database, tree: Tree) -> None:
    assert counts(await listed(api)) == {"Clothes": 4, "Shirts": 2, "Trousers": 1, "Home": 1}

    await put(database, tree["product Loose"], tree["Garden"])
    assert counts(await listed(api)) == {"Clothes": 4, "Shirts": 2, "Home": 2, "Garden": 1, "Trousers": 1}

    async with database.transaction() as session:
        await categories.move(session, tree["Shirts"], parent_id=tree["Garden"], actor="tester")
    assert counts(await listed(api)) == {"Home": 4, "Garden": 3, "Shirts": 2, "Clothes": 2, "Trousers": 1}

    async with database.transaction() as session:
        await categories.remove(session, tree["Trousers"])
    assert counts(await listed(api)) == {"Home": 4, "Garden": 3, "Shirts": 2, "Clothes": 2}


async def test_at_most_a_hundred_categories_are_told_and_those_of_most_products(
    api: Api, shop: Shop, database: Database
) -> None:
    async with database.transaction() as session:
        made = [await categories.create(session, CategoryDraft(f"Number {nth}"), actor="t") for nth in range(101)]
    placed = await fill(database, shop, *(Item(f"Thing {nth}") for nth in range(102)))
    for nth, product_id in enumerate(placed.values()):
        await put(database, product_id, made[min(nth, 100)])

    told = values((await api.execute(LISTED.replace("totalCount", ""))).data["products"])

    assert len(told) == 100
    assert (told[0]["label"], told[0]["count"]) == ("Number 100", 2)


async def test_a_list_that_is_narrowed_by_categories_takes_six_statements(api: Api, tree: Tree) -> None:
    clothes, home = ({"category": of("category", tree[title])} for title in ("Clothes", "Home"))
    await api.execute(LISTING)

    for given in ([], [clothes], [clothes, home, {"vendor": "Acme"}]):
        reply = await api.execute(LISTING, {"filters": given})
        assert reply.data["products"]["nodes"]
        assert reply.statements == 6


async def test_shop_whose_products_have_no_category_has_no_such_facet(api: Api, shop: Shop) -> None:
    assert [one["id"] for one in (await listed(api))["filters"]] == ["available", "price", "option.Size"]
