"""Does a catalog that leaves as a file come back the same, byte for byte?"""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update

from headless.catalog.models import ProductStatus, media
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft, ProductDraft
from headless.merchandising import exporting, opening, service
from headless.merchandising.importing import ImportReport, import_products, terms_of
from headless.merchandising.service import NewProduct, NewVariant
from headless.merchandising.shopify_csv import decode, read
from headless.merchandising.shopify_rows import code, written_barcode, written_code
from headless.platform import clock
from headless.platform.db import Database
from headless.pricing.models import prices
from headless.shop import queries as shop_queries
from tests.builders import Shop
from tests.conftest import Templates
from tests.merchandising.test_importing import product, variant

FILES = sorted((Path(__file__).parent / "csv").glob("*.csv"))
OWN = "http://shop.test/media/"
HEADER = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,"
    "Option3 Name,Option3 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,"
    "Variant Price,Variant Compare At Price,Variant Barcode,Image Src,Image Position,Image Alt Text,SEO Title,"
    "SEO Description,Variant Image,Status\n"
)


async def exported(database: Database) -> str:
    terms = await terms_of(database, channel_handle=None, media_url=OWN)
    return "".join([part async for part, _page in exporting.csv_parts(database, terms)])


async def imported(database: Database, text: str, *, with_stock: bool = False) -> ImportReport:
    with decode(io.BytesIO(text.encode())) as opened:
        return await import_products(database, read(opened), media_url=OWN, with_stock=with_stock)


@asynccontextmanager
async def another_shop(templates: Templates) -> AsyncIterator[Database]:
    async with templates.sqlite() as url:
        database = Database(url)
        try:
            await opening.open_default_shop(database)
            yield database
        finally:
            await database.close()


async def test_catalog_is_written_in_shopifys_format(database: Database, shop: Shop) -> None:
    assert await exported(database) == (
        HEADER
        + "mug,Mug,,,,,true,Title,Default Title,,,,,MUG,,shopify,10,12.90,,,,,,,,,active\n"
        + "shirt,Shirt,,,,,true,Size,S,,,,,SHIRT-S,,shopify,3,24.00,,,,,,,,,active\n"
        + "shirt,,,,,,,,L,,,,,SHIRT-L,,shopify,0,26.00,30.00,,,,,,,,\n"
        + "voucher,Voucher,,,,,true,Title,Default Title,,,,,VOUCHER,,,,25.00,,,,,,,,,active\n"
        + "poster,Poster,,,,,true,Title,Default Title,,,,,POSTER,,shopify,0,8.00,,,,,,,,,active\n"
        + "secret,Secret,,,,,false,Title,Default Title,,,,,SECRET,,shopify,7,99.00,,,,,,,,,draft\n"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_file_that_was_imported_is_exported_the_same_again(
    database: Database, shop: Shop, templates: Templates, file: Path
) -> None:
    with file.open("rb") as raw, decode(raw) as text:
        await import_products(database, read(text))
    first = await exported(database)

    async with another_shop(templates) as other:
        report = await imported(other, first)
        assert report.problems == []
        assert await exported(other) == first


async def test_import_of_an_export_into_its_own_shop_changes_nothing(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        own = [ImageDraft(url="files/a.jpg", alt_text="A"), ImageDraft(url="https://img.example/b.jpg", alt_text="")]
        draft = ProductDraft(title="Vase", status=ProductStatus.ACTIVE)
        new = NewProduct(draft, [NewVariant(price=Decimal(5), image_id=own[0].id)], own, is_shown=True)
        await service.create_products(session, [new], channel=channel, actor="tester")
    first = await exported(database)

    report = await imported(database, first, with_stock=True)

    assert (report.unchanged, report.created, report.updated, report.problems) == (6, 0, 0, [])
    assert f"{OWN}files/a.jpg,1,A" in first
    assert await exported(database) == first


async def test_schedule_outlives_an_export_and_its_import(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        at = clock.now() + timedelta(days=1)
        await service.publish(session, shop.secret_product, channel_id=shop.channel_id, at=at)
    first = await exported(database)

    report = await imported(database, first)

    assert "secret,Secret,,,,,false," in first
    assert report.unchanged == 5
    assert await exported(database) == first


async def test_product_with_five_options_gets_columns_of_its_own(
    database: Database, shop: Shop, templates: Templates
) -> None:
    names = ("A", "B", "C", "D", "E")
    item = product("many", replace(variant(2), selected_options=tuple((name, name.lower()) for name in names)))
    await import_products(database, [replace(item, options=tuple((name, (name.lower(),)) for name in names))])

    first = await exported(database)

    assert "Option5 Name,Option5 Value" in first
    assert "A,a,B,b,C,c,D,d,E,e" in first
    async with another_shop(templates) as other:
        await imported(other, first)
        assert await exported(other) == first


async def test_picture_without_an_address_that_a_file_can_hold_is_left_out(database: Database, shop: Shop) -> None:
    image = ImageDraft(url="https://img.example/a.jpg", alt_text="")
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        new = NewProduct(ProductDraft(title="Vase"), [NewVariant(price=Decimal(5), image_id=image.id)], [image])
        await service.create_products(session, [new], channel=channel, actor="tester")
        await session.execute(update(media).values(url="https://img.example/a b.jpg"))

    assert "img.example" not in await exported(database)


async def test_variants_without_a_price_in_the_channel_are_left_out_and_counted(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(delete(prices).where(prices.c.variant_id.in_([shop.mug, shop.shirt_small])))
    terms = await terms_of(database, channel_handle=None)

    pages = [page async for _part, page in exporting.csv_parts(database, terms)]

    assert sum(page.left_out for page in pages) == 2
    assert [each.handle for page in pages for each in page.products] == ["shirt", "voucher", "poster", "secret"]


@pytest.mark.parametrize("written", [written_code, written_barcode])
@pytest.mark.parametrize("text", ["007", "'007", "''1", "1E5", "'1E5", "''1E5", "'", "'A1", "A'1", "4.0E+12"])
def test_written_code_is_read_the_same_again(written: Callable[[str], str], text: str) -> None:
    assert code(written(text)) == text


TEXT = st.text(
    st.sampled_from(list("aB1 ,;\"'\n\r\t=<&é\u00a0\u2028😀")) | st.characters(exclude_categories=["Cs", "Cc"]),
    max_size=12,
)
NAME = TEXT.map(str.strip).filter(bool)
CODE = st.none() | st.sampled_from(["'007", "1E5", "4.0E+12", "'1E5", "''1", "A,B", '"q"']) | NAME
IMAGE = st.builds(
    ImageDraft, url=st.sampled_from([f"https://img.example/{n}.jpg" for n in range(3)] + ["own/x.svg"]), alt_text=TEXT
)


@st.composite
def new_products(draw: st.DrawFn) -> NewProduct:
    names = draw(st.lists(st.sampled_from(["Title", "Size", "Color, or so", '"x"']), unique=True, max_size=3))
    values = st.sampled_from(["Default Title", "S", "M", "a\nb", "1,5"])
    chosen = draw(st.lists(st.tuples(*[values] * len(names)), unique=True, min_size=1, max_size=4 if names else 1))
    images = draw(st.lists(IMAGE, max_size=4))
    variants = [
        NewVariant(
            selected_options=tuple(zip(names, each, strict=True)),
            sku=None,
            barcode=None,
            is_tracked=draw(st.booleans()),
            weight_grams=draw(st.none() | st.integers(0, 10**9)),
            image_id=draw(st.sampled_from([None, *(image.id for image in images)])),
            price=(price := draw(st.decimals(0, 10**6, places=2))),
            compare_at_price=draw(st.none() | st.just(price) | st.just(price + 1)),
        )
        for each in chosen
    ]
    draft = ProductDraft(
        title=draw(NAME),
        handle=None,
        description_html=draw(
            TEXT | st.sampled_from(["<p>a</p>", "<script>x</script>", "<b>un<i>closed", " x ", "a\r\nb"])
        ),
        vendor=draw(TEXT),
        product_type=draw(TEXT),
        tags=draw(st.lists(TEXT, max_size=3)),
        status=draw(st.sampled_from(ProductStatus)),
        seo_title=draw(st.none() | TEXT),
        seo_description=draw(st.none() | TEXT),
        options=[
            Option(name, tuple(dict.fromkeys(each[place] for each in chosen))) for place, name in enumerate(names)
        ],
    )
    return NewProduct(draft, variants, images, is_shown=draft.status == ProductStatus.ACTIVE and draw(st.booleans()))


@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    new=st.lists(new_products(), min_size=1, max_size=6),
    codes=st.lists(CODE, unique=True, min_size=2, max_size=2),
)
async def test_any_catalog_comes_back_the_same(
    database: Database, shop: Shop, templates: Templates, new: list[NewProduct], codes: list[str | None]
) -> None:
    async with another_shop(templates) as source, another_shop(templates) as other:
        kept = source if database.is_sqlite else database
        async with kept.transaction() as session:
            channel = await shop_queries.channel(session)
            first, *rest = new
            coded = replace(first.variants[0], sku=codes[0], barcode=codes[1])
            wanted = [replace(first, variants=[coded, *first.variants[1:]]), *rest]
            await service.create_products(session, wanted, channel=channel, actor="tester")
        file = await exported(kept)

        report = await imported(other, file)

        assert report.problems == []
        assert await exported(other) == file
