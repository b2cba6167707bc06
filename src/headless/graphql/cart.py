"""How do carts look in the API, and how are they changed?"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.cart import models, queries, rules
from headless.cart import service as carts
from headless.cart.rules import Line, Wanted
from headless.catalog import queries as catalog_queries
from headless.checkout import queries as checkout_queries
from headless.checkout import rules as checkout_rules
from headless.checkout import service as checkouts
from headless.fulfillment import queries as fulfillment_queries
from headless.graphql.addresses import AddressInput, MailingAddress, address
from headless.graphql.catalog import ProductVariant
from headless.graphql.context import Context, Info, given, sent
from headless.graphql.declare import (
    PUBLIC,
    decoded,
    decoded_all,
    errors,
    field,
    id_of,
    input_type,
    mutation,
    payload,
    query,
    view,
)
from headless.graphql.errors import UserError
from headless.graphql.money import Money, amount, amount_or_none
from headless.graphql.nodes import Node, finds
from headless.graphql.pages import Connection, page
from headless.graphql.scalars import CountryCode
from headless.orders import queries as order_queries
from headless.platform import ids
from headless.platform.db import Record, Session
from headless.platform.errors import NotFound, Refusal
from headless.platform.pages import slice_of, window
from headless.pricing.rules import Totals, totals

if TYPE_CHECKING:
    from headless.graphql.checkout import Checkout
    from headless.graphql.orders import Order


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


@strawberry.type(description="A key and a value that the storefront attached.")
class Attribute:
    key: str
    value: str


@strawberry.input(description="A key and a value to attach.")
class AttributeInput:
    key: str
    value: str


@strawberry.type(description="Sums, exact: subtotal - discounts + delivery + tax = total.")
class Cost:
    subtotal_amount: Money
    total_discount_amount: Money
    total_delivery_amount: Money
    total_tax_amount: Money
    total_amount: Money


def cost(sums: Totals, currency: str) -> Cost:
    return Cost(
        subtotal_amount=amount(sums.subtotal_amount, currency),
        total_discount_amount=amount(sums.discount_amount, currency),
        total_delivery_amount=amount(sums.delivery_amount, currency),
        total_tax_amount=amount(sums.tax_amount, currency),
        total_amount=amount(sums.total_amount, currency),
    )


@strawberry.type(description="What a line costs.")
class CartLineCost:
    amount_per_quantity: Money
    compare_at_amount_per_quantity: Money | None
    subtotal_amount: Money
    total_amount: Money


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


@strawberry.type(description="A way of delivery with its price.")
class DeliveryOption:
    id: strawberry.ID
    title: str
    cost: Money


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
    ) -> Annotated["Order", strawberry.lazy("headless.graphql.orders")] | None:
        """The order that this cart became."""
        return cast("Order | None", await info.context.load(order_queries.orders_by_cart, self.id))


@input_type
class CartLineInput:
    """Units of a variant to add."""

    variant_id: strawberry.ID
    quantity: int = 1
    attributes: list[AttributeInput] | None = UNSET


@input_type
class CartLineUpdateInput:
    """A line's new quantity; 0 removes it."""

    id: strawberry.ID
    quantity: int
    attributes: list[AttributeInput] | None = UNSET


@input_type
class CartBuyerIdentityInput:
    """Who buys; an omitted field stays, null clears."""

    email: str | None = UNSET
    phone: str | None = UNSET
    country_code: CountryCode | None = UNSET


@input_type
class CartCreateInput:
    """What the new cart holds from the start."""

    lines: list[CartLineInput] | None = UNSET
    buyer_identity: CartBuyerIdentityInput | None = UNSET
    note: str | None = UNSET
    attributes: list[AttributeInput] | None = UNSET


@input_type
class CartLinesAddInput:
    cart_id: strawberry.ID
    lines: list[CartLineInput]


@input_type
class CartLinesUpdateInput:
    cart_id: strawberry.ID
    lines: list[CartLineUpdateInput]


@input_type
class CartLinesRemoveInput:
    cart_id: strawberry.ID
    line_ids: list[strawberry.ID]


@input_type
class CartBuyerIdentityUpdateInput:
    cart_id: strawberry.ID
    buyer_identity: CartBuyerIdentityInput


@input_type
class CartDeliveryAddressUpdateInput:
    cart_id: strawberry.ID
    address: AddressInput


@input_type
class CartBillingAddressUpdateInput:
    cart_id: strawberry.ID
    address: AddressInput


@input_type
class CartDeliveryOptionSelectInput:
    cart_id: strawberry.ID
    delivery_option_id: strawberry.ID


@input_type
class CartNoteUpdateInput:
    cart_id: strawberry.ID
    note: str


@input_type
class CartAttributesUpdateInput:
    cart_id: strawberry.ID
    attributes: list[AttributeInput]


@payload
class _CartPayload:
    cart: Cart | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
    warnings: list[CartWarning] = strawberry.field(default_factory=list)


P = TypeVar("P", bound=_CartPayload)


@payload
class CartCreatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartLinesAddPayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartLinesUpdatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartLinesRemovePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartBuyerIdentityUpdatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartDeliveryAddressUpdatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartBillingAddressUpdatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartDeliveryOptionSelectPayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartNoteUpdatePayload(_CartPayload):
    """The cart as it is now."""


@payload
class CartAttributesUpdatePayload(_CartPayload):
    """The cart as it is now."""


@strawberry.type
class CartQueries:
    @query(requires=PUBLIC)
    async def cart(self, info: Info, id: strawberry.ID) -> Cart | None:
        """A cart by its secret id."""
        found = await find_cart(info, ids.decode("cart", id))
        if found is None:
            raise NotFound
        return cast("Cart", found)


@strawberry.type
class CartMutations:
    @mutation(requires=PUBLIC)
    async def cart_create(self, info: Info, input: CartCreateInput) -> CartCreatePayload | None:
        """Make a cart, with lines and buyer if given."""
        context = info.context
        channel = await context.channel()
        values: dict[str, Any] = {}
        if sent(input.buyer_identity):
            values |= carts.buyer(**given(**vars(input.buyer_identity)))
        if sent(input.note):
            values |= carts.note(str(input.note))
        if sent(input.attributes):
            values |= carts.attributes((pair.key, pair.value) for pair in input.attributes or ())
        wanted = _wanted(sent(input.lines) or [])
        async with context.transaction() as session:
            cart = await carts.create(
                session, channel=channel, lifetime=context.server.terms.cart_lifetime, values=values
            )
            warnings = await carts.add_lines(session, cart, wanted, is_new=True) if wanted else []
        return await _answer(CartCreatePayload, context, cart, warnings)

    @mutation(requires=PUBLIC)
    async def cart_lines_add(self, info: Info, input: CartLinesAddInput) -> CartLinesAddPayload | None:
        """Add units; the same variant with the same attributes grows its line."""
        wanted = _wanted(input.lines)
        return await _edit(
            CartLinesAddPayload, info, input.cart_id, lambda session, cart: carts.add_lines(session, cart, wanted)
        )

    @mutation(requires=PUBLIC)
    async def cart_lines_update(self, info: Info, input: CartLinesUpdateInput) -> CartLinesUpdatePayload | None:
        """Set lines' quantities or attributes; quantity 0 removes the line."""
        changes = [
            (
                decoded("cart_line", line.id, "lines", index, "id"),
                line.quantity,
                None if not sent(line.attributes) else _attributes(line.attributes, "lines", index, "attributes"),
            )
            for index, line in enumerate(input.lines)
        ]
        return await _edit(
            CartLinesUpdatePayload,
            info,
            input.cart_id,
            lambda session, cart: carts.update_lines(session, cart, changes),
        )

    @mutation(requires=PUBLIC)
    async def cart_lines_remove(self, info: Info, input: CartLinesRemoveInput) -> CartLinesRemovePayload | None:
        """Remove lines."""
        line_ids = decoded_all("cart_line", input.line_ids, "lineIds")
        return await _edit(
            CartLinesRemovePayload,
            info,
            input.cart_id,
            lambda session, cart: carts.remove_lines(session, cart, line_ids),
        )

    @mutation(requires=PUBLIC)
    async def cart_buyer_identity_update(
        self, info: Info, input: CartBuyerIdentityUpdateInput
    ) -> CartBuyerIdentityUpdatePayload | None:
        """Set who buys; an omitted field stays, null clears."""
        values = carts.buyer(**given(**vars(input.buyer_identity)))
        return await _edit(CartBuyerIdentityUpdatePayload, info, input.cart_id, values=values)

    @mutation(requires=PUBLIC)
    async def cart_delivery_address_update(
        self, info: Info, input: CartDeliveryAddressUpdateInput
    ) -> CartDeliveryAddressUpdatePayload | None:
        """Set where the order goes."""
        values = carts.address("delivery_address", input.address.plain())
        return await _edit(CartDeliveryAddressUpdatePayload, info, input.cart_id, values=values)

    @mutation(requires=PUBLIC)
    async def cart_billing_address_update(
        self, info: Info, input: CartBillingAddressUpdateInput
    ) -> CartBillingAddressUpdatePayload | None:
        """Set where the invoice goes."""
        values = carts.address("billing_address", input.address.plain())
        return await _edit(CartBillingAddressUpdatePayload, info, input.cart_id, values=values)

    @mutation(requires=PUBLIC)
    async def cart_delivery_option_select(
        self, info: Info, input: CartDeliveryOptionSelectInput
    ) -> CartDeliveryOptionSelectPayload | None:
        """Choose one of `cart.deliveryOptions`."""
        rate_id = decoded("delivery_option", input.delivery_option_id, "deliveryOptionId")
        offered: list[Record] = []

        async def check(session: Session, cart: Record) -> None:
            offered.extend(await carts.offered(session, cart))

        values = {"delivery_rate_id": rate_id}
        made = await _edit(CartDeliveryOptionSelectPayload, info, input.cart_id, check, values=values)
        cart = cast("models.Cart", made.cart)
        country = (cart.delivery_address or {})["country_code"]
        info.context.loaders.prime(fulfillment_queries.rates_for, country, offered, cart.channel_id)
        return made

    @mutation(requires=PUBLIC)
    async def cart_note_update(self, info: Info, input: CartNoteUpdateInput) -> CartNoteUpdatePayload | None:
        """Set the note to the shop."""
        return await _edit(CartNoteUpdatePayload, info, input.cart_id, values=carts.note(input.note))

    @mutation(requires=PUBLIC)
    async def cart_attributes_update(
        self, info: Info, input: CartAttributesUpdateInput
    ) -> CartAttributesUpdatePayload | None:
        """Set the cart's attributes, all of them."""
        values = carts.attributes((pair.key, pair.value) for pair in input.attributes)
        return await _edit(CartAttributesUpdatePayload, info, input.cart_id, values=values)


@finds("cart", "Cart")
async def find_cart(info: Info, cart_id: UUID) -> Record | None:
    return cast("Record | None", await info.context.load(queries.carts_by_id, cart_id))


Change = Callable[[Session, Record], Awaitable[list[rules.Notice] | None]]


async def _edit(
    made: type[P], info: Info, cart_id: str, change: Change | None = None, *, values: Mapping[str, Any] | None = None
) -> P:
    """Change a cart's columns, its lines or both; its prices count as shown from now on."""
    context = info.context
    wanted = decoded("cart", cart_id, "cartId")
    async with context.transaction() as session:
        cart, warnings = await checkouts.edit(session, wanted, terms=context.server.terms, values=values)
        clamped = await change(session, cart) if change is not None else None
        if clamped is None:
            await carts.refresh_prices(session, cart)
    return await _answer(made, context, cart, warnings + (clamped or []))


async def _answer(made: type[P], context: Context, cart: Record, warnings: list[rules.Notice]) -> P:
    # What the write returned is the cart as it was committed, and whoever edits a cart leaves it without a checkout:
    # neither needs to be read again.
    context.loaders.prime(queries.carts_by_id, cart.id, cart)
    context.loaders.prime(checkout_queries.live_by_cart, cart.id, None)
    shown = [
        CartWarning(code=one.code, message=one.message, target=await _target(one, cart, context)) for one in warnings
    ]
    return made(cart=cast("Cart", cart), warnings=shown)


async def _target(warning: rules.Notice, cart: Record, context: Context) -> strawberry.ID | None:
    if warning.target is None:
        return None
    if warning.code == "CHECKOUT_CANCELLED":
        return strawberry.ID(ids.encode("checkout", warning.target))
    lines: list[Line] = await context.load(queries.lines_by_cart, cart.id) or []
    is_line = any(line.id == warning.target for line in lines)
    return strawberry.ID(ids.encode("cart_line" if is_line else "variant", warning.target))


def _problem(refusal: Refusal) -> CartProblem:
    target = strawberry.ID(ids.encode("cart_line", refusal.target)) if refusal.target else None
    return CartProblem(code=refusal.code, message=refusal.message, target=target)


def _wanted(lines: list[CartLineInput]) -> list[Wanted]:
    return [
        Wanted(
            variant_id=decoded("variant", line.variant_id, "lines", index, "variantId"),
            quantity=line.quantity,
            attributes=_attributes(line.attributes, "lines", index, "attributes"),
        )
        for index, line in enumerate(lines)
    ]


def _attributes(pairs: list[AttributeInput] | None, *path: str | int) -> rules.Attributes:
    return rules.checked_attributes(((pair.key, pair.value) for pair in sent(pairs) or ()), *path)


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
