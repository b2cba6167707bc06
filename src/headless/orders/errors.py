"""What can an order refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class OrderNotCancellable(Refusal):
    """Some of this order has been shipped, or it is cancelled already."""


class OrderNotFulfillable(Refusal):
    """A cancelled order can't be shipped."""


class NothingToFulfill(Refusal):
    """Fewer units of this line are left to ship than asked for."""


class FulfillmentStatusInvalid(Refusal):
    """The shipment isn't in the state that this step starts from."""
