"""Do imported products become the shop's own, each whole or not at all, and a second time without a trace?"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import update

from headless.catalog import queries as catalog_queries
from headless.catalog.queries import Eye
from headless.inventory import queries as inventory_queries
from headless.inventory.models import locations
from headless.merchandising.importing import ImportReport, import_products
from headless.merchandising.shopify_csv import ImportedImage, ImportedProduct, ImportedVariant, RowProblem, decode, read
from headless.platform.db import Database, Record
from headless.platform.errors import BadUserInput
from headless.pricing import queries as pricing_queries
from headless.shop import queries as shop_queries
from tests.builders import Shop, assert_books_balance, place_order, recording, stocks

FILE = Path(__file__).parent / "csv" / "shop.csv"


def items_of(file: Path) -> list[ImportedProduct | RowProblem]:
    with file.open("rb") as raw, decode(raw) as text:
        return list(read(text))


def variant(line: int, price: str = "10", *, size: str | None = None, sku: str | None = None) -> ImportedVariant:
    return ImportedVariant(
        line=line,
        sku=sku,
        barcode=None,
        price=Decimal(price),
        compare_at_price=None,
        selected_options=(("Size", size),) if size is not None else (),
        is_tracked=True,
        quantity=None,
        weight_grams=None,
        image_url=None,
    )


def product(handle: str, *variants: ImportedVariant) -> ImportedProduct:
    sizes = tuple(value for each in variants for _name, value in each.selected_options)
    return ImportedProduct(
        line=variants[0].line,
        handle=handle,
        title=handle.title(),
        description_html="",
        vendor="",
        product_type="",
        tags=(),
        is_published=True,
        status="ACTIVE",
        options=(("Size", sizes),) if sizes else (),
        variants=variants,
        images=(),
        seo_title="",
        seo_description="",
    )


async def product_of(database: Database, handle: str) -> Record:
    async with database.reading() as session:
        channel = await shop_queries.channel(session)
        found = await catalog_queries.product(session, Eye(channel.id, sees_hidden=True), handle=handle)
    assert found is not None
    return found


async def variants_of(database: Database, handle: str) -> Sequence[Record]:
    product_id = (await product_of(database, handle)).id
    async with database.reading() as session:
        return (await catalog_queries.variants_by_product(session, [product_id]))[product_id]


async def media_of(database: Database, handle: str) -> Sequence[Record]:
    product_id = (await product_of(database, handle)).id
    async with database.reading() as session:
        return (await catalog_queries.media_by_product(session, [product_id])).get(product_id, [])


async def prices_of(database: Database, shop: Shop, handle: str) -> list[tuple[int, int | None]]:
    variant_ids = [row.id for row in await variants_of(database, handle)]
    async with database.reading() as session:
        prices = await pricing_queries.prices_by_variant(session, variant_ids, shop.channel_id)
    return [(prices[each].amount, prices[each].compare_at_amount) for each in variant_ids]


async def available_at(database: Database, variant_id: UUID) -> dict[UUID, int]:
    async with database.reading() as session:
        stocks = await inventory_queries.stocks_by_variant(session, [variant_id])
    return {level.location_id: level.available for level in stocks.get(variant_id, [])}


async def test_file_becomes_products(database: Database, shop: Shop) -> None:
    report = await import_products(database, items_of(FILE))

    assert report == ImportReport(created=4, rows=5)
    towel = await product_of(database, "tea-towel")
    assert (towel.title, towel.description_html, towel.vendor, towel.product_type, towel.tags) == (
        "Tea Towel", "<p>Linen.</p>", "Weavers", "Textiles", ["linen", "kitchen"],
    )  # fmt: skip
    assert (towel.status, towel.is_published, towel.is_available, towel.version) == ("ACTIVE", True, True, 1)
    assert await prices_of(database, shop, "tea-towel") == [(950, 1200), (950, None)]
    red, blue = await variants_of(database, "tea-towel")
    assert (red.sku, red.barcode, red.weight_grams, red.is_tracked) == ("TOWEL-R", "4006381333931", 120, True)
    assert await available_at(database, red.id) == {shop.main_id: 12}
    assert await available_at(database, blue.id) == {}
    pictures = await media_of(database, "tea-towel")
    assert [(row.url, row.alt_text, row.id) for row in pictures] == [
        ("https://img.example/red.jpg", "Red towel", red.image_id),
        ("https://img.example/blue.jpg", "Blue towel", blue.image_id),
    ]
    await assert_books_balance(database)


async def test_blank_tracker_means_untracked_without_stock(database: Database, shop: Shop) -> None:
    await import_products(database, items_of(FILE))

    (card,) = await variants_of(database, "gift-card")
    assert card.is_tracked is False
    assert await available_at(database, card.id) == {}


async def test_what_is_unpublished_or_a_draft_stays_hidden(database: Database, shop: Shop) -> None:
    await import_products(database, items_of(FILE))

    hidden, sketch = await product_of(database, "hidden-thing"), await product_of(database, "sketch")
    assert (hidden.status, hidden.is_published) == ("ACTIVE", False)
    assert (sketch.status, sketch.is_published) == ("DRAFT", False)


async def test_second_import_changes_nothing(database: Database, shop: Shop) -> None:
    await import_products(database, items_of(FILE))
    before = [await product_of(database, "tea-towel"), *await variants_of(database, "tea-towel")]

    async with recording(database) as facts:
        report = await import_products(database, items_of(FILE), with_stock=True)

    assert report == ImportReport(unchanged=4, rows=5)
    assert facts.found == []
    assert [await product_of(database, "tea-towel"), *await variants_of(database, "tea-towel")] == before


async def test_dry_run_keeps_nothing(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        report = await import_products(database, items_of(FILE), is_dry_run=True)

    assert report == ImportReport(created=4, rows=5)
    assert facts.found == []
    async with database.reading() as session:
        assert await catalog_queries.products_by_handle(session, ["tea-towel", "gift-card"]) == {}


async def test_known_product_takes_over_what_the_file_says(database: Database, shop: Shop) -> None:
    item = replace(
        product("shirt", variant(2, "23", size="S", sku="SHIRT-S"), variant(3, "31", size="L", sku="SHIRT-LARGE")),
        title="Better Shirt",
        tags=("new",),
        seo_title="Buy it",
    )

    report = await import_products(database, [item])

    assert report == ImportReport(updated=1, rows=2)
    shirt = await product_of(database, "shirt")
    assert (shirt.id, shirt.title, shirt.tags, shirt.seo_title, shirt.version) == (
        shop.shirt_product, "Better Shirt", ["new"], "Buy it", 3,
    )  # fmt: skip
    assert [(row.id, row.sku) for row in await variants_of(database, "shirt")] == [
        (shop.shirt_small, "SHIRT-S"),
        (shop.shirt_large, "SHIRT-LARGE"),
    ]
    assert await prices_of(database, shop, "shirt") == [(2300, None), (3100, None)]


async def test_variant_with_a_new_option_value_is_known_by_its_sku(database: Database, shop: Shop) -> None:
    item = product("shirt", variant(2, "24", size="Small", sku="SHIRT-S"), variant(3, "26", size="L", sku="SHIRT-L"))

    await import_products(database, [item])

    assert [(row.id, row.title) for row in await variants_of(database, "shirt")] == [
        (shop.shirt_small, "Small"),
        (shop.shirt_large, "L"),
    ]
    assert (await product_of(database, "shirt")).options == [{"name": "Size", "values": ["Small", "L"]}]


async def test_new_variants_come_and_those_that_the_file_does_not_name_stay(database: Database, shop: Shop) -> None:
    item = product("shirt", replace(variant(2, size="XL"), quantity=6))

    async with recording(database) as facts:
        report = await import_products(database, [item])

    small, large, extra = await variants_of(database, "shirt")
    assert report == ImportReport(updated=1, rows=1)
    assert [small.id, large.id, extra.title] == [shop.shirt_small, shop.shirt_large, "XL"]
    assert (await product_of(database, "shirt")).options == [{"name": "Size", "values": ["XL", "S", "L"]}]
    assert await available_at(database, extra.id) == {shop.main_id: 6}
    assert facts.of("stock.changed") == [{"variant_id": str(extra.id)}]


@pytest.mark.parametrize(("with_stock", "at_main"), [(False, 3), (True, 8)])
async def test_stock_of_known_variants_is_set_only_when_asked(
    database: Database, shop: Shop, with_stock: bool, at_main: int
) -> None:
    item = product("shirt", replace(variant(2, "24", size="S", sku="SHIRT-S"), quantity=8))

    await import_products(database, [item], with_stock=with_stock)

    assert await available_at(database, shop.shirt_small) == {shop.main_id: at_main, shop.outlet_id: 5}
    await assert_books_balance(database)


async def test_quantity_goes_to_the_first_active_location(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(update(locations).where(locations.c.id == shop.main_id).values(is_active=False))

    await import_products(database, [product("vase", replace(variant(2), quantity=4))])

    (vase,) = await variants_of(database, "vase")
    assert await available_at(database, vase.id) == {shop.outlet_id: 4}


async def test_pictures_are_replaced_and_known_ones_keep_their_ids(database: Database, shop: Shop) -> None:
    red, blue, green = (ImportedImage(2, f"https://img.example/{name}.jpg", name, None) for name in ("r", "b", "g"))
    item = replace(product("vase", replace(variant(2), image_url=red.url)), images=(red, blue))
    await import_products(database, [item])
    first = {row.url: row.id for row in await media_of(database, "vase")}

    await import_products(database, [replace(item, images=(green, red))])

    shown = await media_of(database, "vase")
    (vase,) = await variants_of(database, "vase")
    assert [row.url for row in shown] == [green.url, red.url]
    assert shown[1].id == first[red.url] == vase.image_id
    assert (await product_of(database, "vase")).version == 2


async def test_file_without_pictures_leaves_them(database: Database, shop: Shop) -> None:
    image = ImportedImage(2, "https://img.example/r.jpg", "", None)
    item = replace(product("vase", replace(variant(2), image_url=image.url)), images=(image,))
    await import_products(database, [item])

    report = await import_products(database, [product("vase", variant(2))])

    assert report.unchanged == 1
    assert len(await media_of(database, "vase")) == 1


async def test_unpublished_in_the_file_hides_a_known_product(database: Database, shop: Shop) -> None:
    item = product("mug", variant(2, "12.90", sku="MUG"))

    async with recording(database) as facts:
        await import_products(database, [replace(item, is_published=False)])

    assert (await product_of(database, "mug")).is_published is False
    # Whoever watches the stock or the price of its variant hears of it.
    assert facts.topics == ["product.unpublished", "stock.changed", "price.changed"]


async def test_one_bad_product_does_not_stop_the_others(database: Database, shop: Shop) -> None:
    items: list[ImportedProduct | RowProblem] = [
        product("first", variant(2)),
        product("thief", variant(3, size="S"), variant(4, size="L", sku="MUG")),
        product("Not_A_Handle", variant(5)),
        RowProblem(6, "Variant Price", "as the file was read"),
        product("precise", variant(7, size="S"), variant(8, "1.999", size="L")),
        product("last", variant(9)),
    ]

    report = await import_products(database, items)

    assert (report.created, report.refused, report.rows) == (2, 3, 7)
    assert [(problem.line, problem.column, problem.message) for problem in report.problems] == [
        (4, "Variant SKU", "Another variant has the SKU 'MUG'. Choose a different one."),
        (
            5,
            "Handle",
            "A handle has lower-case letters, digits and single hyphens, like `blue-mug`; 'Not_A_Handle' has not.",
        ),
        (6, "Variant Price", "as the file was read"),
        (8, "Variant Price", "1.999 has more than the 2 decimal places of EUR."),
    ]
    async with database.reading() as session:
        found = await catalog_queries.products_by_handle(session, ["first", "thief", "precise", "last"])
    assert set(found) == {"first", "last"}


@pytest.mark.parametrize("is_dry_run", [True, False])
async def test_sku_that_stands_twice_in_the_file_is_refused(database: Database, shop: Shop, is_dry_run: bool) -> None:
    items = [product("one", variant(2, sku="SAME")), product("two", variant(3, sku="SAME"))]

    report = await import_products(database, items, is_dry_run=is_dry_run)

    assert report == ImportReport(
        created=1,
        refused=1,
        rows=2,
        problems=[RowProblem(3, "Variant SKU", "Line 2 has the SKU 'SAME' already. Choose a different one.")],
    )


async def test_problem_of_a_known_variant_is_told_at_its_line(database: Database, shop: Shop) -> None:
    item = product(
        "shirt",
        variant(2, "24", size="S", sku="SHIRT-S"),
        replace(variant(3, "26", size="L", sku="SHIRT-L"), compare_at_price=Decimal(20)),
    )

    report = await import_products(database, [item])

    assert [(problem.line, problem.column) for problem in report.problems] == [(3, "Variant Compare At Price")]


async def test_other_options_than_in_the_shop_are_refused(database: Database, shop: Shop) -> None:
    report = await import_products(database, [product("mug", variant(2, size="S", sku="MUG"))])

    assert report.problems == [
        RowProblem(
            2,
            "Option1 Name",
            "In the shop the product has no options, in the file the options Size. "
            "Name the same options in the file, or delete the product from the shop first.",
        )
    ]


async def test_unknown_channel_stops_the_import(database: Database, shop: Shop) -> None:
    with pytest.raises(BadUserInput, match="There is no channel 'moon'"):
        await import_products(database, items_of(FILE), channel_handle="moon")


async def test_progress_is_told_after_every_product(database: Database, shop: Shop) -> None:
    seen: list[int] = []

    await import_products(database, items_of(FILE), on_progress=lambda report: seen.append(report.created))

    assert seen == [1, 2, 3, 4]


async def test_count_leaves_promised_units_on_the_shelf(database: Database, shop: Shop) -> None:
    await place_order(database, shop, {shop.mug: 2})

    await import_products(
        database, [product("mug", replace(variant(2, "12.90", sku="MUG"), quantity=20))], with_stock=True
    )

    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (level.on_hand, level.committed, level.available) == (22, 2, 20)
    await assert_books_balance(database)
