"""Do products and variants change as asked, once, by whoever saw the latest version?"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from headless.catalog import listing, publishing, queries, service
from headless.catalog import variants as variant_service
from headless.catalog.errors import OptionsTaken
from headless.catalog.models import ProductStatus, listings, products
from headless.catalog.queries import Eye, ProductSortKey
from headless.catalog.rules import Option
from headless.catalog.search import lists
from headless.catalog.search.parsing import parse
from headless.catalog.search.wishes import Wish
from headless.catalog.service import ImageDraft, ProductDraft
from headless.catalog.variants import VariantDraft
from headless.platform.db import Database, Record
from headless.platform.errors import InvalidInput, NotFound, StaleObject, Taken
from headless.platform.pages import Window
from tests.builders import Form, Shop, make_product, persistently, recording

SIZES = Option("Size", ("S", "M"))


async def create(database: Database, shop: Shop, draft: ProductDraft) -> UUID:
    async with database.transaction() as session:
        return await service.create_product(session, draft, channel_ids=[shop.channel_id], actor="tester")


async def change(database: Database, product_id: UUID, seen: int, changes: Mapping[str, Any]) -> None:
    async with database.transaction() as session:
        await service.update_product(session, product_id, expected_version=seen, changes=changes, actor="anna")


async def add_variants(database: Database, product_id: UUID, *drafts: VariantDraft) -> list[UUID]:
    async with database.transaction() as session:
        return await variant_service.create_variants(session, product_id, drafts, actor="tester")


async def product_of(database: Database, product_id: UUID) -> Record:
    async with database.reading() as session:
        return (await session.execute(select(products).where(products.c.id == product_id))).one()


async def variants_of(database: Database, product_id: UUID) -> list[Record]:
    async with database.reading() as session:
        return (await queries.variants_by_product(session, [product_id])).get(product_id, [])


async def titles(
    database: Database, shop: Shop, *, sees_hidden: bool = False, query: str = "", **arguments: Any
) -> list[str]:
    async with database.reading() as session:
        wish = Wish(Eye(shop.channel_id, sees_hidden), "EUR", query=parse(query))
        found = await lists.page(session, wish, Window(), **arguments)
    return [row.title for row in found.slice.rows]


async def test_new_product_is_a_hidden_draft(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        product_id = await create(
            database,
            shop,
            ProductDraft(
                title=" Blue Bowl ", description_html="<p>Hi<script>x</script></p>", vendor="Acme", tags=["a ", "a"]
            ),
        )

    product = await product_of(database, product_id)
    assert (product.title, product.handle, product.status, product.version) == ("Blue Bowl", "blue-bowl", "DRAFT", 1)
    assert (product.description_html, product.description, product.tags) == ("<p>Hi</p>", "Hi", ["a"])
    assert (product.changed_by, product.title_key) == ("tester", "blue bowl")
    assert facts.found == [("product.created", {"product_id": str(product_id)})]
    assert "Blue Bowl" not in await titles(database, shop)
    assert "Blue Bowl" in await titles(database, shop, sees_hidden=True)


async def test_handles_that_are_not_given_avoid_those_that_are_taken(database: Database, shop: Shop) -> None:
    made = [await create(database, shop, ProductDraft(title="Mug")) for _ in range(3)]

    assert [(await product_of(database, product_id)).handle for product_id in made] == ["mug-1", "mug-2", "mug-3"]


async def test_handles_and_references_are_taken_once(database: Database, shop: Shop) -> None:
    await create(database, shop, ProductDraft(title="One", external_reference="erp-1"))

    async with recording(database) as facts:
        with pytest.raises(Taken) as handle:
            await create(database, shop, ProductDraft(title="Two", handle="mug"))
        with pytest.raises(Taken) as reference:
            await create(database, shop, ProductDraft(title="Three", external_reference="erp-1"))

    assert (handle.value.field, reference.value.field) == (("handle",), ("externalReference",))
    assert facts.found == []


async def test_same_handle_at_once_is_taken_once(database: Database, shop: Shop) -> None:
    async def attempt() -> bool:
        try:
            await create(database, shop, ProductDraft(title="Race", handle="race"))
        except Taken:
            return False
        return True

    made = await asyncio.gather(*(persistently(attempt) for _ in range(8)))

    assert made.count(True) == 1


async def test_update_changes_only_what_is_named_and_raises_the_version(database: Database, shop: Shop) -> None:
    before = await product_of(database, shop.mug_product)

    async with recording(database) as facts:
        await change(database, shop.mug_product, before.version, {"title": "Big Mug", "vendor": "Acme"})

    after = await product_of(database, shop.mug_product)
    assert (after.title, after.title_key, after.vendor, after.handle) == ("Big Mug", "big mug", "Acme", "mug")
    assert (after.version, after.changed_by) == (before.version + 1, "anna")
    assert after.updated_at > before.updated_at
    assert (after.status, after.description_html, after.tags) == (before.status, before.description_html, before.tags)
    assert facts.found == [("product.updated", {"product_id": str(shop.mug_product)})]
    assert await titles(database, shop, query="acme BIG") == ["Big Mug"]


async def test_update_of_a_stale_version_says_who_was_faster(database: Database, shop: Shop) -> None:
    seen = (await product_of(database, shop.mug_product)).version
    await change(database, shop.mug_product, seen, {"title": "Anna's"})

    async with recording(database) as facts:
        with pytest.raises(StaleObject) as caught:
            await change(database, shop.mug_product, seen, {"title": "Bert's"})

    assert caught.value.field == ("expectedVersion",)
    at = (await product_of(database, shop.mug_product)).updated_at
    assert caught.value.message == (
        f'You saw version {seen}; it is now version {seen + 1}: anna changed title from "Mug" to "Anna\'s" '
        f"at {at.isoformat(timespec='seconds')}. Read it again and repeat your change."
    )
    assert (await product_of(database, shop.mug_product)).title == "Anna's"
    assert facts.found == []


async def test_updates_of_one_version_at_once_have_one_winner(database: Database, shop: Shop) -> None:
    seen = (await product_of(database, shop.mug_product)).version

    async def attempt(nth: int) -> bool:
        try:
            await change(database, shop.mug_product, seen, {"title": f"Mug {nth}"})
        except StaleObject:
            return False
        return True

    won = await asyncio.gather(*(persistently(attempt, nth) for nth in range(8)))

    assert won.count(True) == 1
    after = await product_of(database, shop.mug_product)
    assert (after.title, after.version) == (f"Mug {won.index(True)}", seen + 1)


async def test_update_to_a_taken_handle_is_refused(database: Database, shop: Shop) -> None:
    seen = (await product_of(database, shop.mug_product)).version

    with pytest.raises(Taken) as caught:
        await change(database, shop.mug_product, seen, {"handle": "shirt"})

    assert caught.value.field == ("handle",)
    assert (await product_of(database, shop.mug_product)).handle == "mug"


async def test_unknown_product_is_not_found(database: Database, shop: Shop) -> None:
    with pytest.raises(NotFound):
        await change(database, uuid4(), 1, {"title": "x"})


async def test_variants_are_added_at_the_end_and_their_values_to_the_options(database: Database, shop: Shop) -> None:
    await add_variants(
        database,
        shop.shirt_product,
        VariantDraft(selected_options=(("Size", "XL"),), sku="SHIRT-XL"),
        VariantDraft(selected_options=(("Size", "M"),)),
    )

    rows = await variants_of(database, shop.shirt_product)
    assert [(row.position, row.title, row.sku) for row in rows] == [
        (1, "S", "SHIRT-S"),
        (2, "L", "SHIRT-L"),
        (3, "XL", "SHIRT-XL"),
        (4, "M", None),
    ]
    product = await product_of(database, shop.shirt_product)
    assert product.options == [{"name": "Size", "values": ["S", "L", "XL", "M"]}]


@pytest.mark.parametrize(
    ("drafts", "refusal", "field"),
    [
        ([VariantDraft((("Size", "M"),), sku="MUG")], Taken, ("variants", "0", "sku")),
        (
            [VariantDraft((("Size", "M"),), sku="NEW"), VariantDraft((("Size", "XL"),), sku="NEW")],
            Taken,
            ("variants", "1", "sku"),
        ),
        ([VariantDraft((("Size", "S"),))], OptionsTaken, ("variants", "0", "selectedOptions")),
        (
            [VariantDraft((("Size", "M"),)), VariantDraft((("Size", "M"),))],
            OptionsTaken,
            ("variants", "1", "selectedOptions"),
        ),
        ([VariantDraft()], InvalidInput, ("variants", "0", "selectedOptions")),
    ],
)
async def test_variants_that_clash_are_refused_together(
    database: Database, shop: Shop, drafts: list[VariantDraft], refusal: type[Taken], field: tuple[str, ...]
) -> None:
    with pytest.raises(refusal) as caught:
        await add_variants(database, shop.shirt_product, *drafts)

    assert caught.value.field == field
    assert len(await variants_of(database, shop.shirt_product)) == 2


async def test_several_variants_may_be_without_a_sku(database: Database, shop: Shop) -> None:
    product_id = await create(database, shop, ProductDraft(title="Sock", options=[SIZES]))

    await add_variants(
        database, product_id, VariantDraft((("Size", "S"),), sku=""), VariantDraft((("Size", "M"),), sku=None)
    )

    assert [row.sku for row in await variants_of(database, product_id)] == [None, None]


async def test_same_sku_at_once_is_taken_once(database: Database, shop: Shop) -> None:
    made = [await create(database, shop, ProductDraft(title=f"Sock {nth}")) for nth in range(6)]

    async def attempt(product_id: UUID) -> bool:
        try:
            await add_variants(database, product_id, VariantDraft(sku="RACE"))
        except Taken:
            return False
        return True

    won = await asyncio.gather(*(persistently(attempt, one) for one in made))

    assert won.count(True) == 1


async def test_variants_are_updated_all_or_none(database: Database, shop: Shop) -> None:
    small, large = shop.shirt_small, shop.shirt_large

    async def update_both(large_version: int) -> None:
        async with database.transaction() as session:
            await variant_service.update_variants(
                session,
                shop.shirt_product,
                [(small, 1, {"barcode": "1"}), (large, large_version, {"selected_options": (("Size", "XXL"),)})],
                actor="anna",
            )

    with pytest.raises(StaleObject) as caught:
        await update_both(7)
    before = await variants_of(database, shop.shirt_product)
    async with recording(database) as facts:
        await update_both(1)

    after = await variants_of(database, shop.shirt_product)
    assert caught.value.field == ("variants", "1", "expectedVersion")
    assert [(row.barcode, row.version) for row in before] == [(None, 1), (None, 1)]
    assert [(row.barcode, row.title, row.version, row.changed_by) for row in after] == [
        ("1", "S", 2, "anna"),
        (None, "XXL", 2, "anna"),
    ]
    assert facts.topics == ["product.updated"]


async def test_variant_can_not_take_the_options_or_sku_of_another_nor_one_of_another_product(
    database: Database, shop: Shop
) -> None:
    async def attempt(variant_id: UUID, values: Mapping[str, Any]) -> None:
        async with database.transaction() as session:
            await variant_service.update_variants(session, shop.shirt_product, [(variant_id, 1, values)], actor="anna")

    with pytest.raises(OptionsTaken):
        await attempt(shop.shirt_large, {"selected_options": (("Size", "S"),)})
    with pytest.raises(Taken):
        await attempt(shop.shirt_large, {"sku": "SHIRT-S"})
    with pytest.raises(NotFound):
        await attempt(shop.mug, {"barcode": "1"})
    await attempt(shop.shirt_large, {"sku": "SHIRT-L"})

    assert [row.version for row in await variants_of(database, shop.shirt_product)] == [1, 2]


async def test_publishing_and_hiding_are_told_once(database: Database, shop: Shop) -> None:
    channel_id = shop.channel_id
    fact = {"product_id": str(shop.secret_product), "channel_id": str(channel_id)}

    async with recording(database) as facts:
        for step in (publishing.publish, publishing.publish, publishing.unpublish, publishing.unpublish):
            async with database.transaction() as session:
                await step(session, shop.secret_product, channel_id=channel_id)

    assert facts.found == [("product.published", fact), ("product.unpublished", fact)]
    assert (await product_of(database, shop.secret_product)).status == ProductStatus.ACTIVE
    assert "Secret" not in await titles(database, shop)


async def test_archived_product_is_not_seen_and_can_not_be_published(database: Database, shop: Shop) -> None:
    seen = (await product_of(database, shop.mug_product)).version
    await change(database, shop.mug_product, seen, {"status": ProductStatus.ARCHIVED})

    assert "Mug" not in await titles(database, shop)
    with pytest.raises(InvalidInput):
        async with database.transaction() as session:
            await publishing.publish(session, shop.mug_product, channel_id=shop.channel_id)


async def test_public_sees_only_what_is_published(database: Database, shop: Shop) -> None:
    assert await titles(database, shop) == ["Mug", "Shirt", "Voucher", "Poster"]
    assert await titles(database, shop, sees_hidden=True) == ["Mug", "Shirt", "Voucher", "Poster", "Secret"]
    async with database.reading() as session:
        public, staff = Eye(shop.channel_id), Eye(shop.channel_id, sees_hidden=True)
        assert await queries.product(session, public, product_id=shop.secret_product) is None
        assert await queries.variant_by_sku(session, public, "SECRET") is None
        assert await queries.variants_by_id(session, [shop.secret], public) == {}
        assert await queries.products_by_id(session, [shop.secret_product], public) == {}
        assert (await queries.variant_by_sku(session, staff, "SECRET")) is not None


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (ProductSortKey.TITLE, ["Mug", "Poster", "Shirt", "Voucher"]),
        (ProductSortKey.PRICE, ["Poster", "Mug", "Shirt", "Voucher"]),
        (ProductSortKey.CREATED_AT, ["Mug", "Shirt", "Voucher", "Poster"]),
    ],
)
async def test_products_are_sorted_both_ways(
    database: Database, shop: Shop, sort: ProductSortKey, expected: list[str]
) -> None:
    assert await titles(database, shop, sort=sort) == expected
    assert await titles(database, shop, sort=sort, is_reversed=True) == expected[::-1]


async def test_every_sort_can_be_read_to_its_end_page_by_page(database: Database, shop: Shop) -> None:
    for sort in ProductSortKey:
        seen, cursor = [], None
        while True:
            async with database.reading() as session:
                wish, window = Wish(Eye(shop.channel_id), "EUR"), Window(limit=1, after=cursor)
                found = (await lists.page(session, wish, window, sort=sort)).slice
            seen += [row.title for row in found.rows]
            if not found.has_next:
                break
            cursor = found.cursors[-1]
        assert seen == await titles(database, shop, sort=sort)


async def test_titles_of_all_languages_sort_alike_on_both_databases(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        for title in ("zebra", "Äpfel", "apfel 2", "Apfel-Saft", "éclair", "東京", "ß-Ware"):
            await make_product(session, shop.channel_id, title)

    assert await titles(database, shop, sort=ProductSortKey.TITLE) == [
        "Äpfel", "apfel 2", "Apfel-Saft", "éclair", "Mug", "Poster", "Shirt", "ß-Ware", "Voucher", "zebra", "東京",
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["%", "_", "\\", "'", "100%"])
async def test_signs_with_a_meaning_in_sql_are_searched_for_as_they_are(
    database: Database, shop: Shop, query: str
) -> None:
    assert await titles(database, shop, query=query) == []


async def test_search_finds_words_in_any_order_without_accents(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await make_product(session, shop.channel_id, "Grüne Öl-Lampe")

    assert await titles(database, shop, query="lampe grune") == ["Grüne Öl-Lampe"]
    assert await titles(database, shop, query="LÄMPE") == ["Grüne Öl-Lampe"]
    assert await titles(database, shop, query="lampe rot") == []


async def test_count_is_of_the_whole_list(database: Database, shop: Shop) -> None:
    async with database.reading() as session:
        wish = Wish(Eye(shop.channel_id), "EUR")
        assert await (await lists.page(session, wish, Window(limit=1))).slice.count(session) == 4
        wish = replace(wish, query=parse("s"))
        assert await (await lists.page(session, wish, Window(limit=1))).slice.count(session) == 1


async def test_collection_keeps_its_own_order(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        collection_id = await service.create_collection(
            session, handle="best", title="Best", description_html="<b>Good</b>"
        )
        await service.add_to_collection(session, collection_id, [shop.voucher_product, shop.secret_product])
        await service.add_to_collection(session, collection_id, [shop.mug_product])

    async with database.reading() as session:
        wish = Wish(Eye(shop.channel_id), "EUR", collection_id=collection_id)
        found = (await lists.page(session, wish, Window(limit=1))).slice
        rest = (await lists.page(session, wish, Window(after=found.cursors[0]))).slice
        named = await queries.collection(session, handle="best")
        assert await found.count(session) == 2
        owners = await queries.collections_by_product(session, [shop.mug_product, shop.shirt_product])
    assert [row.title for row in [*found.rows, *rest.rows]] == ["Voucher", "Mug"]
    assert named is not None
    assert (named.id, named.description) == (collection_id, "Good")
    assert [row.handle for row in owners[shop.mug_product]] == ["best"]
    assert shop.shirt_product not in owners


async def test_pictures_are_replaced_in_their_order(database: Database, shop: Shop) -> None:
    for urls in (["a.svg", "b.svg"], ["b.svg"], ["d.svg", "c.svg"]):
        async with database.transaction() as session:
            await service.replace_media(session, shop.mug_product, [ImageDraft(url, alt_text=url) for url in urls])

    async with database.reading() as session:
        rows = (await queries.media_by_product(session, [shop.mug_product]))[shop.mug_product]
    assert [(row.url, row.position) for row in rows] == [("d.svg", 1), ("c.svg", 2)]


async def test_availability_is_written_for_the_named_products_only(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        chosen = [shop.mug_product, shop.poster_product]
        await listing.write_availability(session, chosen, listings.c.product_id == shop.poster_product)

    async with database.reading() as session:
        rows = await session.execute(select(listings.c.product_id, listings.c.is_available))
    flags = {row.product_id: row.is_available for row in rows}
    assert (flags[shop.mug_product], flags[shop.poster_product], flags[shop.shirt_product]) == (False, True, True)


async def test_options_can_be_reordered_but_not_lose_a_used_value(database: Database, shop: Shop) -> None:
    seen = (await product_of(database, shop.shirt_product)).version

    with pytest.raises(InvalidInput) as caught:
        await change(database, shop.shirt_product, seen, {"options": [Option("Size", ("S",))]})
    await change(database, shop.shirt_product, seen, {"options": [Option("Size", ("L", "M", "S"))]})

    assert caught.value.field == ("options",)
    assert (await product_of(database, shop.shirt_product)).options == [{"name": "Size", "values": ["L", "M", "S"]}]


async def test_best_sellers_come_first(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        for product_id, units in ((shop.mug_product, 2), (shop.poster_product, 9)):
            await session.execute(update(listings).where(listings.c.product_id == product_id).values(units_sold=units))

    assert await titles(database, shop, sort=ProductSortKey.BEST_SELLING) == ["Poster", "Mug", "Voucher", "Shirt"]


async def test_product_with_a_variant_form_has_its_price_in_lists(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await make_product(session, shop.channel_id, "Lamp", Form(100))

    assert (await titles(database, shop, sort=ProductSortKey.PRICE))[0] == "Lamp"
