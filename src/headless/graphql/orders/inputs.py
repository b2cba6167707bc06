"""What do staff send to move an order on, and what do they get?"""

from datetime import datetime

import strawberry
from strawberry import UNSET

from headless.graphql.declare import (
    errors,
    input_type,
    payload,
)
from headless.graphql.errors import UserError
from headless.graphql.orders.types import Fulfillment, Order
from headless.graphql.scalars import URL
from headless.orders.rules import OrderCancelReason


@input_type
class FulfillmentLineInput:
    """Units of an order's line to ship."""

    order_line_id: strawberry.ID
    quantity: int


@input_type
class TrackingInput:
    """How a parcel can be followed."""

    company: str | None = UNSET
    number: str | None = UNSET
    url: URL | None = UNSET


@input_type
class FulfillmentCreateInput:
    order_id: strawberry.ID
    location_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Without it the units leave from where their stock is committed."
    )
    lines: list[FulfillmentLineInput]
    tracking: TrackingInput | None = UNSET
    shipped: bool = strawberry.field(default=True, description="False: it is being prepared.")
    idempotency_key: str | None = UNSET


@input_type
class FulfillmentShipInput:
    fulfillment_id: strawberry.ID
    tracking: TrackingInput | None = UNSET
    idempotency_key: str | None = UNSET


@input_type
class FulfillmentMarkDeliveredInput:
    fulfillment_id: strawberry.ID
    delivered_at: datetime | None = UNSET


@input_type
class OrderCancelInput:
    order_id: strawberry.ID
    reason: OrderCancelReason
    restock: bool = True
    idempotency_key: str | None = UNSET


@payload
class FulfillmentCreatePayload:
    """The new shipment."""

    fulfillment: Fulfillment | None = None
    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class FulfillmentShipPayload:
    """The shipment on its way."""

    fulfillment: Fulfillment | None = None
    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class FulfillmentMarkDeliveredPayload:
    """The shipment that arrived."""

    fulfillment: Fulfillment | None = None
    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class OrderCancelPayload:
    """The cancelled order."""

    order: Order | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
