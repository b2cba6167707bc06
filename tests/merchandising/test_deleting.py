"""What becomes of stock, carts, orders and collections when a product goes, and when may it not go?"""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from headless.cart import queries as cart_queries
from headless.catalog import queries as catalog_queries
from headless.catalog.collections import service as collections
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.errors import LastVariant
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.models import metafields as metafield_table
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place, Wish
from headless.catalog.models import collection_products, listings, media, products, variants
from headless.inventory import bundles, transfers
from headless.inventory.errors import PartOfBundle, StockIncoming, StockPromised
from headless.inventory.models import levels, movements
from headless.merchandising import deleting
from headless.orders.models import order_lines
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import NotFound, Refused, StaleObject, Unavailable
from headless.pricing.models import prices
from tests.builders import (
    Shop,
    assert_books_balance,
    cart_ready_to_check_out,
    complete,
    place_order,
    recording,
)


async def delete_product(database: Database, product_id: UUID, version: int | None = None) -> None:
    async with database.transaction() as session:
        await deleting.delete_product(session, product_id, expected_version=version, actor="tester")


async def delete_variants(database: Database, product_id: UUID, *variant_ids: UUID) -> None:
    async with database.transaction() as session:
        await deleting.delete_variants(session, product_id, variant_ids, actor="tester")


async def count(database: Database, table: Any, *conditions: Any) -> int:
    async with database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0)


async def test_a_product_goes_with_all_that_is_only_its_own(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await collections.create(session, CollectionDraft("Gifts", product_ids=[shop.mug_product]), actor="t")
        await metafields.set_metafields(
            session,
            [
                Wish(Place(MetafieldOwner.PRODUCT, shop.mug_product, "specs", "size"), "1", "integer"),
                Wish(Place(MetafieldOwner.PRODUCT_VARIANT, shop.mug, "specs", "size"), "1", "integer"),
            ],
        )
        cart_id = await cart_ready_to_check_out(session, shop, {shop.mug: 1, shop.shirt_small: 1})

    async with recording(database) as facts:
        await delete_product(database, shop.mug_product)

    for table, condition in (
        (products, products.c.id == shop.mug_product),
        (variants, variants.c.id == shop.mug),
        (listings, listings.c.product_id == shop.mug_product),
        (media, media.c.product_id == shop.mug_product),
        (prices, prices.c.variant_id == shop.mug),
        (levels, levels.c.variant_id == shop.mug),
        (collection_products, collection_products.c.product_id == shop.mug_product),
        (metafield_table, metafield_table.c.key == "size"),
    ):
        assert await count(database, table, condition) == 0
    async with database.reading() as session:
        lines = (await cart_queries.lines_by_cart(session, [cart_id]))[cart_id]
        left = await session.scalar(select(func.sum(movements.c.delta)).where(movements.c.variant_id == shop.mug))
    assert [(line.variant_id, line.offer is None) for line in lines] == [(shop.mug, True), (shop.shirt_small, False)]
    assert left == 0
    assert sorted(facts.topics) == ["collection.updated", "price.changed", "product.deleted", "stock.changed"]
    assert facts.of("product.deleted") == [{"product_id": str(shop.mug_product)}]
    with pytest.raises(Refused) as refused:
        await complete(database, cart_id)
    assert [refusal.code for refusal in refused.value.refusals] == ["NOT_AVAILABLE"]
    await assert_books_balance(database)


async def test_what_is_owed_can_not_go(database: Database, shop: Shop) -> None:
    await place_order(database, shop, {shop.shirt_small: 2})

    with pytest.raises(Refused) as refused:
        await delete_product(database, shop.shirt_product)
    (refusal,) = refused.value.refusals
    assert (type(refusal), refusal.field, refusal.target) == (StockPromised, ("id",), shop.shirt_small)
    assert "S (SHIRT-S), 0 units are reserved for checkouts and 2 committed to orders" in refusal.message

    with pytest.raises(Refused) as refused:
        await delete_variants(database, shop.shirt_product, shop.shirt_small)
    assert [one.field for one in refused.value.refusals] == [("variantIds", "0")]
    await delete_variants(database, shop.shirt_product, shop.shirt_large)
    assert await count(database, variants, variants.c.product_id == shop.shirt_product) == 1
    await assert_books_balance(database)


async def test_what_is_on_its_way_or_part_of_a_bundle_can_not_go(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await bundles.set_parts(session, shop.poster, {shop.mug: 2}, expected_version=1, actor="t")
        shipment = transfers.Shipment(shop.main_id, [(shop.shirt_large, 1)], supplier="Mill")
        await transfers.send(session, shipment, actor="t")

    for product_id, kind in ((shop.mug_product, PartOfBundle), (shop.shirt_product, StockIncoming)):
        with pytest.raises(Refused) as refused:
            await delete_product(database, product_id)
        assert [type(one) for one in refused.value.refusals] == [kind]

    await delete_product(database, shop.poster_product)
    await delete_product(database, shop.mug_product)
    await assert_books_balance(database)


async def test_orders_keep_what_was_sold(database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.voucher: 1})

    await delete_product(database, shop.voucher_product)

    async with database.reading() as session:
        line = (await session.execute(select(order_lines).where(order_lines.c.order_id == order_id))).one()
    assert (line.title, line.sku, line.quantity) == ("Voucher", "VOUCHER", 1)
    await assert_books_balance(database)


async def test_lists_forget_the_prices_and_stock_of_deleted_variants(database: Database, shop: Shop) -> None:
    await delete_variants(database, shop.shirt_product, shop.shirt_small)

    eye = catalog_queries.Eye(shop.channel_id)
    async with database.reading() as session:
        row = await catalog_queries.product(session, eye, product_id=shop.shirt_product)
    assert row is not None
    assert (row.min_amount, row.max_amount, row.is_available) == (2600, 2600, True)

    with pytest.raises(LastVariant):
        await delete_variants(database, shop.shirt_product, shop.shirt_large)
    with pytest.raises(NotFound) as refusal:
        await delete_variants(database, shop.shirt_product, shop.shirt_large, shop.mug)
    assert refusal.value.field == ("variantIds", "1")
    with pytest.raises(NotFound):
        await delete_product(database, ids.new())
    with pytest.raises(StaleObject):
        await delete_product(database, shop.shirt_product, 77)


@pytest.mark.parametrize("nth", range(3))
async def test_a_checkout_and_a_deletion_at_once_end_with_one_of_them(database: Database, shop: Shop, nth: int) -> None:
    async with database.transaction() as session:
        carts = [await cart_ready_to_check_out(session, shop, {shop.mug: 1}) for _each in range(3)]

    async def buy(cart_id: UUID) -> str:
        try:
            result = await complete(database, cart_id)
        except Refused as refused:
            return refused.refusals[0].code
        return "ORDER" if result.order_id is not None else "NONE"

    async def delete() -> str:
        await asyncio.sleep(0.01 * nth)
        try:
            await delete_product(database, shop.mug_product)
        except Refused as refused:
            return refused.refusals[0].code
        except Unavailable:
            return "BUSY"
        return "DELETED"

    deleted, *bought = await asyncio.gather(delete(), *(buy(cart_id) for cart_id in carts))

    if deleted == "DELETED":
        assert set(bought) <= {"NOT_AVAILABLE", "OUT_OF_STOCK"}
        assert await count(database, levels, levels.c.variant_id == shop.mug) == 0
    else:
        assert deleted in {"STOCK_PROMISED", "BUSY"}
        assert await count(database, levels, levels.c.variant_id == shop.mug) == 1
    await assert_books_balance(database)
