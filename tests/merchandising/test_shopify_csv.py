"""Does the reader take every product out of Shopify's CSV files, and say what it could not take?"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headless.merchandising.shopify_csv import (
    ImportedImage,
    ImportedProduct,
    ImportedVariant,
    RowProblem,
    decode,
    read,
)

FILES = Path(__file__).parent / "csv"
NOT_A_NUMBER = "write a number of 0 or more with a point before its decimals and nothing else, such as 1299.00."
NOT_WHOLE = "write a whole number, such as 12."
BROKEN = "Most often a quote is opened and not closed, or a quote inside a quoted field is not doubled; correct it."
MISSING_COLUMNS = (
    "The first line must name the columns, and these are missing: {}."
    " Use a product export in Shopify's format, separated by commas."
)


def found_in(name: str) -> list[ImportedProduct | RowProblem]:
    with (FILES / name).open("rb") as raw, decode(raw) as text:
        return list(read(text))


def found_in_rows(*rows: str) -> list[ImportedProduct | RowProblem]:
    return list(read(io.StringIO("\n".join(rows), newline="")))


def problems_of(found: Iterable[ImportedProduct | RowProblem]) -> list[RowProblem]:
    return [item for item in found if isinstance(item, RowProblem)]


def products_of(found: Iterable[ImportedProduct | RowProblem]) -> list[ImportedProduct]:
    return [item for item in found if isinstance(item, ImportedProduct)]


def variant(line: int, price: str, *selected: tuple[str, str]) -> ImportedVariant:
    return ImportedVariant(
        line=line,
        sku=None,
        barcode=None,
        price=Decimal(price),
        compare_at_price=None,
        selected_options=selected,
        is_tracked=False,
        quantity=None,
        weight_grams=None,
        image_url=None,
    )


def product(handle: str, title: str, *variants: ImportedVariant) -> ImportedProduct:
    options: dict[str, dict[str, None]] = {}
    for name, value in chain.from_iterable(one.selected_options for one in variants):
        options.setdefault(name, {})[value] = None
    return ImportedProduct(
        line=variants[0].line,
        handle=handle,
        title=title,
        description_html="",
        vendor="",
        product_type="",
        tags=(),
        is_published=True,
        status="ACTIVE",
        options=tuple((name, tuple(values)) for name, values in options.items()),
        variants=variants,
        images=(),
        seo_title="",
        seo_description="",
    )


def test_line_ends_inside_quotes_are_kept_and_lines_are_counted_as_they_stand_in_the_file() -> None:
    found = found_in("quoted_newlines.csv")

    mug = replace(
        product("mug", "Mug", variant(2, "12.50")),
        description_html='<p>Two</p>\r\n<p>lines, and a "quote"</p>',
    )
    assert found[0] == mug
    assert problems_of(found) == [
        RowProblem(4, "Variant Price", f'"cheap" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(
            4,
            "Variant Price",
            '"bowl" has no variant that can be imported, so the product is not imported;'
            " give it at least one row with a price.",
        ),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert found_in("byte_order_mark.csv") == [product("cafe", "Café", variant(2, "3"))]


def test_a_file_that_is_not_utf_8_is_read_as_windows_1252() -> None:
    assert found_in("windows_1252.csv") == [product("cafe", "Café “Noir” €", variant(2, "3"))]


def test_a_character_across_two_chunks_is_still_utf_8() -> None:
    raw = io.BytesIO(b"Handle,Title,Variant Price\nmug," + b"a" * (65536 - 32) + "é,3\n".encode())

    found = list(read(decode(raw)))

    assert products_of(found)[0].title == "a" * (65536 - 32) + "é"


def test_columns_are_found_in_any_order_and_case_and_with_spaces_around() -> None:
    assert found_in("headers.csv") == [product("mug", "Mug", variant(2, "9.90"))]


def test_the_newer_column_names_mean_the_same() -> None:
    found = found_in("newer_headers.csv")

    tea = ImportedVariant(
        line=2,
        sku="T-1",
        barcode="4006381333931",
        price=Decimal("4.50"),
        compare_at_price=Decimal("5.00"),
        selected_options=(("Size", "100 g"),),
        is_tracked=True,
        quantity=7,
        weight_grams=101,
        image_url="https://img.example/small.jpg",
    )
    assert found == [
        ImportedProduct(
            line=2,
            handle="tea",
            title="Tea",
            description_html="<p>Leaves</p>",
            vendor="Leaf Ltd",
            product_type="Drinks",
            tags=("green", "loose"),
            is_published=False,
            status="DRAFT",
            options=(("Size", ("100 g",)),),
            variants=(tea,),
            images=(
                ImportedImage(2, "https://img.example/tea.jpg", "A tin", 1),
                ImportedImage(2, "https://img.example/small.jpg", "", None),
            ),
            seo_title="Green tea",
            seo_description="Fresh",
        )
    ]


def test_a_problem_names_the_column_as_the_file_does() -> None:
    found = found_in_rows("URL handle,Title,price", "mug,Mug,5", "bowl,Bowl,x")

    assert problems_of(found)[0].column == "price"


@pytest.mark.parametrize(
    ("name", "missing"),
    [("missing_columns.csv", "Handle, Title, Variant Price"), ("empty.csv", "Handle, Title, Variant Price")],
)
def test_a_file_without_the_required_columns_is_one_problem_and_nothing_else(name: str, missing: str) -> None:
    assert found_in(name) == [RowProblem(1, None, MISSING_COLUMNS.format(missing))]


def test_only_the_columns_that_are_missing_are_named() -> None:
    assert found_in_rows("Title,Handle", "Mug,mug") == [RowProblem(1, None, MISSING_COLUMNS.format("Variant Price"))]


def test_a_variant_with_a_bad_price_is_left_out_and_the_value_is_shown() -> None:
    found = found_in("bad_prices.csv")

    assert problems_of(found) == [
        RowProblem(2, "Variant Price", f'"abc" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(3, "Variant Price", f'"-3" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(4, "Variant Price", f'"1e5" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(5, "Variant Price", f'"NaN" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(6, "Variant Price", f'"1,299.00" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(7, "Variant Price", "The price is missing; write a number, such as 1299.00."),
        RowProblem(8, "Variant Compare At Price", f'"free" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(11, "Variant Price", f'"$5" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(
            11,
            "Variant Price",
            '"bowl" has no variant that can be imported, so the product is not imported;'
            " give it at least one row with a price.",
        ),
    ]
    mug = product("mug", "Mug", variant(9, "8.125", ("Size", "H")), variant(10, "9", ("Size", "I")))
    assert products_of(found) == [replace(mug, line=2)]


def test_images_are_each_kept_once_and_ordered_by_position_then_appearance() -> None:
    found = found_in("image_rows.csv")

    assert problems_of(found) == [
        RowProblem(
            3,
            "Image Src",
            '"ftp://img.example/x.jpg" is left out, for it is no web address;'
            " write one that starts with https:// or http://.",
        ),
        RowProblem(6, "Image Position", f'"first" cannot be used; {NOT_WHOLE}'),
        RowProblem(7, None, "The row has neither a variant nor an image; remove it."),
    ]
    red = replace(variant(2, "5", ("Color", "Red")), image_url="https://img.example/red.jpg")
    blue = replace(variant(3, "5", ("Color", "Blue")), image_url="https://img.example/b.jpg")
    images = (
        ImportedImage(4, "https://img.example/a.jpg", "Front", 1),
        ImportedImage(2, "https://img.example/b.jpg", "Side", 2),
        ImportedImage(6, "https://img.example/c.jpg", "", None),
        ImportedImage(2, "https://img.example/red.jpg", "", None),
    )
    assert products_of(found) == [replace(product("mug", "Mug", red, blue), images=images)]


def test_a_variant_keeps_its_place_when_its_image_is_no_web_address() -> None:
    found = found_in_rows("Handle,Title,Variant Price,Variant Image", "mug,Mug,5,http://[")

    message = '"http://[" is left out, for it is no web address; write one that starts with https:// or http://.'
    assert found == [RowProblem(2, "Variant Image", message), product("mug", "Mug", variant(2, "5"))]


def test_stock_counts_only_with_a_tracker_and_oversold_stock_is_none_left() -> None:
    found = found_in("stock.csv")

    assert problems_of(found) == [
        RowProblem(5, "Variant Inventory Qty", f'"lots" cannot be used; {NOT_WHOLE}'),
        RowProblem(6, "Variant Inventory Qty", f'"1.5" cannot be used; {NOT_WHOLE}'),
        RowProblem(9, "Variant Grams", f'"heavy" cannot be used; {NOT_A_NUMBER}'),
        RowProblem(
            10,
            "Variant Barcode",
            '"4.00638E+12" is a number a spreadsheet has rounded; format the column as text and write it out.',
        ),
    ]
    assert products_of(found) == [
        product(
            "mug",
            "Mug",
            variant(2, "1", ("Size", "A")),
            replace(
                variant(3, "1", ("Size", "B")),
                sku="0012",
                barcode="0400638133393",
                is_tracked=True,
                quantity=5,
                weight_grams=250,
            ),
            replace(variant(4, "1", ("Size", "C")), sku="'n roll", is_tracked=True, quantity=0, weight_grams=0),
            replace(variant(7, "1", ("Size", "F")), is_tracked=True),
            variant(8, "1", ("Size", "G")),
        )
    ]


def test_every_variant_has_its_own_value_for_every_option() -> None:
    found = found_in("options.csv")

    assert problems_of(found) == [
        RowProblem(
            4,
            None,
            'Line 2 has "S / Red" already, and this variant is left out; give it other option values or remove it.',
        ),
        RowProblem(5, "Option2 Value", 'The variant has no "Color"; write a value for this option.'),
        RowProblem(6, "Option1 Name", '"Fit" is called "Size" in an earlier row; use one name.'),
        RowProblem(
            9,
            None,
            "Without options, line 8 is the one variant, and this variant is left out;"
            " give it other option values or remove it.",
        ),
        RowProblem(
            10, "Option1 Name", "\"Large\" belongs to no option; write the option's name on the product's first row."
        ),
        RowProblem(
            10,
            "Variant Price",
            '"bowl" has no variant that can be imported, so the product is not imported;'
            " give it at least one row with a price.",
        ),
        RowProblem(11, "Option1 Name", '"vase" has two options of one name and is not imported; rename one of them.'),
    ]
    assert products_of(found) == [
        product(
            "shirt",
            "Shirt",
            variant(2, "20", ("Size", "S"), ("Color", "Red")),
            variant(3, "20", ("Size", "M"), ("Color", "Red")),
            variant(7, "20", ("Size", "S"), ("Color", "Blue")),
        ),
        product("mug", "Mug", variant(8, "5")),
        product("book", "Book", variant(12, "9", ("Title", "Dune"))),
    ]


def test_missing_values_are_said_and_fields_missing_at_the_end_are_blank() -> None:
    found = found_in("missing_values.csv")

    assert found == [
        RowProblem(4, "Handle", "The handle is missing and the row is skipped; write its product's handle."),
        RowProblem(2, "Title", 'The first row of "mug" has no title, so none of its rows are imported; write one.'),
        product("bowl", "Bowl", variant(7, "8")),
        RowProblem(
            9,
            None,
            'The row has more fields than the first line has columns, from "Acme" on, and is skipped;'
            " put quotes around values with commas.",
        ),
        replace(product("vase", "Vase", variant(8, "9")), vendor="Acme"),
        RowProblem(
            10,
            "Variant Price",
            '"cup" has no variant that can be imported, so the product is not imported;'
            " give it at least one row with a price.",
        ),
    ]


def test_a_handle_that_comes_back_is_said_once_and_not_imported_again() -> None:
    found = found_in("interleaved_handles.csv")

    assert found == [
        product("mug", "Mug", variant(2, "5", ("Size", "S"))),
        product("bowl", "Bowl", variant(3, "6", ("Size", "S"))),
        RowProblem(
            4,
            "Handle",
            'Rows of "mug" came earlier, with other products between; those from here on are skipped.'
            " Move the rows of a product together.",
        ),
        product("vase", "Vase", variant(6, "7", ("Size", "S"))),
    ]


def test_a_broken_quote_costs_the_lines_up_to_the_next_quoted_field() -> None:
    found = found_in("broken_quote.csv")

    assert found == [
        RowProblem(2, None, f"Lines 2 to 4 cannot be read and are skipped (',' expected after '\"'). {BROKEN}"),
        RowProblem(6, None, f"Line 6 cannot be read and is skipped (unexpected end of data). {BROKEN}"),
        replace(product("cup", "Cup", variant(5, "8")), description_html="<p>fine</p>"),
    ]


def test_a_quote_that_is_never_closed_stops_at_the_longest_field_and_reading_goes_on() -> None:
    lines = chain(
        ["Handle,Title,Variant Price\n", 'mug,"Mug,5\n'],
        (f"bowl-{number},Bowl,6\n" for number in range(20_000)),
    )

    found = list(read(lines))

    problem = problems_of(found)[0]
    assert problem.message.endswith(
        f"cannot be read and are skipped (field larger than field limit (131072)). {BROKEN}"
    )
    assert problems_of(found) == [problem]
    assert products_of(found)[-1] == product("bowl-19999", "Bowl", variant(20_002, "6"))


def test_a_record_of_many_short_fields_ends_at_a_million_characters() -> None:
    # Each line closes the field of the line before and opens another, so that the record has no end.
    lines = chain(["Handle,Title,Variant Price\n", 'mug,"'], ['a","' for _ in range(300_000)])

    found = list(read(lines))

    assert "(longer than 1,000,000 characters)" in problems_of(found)[0].message
    assert products_of(found) == []


def test_a_product_of_more_rows_than_any_product_has_is_not_imported() -> None:
    rows = (f"mug,Mug,Size,{number},5" for number in range(5_001))

    found = found_in_rows("Handle,Title,Option1 Name,Option1 Value,Variant Price", *rows, "bowl,Bowl,,,6")

    message = '"mug" has more than 5,000 rows, and none of them are imported; split the product.'
    assert found == [RowProblem(2, "Handle", message), product("bowl", "Bowl", variant(5_003, "6"))]


def test_an_endless_line_is_skipped_without_being_held_in_memory() -> None:
    text = io.StringIO("Handle,Title,Variant Price\n" + "," * 3_000_000 + "\nmug,Mug,5\n", newline="")

    found = list(read(text))

    message = f"Line 2 cannot be read and is skipped (longer than 1,000,000 characters). {BROKEN}"
    assert found == [RowProblem(2, None, message), product("mug", "Mug", variant(3, "5"))]


def test_a_row_with_a_nul_byte_is_skipped() -> None:
    assert found_in("nul_bytes.csv") == [
        RowProblem(2, None, "The row contains a NUL byte and is skipped; save the file as text again."),
        product("bowl", "Bowl", variant(3, "6")),
    ]


def test_an_unclear_publication_or_status_hides_the_product() -> None:
    assert found_in("publication.csv") == [
        product("a", "A", variant(2, "1")),
        replace(product("b", "B", variant(3, "1")), is_published=False, status="ARCHIVED"),
        product("c", "C", variant(4, "1")),
        RowProblem(
            5,
            "Published",
            '"perhaps" is neither true nor false, so the product is not published; write one of them.',
        ),
        RowProblem(
            5,
            "Status",
            '"Unlisted" is not a known status, so the product is a draft; write active, draft or archived.',
        ),
        replace(product("d", "D", variant(5, "1")), is_published=False, status="DRAFT"),
    ]


def test_products_are_read_before_the_file_has_ended() -> None:
    lines = iter(["Handle,Title,Variant Price\n", "mug,Mug,5\n", "bowl,Bowl,6\n", "vase,Vase,7\n"])

    first = next(read(lines))

    assert first == product("mug", "Mug", variant(2, "5"))
    assert next(lines) == "vase,Vase,7\n"


# Letters of one to four bytes, and whatever a reader of CSV could trip over.
TEXT = st.text("abAZ09éß漢😀\u0301\u200b\ufeff \u00a0\t\r\n\x0b\x1c\x85\u2028,;:|\"'`=+-@<>&%/\\", max_size=12).map(
    str.strip
)
SOME_TEXT = TEXT.map(lambda text: text or "x")
CODE = st.none() | SOME_TEXT.filter(lambda text: text[0] != "'")
BARCODE = st.none() | st.text("0123456789", min_size=8, max_size=14)
URL = st.builds("{}://img.example/{}".format, st.sampled_from(["http", "https"]), st.text('aé,;"?=&%', max_size=6))
URLS = st.lists(URL, max_size=4, unique=True)
PRICE = st.integers(0, 10**11).map(lambda cents: Decimal(cents).scaleb(-2))


@st.composite
def imported_variants(draw: st.DrawFn, selected: tuple[tuple[str, str], ...], urls: Sequence[str]) -> ImportedVariant:
    is_tracked = draw(st.booleans())
    return ImportedVariant(
        line=0,
        sku=draw(CODE),
        barcode=draw(BARCODE),
        price=draw(PRICE),
        compare_at_price=draw(st.none() | PRICE.map(lambda price: price or Decimal(1))),
        selected_options=selected,
        is_tracked=is_tracked,
        quantity=draw(st.none() | st.integers(0, 10**9 - 1)) if is_tracked else None,
        weight_grams=draw(st.none() | st.integers(0, 10**6)),
        image_url=draw(st.sampled_from([None, *urls])),
    )


@st.composite
def imported_products(draw: st.DrawFn, handle: str) -> ImportedProduct:
    names = draw(st.lists(SOME_TEXT, max_size=3, unique_by=str.casefold).filter(lambda names: names != ["Title"]))
    choices = st.tuples(*(SOME_TEXT for _ in names))
    chosen = draw(st.lists(choices, min_size=1, max_size=4 if names else 1, unique=True))
    urls = draw(URLS)
    variants = [draw(imported_variants(tuple(zip(names, values, strict=True)), urls)) for values in chosen]
    return replace(
        product(handle, draw(SOME_TEXT), *variants),
        description_html=draw(TEXT),
        vendor=draw(TEXT),
        product_type=draw(TEXT),
        tags=tuple(draw(st.lists(SOME_TEXT.map(lambda tag: tag.replace(",", ".")), max_size=4, unique=True))),
        is_published=draw(st.booleans()),
        status=draw(st.sampled_from(["DRAFT", "ACTIVE", "ARCHIVED"])),
        images=tuple(ImportedImage(0, url, draw(TEXT), position) for position, url in enumerate(urls, 1)),
        seo_title=draw(TEXT),
        seo_description=draw(TEXT),
    )


CATALOGS = st.lists(SOME_TEXT, max_size=4, unique=True).flatmap(
    lambda handles: st.tuples(*(imported_products(handle) for handle in handles))
)


def written(products: Iterable[ImportedProduct]) -> io.StringIO:
    columns = ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Status"]
    columns += [f"Option{slot} {part}" for slot in (1, 2, 3) for part in ("Name", "Value")]
    columns += ["Variant SKU", "Variant Barcode", "Variant Price", "Variant Compare At Price", "Variant Grams"]
    columns += ["Variant Inventory Tracker", "Variant Inventory Qty", "Variant Image"]
    columns += ["Image Src", "Image Alt Text", "Image Position", "SEO Title", "SEO Description"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for one in products:
        writer.writerows(rows_of(one))
    text.seek(0)
    return text


def rows_of(one: ImportedProduct) -> Iterable[Mapping[str, object]]:
    own: dict[str, object] = {
        "Title": one.title,
        "Body (HTML)": one.description_html,
        "Vendor": one.vendor,
        "Type": one.product_type,
        "Tags": ", ".join(one.tags),
        "Published": one.is_published,
        "Status": one.status.lower(),
        "SEO Title": one.seo_title,
        "SEO Description": one.seo_description,
    } | {f"Option{slot} Name": name for slot, (name, _) in enumerate(one.options, 1)}
    for sold, image in zip_longest(one.variants, one.images):
        yield {"Handle": one.handle, **own, **cells_of_variant(sold), **cells_of_image(image)}
        own = {}


def cells_of_variant(sold: ImportedVariant | None) -> Mapping[str, object]:
    if sold is None:
        return {}
    return {
        "Variant SKU": sold.sku,
        "Variant Barcode": sold.barcode,
        "Variant Price": sold.price,
        "Variant Compare At Price": sold.compare_at_price,
        "Variant Grams": sold.weight_grams,
        "Variant Inventory Tracker": "shopify" if sold.is_tracked else "",
        "Variant Inventory Qty": sold.quantity,
        "Variant Image": sold.image_url,
    } | {f"Option{slot} Value": value for slot, (_, value) in enumerate(sold.selected_options, 1)}


def cells_of_image(image: ImportedImage | None) -> Mapping[str, object]:
    return {"Image Src": image.url, "Image Alt Text": image.alt, "Image Position": image.position} if image else {}


def without_lines(found: ImportedProduct | RowProblem) -> ImportedProduct | RowProblem:
    if isinstance(found, RowProblem):
        return found
    variants = tuple(replace(one, line=0) for one in found.variants)
    return replace(found, line=0, variants=variants, images=tuple(replace(one, line=0) for one in found.images))


@given(CATALOGS)
def test_products_that_were_written_are_read_back_equal(products: tuple[ImportedProduct, ...]) -> None:
    found = list(read(written(products)))

    assert [without_lines(item) for item in found] == list(products)


CELLS = st.sampled_from(
    [
        "",
        "mug",
        "bowl",
        "Size",
        "S",
        "Title",
        "Default Title",
        "5",
        "-1",
        '"',
        '"a',
        "\0",
        "\r",
        "http://x",
        "ftp:",
        "²",
    ]
)


@given(st.text() | st.lists(st.lists(CELLS | st.text(max_size=5), max_size=9).map(",".join)).map("\n".join))
def test_no_text_whatever_stops_the_reader(text: str) -> None:
    header = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant Inventory Tracker,Variant Inventory Qty"

    found = list(read(io.StringIO(f"{header},Image Src,Image Position\n{text}", newline="")))

    last = text.count("\n") + text.count("\r") + 2
    assert all(1 < item.line <= last for item in found)
    assert all(item.variants for item in products_of(found))


@given(st.text() | st.lists(st.text()))
def test_no_text_without_columns_holds_a_product(text: str | list[str]) -> None:
    found = list(read(text if isinstance(text, list) else io.StringIO(text, newline="")))

    assert len(problems_of(found)) == len(found) == 1


@given(st.binary())
def test_no_bytes_whatever_stop_the_reader(raw: bytes) -> None:
    found = list(read(decode(io.BytesIO(b"Handle,Title,Variant Price\n" + raw))))

    assert all(item.line > 1 for item in found)
