"""Do staff open channels, price products in them, and do buyers buy there?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.platform.db import Database
from headless.settings import Settings
from tests.builders import Shop
from tests.graphql.client import Api, of, running, until

CREATE = """mutation($i: ChannelCreateInput!) { channelCreate(input: $i) {
  channel { id handle name currencyCode defaultCountry defaultLanguage deliveryRates { title amount { amount } countries } problems { code } }
  userErrors { code field }
} }"""
UPDATE = """mutation($i: ChannelUpdateInput!) { channelUpdate(input: $i) {
  channel { handle name currencyCode defaultCountry defaultLanguage } userErrors { code field }
} }"""
CHANNELS = "{ shop { channels { handle name } } }"
US = {"handle": "us", "name": "USA", "currencyCode": "USD", "defaultCountry": "US", "defaultLanguage": "EN"}
POST = [{"title": "Post", "amount": "5.00", "countries": ["US"]}]


async def call(api: Api, document: str, **wanted: Any) -> Any:
    reply = await api.execute(document, {"i": wanted}, token=await api.every_token())
    (answer,) = reply.data.values()
    return answer


async def test_channel_is_opened_and_tells_what_it_lacks(api: Api, shop: Shop) -> None:
    made = await call(api, CREATE, **US)
    taken = await call(api, CREATE, **US)
    reply = await api.execute(CHANNELS)

    channel = made["channel"]
    assert made == {
        "channel": {
            "id": channel["id"], "handle": "us", "name": "USA", "currencyCode": "USD", "defaultCountry": "US",
            "defaultLanguage": "en", "deliveryRates": [],
            "problems": [{"code": code} for code in ("NO_DELIVERY_RATES", "NO_PRICES", "NOTHING_PUBLISHED")],
        },
        "userErrors": [],
    }  # fmt: skip
    assert taken == {"channel": None, "userErrors": [{"code": "TAKEN", "field": ["handle"]}]}
    assert reply.data["shop"]["channels"] == [
        {"handle": "default", "name": "Default"},
        {"handle": "us", "name": "USA"},
    ]


async def test_product_is_priced_published_and_bought_in_another_channel(api: Api, shop: Shop) -> None:
    token = await api.every_token()
    await call(api, CREATE, **US, deliveryRates=POST)
    price = """mutation($i: ProductVariantsUpdateInput!) @inContext(channel: "us") { productVariantsUpdate(input: $i) {
      variants { price { amount currencyCode } availableForSale } userErrors { code field message }
    } }"""
    publish = """mutation($i: ProductPublishInput!) @inContext(channel: "us") { productPublish(input: $i) {
      product { availableForSale priceRange { minVariantPrice { amount currencyCode } } } userErrors { code }
    } }"""
    changed = await api.execute(
        price,
        {"i": {"productId": of("product", shop.mug_product), "variants": [{"id": of("variant", shop.mug), "expectedVersion": 1, "price": "14.00"}]}},
        token=token,
    )  # fmt: skip
    shown = await api.execute(publish, {"i": {"id": of("product", shop.mug_product), "channel": "us"}}, token=token)
    lists = "{ products { nodes { title priceRange { minVariantPrice { amount currencyCode } } } } }"
    here, there = (
        await api.execute(lists),
        await api.execute(lists.replace("{ products", 'query @inContext(channel: "us") { products')),
    )
    cart = await api.execute(
        """mutation($v: ID!) @inContext(channel: "us") { cartCreate(input: {
             lines: [{variantId: $v}], buyerIdentity: {email: "a@example.com"}
           }) { cart { id cost { totalAmount { amount currencyCode } } } userErrors { code } } }""",
        {"v": of("variant", shop.mug)},
    )
    cart_id = cart.data["cartCreate"]["cart"]["id"]
    address = """mutation($c: ID!, $country: CountryCode!) { cartDeliveryAddressUpdate(input: {
      cartId: $c, address: {countryCode: $country, lastName: "L", address1: "1", city: "C"}
    }) { cart { deliveryOptions { id title cost { amount currencyCode } } problems { code } } } }"""
    elsewhere = await api.execute(address, {"c": cart_id, "country": "DE"})
    home = await api.execute(address, {"c": cart_id, "country": "US"})
    (option,) = home.data["cartDeliveryAddressUpdate"]["cart"]["deliveryOptions"]
    bought = await api.execute(
        """mutation($c: ID!, $o: ID!) {
             cartDeliveryOptionSelect(input: {cartId: $c, deliveryOptionId: $o}) { userErrors { code } }
             checkoutComplete(input: {cartId: $c, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "k"}) {
               order { cost { totalAmount { amount currencyCode } } } userErrors { code }
             }
           }""",
        {"c": cart_id, "o": option["id"]},
    )

    assert changed.data["productVariantsUpdate"] == {
        "variants": [{"price": {"amount": "14.00", "currencyCode": "USD"}, "availableForSale": False}], "userErrors": [],
    }  # fmt: skip
    usd = {"amount": "14.00", "currencyCode": "USD"}
    assert shown.data["productPublish"] == {
        "product": {"availableForSale": True, "priceRange": {"minVariantPrice": usd}},
        "userErrors": [],
    }
    assert here.data["products"]["nodes"][0] == {
        "title": "Mug", "priceRange": {"minVariantPrice": {"amount": "12.90", "currencyCode": "EUR"}},
    }  # fmt: skip
    assert there.data["products"]["nodes"] == [{"title": "Mug", "priceRange": {"minVariantPrice": usd}}]
    assert elsewhere.data["cartDeliveryAddressUpdate"]["cart"] == {
        "deliveryOptions": [], "problems": [{"code": "DELIVERY_OPTION_UNAVAILABLE"}],
    }  # fmt: skip
    assert option["cost"] == {"amount": "5.00", "currencyCode": "USD"}
    assert bought.data == {
        "cartDeliveryOptionSelect": {"userErrors": []},
        "checkoutComplete": {
            "order": {"cost": {"totalAmount": {"amount": "19.00", "currencyCode": "USD"}}},
            "userErrors": [],
        },
    }


async def test_channel_is_changed_and_its_currency_stays_where_there_are_prices(api: Api, shop: Shop) -> None:
    channel = of("channel", shop.channel_id)
    wanted = {"id": channel, "handle": "eu", "name": " Europe ", "defaultCountry": "AT", "defaultLanguage": "de_at"}

    refused = await call(api, UPDATE, id=channel, currencyCode="USD", name="Never")
    changed = await call(api, UPDATE, **wanted, currencyCode="EUR")
    again = await call(api, UPDATE, id=channel)
    default = await api.execute("{ shop { defaultChannel { handle name } } products { totalCount } }")
    by_handle = await api.execute('query @inContext(channel: "eu") { products { totalCount } }')
    gone = await api.execute('query @inContext(channel: "default") { products { totalCount } }')

    assert refused == {"channel": None, "userErrors": [{"code": "CURRENCY_IN_USE", "field": ["currencyCode"]}]}
    assert changed == again == {
        "channel": {"handle": "eu", "name": "Europe", "currencyCode": "EUR", "defaultCountry": "AT", "defaultLanguage": "de-AT"},
        "userErrors": [],
    }  # fmt: skip
    assert default.data["shop"]["defaultChannel"] == {"handle": "eu", "name": "Europe"}
    assert by_handle.data == {"products": {"totalCount": 4}}
    assert gone.codes == ["BAD_USER_INPUT"]


async def test_other_processes_know_new_and_changed_channels_at_once(
    api: Api, shop: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, monkeypatch) as other:
        known = await other.execute('query @inContext(channel: "default") { products { totalCount } }')
        await call(api, CREATE, **US)
        listed = await other.execute(CHANNELS)
        opened = await other.execute('query @inContext(channel: "us") { products { totalCount } }')
        await call(api, UPDATE, id=of("channel", shop.channel_id), handle="eu")
        await until(lambda: other.server.channels.get("default") is None)
        gone = await other.execute('query @inContext(channel: "default") { products { totalCount } }')

    assert known.data == {"products": {"totalCount": 4}}
    assert [channel["handle"] for channel in listed.data["shop"]["channels"]] == ["default", "us"]
    assert opened.data == {"products": {"totalCount": 0}}
    assert gone.codes == ["BAD_USER_INPUT"]


async def test_what_was_read_before_a_change_is_not_kept_after_it(api: Api, shop: Shop, database: Database) -> None:
    channels = api.server.channels
    await api.execute("{ products { totalCount } }")
    before, channel = channels.changes, channels.get(None)
    assert channel is not None

    channels.forget()
    channels.keep(None, channel, read_after=before)

    assert channels.get(None) is None
    channels.keep(None, channel, read_after=channels.changes)
    assert channels.get(None) is channel


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        ({"handle": "US"}, ["handle"]),
        ({"name": ""}, ["name"]),
        ({"deliveryRates": [{"title": "", "amount": "1"}]}, ["deliveryRates", "0", "title"]),
        ({"deliveryRates": [{"title": "x", "amount": "-1"}]}, ["deliveryRates", "0", "amount"]),
        ({"deliveryRates": [{"title": "x", "amount": "1", "countries": ["DE", "DE"]}]}, ["deliveryRates", "0", "countries"]),
        ({"deliveryRates": [{"title": "x", "amount": "1"}] * 101}, ["deliveryRates"]),
    ],
)  # fmt: skip
async def test_malformed_channel_is_refused(api: Api, rest: dict[str, Any], field: list[str]) -> None:
    made = await call(api, CREATE, **{**US, **rest})

    assert made == {"channel": None, "userErrors": [{"code": "INVALID_INPUT", "field": field}]}
    assert len((await api.execute(CHANNELS)).data["shop"]["channels"]) == 1


async def test_rates_and_problems_are_for_staff(api: Api) -> None:
    document = "{ shop { channels { handle deliveryRates { title } problems { code } } } }"

    anonymous = await api.execute(document)
    staff = await api.execute(document, token=await api.token(Permission.READ_SETTINGS))

    assert anonymous.body["data"]["shop"]["channels"] == [
        {"handle": "default", "deliveryRates": None, "problems": None}
    ]
    assert anonymous.codes == ["UNAUTHENTICATED"] * 2
    assert staff.data["shop"]["channels"] == [
        {"handle": "default", "deliveryRates": [{"title": "Parcel"}, {"title": "Air mail"}], "problems": []}
    ]
