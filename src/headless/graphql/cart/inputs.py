"""What do clients send to change a cart, and what do they get?"""

from typing import TypeVar

import strawberry
from strawberry import UNSET

from headless.graphql.addresses import AddressInput
from headless.graphql.cart.types import Cart, CartWarning
from headless.graphql.declare import (
    errors,
    input_type,
    payload,
)
from headless.graphql.errors import UserError
from headless.graphql.scalars import CountryCode


@strawberry.input(description="A key and a value to attach.")
class AttributeInput:
    key: str
    value: str


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
