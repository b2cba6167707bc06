"""How is a cart read and changed through the API?"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.cart import models, queries, rules
from headless.cart import service as carts
from headless.cart.rules import Line, Wanted
from headless.checkout import queries as checkout_queries
from headless.checkout import service as checkouts
from headless.fulfillment import queries as fulfillment_queries
from headless.graphql.cart.inputs import (
    AttributeInput,
    CartAttributesUpdateInput,
    CartAttributesUpdatePayload,
    CartBillingAddressUpdateInput,
    CartBillingAddressUpdatePayload,
    CartBuyerIdentityUpdateInput,
    CartBuyerIdentityUpdatePayload,
    CartCreateInput,
    CartCreatePayload,
    CartDeliveryAddressUpdateInput,
    CartDeliveryAddressUpdatePayload,
    CartDeliveryOptionSelectInput,
    CartDeliveryOptionSelectPayload,
    CartLineInput,
    CartLinesAddInput,
    CartLinesAddPayload,
    CartLinesRemoveInput,
    CartLinesRemovePayload,
    CartLinesUpdateInput,
    CartLinesUpdatePayload,
    CartNoteUpdateInput,
    CartNoteUpdatePayload,
    P,
)
from headless.graphql.cart.types import Cart, CartWarning
from headless.graphql.context import Context, Info, given, sent
from headless.graphql.declare import (
    PUBLIC,
    decoded,
    decoded_all,
    mutation,
    query,
)
from headless.graphql.nodes import finds
from headless.platform import ids
from headless.platform.db import Record, Session
from headless.platform.errors import NotFound
from headless.shop.rules import normal_language


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
        values: dict[str, Any] = _in_language(context)
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
                None if line.attributes is UNSET else _attributes(line.attributes, "lines", index, "attributes"),
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
    values = {**_in_language(context), **(values or {})}
    async with context.transaction() as session:
        cart, warnings = await checkouts.edit(session, wanted, terms=context.server.terms, values=values)
        clamped = await change(session, cart) if change is not None else None
        if clamped is None:
            await carts.refresh_prices(session, cart)
    return await _answer(made, context, cart, warnings + (clamped or []))


def _in_language(context: Context) -> dict[str, Any]:
    """Column values for the language in which a cart is filled: its order will be in it, too."""
    language = context.market.language
    return {"language": normal_language(language)} if language else {}


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
