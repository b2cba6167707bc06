"""What do buyers do, as requests?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from uuid import uuid4

from bench.client import Address, Connection, Conversation, Document, OperationFailed, Unreachable
from bench.load import Operation
from bench.processes import SetupFailed

SHELF = 48
"""Variants that carts and checkouts take turns with, so that none of them is hot."""
PLENTY = 1_000_000

LIST = Document("""
    query List {
      products(first: 24) { nodes {
        id title handle availableForSale
        priceRange { minVariantPrice { amount currencyCode } }
        featuredMedia { url altText }
        media(first: 4) { nodes { url altText } }
        variants(first: 10) { nodes {
          id title sku price { amount currencyCode } compareAtPrice { amount currencyCode }
          availableForSale quantityAvailable
        } }
      } }
    }
""")
PAGE = Document("""
    query Page($handle: String!) {
      product(handle: $handle) {
        id handle title description descriptionHtml vendor productType tags status
        seo { title description }
        options { name values }
        priceRange { minVariantPrice { amount currencyCode } maxVariantPrice { amount currencyCode } }
        compareAtPriceRange { minVariantPrice { amount currencyCode } maxVariantPrice { amount currencyCode } }
        availableForSale totalInventory
        featuredMedia { url altText width height }
        media(first: 20) { nodes { url altText width height } }
        collections(first: 10) { nodes { id handle title } }
        variants(first: 100) { nodes {
          id title sku barcode price { amount currencyCode } compareAtPrice { amount currencyCode }
          availableForSale quantityAvailable currentlyNotInStock
          selectedOptions { name value } image { url altText width height }
        } }
        createdAt updatedAt publishedAt
      }
    }
""")
CREATE = Document(
    """
    mutation Create($input: CartCreateInput!) { cartCreate(input: $input) {
      cart { id totalQuantity
        lines(first: 10) { nodes {
          id quantity variant { id title } cost { totalAmount { amount currencyCode } }
        } }
        cost { subtotalAmount { amount currencyCode } totalAmount { amount currencyCode } }
      }
      warnings { code message }
      userErrors { code field message }
    } }
    """
)
ADDRESS = Document("""
    mutation Address($input: CartDeliveryAddressUpdateInput!) { cartDeliveryAddressUpdate(input: $input) {
      cart { id deliveryOptions { id title cost { amount currencyCode } } }
      userErrors { code field message }
    } }
""")
DELIVERY = Document("""
    mutation Delivery($input: CartDeliveryOptionSelectInput!) { cartDeliveryOptionSelect(input: $input) {
      cart { id cost { totalDeliveryAmount { amount currencyCode } totalAmount { amount currencyCode } } }
      userErrors { code field message }
    } }
""")
COMPLETE = Document("""
    mutation Complete($input: CheckoutCompleteInput!) { checkoutComplete(input: $input) {
      checkout { id status }
      order { id number status financialStatus accessToken cost { totalAmount { amount currencyCode } } }
      userErrors { code field message }
    } }
""")

SHOP = Document("""
    query Shop {
      shop { defaultChannel { defaultCountry } }
      products(first: 100) { nodes {
        handle variants(first: 10) { nodes { id availableForSale quantityAvailable } }
      } }
    }
""")
LOCATION = Document("query Location { locations(first: 1) { nodes { id } } }")
STOCK = Document("""
    mutation Stock($input: InventorySetInput!) { inventorySet(input: $input) { userErrors { code field message } } }
""")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What there is to look at and to buy."""

    handles: list[str]
    variants: list[str]
    country: str


async def is_open(address: Address) -> bool:
    """Whether the shop answers the list, with products on it."""
    async with Connection(address) as connection:
        try:
            data = await Conversation(connection).ask(LIST)
        except Unreachable:
            return False
        return bool(data["products"]["nodes"])


async def prepare(address: Address, *, token: str) -> Shelf:
    """Choose products and variants; with a token that may write inventory, give the variants stock that lasts."""
    try:
        async with Connection(address, token=token) as connection:
            data = await Conversation(connection).ask(SHOP)
            variants = _most_plentiful(data["products"]["nodes"])
            if token and (tracked := [v["id"] for v in variants if v["quantityAvailable"] is not None]):
                location = (await Conversation(connection).ask(LOCATION))["locations"]["nodes"][0]["id"]
                changes = [
                    {"variantId": v, "locationId": location, "quantity": PLENTY, "changeFromQuantity": None}
                    for v in tracked
                ]
                await Conversation(connection).ask(
                    STOCK, input={"reason": "bench", "idempotencyKey": str(uuid4()), "changes": changes}
                )
    except (OperationFailed, Unreachable) as error:
        raise SetupFailed(f"The shop can't be prepared: {error}") from error
    handles = [product["handle"] for product in data["products"]["nodes"]]
    if not variants:
        raise SetupFailed("The shop has nothing for sale.")
    return Shelf(handles, [v["id"] for v in variants], data["shop"]["defaultChannel"]["defaultCountry"])


def _most_plentiful(products: list[Any]) -> list[Any]:
    for_sale = [v for product in products for v in product["variants"]["nodes"] if v["availableForSale"]]
    for_sale.sort(key=lambda v: PLENTY if v["quantityAvailable"] is None else v["quantityAvailable"], reverse=True)
    return for_sale[:SHELF]


async def ask_list(buyer: Conversation) -> None:
    await buyer.ask(LIST)


def listing(_: Shelf) -> Operation:
    return ask_list


def page(shelf: Shelf) -> Operation:
    handles = cycle(shelf.handles)

    async def operation(buyer: Conversation) -> None:
        await buyer.ask(PAGE, handle=next(handles))

    return operation


def cart(shelf: Shelf) -> Operation:
    variants = cycle(shelf.variants)

    async def operation(buyer: Conversation) -> None:
        await _create(buyer, variants)

    return operation


def checkout(shelf: Shelf) -> Operation:
    variants = cycle(shelf.variants)
    address = {
        "firstName": "Ada",
        "lastName": "Lovelace",
        "address1": "1 Main Street",
        "city": "Springfield",
        "postalCode": "10115",
        "countryCode": shelf.country,
    }

    async def operation(buyer: Conversation) -> None:
        cart_id = await _create(buyer, variants, buyerIdentity={"email": "ada@example.com"})
        data = await buyer.ask(ADDRESS, input={"cartId": cart_id, "address": address})
        options = data["cartDeliveryAddressUpdate"]["cart"]["deliveryOptions"]
        if not options:
            raise OperationFailed("no delivery options")
        await buyer.ask(DELIVERY, input={"cartId": cart_id, "deliveryOptionId": options[0]["id"]})
        await complete(buyer, cart_id)

    return operation


async def complete(buyer: Conversation, cart_id: str) -> None:
    """Pay for a cart."""
    payment = {"provider": "sandbox", "token": "tok_visa"}
    data = await buyer.ask(COMPLETE, input={"cartId": cart_id, "payment": payment, "idempotencyKey": str(uuid4())})
    if not data["checkoutComplete"]["order"]:
        raise OperationFailed("no order")


async def _create(buyer: Conversation, variants: Iterator[str], **more: Any) -> str:
    made = (await buyer.ask(CREATE, input={"lines": [{"variantId": next(variants), "quantity": 1}], **more}))[
        "cartCreate"
    ]
    if made["cart"]["totalQuantity"] != 1:
        raise OperationFailed(f"the line was not added: {[warning['code'] for warning in made['warnings']]}")
    cart_id: str = made["cart"]["id"]
    return cart_id


LOADS: dict[str, Callable[[Shelf], Operation]] = {"list": listing, "page": page, "cart": cart, "checkout": checkout}
