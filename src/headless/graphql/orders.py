"""How do orders look in the API, and how do staff move them on?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import queries as catalog_queries
from headless.fulfillment import models as fulfillment_models
from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment.models import FulfillmentStatus
from headless.fulfillment.service import Tracking
from headless.graphql.addresses import MailingAddress, address
from headless.graphql.cart import Attribute, CartLineCost, Cost, DeliveryOption, cost
from headless.graphql.catalog import ProductVariant
from headless.graphql.context import Info, sent
from headless.graphql.declare import (
    PUBLIC,
    decoded,
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
from headless.graphql.scalars import URL
from headless.orders import models, queries, rules, service
from headless.orders.rules import OrderCancelReason, OrderFinancialStatus, OrderFulfillmentStatus, OrderStatus
from headless.payments import models as payment_models
from headless.payments import queries as payment_queries
from headless.payments.rules import PaymentStatus, RefundStatus
from headless.platform import idempotency, ids
from headless.platform.db import Record
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.pages import slice_of, window
from headless.pricing.rules import Totals

strawberry.enum(OrderStatus, description="Where an order stands, for its buyer.")
strawberry.enum(OrderFinancialStatus, description="Where an order's money is.")
strawberry.enum(OrderFulfillmentStatus, description="How much of an order has left.")
strawberry.enum(FulfillmentStatus, description="How far a shipment is.")
strawberry.enum(PaymentStatus, description="How far a payment is.")
strawberry.enum(RefundStatus, description="Whether the money was given back.")
strawberry.enum(OrderCancelReason, description="Why an order was cancelled.")


@strawberry.type(description="How a parcel can be followed.")
class TrackingInfo:
    company: str | None
    number: str | None
    url: URL | None


@view(payment_models.Payment)
class Payment:
    """A payment of an order."""

    id: strawberry.ID = id_of("payment")
    provider: str
    status: PaymentStatus
    created_at: datetime

    @field
    def amount(self: payment_models.Payment) -> Money:
        return amount(self.amount, self.currency)


@strawberry.type(description="Money given back.")
class Refund:
    id: strawberry.ID = id_of("refund")
    status: RefundStatus
    reason: str
    created_at: datetime

    @field
    async def amount(self: payment_models.Refund, info: Info) -> Money:
        order = await info.context.load(queries.orders_by_id, self.order_id)
        return amount(self.amount, order.currency)


@view(models.OrderLine)
class OrderLine:
    """A line as it was sold: titles and prices of that moment."""

    id: strawberry.ID = id_of("order_line")
    title: str
    variant_title: str
    sku: str | None
    quantity: int

    @field
    def current_quantity(self: models.OrderLine) -> int:
        """Units that are neither cancelled nor returned."""
        return self.quantity - self.cancelled_quantity

    @field
    async def fulfillable_quantity(self: models.OrderLine, info: Info) -> int:
        """Units that are left to ship."""
        parts = await info.context.load(fulfillment_queries.lines_by_order, self.order_id) or []
        taken = sum(
            part.quantity
            for part in parts
            if part.order_line_id == self.id and part.status != FulfillmentStatus.CANCELLED
        )
        return rules.Progress(self.quantity, self.cancelled_quantity, taken).fulfillable

    @field
    async def refundable_quantity(self: models.OrderLine, info: Info) -> int:
        """Units whose money hasn't been given back."""
        returned = await info.context.load(payment_queries.refunds_by_order, self.order_id) or []
        is_refunded = any(refund.status != RefundStatus.FAILED for refund in returned)
        return 0 if is_refunded else self.quantity - self.cancelled_quantity

    @field
    def attributes(self: models.OrderLine) -> list[Attribute]:
        return [Attribute(key=entry["key"], value=entry["value"]) for entry in self.attributes]

    @field
    async def variant(self: models.OrderLine, info: Info) -> ProductVariant | None:
        """The variant as it is now; null when it isn't offered any more."""
        eye = await info.context.eye()
        return cast("ProductVariant", await info.context.load(catalog_queries.variants_by_id, self.variant_id, eye))

    @field
    async def cost(self: models.OrderLine, info: Info) -> CartLineCost:
        """What it was sold for."""
        currency = (await info.context.load(queries.orders_by_id, self.order_id)).currency
        total = amount(self.total_amount, currency)
        return CartLineCost(
            amount_per_quantity=amount(self.unit_amount, currency),
            compare_at_amount_per_quantity=amount_or_none(self.compare_at_amount, currency),
            subtotal_amount=total,
            total_amount=total,
        )


@view(fulfillment_models.FulfillmentLine)
class FulfillmentLine:
    """Units of an order's line in a shipment."""

    id: strawberry.ID = id_of("fulfillment_line")
    quantity: int

    @field
    async def order_line(self: fulfillment_models.FulfillmentLine, info: Info) -> OrderLine:
        return cast("OrderLine", await info.context.load(queries.lines_by_id, self.order_line_id))


@view(fulfillment_models.Fulfillment)
class Fulfillment(Node):
    """A shipment of some of an order's units."""

    id: strawberry.ID = id_of("fulfillment")
    status: FulfillmentStatus
    created_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None

    @field
    def tracking(self: fulfillment_models.Fulfillment) -> TrackingInfo | None:
        """How it can be followed."""
        if not (self.tracking_company or self.tracking_number or self.tracking_url):
            return None
        url = URL(self.tracking_url) if self.tracking_url else None
        return TrackingInfo(company=self.tracking_company, number=self.tracking_number, url=url)

    @field
    async def lines(self: fulfillment_models.Fulfillment, info: Info) -> list[FulfillmentLine]:
        """What is in it."""
        return await info.context.load(fulfillment_queries.lines_by_fulfillment, self.id) or []


@view(models.Order)
class Order(Node):
    """A placed order."""

    id: strawberry.ID = id_of("order")
    status: OrderStatus
    financial_status: OrderFinancialStatus
    fulfillment_status: OrderFulfillmentStatus
    email: str
    note: str
    cancel_reason: OrderCancelReason | None
    cancelled_at: datetime | None
    placed_at: datetime
    updated_at: datetime
    version: int

    @field
    def number(self: models.Order) -> str:
        """The number that people use."""
        return str(self.number)

    @field
    def access_token(self: models.Order, info: Info) -> str:
        """Lets a guest read and follow this order. Whoever may see the order may have it."""
        return info.context.order_token(self.id)

    @field
    async def lines(
        self: models.Order,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[OrderLine]:
        """What was sold."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        info.context.loaders.prime(queries.orders_by_id, self.id, cast("Record", self))
        rows = await info.context.load(queries.lines_by_order, self.id) or []
        return cast("Connection[OrderLine]", page(slice_of(rows, key=lambda row: row.id, window=wanted)))

    @field
    def cost(self: models.Order) -> Cost:
        """What was charged."""
        sums = Totals(
            subtotal_amount=self.subtotal_amount,
            discount_amount=self.discount_amount,
            delivery_amount=self.delivery_amount,
            tax_amount=self.tax_amount,
        )
        return cost(sums, self.currency)

    @field
    def shipping_address(self: models.Order) -> MailingAddress | None:
        return address(self.shipping_address)

    @field
    def billing_address(self: models.Order) -> MailingAddress | None:
        """Null: the same as the shipping address."""
        return address(self.billing_address)

    @field
    def delivery_option(self: models.Order) -> DeliveryOption:
        """The delivery that was chosen."""
        option_id = strawberry.ID(ids.encode("delivery_option", self.delivery_rate_id))
        return DeliveryOption(id=option_id, title=self.delivery_title, cost=amount(self.delivery_amount, self.currency))

    @field
    async def payments(self: models.Order, info: Info) -> list[Payment]:
        return await info.context.load(payment_queries.payments_by_order, self.id) or []

    @field
    async def refunds(self: models.Order, info: Info) -> list[Refund]:
        info.context.loaders.prime(queries.orders_by_id, self.id, cast("Record", self))
        return await info.context.load(payment_queries.refunds_by_order, self.id) or []

    @field
    async def fulfillments(self: models.Order, info: Info) -> list[Fulfillment]:
        """Its shipments."""
        return await info.context.load(fulfillment_queries.fulfillments_by_order, self.id) or []

    @field
    def attributes(self: models.Order) -> list[Attribute]:
        return [Attribute(key=entry["key"], value=entry["value"]) for entry in self.attributes]


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


@strawberry.type
class OrderQueries:
    @query(requires=PUBLIC)
    async def order(self, info: Info, id: strawberry.ID, access_token: str | None = UNSET) -> Order | None:
        """An order, for staff and for whoever holds its access token."""
        order_id = ids.decode("order", id)
        if not may_see(info, order_id, sent(access_token)):
            raise NotFound
        found = await info.context.load(queries.orders_by_id, order_id)
        if found is None:
            raise NotFound
        return cast("Order", found)

    @query(requires=Permission.READ_ORDERS)
    async def orders(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        reverse: bool = False,
    ) -> Connection[Order] | None:
        """Orders in the order they were placed."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            return cast("Connection[Order]", page(await queries.order_page(session, wanted, is_reversed=reverse)))


@strawberry.type
class OrderMutations:
    @mutation(requires=Permission.WRITE_ORDERS)
    async def fulfillment_create(self, info: Info, input: FulfillmentCreateInput) -> FulfillmentCreatePayload | None:
        """Ship units of an order, or prepare them."""
        context = info.context
        order_id = decoded("order", input.order_id, "orderId")
        location_id = decoded("location", input.location_id, "locationId") if input.location_id else None
        wanted = [
            (decoded("order_line", line.order_line_id, "lines", index, "orderLineId"), line.quantity)
            for index, line in enumerate(input.lines)
        ]
        claim = context.claim("fulfillmentCreate", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                fulfillment_id = await service.create_fulfillment(
                    session,
                    order_id,
                    wanted,
                    location_id=location_id,
                    tracking=_tracking(input.tracking),
                    is_shipped=input.shipped,
                    actor=context.actor.name,
                )
                await idempotency.finish(session, claim, {"fulfillment": str(fulfillment_id)})
            else:
                context.is_replayed, fulfillment_id = True, UUID(earlier["fulfillment"])
        return FulfillmentCreatePayload(**await _shipment(info, fulfillment_id))

    @mutation(requires=Permission.WRITE_ORDERS)
    async def fulfillment_ship(self, info: Info, input: FulfillmentShipInput) -> FulfillmentShipPayload | None:
        """Send a prepared shipment off."""
        context = info.context
        fulfillment_id = decoded("fulfillment", input.fulfillment_id, "fulfillmentId")
        claim = context.claim("fulfillmentShip", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                await service.ship_fulfillment(
                    session, fulfillment_id, tracking=_tracking(input.tracking), actor=context.actor.name
                )
                await idempotency.finish(session, claim, {"fulfillment": str(fulfillment_id)})
            context.is_replayed = earlier is not None
        return FulfillmentShipPayload(**await _shipment(info, fulfillment_id))

    @mutation(requires=Permission.WRITE_ORDERS)
    async def fulfillment_mark_delivered(
        self, info: Info, input: FulfillmentMarkDeliveredInput
    ) -> FulfillmentMarkDeliveredPayload | None:
        """Note that a shipment has arrived."""
        context = info.context
        fulfillment_id = decoded("fulfillment", input.fulfillment_id, "fulfillmentId")
        async with context.transaction() as session:
            await service.deliver_fulfillment(
                session, fulfillment_id, at=sent(input.delivered_at), actor=context.actor.name
            )
        return FulfillmentMarkDeliveredPayload(**await _shipment(info, fulfillment_id))

    @mutation(requires=Permission.WRITE_ORDERS)
    async def order_cancel(self, info: Info, input: OrderCancelInput) -> OrderCancelPayload | None:
        """Cancel an order of which nothing has been shipped; its money is given back."""
        context = info.context
        order_id = decoded("order", input.order_id, "orderId")
        claim = context.claim("orderCancel", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                await service.cancel(
                    session,
                    order_id,
                    reason=input.reason,
                    restock=input.restock,
                    actor=context.actor.name,
                )
                await idempotency.finish(session, claim, {"order": str(order_id)})
            context.is_replayed = earlier is not None
        if earlier is None:
            await service.settle_refunds(context.server.database, context.server.providers, order_id=order_id)
        return OrderCancelPayload(order=await context.load(queries.orders_by_id, order_id))


@finds("order", "Order")
async def find_order(info: Info, order_id: UUID) -> Record | None:
    if not may_see(info, order_id, None):
        return None
    return cast("Record | None", await info.context.load(queries.orders_by_id, order_id))


@finds("fulfillment", "Fulfillment")
async def find_fulfillment(info: Info, fulfillment_id: UUID) -> Record | None:
    if not info.context.actor.may(Permission.READ_ORDERS):
        return None
    return cast("Record | None", await info.context.load(fulfillment_queries.fulfillments_by_id, fulfillment_id))


def may_see(info: Info, order_id: UUID, access_token: str | None) -> bool:
    """Staff, or whoever holds the order's token: without it the order doesn't exist."""
    context = info.context
    if context.actor.may(Permission.READ_ORDERS):
        return True
    return access_token is not None and context.is_order_token(order_id, access_token)


async def _shipment(info: Info, fulfillment_id: UUID) -> dict[str, Any]:
    fulfillment = await info.context.load(fulfillment_queries.fulfillments_by_id, fulfillment_id)
    order = await info.context.load(queries.orders_by_id, fulfillment.order_id)
    return {"fulfillment": fulfillment, "order": order}


def _tracking(given: TrackingInput | None) -> Tracking | None:
    tracking = sent(given)
    if tracking is None:
        return None
    parts = (sent(tracking.company), sent(tracking.number), sent(tracking.url))
    if any(part is not None and len(part) > 500 for part in parts):  # noqa: PLR2004 - far above any real one
        message = "A part of the tracking is too long."
        raise InvalidInput(message, field=("tracking",))
    if parts[2] is not None and not parts[2].startswith(("https://", "http://")):
        message = "A tracking address starts with https://."
        raise InvalidInput(message, field=("tracking", "url"))
    return Tracking(*parts)
