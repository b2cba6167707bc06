"""Does the demo catalog keep its promises, and does every picture in it draw?"""

import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from decimal import Decimal
from importlib.resources import files
from itertools import product as every_combination
from typing import Any

import pytest

from headless.merchandising.demo_images import KINDS, draw

SVG = "{http://www.w3.org/2000/svg}"
PALETTE = ("#ebe4d8", "#d9c3a0", "#8a5a3b")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PRICE = re.compile(r"(0|[1-9]\d*)\.\d{2}")
NOT_TEXT = re.compile(r"</?(p|ul|li|em)>")

CATALOG: dict[str, Any] = json.loads(
    files("headless.merchandising").joinpath("demo_catalog.json").read_text(encoding="utf-8")
)
COLLECTIONS: list[dict[str, Any]] = CATALOG["collections"]
PRODUCTS: list[dict[str, Any]] = CATALOG["products"]
VARIANTS: list[dict[str, Any]] = [variant for product in PRODUCTS for variant in product["variants"]]

each_product = pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product["handle"])
each_kind = pytest.mark.parametrize("kind", sorted(KINDS))


def units(variant: dict[str, Any]) -> int | None:
    return None if variant["stock"] is None else sum(variant["stock"].values())


def test_catalog_has_five_collections_and_sixty_products() -> None:
    assert len(COLLECTIONS) == 5
    assert len(PRODUCTS) == 60


def test_handles_and_skus_and_barcodes_are_unique() -> None:
    barcodes = [variant["barcode"] for variant in VARIANTS if variant["barcode"] is not None]

    for names in (
        [collection["handle"] for collection in COLLECTIONS],
        [product["handle"] for product in PRODUCTS],
        [product["title"] for product in PRODUCTS],
        [variant["sku"] for variant in VARIANTS],
        barcodes,
    ):
        assert [name for name, times in Counter(names).items() if times > 1] == []


def test_every_collection_has_products_and_every_product_one_or_two_collections() -> None:
    known = {collection["handle"] for collection in COLLECTIONS}

    assert {handle for product in PRODUCTS for handle in product["collections"]} == known
    assert all(len(set(product["collections"])) == len(product["collections"]) in {1, 2} for product in PRODUCTS)


def test_goods_come_from_eight_to_twelve_vendors() -> None:
    assert 8 <= len({product["vendor"] for product in PRODUCTS}) <= 12


def test_collections_have_slugs_titles_and_plain_descriptions() -> None:
    for collection in COLLECTIONS:
        assert set(collection) == {"handle", "title", "description_html"}
        assert SLUG.fullmatch(collection["handle"])
        assert collection["title"]
        assert not re.search("[<>]", NOT_TEXT.sub("", collection["description_html"]))


@each_product
def test_product_says_what_it_is(product: dict[str, Any]) -> None:
    assert set(product) == {
        *("handle", "title", "description_html", "vendor", "product_type", "tags", "collections"),
        *("seo_title", "seo_description", "options", "variants", "images"),
    }
    assert SLUG.fullmatch(product["handle"])
    assert product["title"]
    assert product["vendor"]
    assert product["product_type"]
    assert product["tags"]
    assert len(set(product["tags"])) == len(product["tags"])


@each_product
def test_description_is_two_to_four_sentences_in_simple_tags(product: dict[str, Any]) -> None:
    description = product["description_html"]
    prose = NOT_TEXT.sub("", description.partition("<ul>")[0])

    ET.fromstring(f"<div>{description}</div>")
    assert not re.search("[<>]", NOT_TEXT.sub("", description))
    assert 2 <= len(re.findall(r"[.!?](?=\s|$)", prose)) <= 4


@each_product
def test_product_has_one_to_six_variants_and_at_most_three_options(product: dict[str, Any]) -> None:
    assert 1 <= len(product["variants"]) <= 6
    assert len(product["options"]) <= 3
    assert product["options"] or len(product["variants"]) == 1


@each_product
def test_every_variant_names_each_option_once(product: dict[str, Any]) -> None:
    names = [option["name"] for option in product["options"]]

    for variant in product["variants"]:
        assert [selected["name"] for selected in variant["selected_options"]] == names


@each_product
def test_variants_are_different_known_combinations_and_leave_no_value_unused(product: dict[str, Any]) -> None:
    values = [option["values"] for option in product["options"]]

    chosen = [tuple(each["value"] for each in variant["selected_options"]) for variant in product["variants"]]

    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(every_combination(*values))
    assert [set(used) for used in zip(*chosen, strict=True)] == [set(known) for known in values]


@each_product
def test_prices_have_two_digits_and_sale_prices_are_lower(product: dict[str, Any]) -> None:
    for variant in product["variants"]:
        assert PRICE.fullmatch(variant["price"])
        assert Decimal(1) <= Decimal(variant["price"]) <= Decimal(1000)
        if variant["compare_at_price"] is not None:
            assert PRICE.fullmatch(variant["compare_at_price"])
            assert Decimal(variant["compare_at_price"]) > Decimal(variant["price"])


def test_about_a_quarter_of_the_products_is_on_sale() -> None:
    on_sale = [product for product in PRODUCTS if any(each["compare_at_price"] for each in product["variants"])]

    assert 12 <= len(on_sale) <= 18


def test_skus_are_capital_words_joined_by_hyphens() -> None:
    assert [each["sku"] for each in VARIANTS if not re.fullmatch(r"[A-Z0-9]+(-[A-Z0-9]+)*", each["sku"])] == []


def test_barcodes_are_in_store_numbers_with_a_right_check_digit() -> None:
    barcodes = [variant["barcode"] for variant in VARIANTS if variant["barcode"] is not None]

    assert barcodes
    for barcode in barcodes:
        assert re.fullmatch(r"2\d{12}", barcode)
        assert sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(barcode)) % 10 == 0


def test_stock_is_counted_at_both_locations_or_not_at_all() -> None:
    for variant in VARIANTS:
        if variant["stock"] is not None:
            assert set(variant["stock"]) == {"main", "outlet"}
            assert all(type(count) is int and 0 <= count <= 120 for count in variant["stock"].values())


def test_some_products_are_sold_out_and_some_untracked() -> None:
    sold_out = [product for product in PRODUCTS if all(units(variant) == 0 for variant in product["variants"])]
    untracked = [product for product in PRODUCTS if all(units(variant) is None for variant in product["variants"])]

    assert len(sold_out) == 4
    assert len(untracked) == 3


def test_some_single_variants_are_sold_out_beside_ones_in_stock() -> None:
    partly = [
        product for product in PRODUCTS if {units(variant) == 0 for variant in product["variants"]} == {True, False}
    ]

    assert len(partly) >= 5


def test_two_variants_have_exactly_one_left_and_many_are_split_over_both_locations() -> None:
    split = [variant for variant in VARIANTS if variant["stock"] and min(variant["stock"].values()) > 0]

    assert [units(variant) for variant in VARIANTS].count(1) == 2
    assert len(split) >= 20


@each_product
def test_images_are_drawings_we_know_with_a_text_for_those_who_cannot_see_them(product: dict[str, Any]) -> None:
    images = product["images"]

    assert 1 <= len(images) <= 3
    for image in images:
        assert set(image) == {"kind", "palette", "alt"}
        assert image["alt"]
        draw(image["kind"], palette=image["palette"], title=image["alt"])
    for variant in product["variants"]:
        assert variant["image"] is None or variant["image"] in range(len(images))


def test_every_kind_of_drawing_is_used() -> None:
    assert {image["kind"] for product in PRODUCTS for image in product["images"]} == KINDS


@each_kind
def test_drawing_is_a_square_svg_of_less_than_six_kilobytes(kind: str) -> None:
    svg = draw(kind, palette=PALETTE, title="A thing")

    root = ET.fromstring(svg)

    assert root.tag == f"{SVG}svg"
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("1200", "1200", "0 0 1200 1200")
    assert len(svg.encode()) < 6_000


@each_kind
def test_drawing_needs_and_runs_nothing_from_outside(kind: str) -> None:
    svg = draw(kind, palette=PALETTE, title="A thing")

    elements = list(ET.fromstring(svg).iter())

    assert not {"script", "foreignObject", "image", "use", "a", "style"} & {e.tag.removeprefix(SVG) for e in elements}
    assert not [name for e in elements for name in e.attrib if name.startswith("on") or name.endswith("href")]
    assert set(re.findall(r"url\((.)", svg)) == {"#"}
    assert svg.count("://") == 1


@each_kind
def test_drawing_escapes_its_title(kind: str) -> None:
    title = "</title><script>alert('1 < 2 & \"3\"')</script>\x00 ☕"

    root = ET.fromstring(draw(kind, palette=PALETTE, title=title))

    assert root.findtext(f"{SVG}title") == title.replace("\x00", "")
    assert root.find(f".//{SVG}script") is None


@each_kind
def test_drawing_refers_only_to_what_it_defines(kind: str) -> None:
    svg = draw(kind, palette=PALETTE, title="A thing")

    defined = [element.get("id") for element in ET.fromstring(svg).iter() if element.get("id")]

    assert len(set(defined)) == len(defined)
    assert set(re.findall(r"url\(#(\w+)\)", svg)) <= set(defined)


def test_same_drawing_is_drawn_the_same_again() -> None:
    assert draw("mug", palette=PALETTE, title="Mug") == draw("mug", palette=list(PALETTE), title="Mug")


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind of picture: 'unicorn'"):
        draw("unicorn", palette=PALETTE, title="Unicorn")


@pytest.mark.parametrize(
    "palette", [(), PALETTE[:2], (*PALETTE, "#ffffff"), ("red", *PALETTE[1:]), ('#12345"', *PALETTE[1:])]
)
def test_palette_that_is_not_three_colors_is_refused(palette: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a palette is three colors"):
        draw("mug", palette=palette, title="Mug")
