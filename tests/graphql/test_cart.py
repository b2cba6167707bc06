"""Do carts change as the contract says, and is what can't be done told exactly?"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text

from headless.platform import clock, ids
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop, stock
from tests.graphql.client import Api, empty_cart, filled_cart, of, ready_cart

CART = """fragment F on Cart {
  totalQuantity note version
  lines { nodes { quantity variant { sku } attributes { key value }
    cost { amountPerQuantity { amount } compareAtAmountPerQuantity { amount } subtotalAmount { amount } totalAmount { amount } }
    discountAllocations { discountedAmount { amount } } } }
  cost { subtotalAmount { amount } totalDiscountAmount { amount } totalDeliveryAmount { amount } totalTaxAmount { amount }
    totalAmount { amount currencyCode } }
  discountCodes { code } buyerIdentity { email phone countryCode } attributes { key value }
  deliveryAddress { firstName lastName city countryCode } billingAddress { lastName countryCode }
  deliveryOptions { title cost { amount } } selectedDeliveryOption { title }
  problems { code target } checkout { status } order { number }
}"""
ADD = """mutation($cart: ID!, $lines: [CartLineInput!]!) { cartLinesAdd(input: {cartId: $cart, lines: $lines}) {
  cart { totalQuantity lines { nodes { id quantity variant { sku } attributes { key value } } } }
  userErrors { code field } warnings { code target }
} }"""
UPDATE = """mutation($cart: ID!, $lines: [CartLineUpdateInput!]!) { cartLinesUpdate(input: {cartId: $cart, lines: $lines}) {
  cart { totalQuantity lines { nodes { id quantity variant { sku } attributes { key value } } } }
  userErrors { code field } warnings { code target }
} }"""
REMOVE = """mutation($cart: ID!, $ids: [ID!]!) { cartLinesRemove(input: {cartId: $cart, lineIds: $ids}) {
  cart { totalQuantity } userErrors { code field }
} }"""
READ = "query($id: ID!) { cart(id: $id) { totalQuantity note version lines { nodes { id quantity } } } }"
NOTHING: dict[str, Any] = {"userErrors": [], "warnings": []}


async def version(api: Api, cart: str) -> int:
    return int((await api.execute(READ, {"id": cart})).data["cart"]["version"])


async def test_cart_is_made_with_everything_at_once(api: Api, shop: Shop) -> None:
    document = (
        CART
        + "mutation($i: CartCreateInput!) { cartCreate(input: $i) { cart { ...F } userErrors { code } warnings { code } } }"
    )
    line = {
        "variantId": of("variant", shop.shirt_large),
        "quantity": 2,
        "attributes": [{"key": "print", "value": "\U0001f600"}],
    }

    reply = await api.execute(document, {"i": {
        "lines": [line, {"variantId": of("variant", shop.mug)}],
        "buyerIdentity": {"email": " marie@example.com ", "phone": "+49 30 1234", "countryCode": "DE"},
        "note": "Ring twice", "attributes": [{"key": "source", "value": "app"}],
    }})  # fmt: skip

    assert reply.data["cartCreate"] == {"userErrors": [], "warnings": [], "cart": {
        "totalQuantity": 3, "note": "Ring twice", "version": 1,
        "lines": {"nodes": [
            {
                "quantity": 2, "variant": {"sku": "SHIRT-L"}, "attributes": [{"key": "print", "value": "\U0001f600"}],
                "cost": {
                    "amountPerQuantity": {"amount": "26.00"}, "compareAtAmountPerQuantity": {"amount": "30.00"},
                    "subtotalAmount": {"amount": "52.00"}, "totalAmount": {"amount": "52.00"},
                },
                "discountAllocations": [],
            },
            {
                "quantity": 1, "variant": {"sku": "MUG"}, "attributes": [],
                "cost": {
                    "amountPerQuantity": {"amount": "12.90"}, "compareAtAmountPerQuantity": None,
                    "subtotalAmount": {"amount": "12.90"}, "totalAmount": {"amount": "12.90"},
                },
                "discountAllocations": [],
            },
        ]},
        "cost": {
            "subtotalAmount": {"amount": "64.90"}, "totalDiscountAmount": {"amount": "0.00"},
            "totalDeliveryAmount": {"amount": "0.00"}, "totalTaxAmount": {"amount": "0.00"},
            "totalAmount": {"amount": "64.90", "currencyCode": "EUR"},
        },
        "discountCodes": [], "buyerIdentity": {"email": "marie@example.com", "phone": "+49 30 1234", "countryCode": "DE"},
        "attributes": [{"key": "source", "value": "app"}], "deliveryAddress": None, "billingAddress": None,
        "deliveryOptions": [], "selectedDeliveryOption": None,
        "problems": [{"code": "DELIVERY_ADDRESS_MISSING", "target": None}], "checkout": None, "order": None,
    }}  # fmt: skip


async def test_cart_with_a_line_takes_few_statements(api: Api, shop: Shop) -> None:
    document = """mutation($variant: ID!) { cartCreate(input: {lines: [{variantId: $variant}]}) {
      cart { id totalQuantity cost { totalAmount { amount } } lines { nodes { quantity variant { title price { amount } } } } }
      userErrors { code } warnings { code }
    } }"""

    reply = await api.execute(document, {"variant": of("variant", shop.mug)})

    assert reply.data["cartCreate"]["cart"]["totalQuantity"] == 1
    assert reply.statements <= 8


async def test_empty_cart_says_what_it_lacks(api: Api) -> None:
    reply = await api.execute(
        "mutation { cartCreate(input: {}) { cart { totalQuantity problems { code } cost { totalAmount { amount } } } } }"
    )

    assert reply.data["cartCreate"]["cart"] == {
        "totalQuantity": 0,
        "problems": [{"code": code} for code in ("NO_LINES", "EMAIL_MISSING", "DELIVERY_ADDRESS_MISSING")],
        "cost": {"totalAmount": {"amount": "0.00"}},
    }


async def test_id_of_a_cart_is_a_secret(api: Api) -> None:
    first, second = await empty_cart(api), await empty_cart(api)

    assert ids.decode("cart", first).version == ids.decode("cart", second).version == 4
    assert first[:12] != second[:12]


async def test_same_variant_with_the_same_attributes_grows_its_line(api: Api, shop: Shop) -> None:
    cart, mug = await empty_cart(api), of("variant", shop.mug)
    gift, red = {"key": "gift", "value": "yes"}, {"key": "color", "value": "red"}

    await api.execute(ADD, {"cart": cart, "lines": [{"variantId": mug}, {"variantId": mug, "attributes": [gift, red]}]})
    reply = await api.execute(
        ADD, {"cart": cart, "lines": [{"variantId": mug, "quantity": 2}, {"variantId": mug, "attributes": [red, gift]}]}
    )

    lines = reply.data["cartLinesAdd"]["cart"]["lines"]["nodes"]
    assert [(line["quantity"], len(line["attributes"])) for line in lines] == [(3, 0), (2, 2)]
    assert reply.data["cartLinesAdd"]["userErrors"] == []


@pytest.mark.parametrize(
    ("name", "wanted", "granted", "code", "target"),
    [
        ("mug", 11, 10, "MERCHANDISE_NOT_ENOUGH_STOCK", "cart_line"),
        ("mug", 100_000, 10, "MERCHANDISE_NOT_ENOUGH_STOCK", "cart_line"),
        ("poster", 1, 0, "MERCHANDISE_OUT_OF_STOCK", "variant"),
    ],
)
async def test_more_than_there_is_is_lowered_and_told(
    api: Api, shop: Shop, name: str, wanted: int, granted: int, code: str, target: str
) -> None:
    cart = await empty_cart(api)

    reply = await api.execute(
        ADD, {"cart": cart, "lines": [{"variantId": of("variant", getattr(shop, name)), "quantity": wanted}]}
    )

    answer = reply.data["cartLinesAdd"]
    assert answer["userErrors"] == []
    assert answer["cart"]["totalQuantity"] == granted
    (warning,) = answer["warnings"]
    assert warning["code"] == code
    assert warning["target"] == (
        answer["cart"]["lines"]["nodes"][0]["id"] if granted else of("variant", getattr(shop, name))
    )
    assert warning["target"].startswith(f"{target}_")


@pytest.mark.parametrize(
    ("variant", "quantity", "code", "field"),
    [
        ("mug", 0, "INVALID_QUANTITY", "quantity"),
        ("mug", -1, "INVALID_QUANTITY", "quantity"),
        ("mug", -(2**31), "INVALID_QUANTITY", "quantity"),
        ("mug", 100_001, "INVALID_QUANTITY", "quantity"),
        ("secret", 1, "NOT_FOUND", "variantId"),
        ("main_id", 1, "NOT_FOUND", "variantId"),
    ],
)
async def test_line_that_cannot_be_added_leaves_the_cart_alone(
    api: Api, shop: Shop, variant: str, quantity: int, code: str, field: str
) -> None:
    cart = await filled_cart(api, shop.mug)
    lines = [
        {"variantId": of("variant", shop.mug)},
        {"variantId": of("variant", getattr(shop, variant)), "quantity": quantity},
    ]
    before = (await api.execute(READ, {"id": cart})).data

    reply = await api.execute(ADD, {"cart": cart, "lines": lines})
    made = await api.execute(
        "mutation($l: [CartLineInput!]) { cartCreate(input: {lines: $l}) { cart { id } userErrors { code field } } }",
        {"l": lines},
    )

    refused = [{"code": code, "field": ["lines", "1", field]}]
    assert reply.data["cartLinesAdd"] == {"cart": None, "userErrors": refused, "warnings": []}
    assert made.data["cartCreate"] == {"cart": None, "userErrors": refused}
    assert (await api.execute(READ, {"id": cart})).data == before
    async with api.server.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM cart")) == 1


async def test_quantity_beyond_an_int_is_no_input_at_all(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)

    for quantity in (10**12, 1.5, "1", True, None):
        reply = await api.execute(
            ADD, {"cart": cart, "lines": [{"variantId": of("variant", shop.mug), "quantity": quantity}]}
        )
        assert set(reply.codes) == {"BAD_USER_INPUT"}
        assert "data" not in reply.body

    assert await version(api, cart) == 1


async def test_lines_are_updated_and_removed(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    added = await api.execute(
        ADD,
        {
            "cart": cart,
            "lines": [{"variantId": of("variant", one)} for one in (shop.mug, shop.voucher, shop.shirt_small)],
        },
    )
    mug, voucher, shirt = (line["id"] for line in added.data["cartLinesAdd"]["cart"]["lines"]["nodes"])

    updated = await api.execute(
        UPDATE, {"cart": cart, "lines": [{"id": mug, "quantity": 11}, {"id": voucher, "quantity": 0}]}
    )
    removed = await api.execute(REMOVE, {"cart": cart, "ids": [shirt]})

    answer = updated.data["cartLinesUpdate"]
    assert [(line["id"], line["quantity"]) for line in answer["cart"]["lines"]["nodes"]] == [(mug, 10), (shirt, 1)]
    assert answer["warnings"] == [{"code": "MERCHANDISE_NOT_ENOUGH_STOCK", "target": mug}]
    assert removed.data["cartLinesRemove"] == {"cart": {"totalQuantity": 10}, "userErrors": []}


@pytest.mark.parametrize("quantity", [-1, 100_001])
async def test_update_to_a_nonsensical_quantity_changes_nothing(api: Api, shop: Shop, quantity: int) -> None:
    cart = await filled_cart(api, shop.mug)
    before = (await api.execute(READ, {"id": cart})).data
    line = before["cart"]["lines"]["nodes"][0]["id"]

    reply = await api.execute(UPDATE, {"cart": cart, "lines": [{"id": line, "quantity": quantity}]})

    assert reply.data["cartLinesUpdate"]["userErrors"] == [
        {"code": "INVALID_QUANTITY", "field": ["lines", "0", "quantity"]}
    ]
    assert (await api.execute(READ, {"id": cart})).data == before


async def test_line_of_another_cart_is_not_found(api: Api, shop: Shop) -> None:
    mine, theirs = await filled_cart(api, shop.mug), await filled_cart(api, shop.mug)
    line = (await api.execute(READ, {"id": theirs})).data["cart"]["lines"]["nodes"][0]["id"]
    before = (await api.execute(READ, {"id": theirs})).data

    for bad in (line, "x", "", of("variant", shop.mug), of("cart_line", ids.new())):
        updated = await api.execute(UPDATE, {"cart": mine, "lines": [{"id": bad, "quantity": 5}]})
        removed = await api.execute(REMOVE, {"cart": mine, "ids": [bad]})
        assert updated.data["cartLinesUpdate"]["userErrors"] == [{"code": "NOT_FOUND", "field": ["lines", "0", "id"]}]
        assert removed.data["cartLinesRemove"] == {
            "cart": None,
            "userErrors": [{"code": "NOT_FOUND", "field": ["lineIds", "0"]}],
        }

    assert (await api.execute(READ, {"id": theirs})).data == before
    assert await version(api, mine) == 1


async def test_attributes_of_a_line_change_without_its_losing_its_id(api: Api, shop: Shop) -> None:
    cart = await filled_cart(api, shop.mug)
    line = (await api.execute(READ, {"id": cart})).data["cart"]["lines"]["nodes"][0]["id"]

    reply = await api.execute(
        UPDATE, {"cart": cart, "lines": [{"id": line, "quantity": 2, "attributes": [{"key": "a", "value": "b"}]}]}
    )

    assert reply.data["cartLinesUpdate"]["cart"]["lines"]["nodes"] == [
        {"id": line, "quantity": 2, "variant": {"sku": "MUG"}, "attributes": [{"key": "a", "value": "b"}]}
    ]


@pytest.mark.parametrize("attributes", [None, []])
async def test_attributes_of_a_line_stay_when_left_out_and_can_be_cleared(
    api: Api, shop: Shop, attributes: object
) -> None:
    cart = await empty_cart(api)
    line = {"variantId": of("variant", shop.mug), "attributes": [{"key": "a", "value": "b"}]}
    added = await api.execute(ADD, {"cart": cart, "lines": [line]})
    (made,) = added.data["cartLinesAdd"]["cart"]["lines"]["nodes"]

    kept = await api.execute(UPDATE, {"cart": cart, "lines": [{"id": made["id"], "quantity": 2}]})
    cleared = await api.execute(
        UPDATE, {"cart": cart, "lines": [{"id": made["id"], "quantity": 2, "attributes": attributes}]}
    )

    assert kept.data["cartLinesUpdate"]["cart"]["lines"]["nodes"][0]["attributes"] == [{"key": "a", "value": "b"}]
    assert cleared.data["cartLinesUpdate"]["cart"]["lines"]["nodes"][0]["attributes"] == []


@pytest.mark.parametrize(
    ("mutation", "rest"),
    [
        ("cartLinesAdd", "lines: []"),
        ("cartLinesUpdate", "lines: []"),
        ("cartLinesRemove", "lineIds: []"),
        ("cartBuyerIdentityUpdate", "buyerIdentity: {}"),
        ("cartDeliveryAddressUpdate", "address: {countryCode: DE}"),
        ("cartBillingAddressUpdate", "address: {countryCode: DE}"),
        ("cartNoteUpdate", 'note: ""'),
        ("cartAttributesUpdate", "attributes: []"),
        ("checkoutStart", ""),
        ("checkoutCancel", ""),
        ("checkoutComplete", 'payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "1"'),
    ],
)
async def test_cart_that_is_not_there_is_not_found_by_any_mutation(
    api: Api, shop: Shop, mutation: str, rest: str
) -> None:
    document = f"mutation($cart: ID!) {{ {mutation}(input: {{cartId: $cart, {rest}}}) {{ cart {{ id }} userErrors {{ code field }} }} }}"
    expired = await filled_cart(api, shop.mug)

    async def answer(cart: str) -> Any:
        return (await api.execute(document, {"cart": cart})).data[mutation]

    refused = {"cart": None, "userErrors": [{"code": "NOT_FOUND", "field": ["cartId"]}]}
    for cart in ("", "x", of("cart", ids.new_secret()), of("product", shop.mug_product), "cart_" + "z" * 26):
        assert await answer(cart) == refused
    with time_machine.travel(clock.now() + timedelta(days=31), tick=True):
        assert await answer(expired) == refused
        assert (await api.execute(READ, {"id": expired})).codes == ["NOT_FOUND"]


async def test_buyer_is_told_by_parts(api: Api) -> None:
    cart = await empty_cart(api)
    document = """mutation($cart: ID!, $buyer: CartBuyerIdentityInput!) {
      cartBuyerIdentityUpdate(input: {cartId: $cart, buyerIdentity: $buyer}) {
        cart { buyerIdentity { email phone countryCode } } userErrors { code field }
      }
    }"""

    async def told(buyer: dict[str, Any]) -> Any:
        return (await api.execute(document, {"cart": cart, "buyer": buyer})).data["cartBuyerIdentityUpdate"]

    first = await told({"email": "a@b.de", "phone": "030"})
    second = await told({"countryCode": "FR"})
    third = await told({"email": None, "phone": ""})

    assert first["cart"]["buyerIdentity"] == {"email": "a@b.de", "phone": "030", "countryCode": None}
    assert second["cart"]["buyerIdentity"] == {"email": "a@b.de", "phone": "030", "countryCode": "FR"}
    assert third["cart"]["buyerIdentity"] == {"email": None, "phone": None, "countryCode": "FR"}
    for email in ("a", "a@", "@b.de", "a b@c.de", "a@b", f"{'a' * 65}@b.de", f"a@{'b' * 250}.de"):
        refused = {"cart": None, "userErrors": [{"code": "INVALID_INPUT", "field": ["buyerIdentity", "email"]}]}
        assert await told({"email": email}) == refused
    assert await version(api, cart) == 4


async def test_address_opens_delivery_options_and_one_is_chosen(api: Api, shop: Shop) -> None:
    cart = await filled_cart(api, shop.mug)
    address = """mutation($cart: ID!, $address: AddressInput!) {
      cartDeliveryAddressUpdate(input: {cartId: $cart, address: $address}) {
        cart { deliveryAddress { lastName city countryCode } deliveryOptions { id title cost { amount } }
               selectedDeliveryOption { title } problems { code } } userErrors { code field }
      }
    }"""
    select = """mutation($cart: ID!, $option: ID!) {
      cartDeliveryOptionSelect(input: {cartId: $cart, deliveryOptionId: $option}) {
        cart { selectedDeliveryOption { title } problems { code } cost { totalDeliveryAmount { amount } totalAmount { amount } } }
        userErrors { code field }
      }
    }"""
    german, world = of("delivery_option", shop.german_rate_id), of("delivery_option", shop.world_rate_id)

    early = await api.execute(select, {"cart": cart, "option": german})
    at_home = await api.execute(
        address,
        {"cart": cart, "address": {"countryCode": "DE", "lastName": "Curie", "address1": "Domplatz 1", "city": "Köln"}},
    )
    wrong = [
        await api.execute(select, {"cart": cart, "option": option})
        for option in (world, of("delivery_option", ids.new()))
    ]
    malformed = await api.execute(select, {"cart": cart, "option": "x"})
    chosen = await api.execute(select, {"cart": cart, "option": german})
    abroad = await api.execute(
        address, {"cart": cart, "address": {"countryCode": "FR", "address1": "1 rue", "city": "Paris"}}
    )

    unavailable = {"cart": None, "userErrors": [{"code": "DELIVERY_OPTION_UNAVAILABLE", "field": ["deliveryOptionId"]}]}
    for reply in (early, *wrong):
        assert reply.data["cartDeliveryOptionSelect"] == unavailable
    assert malformed.data["cartDeliveryOptionSelect"]["userErrors"] == [
        {"code": "NOT_FOUND", "field": ["deliveryOptionId"]}
    ]
    assert at_home.data["cartDeliveryAddressUpdate"] == {"userErrors": [], "cart": {
        "deliveryAddress": {"lastName": "Curie", "city": "Köln", "countryCode": "DE"},
        "deliveryOptions": [{"id": german, "title": "Parcel", "cost": {"amount": "4.90"}}],
        "selectedDeliveryOption": None, "problems": [{"code": "DELIVERY_OPTION_MISSING"}],
    }}  # fmt: skip
    assert chosen.data["cartDeliveryOptionSelect"] == {"userErrors": [], "cart": {
        "selectedDeliveryOption": {"title": "Parcel"}, "problems": [],
        "cost": {"totalDeliveryAmount": {"amount": "4.90"}, "totalAmount": {"amount": "17.80"}},
    }}  # fmt: skip
    assert abroad.data["cartDeliveryAddressUpdate"]["cart"] == {
        "deliveryAddress": {"lastName": None, "city": "Paris", "countryCode": "FR"},
        "deliveryOptions": [{"id": world, "title": "Air mail", "cost": {"amount": "12.00"}}],
        "selectedDeliveryOption": None, "problems": [{"code": "DELIVERY_OPTION_UNAVAILABLE"}],
    }  # fmt: skip


async def test_billing_address_note_and_attributes_are_replaced(api: Api) -> None:
    cart = await empty_cart(api)
    document = (
        CART
        + """mutation($cart: ID!) {
      a: cartBillingAddressUpdate(input: {cartId: $cart, address: {countryCode: "FR", lastName: "Curie"}}) { userErrors { code } }
      b: cartNoteUpdate(input: {cartId: $cart, note: "one"}) { userErrors { code } }
      c: cartAttributesUpdate(input: {cartId: $cart, attributes: [{key: "a", value: "1"}, {key: "b", value: ""}]}) { userErrors { code } }
      d: cartAttributesUpdate(input: {cartId: $cart, attributes: [{key: "b", value: "2"}]}) { cart { ...F } userErrors { code } }
    }"""
    )

    reply = await api.execute(document, {"cart": cart})

    final = reply.data["d"]["cart"]
    assert [reply.data[name]["userErrors"] for name in "abcd"] == [[], [], [], []]
    assert final["billingAddress"] == {"lastName": "Curie", "countryCode": "FR"}
    assert (final["note"], final["attributes"], final["version"]) == ("one", [{"key": "b", "value": "2"}], 5)


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], "INVALID_INPUT"),
        ([{"key": "a", "value": "1"}, {"key": " a ", "value": "2"}], "INVALID_INPUT"),
        ([{"key": "", "value": "1"}], "INVALID_INPUT"),
        ([{"key": " ", "value": "1"}], "INVALID_INPUT"),
        ([{"key": "k" * 256, "value": "1"}], "INVALID_INPUT"),
        ([{"key": "k", "value": "v" * 5001}], "INVALID_INPUT"),
        ([{"key": str(number), "value": ""} for number in range(51)], "INVALID_INPUT"),
        ([{"key": "k", "value": "4242 4242 4242 4242"}], "CARD_NUMBER_REFUSED"),
    ],
)
async def test_bad_attributes_are_refused_where_they_stand(
    api: Api, shop: Shop, attributes: list[dict[str, str]], code: str
) -> None:
    cart = await filled_cart(api, shop.mug)
    whole = """mutation($cart: ID!, $attributes: [AttributeInput!]!) {
      cartAttributesUpdate(input: {cartId: $cart, attributes: $attributes}) { cart { id } userErrors { code field } }
    }"""

    of_cart = await api.execute(whole, {"cart": cart, "attributes": attributes})
    of_line = await api.execute(
        ADD, {"cart": cart, "lines": [{"variantId": of("variant", shop.mug), "attributes": attributes}]}
    )

    assert of_cart.data["cartAttributesUpdate"] == {
        "cart": None,
        "userErrors": [{"code": code, "field": ["attributes"]}],
    }
    assert of_line.data["cartLinesAdd"]["userErrors"] == [{"code": code, "field": ["lines", "0", "attributes"]}]
    assert await version(api, cart) == 1


@pytest.mark.parametrize("note", ["4242 4242 4242 4242", "x" * 5001])
async def test_bad_note_is_refused(api: Api, note: str) -> None:
    cart = await empty_cart(api)

    reply = await api.execute(
        "mutation($c: ID!, $n: String!) { cartNoteUpdate(input: {cartId: $c, note: $n}) { cart { id } userErrors { code field } } }",
        {"c": cart, "n": note},
    )

    code = "CARD_NUMBER_REFUSED" if note.startswith("4") else "INVALID_INPUT"
    assert reply.data["cartNoteUpdate"] == {"cart": None, "userErrors": [{"code": code, "field": ["note"]}]}
    assert (await api.execute(READ, {"id": cart})).data["cart"]["note"] == ""


async def test_text_with_nul_is_refused_alike_on_every_database(api: Api) -> None:
    cart = await empty_cart(api)
    document = "mutation($c: ID!, $n: String!) { cartNoteUpdate(input: {cartId: $c, note: $n}) { cart { id } } }"

    by_variable = await api.execute(document, {"c": cart, "n": "a\0b"})
    by_literal = await api.execute(
        f'mutation {{ cartNoteUpdate(input: {{cartId: "{cart}", note: "a\\u0000b"}}) {{ cart {{ id }} }} }}'
    )

    assert by_variable.codes == ["BAD_USER_INPUT"]
    assert by_literal.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert "NUL" in by_variable.errors[0]["message"]
    assert await version(api, cart) == 1


async def test_cart_holds_so_many_lines_and_no_more(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    lines = [
        {"variantId": of("variant", shop.voucher), "attributes": [{"key": "n", "value": str(number)}]}
        for number in range(251)
    ]

    refused = await api.execute(ADD, {"cart": cart, "lines": lines})
    taken = await api.execute(ADD, {"cart": cart, "lines": lines[:250]})
    more = await api.execute(ADD, {"cart": cart, "lines": lines[250:]})

    too_many = {"cart": None, "userErrors": [{"code": "TOO_MANY_LINES", "field": ["lines"]}], "warnings": []}
    assert refused.data["cartLinesAdd"] == more.data["cartLinesAdd"] == too_many
    assert taken.data["cartLinesAdd"]["cart"]["totalQuantity"] == 250


async def test_lines_are_paged_in_their_order(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    wanted = [shop.mug, shop.voucher, shop.shirt_small]
    await api.execute(ADD, {"cart": cart, "lines": [{"variantId": of("variant", one)} for one in wanted]})
    document = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { cart(id: $id) {
      lines(first: $first, after: $after, last: $last, before: $before) {
        totalCount nodes { variant { sku } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } } }"""

    async def page(**arguments: Any) -> Any:
        return (await api.execute(document, {"id": cart, **arguments})).data["cart"]["lines"]

    first = await page(first=2)
    second = await page(first=2, after=first["pageInfo"]["endCursor"])
    back = await page(last=2, before=second["pageInfo"]["startCursor"])
    bad = await api.execute(document, {"id": cart, "first": 1, "after": "x"})

    assert [line["variant"]["sku"] for line in first["nodes"]] == ["MUG", "VOUCHER"]
    assert [line["variant"]["sku"] for line in second["nodes"]] == ["SHIRT-S"]
    assert back["nodes"] == first["nodes"]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)
    assert first["totalCount"] == 3
    assert bad.codes == ["BAD_USER_INPUT"]


async def test_cart_tells_what_would_stop_its_checkout_now(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 5)
    document = "query($id: ID!) { cart(id: $id) { problems { code target } lines { nodes { id } } cost { subtotalAmount { amount } } } }"

    fine = (await api.execute(document, {"id": cart})).data["cart"]
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 3})
        await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1000, None)})
    changed = (await api.execute(document, {"id": cart})).data["cart"]

    line = fine["lines"]["nodes"][0]["id"]
    assert fine["problems"] == []
    assert sorted((problem["code"], problem["target"]) for problem in changed["problems"]) == [
        ("OUT_OF_STOCK", line),
        ("PRICE_CHANGED", line),
    ]
    assert changed["cost"]["subtotalAmount"] == {"amount": "50.00"}


async def test_editing_a_cart_gives_its_checkout_up(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug, 4)
    await api.execute("mutation($c: ID!) { checkoutStart(input: {cartId: $c}) { userErrors { code } } }", {"c": cart})
    left = "query($id: ID!) { variant(id: $id) { quantityAvailable } }"
    held = await api.execute(left, {"id": of("variant", shop.mug)})

    reply = await api.execute(
        """mutation($c: ID!) { cartNoteUpdate(input: {cartId: $c, note: "x"}) {
             cart { checkout { id status } } warnings { code target } userErrors { code }
           } }""",
        {"c": cart},
    )
    freed = await api.execute(left, {"id": of("variant", shop.mug)})

    answer = reply.data["cartNoteUpdate"]
    assert answer["userErrors"] == []
    assert answer["cart"]["checkout"]["status"] == "CANCELLED"
    assert answer["warnings"] == [{"code": "CHECKOUT_CANCELLED", "target": answer["cart"]["checkout"]["id"]}]
    assert (held.data["variant"]["quantityAvailable"], freed.data["variant"]["quantityAvailable"]) == (6, 10)
