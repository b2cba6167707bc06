"""How do orders look in the API?"""

from datetime import datetime
from typing import cast

import strawberry
from strawberry import UNSET

from headless.catalog import queries as catalog_queries
from headless.fulfillment import models as fulfillment_models
from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment.models import FulfillmentStatus
from headless.graphql.addresses import MailingAddress, address
from headless.graphql.catalog.types import ProductVariant
from headless.graphql.context import Info, sent
from headless.graphql.costs import Attribute, CartLineCost, Cost, DeliveryOption, cost
from headless.graphql.declare import (
    field,
    id_of,
    view,
)
from headless.graphql.money import Money, amount, amount_or_none
from headless.graphql.nodes import Node
from headless.graphql.pages import Connection, page
from headless.graphql.scalars import URL
from headless.graphql.teamwork.comments import comments_on
from headless.orders import models, queries, rules
from headless.orders.rules import OrderCancelReason, OrderFinancialStatus, OrderFulfillmentStatus, OrderStatus
from headless.payments import models as payment_models
from headless.payments import queries as payment_queries
from headless.payments.rules import PaymentStatus, RefundStatus
from headless.platform import ids
from headless.platform.db import Record
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
    comments = comments_on("order")

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
