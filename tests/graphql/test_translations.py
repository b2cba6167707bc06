"""Do staff translate, and do shoppers read and buy in their language?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus
from headless.merchandising import channels
from headless.shop.service import ChannelDraft
from tests.builders import Shop, recording
from tests.graphql.client import Api, bought, of, ready_cart

REGISTER = """mutation($i: TranslationsRegisterInput!) { translationsRegister(input: $i) {
  translations { locale key value outdated } userErrors { code field }
} }"""
REMOVE = """mutation($i: TranslationsRemoveInput!) { translationsRemove(input: $i) {
  translations { locale key value } userErrors { code field }
} }"""
PRODUCT = """query($id: ID!) @inContext(language: %s) { product(id: $id) {
  title description descriptionHtml seo { title description } options { name values }
  variants { nodes { title selectedOptions { name value } } }
} }"""
LISTING = """query%s { products(first: 24) { nodes {
  id handle title availableForSale totalInventory priceRange { minVariantPrice { amount } }
  featuredMedia { url altText } media(first: 3) { nodes { url } }
  variants(first: 10) { nodes {
    id title sku price { amount currencyCode } compareAtPrice { amount } availableForSale quantityAvailable currentlyNotInStock
    selectedOptions { name value } image { url }
  } }
} pageInfo { hasNextPage endCursor } } }"""


def one(locale: str, key: str, value: str) -> dict[str, str]:
    return {"locale": locale, "key": key, "value": value}


SHIRT = [
    one("de", "title", " Hemd "),
    one("de", "descriptionHtml", "<p>Schön<script>x</script></p>"),
    one("de", "seoTitle", "Das Hemd"),
    one("de", "options/Size", "Größe"),
    one("de", "options/Size/S", "klein"),
    one("DE_AT", "options/Size/S", "kloa"),
]


async def call(api: Api, document: str, owner: str, **rest: Any) -> Any:
    wanted = {"i": {"resourceId": owner, **rest}}
    reply = await api.execute(document, wanted, token=await api.token(Permission.WRITE_PRODUCTS))
    (answer,) = reply.data.values()
    return answer


async def translate(api: Api, owner: str, *translations: dict[str, str]) -> Any:
    return await call(api, REGISTER, owner, translations=list(translations))


async def test_texts_are_shown_in_the_language_of_the_context_or_the_next_best(api: Api, shop: Shop) -> None:
    shirt = of("product", shop.shirt_product)
    made = await translate(api, shirt, *SHIRT)

    async def seen(language: str) -> Any:
        return (await api.execute(PRODUCT % language, {"id": shirt})).data["product"]

    german, austrian, french, english = [await seen(language) for language in ("DE", "de_AT", "FR", "EN")]

    assert made["userErrors"] == []
    assert [(row["locale"], row["key"], row["value"], row["outdated"]) for row in made["translations"]] == [
        ("de", "descriptionHtml", "<p>Schön</p>", False), ("de", "options/Size", "Größe", False),
        ("de", "options/Size/S", "klein", False), ("de", "seoTitle", "Das Hemd", False), ("de", "title", "Hemd", False),
        ("de-AT", "options/Size/S", "kloa", False),
    ]  # fmt: skip
    assert german == {
        "title": "Hemd", "description": "Schön", "descriptionHtml": "<p>Schön</p>",
        "seo": {"title": "Das Hemd", "description": None}, "options": [{"name": "Größe", "values": ["klein", "L"]}],
        "variants": {"nodes": [
            {"title": "klein", "selectedOptions": [{"name": "Größe", "value": "klein"}]},
            {"title": "L", "selectedOptions": [{"name": "Größe", "value": "L"}]},
        ]},
    }  # fmt: skip
    assert austrian["title"] == "Hemd"
    assert austrian["options"] == [{"name": "Größe", "values": ["kloa", "L"]}]
    assert austrian["variants"]["nodes"][0]["title"] == "kloa"
    assert french == english == {
        "title": "Shirt", "description": "", "descriptionHtml": "", "seo": {"title": None, "description": None},
        "options": [{"name": "Size", "values": ["S", "L"]}],
        "variants": {"nodes": [
            {"title": name, "selectedOptions": [{"name": "Size", "value": name}]} for name in ("S", "L")
        ]},
    }  # fmt: skip


async def test_channel_speaks_its_own_language_by_default(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        await channels.create_channel(session, ChannelDraft("at", "EUR", "AT", "de-AT"))
    await translate(api, of("product", shop.mug_product), one("de", "title", "Becher"))
    token = await api.token(Permission.READ_PRODUCTS)

    async def title(context: str) -> str:
        document = f"query($id: ID!) @inContext({context}) {{ product(id: $id) {{ title }} }}"
        reply = await api.execute(document, {"id": of("product", shop.mug_product)}, token=token)
        return str(reply.data["product"]["title"])

    assert await title('channel: "at"') == "Becher"
    assert await title('channel: "at", language: FR') == "Becher"
    assert await title('channel: "at", language: EN') == "Mug"
    assert await title('channel: "default"') == "Mug"


async def test_variant_is_found_by_its_options_in_either_language(api: Api, shop: Shop) -> None:
    await translate(api, of("product", shop.shirt_product), *SHIRT)
    document = """query($id: ID!, $o: [SelectedOptionInput!]!) @inContext(language: DE) {
      product(id: $id) { variantBySelectedOptions(selectedOptions: $o) { sku } }
    }"""

    async def found(name: str, value: str) -> Any:
        wanted = {"id": of("product", shop.shirt_product), "o": [{"name": name, "value": value}]}
        return (await api.execute(document, wanted)).data["product"]["variantBySelectedOptions"]

    assert await found("Größe", "klein") == await found("Size", "S") == {"sku": "SHIRT-S"}
    assert await found("Größe", "S") is None


async def test_list_takes_one_statement_more_in_another_language_and_none_in_its_own(api: Api, shop: Shop) -> None:
    await translate(api, of("product", shop.shirt_product), *SHIRT)
    for context in ("", " @inContext(language: DE)"):
        await api.execute(LISTING % context)

    plain = await api.execute(LISTING % "")
    own = await api.execute(LISTING % " @inContext(language: EN)")
    german = await api.execute(LISTING % " @inContext(language: DE)")

    titles = {node["title"] for node in german.data["products"]["nodes"]}
    assert titles == {"Mug", "Hemd", "Voucher", "Poster"}
    assert plain.statements == own.statements
    assert german.statements == plain.statements + 1 <= 6


async def test_collection_is_translated(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        made = await catalog.create_collection(session, handle="all", title="All", description_html="<b>x</b>")
    collection = of("collection", made)
    answer = await translate(api, collection, one("de", "title", "Alles"), one("de", "descriptionHtml", "<i>y</i>"))
    document = """{ collection(handle: "all") { title description descriptionHtml version } }"""

    german = await api.execute(f"query @inContext(language: DE) {document}")
    english = await api.execute(document)

    assert answer["userErrors"] == []
    texts = {"title": "Alles", "description": "y", "descriptionHtml": "<i>y</i>"}
    assert german.data["collection"] == {**texts, "version": 2}
    assert english.data["collection"]["title"] == "All"


async def test_translating_makes_a_version_and_tells_once(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    async with recording(api.server.database) as facts:
        await translate(api, mug, one("de", "title", "Becher"))
        await translate(api, mug, one("de", "title", "Becher"))
        await call(api, REMOVE, mug, translationKeys=["title"], locales=["FR"])
    reply = await api.execute(
        """query($id: ID!) { product(id: $id) { version revisions(first: 1) { nodes { changes { field before after } } } } }""",
        {"id": mug},
        token=await api.token(Permission.READ_PRODUCTS),
    )

    assert facts.of("product.updated") == [{"product_id": str(shop.mug_product)}]
    assert reply.data["product"]["version"] == 3
    (change,) = reply.data["product"]["revisions"]["nodes"][0]["changes"]
    assert change == {"field": "translations", "before": {}, "after": {"de": {"title": "Becher"}}}


async def test_removed_translation_shows_the_original_again(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await translate(api, mug, one("de", "title", "Becher"), one("fr", "title", "Tasse"))

    gone = await call(api, REMOVE, mug, translationKeys=["title", "nothing"], locales=["DE", "IT"])
    again = await call(api, REMOVE, mug, translationKeys=["title"], locales=["de"])
    titles = [
        (await api.execute(PRODUCT % language, {"id": mug})).data["product"]["title"] for language in ("DE", "FR")
    ]

    assert gone == {"translations": [one("de", "title", "Becher")], "userErrors": []}
    assert again == {"translations": [], "userErrors": []}
    assert titles == ["Mug", "Tasse"]


async def test_translation_is_outdated_once_its_source_changed(api: Api, shop: Shop) -> None:
    mug = of("product", shop.mug_product)
    await translate(api, mug, one("de", "title", "Becher"), one("de", "seoTitle", "B"))
    async with api.server.database.transaction() as session:
        await catalog.update_product(
            session, shop.mug_product, expected_version=3, changes={"title": "Cup"}, actor="tester"
        )
    document = "query($id: ID!) { product(id: $id) { translations(locale: de) { key value outdated } } }"

    async def outdated() -> dict[str, bool]:
        reply = await api.execute(document, {"id": mug}, token=await api.token(Permission.READ_PRODUCTS))
        return {row["key"]: row["outdated"] for row in reply.data["product"]["translations"]}

    before = await outdated()
    shown = await api.execute(PRODUCT % "DE", {"id": mug})
    await translate(api, mug, one("de", "title", "Becher"))

    assert before == {"title": True, "seoTitle": False}
    assert shown.data["product"]["title"] == "Becher"
    assert await outdated() == {"title": False, "seoTitle": False}


@pytest.mark.parametrize(
    ("translations", "field"),
    [
        ([one("de", "handle", "x")], ["translations", "0", "key"]),
        ([one("de", "options/Color", "x")], ["translations", "0", "key"]),
        ([one("de", "title", " ")], ["translations", "0", "value"]),
        ([one("en", "title", "x")], ["translations", "0", "locale"]),
        ([one("de", "title", "x"), one("DE", "title", "y")], ["translations", "1", "key"]),
        ([], ["translations"]),
        ([one("de", "title", "x")] * 251, ["translations"]),
    ],
)  # fmt: skip
async def test_malformed_translation_is_refused_and_changes_nothing(
    api: Api, shop: Shop, translations: list[dict[str, str]], field: list[str]
) -> None:
    mug = of("product", shop.mug_product)

    made = await translate(api, mug, *translations)

    assert made == {"translations": None, "userErrors": [{"code": "INVALID_INPUT", "field": field}]}
    assert (await api.execute(PRODUCT % "DE", {"id": mug})).data["product"]["title"] == "Mug"


async def test_only_products_and_collections_are_translated(api: Api, shop: Shop) -> None:
    for owner in (of("variant", shop.mug), of("product", shop.mug), "x", of("order", shop.mug)):
        made = await translate(api, owner, one("de", "title", "x"))
        assert made == {"translations": None, "userErrors": [{"code": "NOT_FOUND", "field": ["resourceId"]}]}


async def test_translations_are_listed_for_staff_only(api: Api, shop: Shop) -> None:
    document = "query($id: ID!) { product(id: $id) { title translations(locale: DE) { value } } }"

    reply = await api.execute(document, {"id": of("product", shop.mug_product)})

    assert reply.body["data"] == {"product": {"title": "Mug", "translations": None}}
    assert reply.codes == ["UNAUTHENTICATED"]


async def titles(api: Api, order: dict[str, Any]) -> list[tuple[str, str]]:
    reply = await api.execute(
        "query($id: ID!, $t: String!) { order(id: $id, accessToken: $t) { lines { nodes { title variantTitle } } } }",
        {"id": order["id"], "t": order["accessToken"]},
    )
    return [(line["title"], line["variantTitle"]) for line in reply.data["order"]["lines"]["nodes"]]


async def test_order_keeps_the_language_in_which_it_was_bought(api: Api, shop: Shop) -> None:
    await translate(api, of("product", shop.shirt_product), *SHIRT)
    cart = await ready_cart(api, shop.shirt_small)
    await api.execute(
        'mutation($c: ID!) @inContext(language: de_AT) { cartNoteUpdate(input: {cartId: $c, note: "n"}) { userErrors { code } } }',
        {"c": cart},
    )
    order = await bought(api, cart)
    before = await titles(api, order)
    await call(api, REMOVE, of("product", shop.shirt_product), translationKeys=["title"], locales=["DE"])

    assert before == await titles(api, order) == [("Hemd", "kloa")]


async def test_checkout_in_another_language_than_its_cart_sells_in_its_own(api: Api, shop: Shop) -> None:
    await translate(api, of("product", shop.mug_product), one("de", "title", "Becher"), one("fr", "title", "Tasse"))
    cart = await ready_cart(api, shop.mug)
    reply = await api.execute(
        """mutation($c: ID!) @inContext(language: FR) { checkoutComplete(input: {
             cartId: $c, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "k"
           }) { order { lines { nodes { title variantTitle variant { product { title } } } } } userErrors { code } } }""",
        {"c": cart},
    )

    assert reply.data["checkoutComplete"]["order"]["lines"]["nodes"] == [
        {"title": "Tasse", "variantTitle": "Default Title", "variant": {"product": {"title": "Tasse"}}}
    ]


async def test_cart_lines_are_read_in_the_language_of_the_context(api: Api, shop: Shop) -> None:
    await translate(api, of("product", shop.shirt_product), *SHIRT)
    cart = await ready_cart(api, shop.shirt_small)
    document = "query($c: ID!) @inContext(language: DE) { cart(id: $c) { lines { nodes { variant { title product { title } } } } } }"

    reply = await api.execute(document, {"c": cart})

    assert reply.data["cart"]["lines"]["nodes"] == [{"variant": {"title": "klein", "product": {"title": "Hemd"}}}]


async def test_draft_is_translated_too(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        await catalog.update_product(
            session, shop.mug_product, expected_version=2, changes={"status": ProductStatus.DRAFT}, actor="tester"
        )

    made = await translate(api, of("product", shop.mug_product), one("de", "title", "Becher"))

    assert made["userErrors"] == []
