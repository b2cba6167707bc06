"""What can a cart refuse, and what would stop its checkout?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class CartCompleted(Refusal):
    """This cart has become an order. Make a new cart."""


class TooManyLines(Refusal):
    """A cart holds at most 250 lines."""


class NoLines(Refusal):
    """The cart is empty. Add something to it."""


class EmailMissing(Refusal):
    """The order's e-mail address is missing. Set it with cartBuyerIdentityUpdate."""


class DeliveryAddressMissing(Refusal):
    """The delivery address, or its street or city, is missing. Set it with cartDeliveryAddressUpdate."""


class DeliveryOptionMissing(Refusal):
    """No delivery option is selected. Choose one of cart.deliveryOptions with cartDeliveryOptionSelect."""


class DeliveryOptionUnavailable(Refusal):
    """The selected delivery option isn't offered for this address. Choose one of cart.deliveryOptions."""


class NotAvailable(Refusal):
    """This can't be bought any more. Remove the line."""


class PriceChanged(Refusal):
    """The price differs from the one shown. Show the new one and repeat with acceptPriceChanges."""
