"""Is every nonsensical value of every argument told apart from a fault of ours?

The values are put, one at a time, in the place of every argument and every field of every input in the schema.
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLType,
    get_named_type,
)

from headless.graphql.schema import schema
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop, assert_books_balance
from tests.graphql import hostile_bulk, hostile_catalog, hostile_media
from tests.graphql.client import Api, bought, filled_cart, of, ready_cart

PREFIXES = (
    "variant",
    "product",
    "cart",
    "cart_line",
    "order",
    "order_line",
    "location",
    "fulfillment",
    "delivery_option",
    "transfer",
    "stock_request",
    "comment",
    "checklist_item",
)
INCOMPRESSIBLE = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789ÄÖÜßéø漢字", k=12_000))
TEXTS = [
    "", " ", "\0", "a\0b", "x" * 300, "x" * 6_000, "\U0001f600" * 70, "\u202e\ufeff\u200d", "\x01\x1f\x7f",
    "' OR 1=1; --", '"><script>alert(1)</script>', "%_\\%", "\r\n\t", "4242 4242 4242 4242", "\ud7ff\ue000\uffff", "null",
]  # fmt: skip
IDS = [
    "", " ", "\0", "x", "variant_", "_", "variant_" + "z" * 26, "variant_" + "0" * 26, "variant_\u0663" + "0" * 25,
    "VARIANT_01h455vb4pex5vsknk084sn02q", 1, 10**12, -1, *(of(prefix, ids.new()) for prefix in PREFIXES),
]  # fmt: skip
NUMBERS = [0, -1, 1, 100_001, 2**31 - 1, -(2**31), 2**31, 10**12, 1.5, 1e300, "1", True, None]
VALUES: Mapping[str, list[Any]] = {
    "String": [*TEXTS, 1, 1.5, True, [], {}, None],
    "ID": [*IDS, 1.5, True, [], {}, None],
    "Int": NUMBERS,
    "Boolean": ["true", 1, None, []],
    "Decimal": [
        "0", "-1", "-0", "1e15", "1e13", "1e400", "1e-400", "1e999999999", "NaN", "-NaN", "sNaN", "Infinity", "0.001", "", "\0",
        "1_000", "\u0661\u0662", "0x10", 1.5, 1, 10**15, -1, "9" * 41, "9" * 40, True, [], None,
    ],
    "DateTime": [
        "", "x", "\0", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00", 5, [], None,
    ],
    "URL": [*TEXTS, "javascript:alert(1)", "https://", 5, [], {}, None],
    "CountryCode": ["", "XX", "de", "\0", "DEU", 5, [], None],
}  # fmt: skip
LONG: Mapping[str, list[Any]] = {
    "String": [INCOMPRESSIBLE[:255], INCOMPRESSIBLE[:5_000], INCOMPRESSIBLE],
    "ID": [INCOMPRESSIBLE],
    "URL": [f"https://{INCOMPRESSIBLE}"],
    "CountryCode": [INCOMPRESSIBLE],
}
INDEXED = {
    "Mutation.cartCreate",
    "Mutation.cartLinesAdd",
    "Mutation.productCreate",
    "Mutation.productUpdate",
    "Mutation.productVariantsCreate",
    "Mutation.productVariantsUpdate",
}


VERSIONS = """query($product: ID!, $variant: ID!, $location: ID!) {
  product(id: $product) { version } variant(id: $variant) { version }
  location: node(id: $location) { ... on Location { version } }
}"""


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is for arguments to name."""

    samples: Mapping[str, Any]

    def of(self, root: str, name: str, argument: str) -> Any:
        return self.samples.get(f"{root}.{name}", {}).get(argument)


@pytest.fixture
async def scene(api: Api, shop: Shop) -> Scene:
    """A cart with a line, a cart ready to be bought, an order with a shipment in preparation, and all ids of the shop."""
    cart, ready = await filled_cart(api, shop.voucher), await ready_cart(api, shop.voucher)
    order = await bought(api, await ready_cart(api, shop.mug, 9))
    token = await api.every_token()
    line = (await api.execute("query($id: ID!) { cart(id: $id) { lines { nodes { id } } } }", {"id": cart})).data
    prepared = await api.execute(
        """mutation($order: ID!, $line: ID!) { fulfillmentCreate(input: {
             orderId: $order, lines: [{orderLineId: $line, quantity: 1}], shipped: false
           }) { fulfillment { id } userErrors { code } } }""",
        {"order": order["id"], "line": order["lines"]["nodes"][0]["id"]},
        token=token,
    )
    fulfillment = prepared.data["fulfillmentCreate"]["fulfillment"]["id"]
    line_id, mug, product = (
        line["cart"]["lines"]["nodes"][0]["id"],
        of("variant", shop.mug),
        of("product", shop.mug_product),
    )
    order_line, main = order["lines"]["nodes"][0]["id"], of("location", shop.main_id)
    transfer, waiting = await transfer_and_request(api, shop, token)
    comment, item = await commented(api, product, token), await wanted_of_products(api, token)
    attributes = [{"key": "k", "value": "v"}]
    address = {"countryCode": "DE", "lastName": "Curie", "address1": "Hauptstr. 1", "city": "Berlin", "phone": "030"}
    change = {"variantId": mug, "locationId": main, "name": "available", "changeFromQuantity": None}
    why = {"reason": "count", "referenceDocumentUri": "doc:1", "idempotencyKey": "key#"}
    tracking = {"company": "DHL", "number": "1", "url": "https://dhl.test/1"}
    options = [{"name": "Size", "values": ["S#"]}]
    variant = {
        "price": "1", "compareAtPrice": "2", "sku": "S-#", "barcode": "1", "tracked": True, "backorderLimit": 5,
        "preorder": True, "expectedAt": "2027-01-01T00:00:00Z", "maxPerOrder": 3, "maxPerCustomer": 3, "taxCode": "t",
        "externalReference": "v#", "weight": {"value": "1", "unit": "GRAMS"},
        "dimensions": {"length": "1", "width": "1", "height": "1", "unit": "METERS"},
    }  # fmt: skip
    selected = [{"name": "Size", "value": "S#"}]
    product_fields = {
        "title": "New", "handle": "new-#", "descriptionHtml": "<p>New</p>", "vendor": "V", "productType": "T", "tags": ["t"],
        "status": "DRAFT", "seo": {"title": "t", "description": "d"}, "options": options, "externalReference": "r#",
    }  # fmt: skip
    inputs: dict[str, Any] = {
        "cartCreate": {
            "lines": [{"variantId": of("variant", shop.voucher), "quantity": 1, "attributes": attributes}],
            "buyerIdentity": {"email": "a@b.de", "phone": "030", "countryCode": "DE"}, "note": "n", "attributes": attributes,
        },
        "cartLinesAdd": {"cartId": cart, "lines": [{"variantId": of("variant", shop.voucher), "quantity": 1, "attributes": attributes}]},
        "cartLinesUpdate": {"cartId": cart, "lines": [{"id": line_id, "quantity": 1, "attributes": attributes}]},
        "cartLinesRemove": {"cartId": cart, "lineIds": [line_id]},
        "cartBuyerIdentityUpdate": {"cartId": cart, "buyerIdentity": {"email": "a@b.de", "phone": "1", "countryCode": "DE"}},
        "cartDeliveryAddressUpdate": {"cartId": cart, "address": address},
        "cartBillingAddressUpdate": {"cartId": cart, "address": address},
        "cartDeliveryOptionSelect": {"cartId": ready, "deliveryOptionId": of("delivery_option", shop.german_rate_id)},
        "cartNoteUpdate": {"cartId": cart, "note": "n"},
        "cartAttributesUpdate": {"cartId": cart, "attributes": attributes},
        "checkoutStart": {"cartId": ready, "acceptPriceChanges": True, "idempotencyKey": "key#"},
        "checkoutComplete": {
            "cartId": ready, "payment": {"provider": "sandbox", "token": "tok_declined"}, "idempotencyKey": "key#",
        },
        "checkoutCancel": {"cartId": ready, "idempotencyKey": "key#"},
        "fulfillmentCreate": {
            "orderId": order["id"], "locationId": main, "lines": [{"orderLineId": order_line, "quantity": 0}],
            "tracking": tracking, "shipped": True, "idempotencyKey": "key#",
        },
        "fulfillmentShip": {"fulfillmentId": fulfillment, "tracking": tracking, "idempotencyKey": "key#"},
        "fulfillmentMarkDelivered": {"fulfillmentId": fulfillment, "deliveredAt": "2026-01-01T00:00:00Z"},
        "orderCancel": {"orderId": order["id"], "reason": "STAFF", "restock": True, "idempotencyKey": "key#"},
        "productCreate": {**product_fields, "variants": [{**variant, "selectedOptions": selected}]},
        "productUpdate": {"id": product, "expectedVersion": "product#", **product_fields, "options": []},
        "checklistItemCreate": {"kind": "MANUAL", "title": "Weigh it", "isRequired": False},
        "checklistItemUpdate": {"id": item, "title": "Weigh it", "isRequired": False},
        "checklistItemDelete": {"id": item},
        "checklistItemReorder": {"itemIds": [item]},
        "checklistItemTick": {"itemId": item, "subjectId": product},
        "checklistItemUntick": {"itemId": item, "subjectId": product},
        "commentAdd": {"subjectId": product, "body": "Hm", "parentId": comment, "mentions": ["Robot"]},
        "commentUpdate": {"id": comment, "body": "Hm", "mentions": ["Robot"]},
        "commentResolve": {"id": comment},
        "commentReopen": {"id": comment},
        "commentDelete": {"id": comment},
        "productRevert": {"id": product, "expectedVersion": "product#", "toVersion": 1},
        "productPublish": {"id": product, "channel": "default", "force": False},
        "productUnpublish": {"id": product, "channel": "default"},
        "productVariantsCreate": {
            "productId": of("product", shop.shirt_product), "variants": [{**variant, "selectedOptions": selected}],
        },
        "productVariantsUpdate": {
            "productId": of("product", shop.shirt_product),
            "variants": [
                {"id": of("variant", shop.shirt_small), "expectedVersion": "variant#", **variant, "selectedOptions": selected},
            ],
        },
        "inventoryAdjust": {**why, "changes": [{**change, "delta": 0}]},
        "inventorySet": {**why, "changes": [{**change, "quantity": 1}]},
        "inventoryMove": {
            **why,
            "changes": [{
                "variantId": mug, "quantity": 1, "from": {"locationId": main, "name": "available", "changeFromQuantity": None},
                "to": {"locationId": main, "name": "damaged"},
            }],
        },
        "inventoryTransferCreate": {
            "destinationId": main, "supplier": "Mill", "referenceDocumentUri": "po:1", "idempotencyKey": "key#",
            "expectedAt": "2027-01-01T00:00:00Z", "lines": [{"variantId": mug, "quantity": 1}],
        },
        "inventoryTransferReceive": {
            "transferId": transfer, "idempotencyKey": "key#", "lines": [{"variantId": mug, "received": 1, "rejected": 1}],
        },
        "inventoryTransferCancel": {"transferId": transfer, "idempotencyKey": "key#"},
        "locationCreate": {
            "name": "New", "handle": "new-#", "position": 5, "address": address, "shipsOrders": True, "offersPickup": True,
        },
        "locationUpdate": {
            "id": main, "expectedVersion": "location#", "name": "Main", "handle": "main", "position": 1, "address": address,
            "shipsOrders": True, "offersPickup": True,
        },
        "locationActivate": {"id": main},
        "locationDeactivate": {"id": of("location", shop.outlet_id)},
        "translationsRegister": {
            "resourceId": product, "translations": [{"locale": "de", "key": "title", "value": "T#"}],
        },
        "translationsRemove": {"resourceId": product, "translationKeys": ["title"], "locales": ["de"]},
        "channelCreate": {
            "handle": "new-#", "name": "New", "currencyCode": "EUR", "defaultCountry": "DE", "defaultLanguage": "de",
            "allocationStrategy": "NEAREST", "deliveryRates": [{"title": "Post", "amount": "1", "countries": ["AT"]}],
        },
        "channelUpdate": {
            "id": of("channel", shop.channel_id), "allocationStrategy": "NEAREST", "name": "Default", "defaultCountry": "DE",
        },
        "backInStockNotify": {"variantId": of("variant", shop.poster), "email": "a#@b.de"},
        "stockRequestCancel": {"id": waiting},
        "productVariantBundleUpdate": {
            "variantId": of("variant", shop.secret), "expectedVersion": 1, "parts": [{"variantId": mug, "quantity": 1}],
        },
        **await hostile_catalog.inputs(api.server.database, shop),
        **await hostile_media.inputs(api.server.database, shop),
        **await hostile_bulk.inputs(api.server.database, shop, variant=variant, product=product_fields),
    }  # fmt: skip
    samples = {f"Mutation.{name}": {"input": made} for name, made in inputs.items()}
    samples["Query.order"] = {"id": order["id"], "accessToken": order["accessToken"]}
    samples["versions"] = {"product": product, "variant": of("variant", shop.shirt_small), "location": main}
    samples["Query.inventoryTransfer"] = {"id": transfer}
    samples["Query.cart"] = {"id": cart}
    samples["Query.comments"] = {"subjectId": product}
    samples["Query.productRecommendations"] = {"productId": product}
    samples["Query.node"] = {"id": mug}
    samples["Query.nodes"] = {"ids": [mug, product]}
    return Scene(samples)


async def commented(api: Api, subject: str, token: str) -> str:
    """The id of a comment."""
    made = await api.execute(
        'mutation($id: ID!) { commentAdd(input: {subjectId: $id, body: "Hm"}) { comment { id } } }',
        {"id": subject},
        token=token,
    )
    return str(made.data["commentAdd"]["comment"]["id"])


async def wanted_of_products(api: Api, token: str) -> str:
    """The id of an item of the checklist."""
    made = await api.execute(
        'mutation { checklistItemCreate(input: {kind: MANUAL, title: "Weigh", isRequired: false}) { item { id } } }',
        token=token,
    )
    return str(made.data["checklistItemCreate"]["item"]["id"])


async def transfer_and_request(api: Api, shop: Shop, token: str) -> tuple[str, str]:
    """The ids of a transfer of many mugs and of a wish to be told when there are posters."""
    made = await api.execute(
        """mutation($place: ID!, $mug: ID!, $poster: ID!) {
             inventoryTransferCreate(input: {
               destinationId: $place, supplier: "Mill", lines: [{variantId: $mug, quantity: 100000}]
             }) { transfer { id } }
             backInStockNotify(input: {variantId: $poster, email: "a@b.de"}) { userErrors { code } }
           }""",
        {
            "place": of("location", shop.main_id),
            "mug": of("variant", shop.mug),
            "poster": of("variant", shop.poster),
        },
        token=token,
    )
    waiting = await api.execute("{ stockRequests { nodes { id } } }", token=token)
    return made.data["inventoryTransferCreate"]["transfer"]["id"], waiting.data["stockRequests"]["nodes"][0]["id"]


def test_every_mutation_has_a_sample_of_its_input(scene: Scene) -> None:
    assert schema.mutation_type is not None
    assert {f"Mutation.{name}" for name in schema.mutation_type.fields} == {
        name for name in scene.samples if name.startswith("Mutation.")
    }


def spoiled(kind: GraphQLType, good: Any, values: Mapping[str, list[Any]]) -> Iterator[Any]:
    """A good value with one nonsensical value somewhere in it, in turn everywhere."""
    if isinstance(kind, GraphQLNonNull):
        yield from spoiled(kind.of_type, good, values)
    elif isinstance(kind, GraphQLList):
        first = good[0] if good else None
        yield from ([], None, [None], [[]], [first] * 2, [first] * 300, "x", {})
        yield from ([bad] for bad in spoiled(kind.of_type, first, values))
    elif isinstance(kind, GraphQLInputObjectType):
        given = good or {}
        yield from ({}, None, [], "x", {**given, "nothing": 1})
        for name, field in kind.fields.items():
            yield {key: copy.deepcopy(value) for key, value in given.items() if key != name}
            yield from ({**given, name: bad} for bad in spoiled(field.type, given.get(name), values))
    elif isinstance(kind, GraphQLEnumType):
        yield from [*kind.values, "NOTHING", "", "\0", 1, None]
    else:
        yield from values.get(get_named_type(kind).name, ())


def nonsense(kind: GraphQLType, good: Any) -> Iterator[Any]:
    """Every spoiled value once: what several parts leave out or share is the same."""
    seen = set()
    for bad in spoiled(kind, good, VALUES):
        if (shown := repr(bad)) not in seen:
            seen.add(shown)
            yield bad


def long(kind: GraphQLType, good: Any) -> Iterator[Any]:
    """The good value with a long text in it, in turn everywhere; all other nonsense is in `nonsense`."""
    return (bad for bad in spoiled(kind, good, LONG) if INCOMPRESSIBLE[:255] in str(bad))


def fresh(value: Any, number: int, versions: Mapping[str, int]) -> Any:
    """The value with nothing in it that an earlier request has taken, and with the versions of now."""
    if isinstance(value, str):
        return versions.get(value) or value.replace("#", str(number))
    if isinstance(value, list):
        return [fresh(part, number, versions) for part in value]
    if isinstance(value, dict):
        return {key: fresh(part, number, versions) for key, part in value.items()}
    return value


def selection(kind: GraphQLOutputType, depth: int) -> str:
    """All fields of a type that need no arguments, some levels deep."""
    named = get_named_type(kind)
    if not isinstance(named, GraphQLObjectType | GraphQLInterfaceType):
        return ""
    fields = []
    for name, field in named.fields.items():
        inner = get_named_type(field.type)
        is_leaf = not isinstance(inner, GraphQLObjectType | GraphQLInterfaceType)
        if any(isinstance(one.type, GraphQLNonNull) for one in field.args.values() if one.default_value is None):
            continue
        if is_leaf or (depth and name not in {"order", "checkout", "variant", "product", "collections"}):
            fields.append(f"{name} {selection(field.type, depth - 1)}")
    return "{ __typename " + " ".join(fields) + " }"


def cases(root: GraphQLObjectType) -> list[str]:
    return [f"{root.name}.{name}" for name, field in root.fields.items() if field.args]


def depth_of(root: str) -> int:
    return 3 if root == "Mutation" else 2


QUERIES, MUTATIONS = (cases(root) for root in (schema.query_type, schema.mutation_type) if root is not None)


async def offenders(
    api: Api, scene: Scene, path: str, spoil: Callable[[GraphQLType, Any], Iterator[Any]]
) -> list[tuple[str, Any]]:
    """Send every spoiled request; answer those that were taken for our own fault."""
    root_name, name = path.split(".")
    root = schema.type_map[root_name]
    assert isinstance(root, GraphQLObjectType)
    field = root.fields[name]
    good = {argument: scene.of(root_name, name, argument) for argument in field.args}
    good = {argument: value for argument, value in good.items() if value is not None}
    declared = ", ".join(f"${argument}: {made.type}" for argument, made in field.args.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    document = f"{root_name.lower()}({declared}) {{ {name}({passed}) {selection(field.type, depth_of(root_name))} }}"
    token, numbers = await api.every_token(), count(1)
    found = []
    for argument, made in field.args.items():
        for bad in spoil(made.type, good.get(argument)):
            versions = {}
            if "expectedVersion" in str(good):
                shown = (await api.execute(VERSIONS, scene.samples["versions"], token=token)).data
                versions = {f"{kind}#": row["version"] for kind, row in shown.items()}
            variables = fresh({**good, argument: bad}, next(numbers), versions)
            if bad is None and made.default_value is not None:
                del variables[argument]
            reply = await api.execute(document, variables, token=token)
            if reply.status not in {200, 400} or "INTERNAL_SERVER_ERROR" in reply.codes:
                found.append((str(variables)[:1500], reply.body))
            assert all(error["message"] and error["extensions"]["code"] for error in reply.body.get("errors", ()))
    return found


async def assert_all_is_well(api: Api, database: Database, logs: list[MutableMapping[str, Any]]) -> None:
    assert logs == []
    await assert_books_balance(database)
    assert (await api.execute("{ shop { name } }")).data == {"shop": {"name": "Test Shop"}}


async def test_nonsense_in_queries_is_never_our_fault(
    api: Api, database: Database, scene: Scene, logs: list[MutableMapping[str, Any]]
) -> None:
    for path in QUERIES:
        assert await offenders(api, scene, path, nonsense) == []

    await assert_all_is_well(api, database, logs)


@pytest.mark.parametrize("path", MUTATIONS)
async def test_nonsense_in_mutations_is_never_our_fault(
    api: Api, database: Database, scene: Scene, logs: list[MutableMapping[str, Any]], path: str
) -> None:
    assert await offenders(api, scene, path, nonsense) == []

    await assert_all_is_well(api, database, logs)


async def test_long_texts_are_never_our_fault(
    api: Api, database: Database, scene: Scene, logs: list[MutableMapping[str, Any]]
) -> None:
    for path in (*QUERIES, *MUTATIONS):
        if path not in INDEXED:
            assert await offenders(api, scene, path, long) == []

    await assert_all_is_well(api, database, logs)


@pytest.mark.parametrize("path", sorted(INDEXED))
async def test_long_texts_that_are_indexed_are_never_our_fault(
    api: Api, database_kind: str, scene: Scene, request: pytest.FixtureRequest, path: str
) -> None:
    assert await offenders(api, scene, path, long) == []
