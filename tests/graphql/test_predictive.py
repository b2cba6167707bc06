"""Does the search box propose what can be found, and nothing that is hidden?"""

from typing import Any

import pytest

from headless.catalog import service as catalog
from tests.builders import Shop
from tests.catalog.shelves import Item, fill
from tests.graphql.client import Api

DOCUMENT = """query($query: String!, $limit: Int! = 10) { predictiveSearch(query: $query, limit: $limit) {
  products { title availableForSale } collections { title } queries
} }"""


@pytest.fixture
async def stocked(api: Api, shop: Shop) -> Shop:
    await fill(
        api.server.database,
        shop,
        Item("Linen shirt", "Shirtmakers", "Shirts", ("summer",)),
        Item("Silk shirt", "Acme", "Shirts"),
        Item("Secret shirt", "Shadows", "Shirts", is_published=False),
    )
    async with api.server.database.transaction() as session:
        for title in ("Summer shirts", "Winter"):
            await catalog.create_collection(session, handle=title[:6].lower(), title=title, description_html="")
    return shop


async def proposed(api: Api, query: str, limit: int = 10) -> Any:
    return (await api.execute(DOCUMENT, {"query": query, "limit": limit})).data["predictiveSearch"]


async def test_what_was_typed_so_far_is_completed(api: Api, stocked: Shop) -> None:
    assert await proposed(api, "shi") == {
        "products": [
            {"title": "Shirt", "availableForSale": True},
            {"title": "Linen shirt", "availableForSale": True},
            {"title": "Silk shirt", "availableForSale": True},
        ],
        "collections": [{"title": "Summer shirts"}],
        "queries": ["shirts", "shirt", "silk shirt", "linen shirt", "shirtmakers"],
    }
    assert (await proposed(api, "shi", 1))["queries"] == ["shirts"]
    assert await proposed(api, "shadow") == {"products": [], "collections": [], "queries": []}
    assert await proposed(api, " % ") == {"products": [], "collections": [], "queries": []}


@pytest.mark.parametrize("limit", [0, -1, 26])
async def test_no_more_than_so_many_are_proposed(api: Api, limit: int) -> None:
    reply = await api.execute(DOCUMENT, {"query": "shirt", "limit": limit})

    assert reply.codes == ["BAD_USER_INPUT"]
