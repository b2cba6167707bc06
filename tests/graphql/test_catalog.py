"""Does the catalog look in the API as the contract says, to shoppers and to staff?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.catalog import publishing
from headless.catalog import service as catalog
from headless.catalog.service import ImageDraft
from headless.platform import ids
from tests.builders import Form, Shop, make_product, stock
from tests.graphql.client import Api, filled_cart, of

PRODUCT = """query($id: ID, $handle: String) { product(id: $id, handle: $handle) {
  id handle title description descriptionHtml vendor productType tags status seo { title description }
  options { name values } priceRange { minVariantPrice { amount currencyCode } maxVariantPrice { amount currencyCode } }
  compareAtPriceRange { minVariantPrice { amount } maxVariantPrice { amount } }
  availableForSale totalInventory featuredMedia { url } media(first: 5) { nodes { id } } collections { nodes { id } } version
  variants(first: 5) { totalCount nodes {
    sku barcode title price { amount currencyCode } compareAtPrice { amount } availableForSale quantityAvailable
    currentlyNotInStock selectedOptions { name value } image { id } product { id } version
  } }
} }"""
TITLES = """query($first: Int, $after: String, $last: Int, $before: String, $key: ProductSortKey, $reverse: Boolean, $query: String) {
  products(first: $first, after: $after, last: $last, before: $before, sortKey: $key, reverse: $reverse, query: $query) {
    edges { cursor node { title } } nodes { title } totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""  # fmt: skip
LISTING = """{ products(first: 24) { nodes {
  id handle title availableForSale totalInventory priceRange { minVariantPrice { amount } }
  featuredMedia { url altText } media(first: 3) { nodes { url } }
  variants(first: 10) { nodes {
    id title sku price { amount currencyCode } compareAtPrice { amount } availableForSale quantityAvailable currentlyNotInStock
    selectedOptions { name value } image { url }
  } }
} pageInfo { hasNextPage endCursor } } }"""
SORT_KEYS = [
    "BEST_SELLING", "CREATED_AT", "ID", "PRICE", "PRODUCT_TYPE", "RELEVANCE", "TITLE", "UPDATED_AT", "VENDOR", None,
]  # fmt: skip


async def test_shop_and_its_channels(api: Api, shop: Shop) -> None:
    channel = {
        "id": of("channel", shop.channel_id), "handle": "default", "currencyCode": "EUR", "defaultCountry": "DE",
        "defaultLanguage": "en",
    }  # fmt: skip
    fields = "id handle currencyCode defaultCountry defaultLanguage"

    reply = await api.execute(f"{{ shop {{ name defaultChannel {{ {fields} }} channels {{ {fields} }} }} }}")

    assert reply.data == {"shop": {"name": "Test Shop", "defaultChannel": channel, "channels": [channel]}}


async def test_product_by_id_and_by_handle(api: Api, shop: Shop) -> None:
    by_id = await api.execute(PRODUCT, {"id": of("product", shop.shirt_product)})
    by_handle = await api.execute(PRODUCT, {"handle": "shirt"})

    product = of("product", shop.shirt_product)
    money = {"currencyCode": "EUR"}
    assert by_id.data == by_handle.data
    assert by_id.data["product"] == {
        "id": product, "handle": "shirt", "title": "Shirt", "description": "", "descriptionHtml": "", "vendor": "",
        "productType": "", "tags": [], "status": "ACTIVE", "seo": {"title": None, "description": None},
        "options": [{"name": "Size", "values": ["S", "L"]}],
        "priceRange": {"minVariantPrice": {"amount": "24.00", **money}, "maxVariantPrice": {"amount": "26.00", **money}},
        "compareAtPriceRange": {"minVariantPrice": {"amount": "30.00"}, "maxVariantPrice": {"amount": "30.00"}},
        "availableForSale": True, "totalInventory": 10, "featuredMedia": None, "media": {"nodes": []},
        "collections": {"nodes": []}, "version": by_id.data["product"]["version"],
        "variants": {"totalCount": 2, "nodes": [
            {
                "sku": "SHIRT-S", "barcode": None, "title": "S", "price": {"amount": "24.00", **money}, "compareAtPrice": None,
                "availableForSale": True, "quantityAvailable": 8, "currentlyNotInStock": False,
                "selectedOptions": [{"name": "Size", "value": "S"}], "image": None, "product": {"id": product}, "version": 1,
            },
            {
                "sku": "SHIRT-L", "barcode": None, "title": "L", "price": {"amount": "26.00", **money},
                "compareAtPrice": {"amount": "30.00"}, "availableForSale": True, "quantityAvailable": 2,
                "currentlyNotInStock": False, "selectedOptions": [{"name": "Size", "value": "L"}], "image": None,
                "product": {"id": product}, "version": 1,
            },
        ]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "sku", "is_for_sale", "quantity", "is_out"),
    [
        ("mug", "MUG", True, 10, False),
        ("voucher", "VOUCHER", True, None, False),
        ("poster", "POSTER", False, 0, True),
    ],
)
async def test_variant_says_what_a_checkout_would_grant(
    api: Api, shop: Shop, name: str, sku: str, is_for_sale: bool, quantity: int | None, is_out: bool
) -> None:
    fields = "id sku availableForSale quantityAvailable currentlyNotInStock"

    reply = await api.execute(
        f"query($id: ID, $sku: String) {{ byId: variant(id: $id) {{ {fields} }} bySku: variant(sku: $sku) {{ {fields} }} }}",
        {"id": of("variant", getattr(shop, name)), "sku": sku},
    )

    assert reply.data["byId"] == reply.data["bySku"] == {
        "id": of("variant", getattr(shop, name)), "sku": sku, "availableForSale": is_for_sale, "quantityAvailable": quantity,
        "currentlyNotInStock": is_out,
    }  # fmt: skip


async def test_variant_by_its_options(api: Api, shop: Shop) -> None:
    document = """query($id: ID, $options: [SelectedOptionInput!]!) {
      product(id: $id) { variantBySelectedOptions(selectedOptions: $options) { sku } }
    }"""

    async def found(*options: tuple[str, str]) -> Any:
        pairs = [{"name": name, "value": value} for name, value in options]
        reply = await api.execute(document, {"id": of("product", shop.shirt_product), "options": pairs})
        return reply.data["product"]["variantBySelectedOptions"]

    assert await found(("Size", "L")) == {"sku": "SHIRT-L"}
    assert await found(("Size", "XL")) is None
    assert await found(("Color", "L")) is None
    assert await found() is None


@pytest.mark.parametrize("arguments", ["", "(id: null)", '(id: "x", handle: "mug")', "(id: null, handle: null)"])
async def test_product_is_asked_for_by_exactly_one_name(api: Api, arguments: str) -> None:
    reply = await api.execute(f"{{ product{arguments} {{ id }} shop {{ name }} }}")

    assert reply.body["data"] == {"product": None, "shop": {"name": "Test Shop"}}
    assert reply.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("field", ["product", "variant", "collection", "node"])
@pytest.mark.parametrize("kind", ["malformed", "foreign", "unknown", "empty", "overflowing", "hidden"])
async def test_what_is_not_there_is_not_found_however_it_is_asked_for(
    api: Api, shop: Shop, field: str, kind: str
) -> None:
    prefix = {"node": "product"}.get(field, field)
    hidden = {"product": shop.secret_product, "node": shop.secret_product, "variant": shop.secret}.get(field, ids.new())
    wanted = {
        "malformed": "x", "foreign": of("order", shop.mug_product), "unknown": of(prefix, ids.new()), "empty": "",
        "overflowing": f"{prefix}_{'z' * 26}", "hidden": of(prefix, hidden),
    }[kind]  # fmt: skip

    reply = await api.execute(f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}", {"id": wanted})

    assert reply.status == 200
    assert reply.body["data"] == {field: None}
    (error,) = reply.errors
    assert error["path"] == [field]
    assert error["extensions"] == {"code": "NOT_FOUND"}


async def test_hidden_product_exists_nowhere_for_shoppers_and_everywhere_for_staff(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        collection = await catalog.create_collection(session, handle="all", title="All", description_html="")
        await catalog.add_to_collection(session, collection, [shop.mug_product, shop.secret_product])
    wanted = {"product": of("product", shop.secret_product), "variant": of("variant", shop.secret)}
    lists = '{ products { totalCount nodes { title } } collection(handle: "all") { products { totalCount nodes { title } } } }'
    single = """query($product: ID!, $variant: ID!) {
      a: product(id: $product) { title } b: product(handle: "secret") { title } c: variant(id: $variant) { sku }
      d: variant(sku: "SECRET") { sku } e: node(id: $product) { id } f: node(id: $variant) { id }
      g: nodes(ids: [$product, $variant]) { id }
    }"""
    added = """mutation($variant: ID!) { cartCreate(input: {lines: [{variantId: $variant}]}) {
      cart { id } userErrors { code field }
    } }"""
    token = await api.token(Permission.READ_PRODUCTS)

    listed, staff_listed = await api.execute(lists), await api.execute(lists, token=token)
    found, staff_found = await api.execute(single, wanted), await api.execute(single, wanted, token=token)
    searched = await api.execute(TITLES, {"query": "secret"})
    cart = await api.execute(added, {"variant": wanted["variant"]})
    staff_cart = await api.execute(added, {"variant": wanted["variant"]}, token=token)

    assert listed.data["products"]["totalCount"] == 4
    assert listed.data["collection"]["products"] == {"totalCount": 1, "nodes": [{"title": "Mug"}]}
    assert {"title": "Secret"} not in listed.data["products"]["nodes"]
    assert found.body["data"] == {**dict.fromkeys("abcdef"), "g": [None, None]}
    assert found.codes == ["NOT_FOUND"] * 6
    assert searched.data["products"]["totalCount"] == 0
    refused = {"cart": None, "userErrors": [{"code": "NOT_FOUND", "field": ["lines", "0", "variantId"]}]}
    assert cart.data["cartCreate"] == staff_cart.data["cartCreate"] == refused
    assert staff_listed.data["products"]["totalCount"] == 5
    assert staff_listed.data["collection"]["products"] == {
        "totalCount": 2,
        "nodes": [{"title": "Mug"}, {"title": "Secret"}],
    }
    assert staff_found.data["a"] == staff_found.data["b"] == {"title": "Secret"}
    assert staff_found.data["g"] == [{"id": wanted["product"]}, {"id": wanted["variant"]}]


async def test_product_that_is_hidden_later_leaves_carts_too(api: Api, shop: Shop) -> None:
    cart = await filled_cart(api, shop.mug)
    async with api.server.database.transaction() as session:
        await publishing.unpublish(session, shop.mug_product, channel_id=shop.channel_id)
    document = """query($id: ID!) { cart(id: $id) {
      totalQuantity lines { nodes { quantity variant { id } } } problems { code }
    } }"""

    reply = await api.execute(document, {"id": cart})
    other = await api.execute(
        "query($id: ID!) { variant(id: $id) { product { title } } }", {"id": of("variant", shop.mug)}
    )

    assert reply.data["cart"]["lines"] == {"nodes": [{"quantity": 1, "variant": None}]}
    assert "NOT_AVAILABLE" in [problem["code"] for problem in reply.data["cart"]["problems"]]
    assert other.codes == ["NOT_FOUND"]


async def _varied(api: Api, shop: Shop) -> None:
    """Products that differ and tie in everything a list can be sorted by."""
    async with api.server.database.transaction() as session:
        made = []
        for title, price in (("apple", 500), ("Äpfel", 500), ("Apple", 700), ("Zebra", 500), ("zebra", 1290)):
            product, _variants = await make_product(session, shop.channel_id, title, Form(price))
            made.append(product)
        for product, vendor in zip(made, ("b", "B", "a", "", "ß"), strict=True):
            await catalog.update_product(
                session,
                product,
                expected_version=2,
                changes={"vendor": vendor, "product_type": vendor[::-1]},
                actor="tester",
            )


async def pages(api: Api, size: int, arguments: dict[str, Any], *, backwards: bool) -> list[str]:
    """All titles of a list, read page by page, in the list's order."""
    found: list[str] = []
    count, place, more, cursor = (
        ("last", "before", "hasPreviousPage", "startCursor")
        if backwards
        else ("first", "after", "hasNextPage", "endCursor")
    )
    position = None
    while True:
        reply = await api.execute(TITLES, {**arguments, count: size, place: position})
        page = reply.data["products"]
        titles = [edge["node"]["title"] for edge in page["edges"]]
        assert titles == [node["title"] for node in page["nodes"]]
        assert len(titles) <= size
        assert page["totalCount"] == 9
        if page["edges"]:
            assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
            assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        found = titles + found if backwards else found + titles
        if not page["pageInfo"][more]:
            return found
        position = page["pageInfo"][cursor]


@pytest.mark.parametrize("key", SORT_KEYS)
async def test_list_is_the_same_in_pages_of_any_size_in_both_directions(api: Api, shop: Shop, key: str | None) -> None:
    await _varied(api, shop)
    arguments = {"key": key, "reverse": False}
    whole = [
        node["title"] for node in (await api.execute(TITLES, {**arguments, "first": 250})).data["products"]["nodes"]
    ]

    for size in (1, 4):
        assert await pages(api, size, arguments, backwards=False) == whole
        assert await pages(api, size, arguments, backwards=True) == whole
        assert await pages(api, size, {**arguments, "reverse": True}, backwards=False) == whole[::-1]

    assert len(whole) == len(set(whole)) == 9


async def test_titles_and_prices_are_sorted_as_people_do(api: Api, shop: Shop) -> None:
    await _varied(api, shop)

    async def titles(key: str) -> list[str]:
        reply = await api.execute(TITLES, {"key": key, "reverse": False})
        return [node["title"] for node in reply.data["products"]["nodes"]]

    assert [title.lower() for title in await titles("TITLE")] == [
        "äpfel" if title == "apfel" else title
        for title in ("apfel", "apple", "apple", "mug", "poster", "shirt", "voucher", "zebra", "zebra")
    ]
    assert await titles("PRICE") == [
        "apple", "Äpfel", "Zebra", "Apple", "Poster", "Mug", "zebra", "Shirt", "Voucher",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1}, {"last": -1}, {"first": 251}, {"first": 2, "last": 2}, {"first": 2, "after": "x"},
        {"first": 2, "after": "W10"}, {"first": 2, "after": "bnVsbA"}, {"first": 2, "after": "\u2603"}, {"last": 2, "before": "x"},
        {"first": 2, "after": "WyJJRCIsMV0"}, {"first": 2, "after": "WyJJRCIsIngiXQ"},
    ],
)  # fmt: skip
async def test_bad_pages_are_refused(api: Api, arguments: dict[str, Any]) -> None:
    reply = await api.execute(TITLES, {"reverse": False, **arguments})

    assert reply.status == 200
    assert reply.codes == ["BAD_USER_INPUT"]
    assert reply.errors[0]["path"] == ["products"]


async def test_cursor_of_another_order_is_refused(api: Api) -> None:
    first = await api.execute(TITLES, {"first": 1, "key": "TITLE", "reverse": False})
    cursor = first.data["products"]["pageInfo"]["endCursor"]

    for arguments in ({"key": "PRICE", "reverse": False}, {"key": "TITLE", "reverse": True}, {"reverse": False}):
        reply = await api.execute(TITLES, {"first": 1, "after": cursor, **arguments})
        assert reply.codes == ["BAD_USER_INPUT"]


async def test_page_of_none_tells_whether_there_is_more(api: Api) -> None:
    reply = await api.execute(TITLES, {"first": 0, "reverse": False})

    page = reply.data["products"]
    assert (page["edges"], page["totalCount"]) == ([], 4)
    assert page["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False, "startCursor": None, "endCursor": None}


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("mug", ["Mug"]), ("  MUG ", ["Mug"]), ("mu", ["Mug"]), ("mug shirt", []), ("", ["Mug", "Poster", "Shirt", "Voucher"]),
        ("%", []), ("_", []), ("\\", []), ("'", []), ("\U0001f600", []), ("müg", ["Mug"]), ("x" * 10_000, []),
    ],
)  # fmt: skip
async def test_search_finds_words_and_nothing_by_accident(api: Api, query: str, titles: list[str]) -> None:
    reply = await api.execute(TITLES, {"query": query, "key": "TITLE", "reverse": False})

    assert [node["title"] for node in reply.data["products"]["nodes"]] == titles


async def test_collections_are_listed_by_title_and_keep_their_own_order(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        late = await catalog.create_collection(session, handle="late", title="Late", description_html="<p>Hi</p>")
        early = await catalog.create_collection(session, handle="early", title="early", description_html="")
        await catalog.add_to_collection(session, late, [shop.voucher_product, shop.mug_product])

    reply = await api.execute("""{
      collections { totalCount nodes { handle title description products(first: 1) { totalCount nodes { title } } } }
      collection(handle: "late") { id products { nodes { title collections { nodes { handle } } } }
        byPrice: products(sortKey: PRICE) { nodes { title } } reversed: products(reverse: true) { nodes { title } } }
    }""")

    assert reply.data["collections"] == {"totalCount": 2, "nodes": [
        {"handle": "early", "title": "early", "description": "", "products": {"totalCount": 0, "nodes": []}},
        {"handle": "late", "title": "Late", "description": "Hi", "products": {"totalCount": 2, "nodes": [{"title": "Voucher"}]}},
    ]}  # fmt: skip
    collection = reply.data["collection"]
    assert collection["id"] == of("collection", late)
    assert early != late
    own = [{"title": title, "collections": {"nodes": [{"handle": "late"}]}} for title in ("Voucher", "Mug")]
    assert collection["products"]["nodes"] == own
    assert collection["byPrice"]["nodes"] == collection["reversed"]["nodes"] == [{"title": "Mug"}, {"title": "Voucher"}]


async def test_pictures_have_absolute_addresses(api: Api, shop: Shop) -> None:
    own, foreign = ids.new(), ids.new()
    async with api.server.database.transaction() as session:
        await catalog.replace_media(
            session,
            shop.mug_product,
            [
                ImageDraft(url="mug.svg", alt_text="A mug", width=10, height=20, id=own),
                ImageDraft(url="https://cdn.test/mug.jpg", alt_text="", id=foreign),
            ],
        )

    reply = await api.execute("""{ product(handle: "mug") {
      featuredMedia { id } media(first: 5) { nodes { id url altText width height } }
      variants { nodes { image { id } } }
    } }""")

    assert reply.data["product"] == {
        "featuredMedia": {"id": of("media", own)},
        "media": {"nodes": [
            {"id": of("media", own), "url": "http://shop.test/media/mug.svg", "altText": "A mug", "width": 10, "height": 20},
            {"id": of("media", foreign), "url": "https://cdn.test/mug.jpg", "altText": "", "width": None, "height": None},
        ]},
        "variants": {"nodes": [{"image": {"id": of("media", own)}}]},
    }  # fmt: skip


async def test_unknown_channel_is_refused_and_the_known_one_taken(api: Api) -> None:
    document = "query($channel: String) @inContext(channel: $channel) { products { totalCount } }"

    known = await api.execute(document, {"channel": "default"})
    without = await api.execute(document)
    unknown = await api.execute(document, {"channel": "moon"})

    assert known.data == without.data == {"products": {"totalCount": 4}}
    assert unknown.codes == ["BAD_USER_INPUT"]


async def _many(api: Api, shop: Shop, count: int) -> None:
    async with api.server.database.transaction() as session:
        for number in range(count):
            forms = [Form(1000 + size, value=str(size), sku=f"{number}-{size}") for size in range(3)]
            product, variants = await make_product(session, shop.channel_id, f"Thing {number}", *forms)
            await catalog.replace_media(session, product, [ImageDraft(url=f"{number}.svg", alt_text="")])
            await stock(session, shop.main_id, {variants[0]: 5})


async def test_listing_takes_few_statements_however_long_it_is(api: Api, shop: Shop) -> None:
    await api.execute(LISTING)
    few = await api.execute(LISTING)
    await _many(api, shop, 20)
    many = await api.execute(LISTING)

    assert len(few.data["products"]["nodes"]) == 4
    assert len(many.data["products"]["nodes"]) == 24
    assert sum(len(product["variants"]["nodes"]) for product in many.data["products"]["nodes"]) == 65
    assert many.statements == few.statements
    assert many.statements <= 6


async def test_a_page_with_everything_takes_few_statements(api: Api, shop: Shop) -> None:
    document = """query($id: ID!) { product(id: $id) {
      title totalInventory availableForSale priceRange { minVariantPrice { amount } } featuredMedia { url }
      media { nodes { url } } collections { nodes { title } }
      variants(first: 100) { nodes {
        price { amount } availableForSale quantityAvailable currentlyNotInStock image { url } bundleParts { quantity }
      } }
    } }"""
    await api.execute(document, {"id": of("product", shop.shirt_product)})

    page = await api.execute(document, {"id": of("product", shop.shirt_product)})

    assert page.data["product"]["totalInventory"] == 10
    assert page.statements <= 6


async def test_pictures_collections_and_hidden_things_cost_shoppers_no_statement_per_row(api: Api, shop: Shop) -> None:
    await _many(api, shop, 10)
    document = """query($first: Int) { products(first: $first) { nodes {
      collections { nodes { handle } } variantBySelectedOptions(selectedOptions: []) { sku }
      variants { nodes { product { title } image { url } } }
    } } }"""

    await api.execute(document, {"first": 1})
    one, many = await api.execute(document, {"first": 1}), await api.execute(document, {"first": 14})

    assert len(many.data["products"]["nodes"]) == 14
    assert many.statements == one.statements


async def test_staff_listing_costs_no_statement_per_row(api: Api, shop: Shop) -> None:
    await _many(api, shop, 10)
    token = await api.every_token()
    document = """query($first: Int) { products(first: $first) { nodes { variants { nodes {
      availableForSale inventoryLevels { location { name } quantities { name quantity } }
    } } } } }"""

    one, many = (
        await api.execute(document, {"first": 1}, token=token),
        await api.execute(document, {"first": 15}, token=token),
    )

    assert len(many.data["products"]["nodes"]) == 15
    assert many.statements == one.statements
