"""What can stop a payment?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class PaymentDeclined(Refusal):
    """The payment was declined. Try another means of payment; the cart is unchanged."""


class PaymentFailed(Refusal):
    """The payment provider failed and nothing was charged. Try again."""


class UnknownPaymentProvider(Refusal):
    """The shop doesn't take payments through this provider."""
