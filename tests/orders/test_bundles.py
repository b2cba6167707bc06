"""Do bundles, back-orders and limits per customer hold from the shelf to the shipment?"""

from collections.abc import Mapping
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.catalog.models import listings
from headless.inventory import bundles
from headless.inventory import service as inventory
from headless.inventory.errors import BundleInvalid, MaxQuantityExceeded, OutOfStock
from headless.inventory.models import allocations, limited_purchases
from headless.inventory.service import Change
from headless.merchandising import service as merchandising
from headless.merchandising.repricing import VariantChange
from headless.orders import queries, service, shipping
from headless.orders.rules import OrderCancelReason
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import Refused, StaleObject
from headless.shop import queries as shop_queries
from tests.builders import (
    WHY,
    Shop,
    assert_books_balance,
    cart_ready_to_check_out,
    complete,
    desk,
    place_order,
    recording,
    sellable,
    stocks,
)


async def make_bundle(database: Database, bundle: UUID, parts: Mapping[UUID, int], version: int = 1) -> None:
    async with database.transaction() as session:
        await bundles.set_parts(session, bundle, parts, expected_version=version, actor="tester")


async def change_terms(database: Database, shop: Shop, product: UUID, variant: UUID, **terms: object) -> None:
    async with database.transaction() as session:
        channel = await shop_queries.channel_by_id(session, shop.channel_id)
        changes = [VariantChange(variant, 1, terms)]
        await merchandising.update_variants(session, product, changes, channel=channel, actor="tester")


async def is_available(database: Database, product_id: UUID) -> bool:
    async with database.reading() as session:
        wanted = select(listings.c.is_available).where(listings.c.product_id == product_id)
        return bool(await session.scalar(wanted))


async def refused(database: Database, shop: Shop, lines: Mapping[UUID, int], email: str) -> list[type]:
    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, lines, email=email)
    with pytest.raises(Refused) as caught:
        await desk(database).start(cart_id, accept_price_changes=False)
    return [type(refusal) for refusal in caught.value.refusals]


async def test_a_bundle_sells_as_long_as_its_scarcest_part(database: Database, shop: Shop) -> None:
    assert not await is_available(database, shop.poster_product)

    async with recording(database) as facts:
        await make_bundle(database, shop.poster, {shop.mug: 3, shop.shirt_small: 1})

    assert await sellable(database, shop.poster) == 3  # of 10 mugs by threes, and 8 shirts
    assert await is_available(database, shop.poster_product)
    assert facts.of("stock.changed") == [{"variant_id": str(shop.poster)}]


async def test_selling_a_part_takes_from_the_bundle_and_the_other_way_round(database: Database, shop: Shop) -> None:
    await make_bundle(database, shop.poster, {shop.mug: 3, shop.shirt_small: 1})

    async with recording(database) as facts:
        await place_order(database, shop, {shop.poster: 2})

    assert await sellable(database, shop.mug) == 4
    assert await sellable(database, shop.shirt_small) == 6
    assert await sellable(database, shop.poster) == 1
    told = {fact["variant_id"] for fact in facts.of("stock.changed")}
    assert told == {str(shop.mug), str(shop.shirt_small), str(shop.poster)}

    assert await refused(database, shop, {shop.poster: 1, shop.mug: 2}, "marie@example.com") == [OutOfStock]

    await place_order(database, shop, {shop.mug: 2})

    assert await sellable(database, shop.poster) == 0
    assert not await is_available(database, shop.poster_product)
    assert await is_available(database, shop.mug_product)
    await assert_books_balance(database)


async def test_two_bundles_with_one_part_cant_oversell_it(database: Database, shop: Shop) -> None:
    await make_bundle(database, shop.poster, {shop.mug: 3})
    await make_bundle(database, shop.shirt_large, {}, version=1)
    async with database.transaction() as session:
        level = Change(shop.shirt_large, shop.outlet_id, "on_hand", quantity=0)
        await inventory.change(session, [level], WHY)
    await make_bundle(database, shop.shirt_large, {shop.mug: 4}, version=2)

    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, {shop.poster: 2, shop.shirt_large: 1})
    await desk(database).start(cart_id, accept_price_changes=False)

    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].reserved == 10
    assert [await sellable(database, each) for each in (shop.mug, shop.poster, shop.shirt_large)] == [0, 0, 0]


async def test_a_bundles_line_is_shipped_from_where_its_parts_are(database: Database, shop: Shop) -> None:
    await make_bundle(database, shop.poster, {shop.mug: 2, shop.shirt_small: 2})
    order_id = await place_order(database, shop, {shop.poster: 3})  # shirts: 3 in main, 3 of the outlet
    async with database.reading() as session:
        (line,) = (await queries.lines_by_order(session, [order_id]))[order_id]
    levels = await stocks(database, shop.mug, shop.shirt_small)
    assert levels[shop.shirt_small, shop.main_id].committed == 3
    assert levels[shop.shirt_small, shop.outlet_id].committed == 3

    async with database.transaction() as session:
        prepared = await shipping.create_fulfillment(
            session, order_id, [(line.id, 1)], location_id=None, tracking=None, is_shipped=False, actor="packer"
        )
    async with database.transaction() as session:
        await shipping.create_fulfillment(
            session, order_id, [(line.id, 2)], location_id=None, tracking=None, is_shipped=True, actor="packer"
        )
    async with database.transaction() as session:
        await shipping.ship_fulfillment(session, prepared, tracking=None, actor="packer")

    levels = await stocks(database, shop.mug, shop.shirt_small)
    assert (levels[shop.mug, shop.main_id].on_hand, levels[shop.mug, shop.main_id].committed) == (4, 0)
    assert (levels[shop.shirt_small, shop.main_id].on_hand, levels[shop.shirt_small, shop.outlet_id].on_hand) == (0, 2)
    async with database.reading() as session:
        assert (await session.execute(select(allocations))).all() == []
        order = (await queries.orders_by_id(session, [order_id]))[order_id]
    assert (order.status, order.fulfillment_status) == ("SHIPPED", "FULFILLED")
    await assert_books_balance(database)


async def test_an_order_keeps_what_its_bundle_was_made_of(database: Database, shop: Shop) -> None:
    await make_bundle(database, shop.poster, {shop.mug: 3})
    order_id = await place_order(database, shop, {shop.poster: 1})

    await make_bundle(database, shop.poster, {shop.shirt_small: 1}, version=2)
    async with database.transaction() as session:
        await service.cancel(session, order_id, reason=OrderCancelReason.STAFF, restock=True, actor="staff")

    assert await sellable(database, shop.mug) == 10
    assert await sellable(database, shop.poster) == 8
    await assert_books_balance(database)


@pytest.mark.parametrize("case", ["itself", "stocked", "nested", "part of another"])
async def test_what_cant_be_a_bundle(database: Database, shop: Shop, case: str) -> None:
    if case == "nested":
        await make_bundle(database, shop.poster, {shop.mug: 1})
    if case == "part of another":
        await make_bundle(database, shop.poster, {shop.voucher: 1})
    bundle, parts = {
        "itself": (shop.poster, {shop.poster: 1}),
        "stocked": (shop.mug, {shop.shirt_small: 1}),
        "nested": (shop.voucher, {shop.poster: 1}),
        "part of another": (shop.voucher, {shop.mug: 1}),
    }[case]

    with pytest.raises(BundleInvalid):
        await make_bundle(database, bundle, parts)


async def test_a_stale_bundle_is_refused_and_a_bundle_has_no_stock(database: Database, shop: Shop) -> None:
    await make_bundle(database, shop.poster, {shop.mug: 1})

    with pytest.raises(StaleObject):
        await make_bundle(database, shop.poster, {shop.mug: 2}, version=1)
    with pytest.raises(Refused) as caught:
        async with database.transaction() as session:
            await inventory.change(session, [Change(shop.poster, shop.main_id, "available", quantity=4)], WHY)
    assert [type(refusal) for refusal in caught.value.refusals] == [BundleInvalid]


async def test_back_orders_are_granted_up_to_their_limit_and_served_when_stock_comes(
    database: Database, shop: Shop
) -> None:
    async with recording(database) as facts:
        await change_terms(database, shop, shop.poster_product, shop.poster, backorder_limit=3)
    assert facts.of("stock.changed") == [{"variant_id": str(shop.poster)}]
    assert await sellable(database, shop.poster) == 3
    assert await is_available(database, shop.poster_product)

    order_id = await place_order(database, shop, {shop.poster: 2})

    level = (await stocks(database, shop.poster))[shop.poster, shop.main_id]
    assert (level.on_hand, level.committed, level.available) == (0, 2, -2)
    assert await sellable(database, shop.poster) == 1
    async with database.transaction() as session:
        carts = [await cart_ready_to_check_out(session, shop, {shop.poster: 1}) for _ in range(2)]
    await desk(database).start(carts[0], accept_price_changes=False)
    with pytest.raises(Refused):
        await desk(database).start(carts[1], accept_price_changes=False)
    async with database.reading() as session:
        (line,) = (await queries.lines_by_order(session, [order_id]))[order_id]
    with pytest.raises(OutOfStock):
        async with database.transaction() as session:
            await shipping.create_fulfillment(
                session, order_id, [(line.id, 2)], location_id=None, tracking=None, is_shipped=True, actor="packer"
            )

    async with database.transaction() as session:
        await inventory.change(session, [Change(shop.poster, shop.main_id, "on_hand", delta=5)], WHY)
    async with database.transaction() as session:
        await shipping.create_fulfillment(
            session, order_id, [(line.id, 2)], location_id=None, tracking=None, is_shipped=True, actor="packer"
        )

    assert await sellable(database, shop.poster) == 3 - 1 + 3
    await assert_books_balance(database)


async def test_ending_back_orders_ends_the_sale_at_once(database: Database, shop: Shop) -> None:
    await change_terms(database, shop, shop.poster_product, shop.poster, backorder_limit=3)
    async with database.transaction() as session:
        channel = await shop_queries.channel_by_id(session, shop.channel_id)
        change = VariantChange(shop.poster, 2, {"backorder_limit": 0})
        await merchandising.update_variants(session, shop.poster_product, [change], channel=channel, actor="tester")

    assert await sellable(database, shop.poster) == 0
    assert not await is_available(database, shop.poster_product)


async def test_one_customer_gets_no_more_than_the_limit_over_all_orders(database: Database, shop: Shop) -> None:
    await change_terms(database, shop, shop.mug_product, shop.mug, max_per_customer=3)
    order_id = await place_order(database, shop, {shop.mug: 2})

    assert await refused(database, shop, {shop.mug: 2}, "Marie@Example.com") == [MaxQuantityExceeded]
    async with database.transaction() as session:
        others = await cart_ready_to_check_out(session, shop, {shop.mug: 3}, email="pierre@example.com")
        rest = await cart_ready_to_check_out(session, shop, {shop.mug: 1})
    assert (await complete(database, others)).order_id is not None
    assert (await complete(database, rest)).order_id is not None

    async with database.transaction() as session:
        await service.cancel(session, order_id, reason=OrderCancelReason.CUSTOMER, restock=True, actor="staff")
    await place_order(database, shop, {shop.mug: 2})

    async with database.reading() as session:
        kept = (await session.execute(select(limited_purchases.c.quantity))).scalars()
    assert sorted(kept) == [1, 2, 3]
    await assert_books_balance(database)


async def test_a_limit_per_customer_holds_over_lines_and_open_checkouts(database: Database, shop: Shop) -> None:
    await change_terms(database, shop, shop.mug_product, shop.mug, max_per_customer=3)
    async with database.transaction() as session:
        first = await cart_ready_to_check_out(session, shop, {shop.mug: 2})
        second = await cart_ready_to_check_out(session, shop, {shop.mug: 2})
    await desk(database).start(first, accept_price_changes=False)

    with pytest.raises(Refused) as caught:
        await desk(database).start(second, accept_price_changes=False)

    (refusal,) = caught.value.refusals
    assert isinstance(refusal, MaxQuantityExceeded)
    assert refusal.message == "One customer may buy 3 of this; 1 are left for you. Lower the quantity."
    assert await sellable(database, shop.mug) == 8
    assert ids.encode("cart", second)
