"""Does a product page propose what goes with its product, and nothing that is hidden?"""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, update

from headless.catalog import publishing
from headless.catalog import service as catalog
from headless.catalog.collections import service as collections
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.models import ProductStatus, products
from headless.catalog.recommendations import queries as recommendations
from headless.catalog.recommendations.models import bought_together
from headless.operations.catalog import CHECKS, find_all, repair
from headless.orders import pairing
from headless.orders import service as orders
from headless.orders.events import OrderPlaced, OrderStatusChanged
from headless.orders.models import orders as order_rows
from headless.orders.rules import OrderCancelReason
from headless.platform import clock, ids, outbox
from headless.platform.consumers import consumers
from headless.platform.db import Database, Session
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
        await publishing.unpublish(session, shop.voucher_product, channel_id=shop.channel_id)
    found = await proposed(api, shop.mug_product, 50)
    assert found[0] == "Shirt"
    assert not {"Voucher", "Mug"} & set(found)


async def test_what_is_hidden_takes_nobodys_place(api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommendations, "OF_EACH", 2)
    hidden = [
        Item(f"Hidden {nth}", product_type="Lights", tags=("brass",), is_published=nth % 2 == 0) for nth in range(6)
    ]
    made = await fill(
        api.server.database,
        shop,
        Item("Lamp", product_type="Lights", tags=("brass",)),
        Item("Brass bell", tags=("brass",)),
        Item("Torch", product_type="Lights"),
        Item("Candle"),
        *hidden,
    )
    # The newest of a label and the first of a collection are looked at first.
    async with api.server.database.transaction() as session:
        for item in hidden:
            if item.is_published:
                version = await session.scalar(select(products.c.version).where(products.c.id == made[item.title])) or 0
                changes = {"status": ProductStatus.DRAFT}
                await catalog.update_product(
                    session, made[item.title], expected_version=version, changes=changes, actor="tester"
                )
        together = [*(made[item.title] for item in hidden), made["Lamp"], made["Candle"]]
        await collections.create(session, CollectionDraft("Evenings", product_ids=together), actor="tester")

    assert await proposed(api, made["Lamp"]) == ["Candle", "Brass bell", "Torch"]


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


async def cancel(database: Database, order_id: UUID) -> None:
    async with database.transaction() as session:
        await orders.cancel(session, order_id, reason=OrderCancelReason.CUSTOMER, restock=True, actor="tester")


async def test_a_cancelled_order_no_longer_counts_whenever_that_is_heard(database: Database, shop: Shop) -> None:
    placed = [await place_order(database, shop, {shop.mug: 1, shop.voucher: 1}) for _nth in range(3)]
    three = await place_order(database, shop, {shop.mug: 1, shop.voucher: 1, shop.shirt_small: 1})
    await cancel(database, placed[0])
    await follow(database)
    assert (await counts(database))[shop.mug_product, shop.voucher_product] == 3

    await cancel(database, placed[1])
    await cancel(database, three)
    await follow(database)
    once = {(shop.mug_product, shop.voucher_product): 1, (shop.voucher_product, shop.mug_product): 1}
    assert await counts(database) == once

    await follow(database)
    async with database.transaction() as session:
        outbox.record(session, OrderPlaced(placed[1]), OrderStatusChanged(placed[1], "CANCELLED", "OPEN", 9))
    await follow(database)
    async with database.transaction() as session:
        await session.execute(delete(consumers))
    await follow(database)
    assert await counts(database) == once

    await cancel(database, placed[2])
    await follow(database)
    assert await counts(database) == {}


async def test_orders_that_were_cancelled_before_are_taken_off_when_all_are_looked_through(
    database: Database, shop: Shop
) -> None:
    kept = [await place_order(database, shop, {shop.mug: 1, shop.voucher: 1}) for _nth in range(2)]
    await follow(database)
    async with database.transaction() as session:
        await session.execute(update(order_rows).where(order_rows.c.id == kept[0]).values(cancelled_at=clock.now()))
        await session.execute(insert(pairing.backlogs).values(id=1, after=None))

    await follow(database)

    assert set((await counts(database)).values()) == {1}


async def _lose_pairs(session: Session) -> None:
    await session.execute(delete(bought_together).where(bought_together.c.orders == 1))


async def _count_too_often(session: Session) -> None:
    await session.execute(update(bought_together).values(orders=bought_together.c.orders + 1))


async def _pair_what_nobody_bought(session: Session) -> None:
    ids = list(await session.scalars(select(products.c.id).order_by(products.c.id.desc()).limit(2)))
    await session.execute(insert(bought_together).values(product_id=ids[0], other_id=ids[1], orders=7))


async def _forget_what_is_counted(session: Session) -> None:
    await session.execute(delete(pairing.paired))


async def _cancel_unheard(session: Session) -> None:
    await session.execute(update(order_rows).values(cancelled_at=clock.now()))


@pytest.mark.parametrize(
    "harm", [_lose_pairs, _count_too_often, _pair_what_nobody_bought, _forget_what_is_counted, _cancel_unheard]
)
async def test_pairs_that_orders_do_not_explain_are_found_and_counted_anew(
    database: Database, shop: Shop, harm: Callable[[Session], Awaitable[None]]
) -> None:
    checks = [check for check in CHECKS if check.name == "pairs"]
    await place_order(database, shop, {shop.mug: 1, shop.voucher: 1})
    await place_order(database, shop, {shop.mug: 1, shop.voucher: 1, shop.shirt_small: 1})
    await cancel(database, await place_order(database, shop, {shop.mug: 1, shop.shirt_small: 1}))
    await follow(database)
    before = await counts(database)
    assert len(before) == 6
    assert [finding.problems for finding in await find_all(database, checks)] == [[]]
    async with database.transaction() as session:
        await harm(session)

    broken = await find_all(database, checks)
    assert broken[0].problems
    await repair(database, broken)
    await follow(database)

    assert [finding.problems for finding in await find_all(database, checks)] == [[]]
    assert await counts(database) == ({} if harm is _cancel_unheard else before)


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
