"""How are orders read and moved on through the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment.service import Tracking
from headless.graphql.context import Info, sent
from headless.graphql.declare import (
    PUBLIC,
    decoded,
    mutation,
    query,
)
from headless.graphql.nodes import finds
from headless.graphql.orders.inputs import (
    FulfillmentCreateInput,
    FulfillmentCreatePayload,
    FulfillmentMarkDeliveredInput,
    FulfillmentMarkDeliveredPayload,
    FulfillmentShipInput,
    FulfillmentShipPayload,
    OrderCancelInput,
    OrderCancelPayload,
    TrackingInput,
)
from headless.graphql.orders.types import Order
from headless.graphql.pages import Connection, page
from headless.orders import queries, service, shipping
from headless.platform import idempotency, ids
from headless.platform.db import Record
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.pages import window


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
        place = sent(input.location_id)
        location_id = decoded("location", place, "locationId") if place is not None else None
        wanted = [
            (decoded("order_line", line.order_line_id, "lines", index, "orderLineId"), line.quantity)
            for index, line in enumerate(input.lines)
        ]
        claim = context.claim("fulfillmentCreate", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                fulfillment_id = await shipping.create_fulfillment(
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
                await shipping.ship_fulfillment(
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
            await shipping.deliver_fulfillment(
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
