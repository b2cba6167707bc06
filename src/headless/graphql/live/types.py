"""What do subscribers get? Views over happenings; records are shown as they are now."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry

from headless.cart import queries as cart_queries
from headless.catalog import queries as catalog_queries
from headless.graphql.cart.types import Cart
from headless.graphql.catalog.selling import is_for_sale
from headless.graphql.catalog.types import ProductVariant
from headless.graphql.context import Info
from headless.graphql.declare import field
from headless.graphql.inventory.types import InventoryLevel, InventoryMovement
from headless.graphql.live import topics
from headless.graphql.live.streams import Happening
from headless.graphql.money import Money, amount, amount_or_none
from headless.graphql.orders.types import Order
from headless.graphql.scalars import JSON
from headless.inventory import queries as inventory_queries
from headless.orders import queries as order_queries
from headless.orders.rules import OrderStatus
from headless.platform import ids
from headless.platform.db import Record
from headless.platform.loaders import is_pending
from headless.pricing import queries as pricing_queries


@strawberry.interface(description="Something that happened.")
class Event:
    id: strawberry.ID
    cursor: str = strawberry.field(description="Where in the stream this is: send it as `after` to go on from here.")
    occurred_at: datetime

    @classmethod
    def resolve_type(cls, happening: Happening, *_info: object) -> str:
        return happening.type_name


def _event_id() -> Any:
    def resolve(self: Happening) -> strawberry.ID:
        return strawberry.ID(ids.encode("event", self.id))

    return strawberry.field(resolve, description="Equal for the same event wherever it is seen.")


@strawberry.type(description="What can be sold of a variant changed.")
class StockChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def variant(self: Happening, info: Info) -> ProductVariant | None:
        """Null once it isn't published any more."""
        return cast("ProductVariant | None", await _variant(self, info))

    @field
    async def available_for_sale(self: Happening, info: Info) -> bool:
        """Whether a checkout would grant at least one unit."""
        variant = await _variant(self, info)
        if variant is None:
            return False
        found = is_for_sale(variant, info.context)
        return bool(await found if is_pending(found) else found)

    @field
    async def quantity_available(self: Happening, info: Info) -> int | None:
        """Units that a checkout would grant; null when stock isn't tracked, and once it isn't published any more."""
        if await _variant(self, info) is None:
            return None
        stock = await info.context.load(inventory_queries.sellable_by_variant, self.key)
        return stock.quantity if stock is not None and stock.is_tracked else None


@strawberry.type(description="What a variant costs in the channel changed.")
class PriceChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def variant(self: Happening, info: Info) -> ProductVariant | None:
        """Null once it isn't published any more."""
        return cast("ProductVariant | None", await _variant(self, info))

    @field
    async def price(self: Happening, info: Info) -> Money | None:
        """The price as it is now; null while it has none, and once it isn't published any more."""
        found, currency = await _price(self, info)
        return amount(found.amount, currency) if found is not None else None

    @field
    async def compare_at_price(self: Happening, info: Info) -> Money | None:
        """The price that is struck through."""
        found, currency = await _price(self, info)
        return amount_or_none(found.compare_at_amount, currency) if found is not None else None


@strawberry.type(description="A cart, its checkout or its order changed.")
class CartChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def cart(self: Happening, info: Info) -> Cart | None:
        """The cart as it is now; null once it has expired."""
        return cast("Cart | None", await info.context.load(cart_queries.carts_by_id, self.key))


@strawberry.type(description="An order's status moved.")
class OrderStatusChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def order(self: Happening, info: Info) -> Order:
        """The order as it is now."""
        return cast("Order", await info.context.load(order_queries.orders_by_id, self.key))

    @field
    def status(self: Happening) -> OrderStatus:
        """The status that this event brought."""
        return OrderStatus(self.payload["status"])

    @field
    def previous_status(self: Happening) -> OrderStatus | None:
        """Null in the first message, which tells the present state."""
        previous = self.payload["previous_status"]
        return OrderStatus(previous) if previous else None


@strawberry.type(description="A checkout became an order.")
class OrderPlaced(Event):
    id: strawberry.ID = _event_id()

    @field
    async def order(self: Happening, info: Info) -> Order | None:
        """The order as it is now; null in the first message, which only brings a cursor."""
        if self.is_marker:
            return None
        return cast("Order", await info.context.load(order_queries.orders_by_id, self.key))


@strawberry.type(description="A counted quantity changed at a location.")
class InventoryChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def level(self: Happening, info: Info) -> InventoryLevel | None:
        """The variant's stock there as it is now; null in the first message, which only brings a cursor."""
        movement = await _movement(self, info)
        if movement is None:
            return None
        stocks = await info.context.load(inventory_queries.stocks_by_variant, movement.variant_id) or []
        there = next((stock for stock in stocks if stock.location_id == movement.location_id), None)
        return cast("InventoryLevel | None", there)

    @field
    async def movement(self: Happening, info: Info) -> InventoryMovement | None:
        """The ledger's entry; null in the first message, which only brings a cursor."""
        return cast("InventoryMovement | None", await _movement(self, info))


@strawberry.type(description="Any event of the shop, as integrators follow it.")
class LoggedEvent(Event):
    id: strawberry.ID = _event_id()

    @field
    def topic(self: Happening) -> str | None:
        """What happened, such as `order.placed`; null in the first message, which only brings a cursor."""
        return self.topic

    @field
    def payload(self: Happening) -> JSON | None:
        """What it happened to, by id; null in the first message."""
        return None if self.is_marker else JSON(topics.shown(self.payload))


EVENTS = (StockChanged, PriceChanged, CartChanged, OrderStatusChanged, OrderPlaced, InventoryChanged, LoggedEvent)


async def _variant(happening: Happening, info: Info) -> Any:
    return await info.context.load(catalog_queries.variants_by_id, happening.key, await info.context.eye())


async def _price(happening: Happening, info: Info) -> tuple[Record | None, str]:
    channel = await info.context.channel()
    if await _variant(happening, info) is None:
        return None, channel.currency_code
    found = await info.context.load(pricing_queries.prices_by_variant, happening.key, channel.id)
    return found, channel.currency_code


async def _movement(happening: Happening, info: Info) -> Any:
    if happening.is_marker:
        return None
    return await info.context.load(inventory_queries.movements_by_id, UUID(happening.payload["movement_id"]))
