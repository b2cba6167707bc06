"""Do products, their prices and their stock come about and change in step?"""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from headless.catalog import queries as catalog_queries
from headless.catalog.queries import Eye
from headless.catalog.rules import Option
from headless.catalog.service import ProductDraft
from headless.merchandising import service
from headless.merchandising.repricing import VariantChange
from headless.merchandising.service import NewVariant
from headless.platform.db import Database, Record, Session
from headless.platform.errors import InvalidInput, Refused, StaleObject, Taken
from headless.pricing import queries as pricing_queries
from headless.shop import queries as shop_queries
from tests.builders import Shop, recording, sellable

SIZES = (Option("Size", ("S", "L")),)


async def product_of(session: Session, shop: Shop, product_id: UUID) -> Record:
    found = await catalog_queries.product(session, Eye(shop.channel_id, sees_hidden=True), product_id=product_id)
    assert found is not None
    return found


async def variants_of(session: Session, product_id: UUID) -> list[Record]:
    return (await catalog_queries.variants_by_product(session, [product_id]))[product_id]


async def price_of(session: Session, shop: Shop, variant_id: UUID) -> tuple[int, int | None]:
    row = (await pricing_queries.prices_by_variant(session, [variant_id], shop.channel_id))[variant_id]
    return row.amount, row.compare_at_amount


async def create(database: Database, *new_variants: NewVariant, options: tuple[Option, ...] = (), **of: Any) -> UUID:
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        draft = ProductDraft(title="Lamp", options=options, **of)
        return await service.create_product(session, draft, new_variants, channel=channel, actor="ada")


async def update(database: Database, product_id: UUID, *changes: VariantChange) -> None:
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        await service.update_variants(session, product_id, changes, channel=channel, actor="ada")


async def test_product_is_made_with_variants_and_prices_and_is_hidden(database: Database, shop: Shop) -> None:
    new = [
        NewVariant(selected_options=(("Size", "S"),), sku="LAMP-S", price=Decimal("19.90")),
        NewVariant(selected_options=(("Size", "L"),), price=Decimal(25), compare_at_price=Decimal("30.5")),
    ]

    async with recording(database) as facts:
        product_id = await create(database, *new, options=SIZES)

    async with database.reading() as session:
        product = await product_of(session, shop, product_id)
        small, large = await variants_of(session, product_id)
        assert (product.handle, product.status, product.is_published, product.is_available) == (
            "lamp", "DRAFT", False, False,
        )  # fmt: skip
        assert (product.min_amount, product.max_amount, product.min_compare_at_amount) == (1990, 2500, 3050)
        assert (small.title, small.sku, small.changed_by) == ("S", "LAMP-S", "ada")
        assert await price_of(session, shop, small.id) == (1990, None)
        assert await price_of(session, shop, large.id) == (2500, 3050)
    assert facts.topics == ["product.created", "price.changed", "price.changed"]


async def test_product_without_variants_gets_one_that_costs_nothing(database: Database, shop: Shop) -> None:
    product_id = await create(database)

    async with database.reading() as session:
        (only,) = await variants_of(session, product_id)
        assert (only.title, only.selected_options, only.is_tracked) == ("Default Title", [], True)
        assert await price_of(session, shop, only.id) == (0, None)


async def test_options_want_variants(database: Database, shop: Shop) -> None:
    with pytest.raises(InvalidInput) as refused:
        await create(database, options=SIZES)

    assert refused.value.field == ("variants",)


async def test_untracked_variant_can_be_bought_at_once_and_listeners_hear_of_it(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        product_id = await create(database, NewVariant(price=Decimal(5), is_tracked=False))

    async with database.reading() as session:
        (only,) = await variants_of(session, product_id)
        assert (await product_of(session, shop, product_id)).is_available is True
    assert facts.of("stock.changed") == [{"variant_id": str(only.id)}]


async def test_every_price_that_cannot_be_used_is_named_at_its_place(database: Database, shop: Shop) -> None:
    new = [
        NewVariant(selected_options=(("Size", "S"),), price=Decimal("1.999")),
        NewVariant(selected_options=(("Size", "L"),), price=Decimal(20), compare_at_price=Decimal("19.99")),
        NewVariant(selected_options=(("Size", "M"),), price=Decimal(-1), compare_at_price=Decimal("NaN")),
    ]

    with pytest.raises(Refused) as refused:
        await create(database, *new, options=SIZES)

    assert [(refusal.code, refusal.field) for refusal in refused.value.refusals] == [
        ("INVALID_INPUT", ("variants", "0", "price")),
        ("INVALID_INPUT", ("variants", "1", "compareAtPrice")),
        ("INVALID_INPUT", ("variants", "2", "price")),
        ("INVALID_INPUT", ("variants", "2", "compareAtPrice")),
    ]


async def test_compare_at_price_may_equal_the_price(database: Database, shop: Shop) -> None:
    product_id = await create(database, NewVariant(price=Decimal(5), compare_at_price=Decimal(5)))

    async with database.reading() as session:
        (only,) = await variants_of(session, product_id)
        assert await price_of(session, shop, only.id) == (500, 500)


async def test_taken_sku_leaves_nothing_behind(database: Database, shop: Shop) -> None:
    with pytest.raises(Taken) as refused:
        await create(database, NewVariant(price=Decimal(1), sku="MUG"), handle="second-mug")

    async with database.reading() as session:
        assert await catalog_queries.products_by_handle(session, ["second-mug"]) == {}
    assert refused.value.field == ("variants", "0", "sku")


async def test_variants_are_added_at_the_end(database: Database, shop: Shop) -> None:
    async with recording(database) as facts, database.transaction() as session:
        channel = await shop_queries.channel(session)
        new = [NewVariant(selected_options=(("Size", "XL"),), price=Decimal(28))]
        added = await service.create_variants(session, shop.shirt_product, new, channel=channel, actor="ada")

    async with database.reading() as session:
        assert [row.id for row in await variants_of(session, shop.shirt_product)] == [
            shop.shirt_small, shop.shirt_large, *added,
        ]  # fmt: skip
        product = await product_of(session, shop, shop.shirt_product)
        assert (product.max_amount, product.options) == (2800, [{"name": "Size", "values": ["S", "L", "XL"]}])
    assert facts.topics == ["price.changed", "product.updated"]


async def test_price_changes_alone_keep_what_they_do_not_name(database: Database, shop: Shop) -> None:
    await update(database, shop.shirt_product, VariantChange(shop.shirt_large, 1, price=Decimal(27)))

    async with database.reading() as session:
        assert await price_of(session, shop, shop.shirt_large) == (2700, 3000)


async def test_compare_at_price_can_be_cleared(database: Database, shop: Shop) -> None:
    await update(database, shop.shirt_product, VariantChange(shop.shirt_large, 1, compare_at_price=None))

    async with database.reading() as session:
        assert await price_of(session, shop, shop.shirt_large) == (2600, None)


async def test_price_may_not_rise_above_the_compare_at_price(database: Database, shop: Shop) -> None:
    with pytest.raises(Refused) as refused:
        await update(database, shop.shirt_product, VariantChange(shop.shirt_large, 1, price=Decimal("30.01")))

    (refusal,) = refused.value.refusals
    assert refusal.field == ("variants", "0", "compareAtPrice")
    assert refusal.message == (
        "The compare-at price 30.00 is below the price 30.01; it is the higher price of before, or none."
    )


async def test_stale_change_changes_nothing(database: Database, shop: Shop) -> None:
    with pytest.raises(StaleObject) as refused:
        await update(database, shop.mug_product, VariantChange(shop.mug, 2, price=Decimal(1)))

    async with database.reading() as session:
        assert await price_of(session, shop, shop.mug) == (1290, None)
    assert refused.value.field == ("variants", "0", "expectedVersion")


async def test_untracking_a_sold_out_variant_puts_it_on_sale_and_listeners_hear_of_it(
    database: Database, shop: Shop
) -> None:
    async with recording(database) as facts:
        await update(database, shop.poster_product, VariantChange(shop.poster, 1, {"is_tracked": False}))

    async with database.reading() as session:
        assert (await product_of(session, shop, shop.poster_product)).is_available is True
    assert facts.of("stock.changed") == [{"variant_id": str(shop.poster)}]


async def test_saying_again_that_a_variant_is_tracked_is_no_news(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        await update(database, shop.mug_product, VariantChange(shop.mug, 1, {"is_tracked": True}))

    assert facts.topics == ["product.updated"]
    assert await sellable(database, shop.mug) == 10
