"""How do carts look in the API?"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.cart import models, queries, rules
from headless.cart.rules import Line
from headless.catalog import queries as catalog_queries
from headless.checkout import queries as checkout_queries
from headless.checkout import rules as checkout_rules
from headless.fulfillment import queries as fulfillment_queries
from headless.graphql.addresses import MailingAddress, address
from headless.graphql.catalog.types import ProductVariant
from headless.graphql.context import Context, Info, sent
from headless.graphql.costs import Attribute, CartLineCost, Cost, DeliveryOption, cost
from headless.graphql.declare import (
    field,
    id_of,
    view,
)
from headless.graphql.money import Money, amount, amount_or_none
from headless.graphql.nodes import Node
from headless.graphql.pages import Connection, page
from headless.graphql.scalars import CountryCode
from headless.orders import queries as order_queries
from headless.platform import ids
from headless.platform.db import Record
from headless.platform.errors import Refusal
from headless.platform.pages import slice_of, window
from headless.pricing.rules import totals

if TYPE_CHECKING:
    from headless.graphql.checkout import Checkout
    from headless.graphql.orders.types import Order


@strawberry.type(description="Something that was adjusted but not refused.")
class CartWarning:
    code: str
    message: str
    target: strawberry.ID | None = strawberry.field(description="The line or variant that is meant.")


@strawberry.type(description="Something that would stop a checkout.")
class CartProblem:
    code: str
    message: str
    target: strawberry.ID | None = strawberry.field(description="The line that is meant.")


@strawberry.type(description="A discount's share of a line.")
class DiscountAllocation:
    discounted_amount: Money


@strawberry.type(description="A code that the shopper entered.")
class CartDiscountCode:
    code: str
    applicable: bool
    reason: str | None


@strawberry.type(description="Who buys.")
class CartBuyerIdentity:
    email: str | None
    phone: str | None
    country_code: CountryCode | None


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line of a cart, at its frozen price while a checkout is under way."""

    line: Line
    currency: str
    unit_amount: int

    @property
    def id(self) -> UUID:
        return self.line.id


@strawberry.type(description="A variant in a cart.")
class CartLine:
    id: strawberry.ID = id_of("cart_line")

    @field
    def quantity(self: PricedLine) -> int:
        return self.line.quantity

    @field
    async def variant(self: PricedLine, info: Info) -> ProductVariant | None:
        """The variant; null when it isn't offered any more."""
        eye = await info.context.eye()
        return cast(
            "ProductVariant", await info.context.load(catalog_queries.variants_by_id, self.line.variant_id, eye)
        )

    @field
    def attributes(self: PricedLine) -> list[Attribute]:
        return [Attribute(key=key, value=value) for key, value in self.line.attributes]

    @field
    def discount_allocations(self: PricedLine) -> list[DiscountAllocation]:
        """Discounts' shares of this line."""
        return []

    @field
    def cost(self: PricedLine) -> CartLineCost:
        """What the line costs."""
        offer = self.line.offer
        total = amount(self.unit_amount * self.line.quantity, self.currency)
        return CartLineCost(
            amount_per_quantity=amount(self.unit_amount, self.currency),
            compare_at_amount_per_quantity=amount_or_none(offer.compare_at_amount if offer else None, self.currency),
            subtotal_amount=total,
            total_amount=total,
        )


@view(models.Cart)
class Cart(Node):
    """A shopper's cart. Its id is a secret: whoever knows it may see and change it."""

    id: strawberry.ID = id_of("cart")
    note: str
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime

    @field
    async def lines(
        self: models.Cart,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[CartLine]:
        """Lines in the order they were added."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        priced = await _priced(self, info.context)
        return cast("Connection[CartLine]", page(slice_of(priced, key=lambda line: line.id, window=wanted)))

    @field
    async def total_quantity(self: models.Cart, info: Info) -> int:
        """Units of all lines."""
        return sum(line.quantity for line in await _lines(self, info.context))

    @field
    async def cost(self: models.Cart, info: Info) -> Cost:
        """What the cart costs; frozen while a checkout is under way."""
        checkout = await _live(self, info.context)
        if checkout is not None:
            return cost(checkout_rules.load(checkout.quote).totals, self.currency)
        selected = next((rate for rate in await _rates(self, info.context) if rate.id == self.delivery_rate_id), None)
        lines = [(line.line.quantity, line.unit_amount) for line in await _priced(self, info.context)]
        return cost(totals(lines, delivery_amount=selected.amount if selected else 0), self.currency)

    @field
    def discount_codes(self: models.Cart) -> list[CartDiscountCode]:
        """Codes that the shopper entered."""
        return []

    @field
    def buyer_identity(self: models.Cart) -> CartBuyerIdentity:
        """Who buys."""
        country = CountryCode(self.country_code) if self.country_code else None
        return CartBuyerIdentity(email=self.email, phone=self.phone, country_code=country)

    @field
    def delivery_address(self: models.Cart) -> MailingAddress | None:
        return address(self.delivery_address)

    @field
    def billing_address(self: models.Cart) -> MailingAddress | None:
        """Null: the same as the delivery address."""
        return address(self.billing_address)

    @field
    async def delivery_options(self: models.Cart, info: Info) -> list[DeliveryOption]:
        """What can be chosen for the delivery address; empty without one."""
        return [_option(rate, self.currency) for rate in await _rates(self, info.context)]

    @field
    async def selected_delivery_option(self: models.Cart, info: Info) -> DeliveryOption | None:
        rates = await _rates(self, info.context)
        return next((_option(rate, self.currency) for rate in rates if rate.id == self.delivery_rate_id), None)

    @field
    def attributes(self: models.Cart) -> list[Attribute]:
        return [Attribute(key=entry["key"], value=entry["value"]) for entry in self.attributes]

    @field
    async def problems(self: models.Cart, info: Info) -> list[CartProblem]:
        """What would stop a checkout now; empty when nothing would."""
        if await _live(self, info.context) is not None:
            return []
        found = rules.problems(
            email=self.email,
            address=self.delivery_address,
            rate_id=self.delivery_rate_id,
            rate_ids=[rate.id for rate in await _rates(self, info.context)],
            lines=await _lines(self, info.context),
        )
        return [_problem(refusal) for refusal in found]

    @field
    async def checkout(
        self: models.Cart, info: Info
    ) -> Annotated["Checkout", strawberry.lazy("headless.graphql.checkout")] | None:
        """The newest checkout of this cart."""
        return cast("Checkout | None", await info.context.load(checkout_queries.checkouts_by_cart, self.id))

    @field
    async def order(
        self: models.Cart, info: Info
    ) -> Annotated["Order", strawberry.lazy("headless.graphql.orders.types")] | None:
        """The order that this cart became."""
        return cast("Order | None", await info.context.load(order_queries.orders_by_cart, self.id))


def _problem(refusal: Refusal) -> CartProblem:
    target = strawberry.ID(ids.encode("cart_line", refusal.target)) if refusal.target else None
    return CartProblem(code=refusal.code, message=refusal.message, target=target)


def _option(rate: Record, currency: str) -> DeliveryOption:
    option_id = strawberry.ID(ids.encode("delivery_option", rate.id))
    return DeliveryOption(id=option_id, title=rate.title, cost=amount(rate.amount, currency))


async def _lines(cart: models.Cart, context: Context) -> list[Line]:
    return await context.load(queries.lines_by_cart, cart.id) or []


async def _priced(cart: models.Cart, context: Context) -> list[PricedLine]:
    is_frozen = await _live(cart, context) is not None
    return [
        PricedLine(line, cart.currency, line.shown_amount if is_frozen else line.unit_amount)
        for line in await _lines(cart, context)
    ]


async def _live(cart: models.Cart, context: Context) -> Record | None:
    return cast("Record | None", await context.load(checkout_queries.live_by_cart, cart.id))


async def _rates(cart: models.Cart, context: Context) -> list[Record]:
    if cart.delivery_address is None:
        return []
    country = cart.delivery_address["country_code"]
    return await context.load(fulfillment_queries.rates_for, country, cart.channel_id) or []
