"""Does a product page propose what goes with its product, and nothing that is hidden?"""

from collections.abc import Mapping
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from headless.catalog import service as catalog
from headless.catalog.collections import service as collections
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.recommendations.models import bought_together
from headless.orders import pairing
from headless.platform import ids, outbox
from headless.platform.consumers import consumers
from headless.platform.db import Database
from tests.builders import Shop, place_order
from tests.catalog.shelves import Item, fill
from tests.graphql.client import Api, of

DOCUMENT = """query($id: ID!, $limit: Int) { productRecommendations(productId: $id, limit: $limit) {
  title featuredMedia { url } variants { nodes { price { amount } } }
} }"""


async def proposed(api: Api, product_id: UUID, limit: int = 10) -> list[str]:
    reply = await api.execute(DOCUMENT, {"id": of("product", product_id), "limit": limit})
    return [product["title"] for product in reply.data["productRecommendations"]]


async def follow(database: Database) -> None:
    async with database.transaction() as session:
        while len(await outbox.number(session)) == outbox.BATCH:
            pass
    await pairing.pair(database)


async def counts(database: Database) -> Mapping[tuple[UUID, UUID], int]:
    async with database.reading() as session:
        rows = await session.execute(select(bought_together))
        return {(row.product_id, row.other_id): row.orders for row in rows}


async def test_what_is_bought_together_comes_first_then_what_is_most_alike(api: Api, shop: Shop) -> None:
    database = api.server.database
    made = await fill(
        database,
        shop,
        Item("Lamp", product_type="Lights", tags=("brass", "small")),
        Item("Same type", product_type="Lights"),
        Item("One tag", tags=("brass",)),
        Item("Two tags", tags=("brass", "small")),
        Item("Beside it"),
        Item("Hidden", product_type="Lights", tags=("brass", "small"), is_published=False),
        Item("Nothing alike", tags=("wool",)),
    )
    async with database.transaction() as session:
        together = [made[title] for title in ("Lamp", "Beside it", "Hidden")]
        await collections.create(session, CollectionDraft("Evenings", product_ids=together), actor="tester")
    alike = ["Beside it", "Two tags", "One tag", "Same type"]
    assert await proposed(api, made["Lamp"]) == alike
    assert await proposed(api, made["Lamp"], 2) == alike[:2]
    assert await proposed(api, made["Nothing alike"]) == []

    await place_order(database, shop, {shop.mug: 1, shop.voucher: 2})
    await place_order(database, shop, {shop.mug: 2, shop.voucher: 1, shop.shirt_small: 1})
    await follow(database)
    assert await proposed(api, shop.mug_product, 2) == ["Voucher", "Shirt"]
    assert await proposed(api, shop.mug_product, 1) == ["Voucher"]

    async with database.transaction() as session:
        await catalog.unpublish(session, shop.voucher_product, channel_id=shop.channel_id)
    found = await proposed(api, shop.mug_product, 50)
    assert found[0] == "Shirt"
    assert not {"Voucher", "Mug"} & set(found)


async def test_an_order_is_counted_once_whoever_looks_again(database: Database, shop: Shop) -> None:
    await place_order(database, shop, {shop.mug: 1, shop.voucher: 1})
    await follow(database)
    once = {(shop.mug_product, shop.voucher_product): 1, (shop.voucher_product, shop.mug_product): 1}
    assert await counts(database) == once

    await follow(database)
    async with database.transaction() as session:
        await session.execute(delete(consumers))
    await follow(database)
    assert await counts(database) == once

    await place_order(database, shop, {shop.mug: 1, shop.voucher: 1})
    await place_order(database, shop, {shop.mug: 1})
    await place_order(database, shop, {shop.shirt_small: 1, shop.shirt_large: 1})
    await follow(database)
    assert await counts(database) == dict.fromkeys(once, 2)


async def test_orders_of_before_are_counted_piece_by_piece(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairing, "CHUNK", 1)
    for _nth in range(3):
        await place_order(database, shop, {shop.mug: 1, shop.voucher: 1})

    await follow(database)

    assert set((await counts(database)).values()) == {3}


async def test_recommendations_take_few_statements(api: Api, shop: Shop) -> None:
    await place_order(api.server.database, shop, {shop.mug: 1, shop.voucher: 1})
    await follow(api.server.database)
    document = "query($id: ID!) { productRecommendations(productId: $id) { id title handle } }"
    await api.execute(document, {"id": of("product", shop.mug_product)})

    reply = await api.execute(document, {"id": of("product", shop.mug_product)})

    assert reply.data["productRecommendations"][0]["title"] == "Voucher"
    assert reply.statements <= 6


async def test_of_what_nobody_sees_nothing_is_recommended(api: Api, shop: Shop) -> None:
    for unknown in (shop.secret_product, ids.new()):
        reply = await api.execute(DOCUMENT, {"id": of("product", unknown), "limit": 5})
        assert reply.codes == ["NOT_FOUND"]


@pytest.mark.parametrize("limit", [0, -1, 51])
async def test_no_more_than_so_many_are_recommended(api: Api, shop: Shop, limit: int) -> None:
    reply = await api.execute(DOCUMENT, {"id": of("product", shop.mug_product), "limit": limit})

    assert reply.codes == ["BAD_USER_INPUT"]
