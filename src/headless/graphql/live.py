"""What can be subscribed to? Each subscription sends the current state first, then what happens."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.cart import events as cart_events
from headless.cart import queries as cart_queries
from headless.catalog import queries as catalog_queries
from headless.graphql.cart.types import Cart
from headless.graphql.catalog import ProductVariant, is_for_sale
from headless.graphql.context import Info, sent
from headless.graphql.declare import PUBLIC, field, subscription
from headless.graphql.orders.mutations import may_see
from headless.graphql.orders.types import Order
from headless.inventory import events as inventory_events
from headless.inventory import queries as inventory_queries
from headless.orders import events as order_events
from headless.orders import queries as order_queries
from headless.orders.rules import OrderStatus
from headless.platform import clock, crypto, ids
from headless.platform.errors import BadUserInput, NotFound, ResyncRequired
from headless.platform.loaders import is_pending
from headless.platform.outbox import Entry

MOST_KEYS = 250


@dataclass(frozen=True, slots=True)
class Happening:
    """An event on its way to a subscriber: a fact of the log, or the state at the start."""

    id: UUID
    cursor: str
    occurred_at: datetime
    key: UUID
    payload: dict[str, Any]
    type_name: str


@strawberry.interface(description="Something that happened.")
class Event:
    id: strawberry.ID
    cursor: str = strawberry.field(description="Where in the stream this is.")
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
        return cast("ProductVariant", await _variant(self, info))

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


@strawberry.type(description="A cart, its checkout or its order changed.")
class CartChanged(Event):
    id: strawberry.ID = _event_id()

    @field
    async def cart(self: Happening, info: Info) -> Cart | None:
        """The cart as it is now; null once it has expired."""
        return cast("Cart", await info.context.load(cart_queries.carts_by_id, self.key))


@strawberry.type
class Subscription:
    @subscription(requires=PUBLIC)
    async def stock_changed(
        self, info: Info, variant_ids: list[strawberry.ID], after: str | None = UNSET
    ) -> AsyncGenerator[StockChanged, None]:
        """How many units of these variants can be sold: the present state first, then every change."""
        _refuse_resuming(sent(after))
        keys = _keys("variant", variant_ids)
        eye = await info.context.eye()
        async with info.context.reading() as session:
            visible = await catalog_queries.variants_by_id(session, keys, eye)
        if len(visible) < len(keys):
            raise NotFound
        async with aclosing(_follow(info, inventory_events.StockChanged.topic, keys, "StockChanged")) as happenings:
            async for happening in happenings:
                yield cast("StockChanged", happening)

    @subscription(requires=PUBLIC)
    async def cart_changed(
        self, info: Info, cart_id: strawberry.ID, after: str | None = UNSET
    ) -> AsyncGenerator[CartChanged, None]:
        """A cart, for whoever knows its id: the present state first, then every change."""
        _refuse_resuming(sent(after))
        key = ids.decode("cart", cart_id)
        if await info.context.load(cart_queries.carts_by_id, key) is None:
            raise NotFound
        async with aclosing(_follow(info, cart_events.CartChanged.topic, [key], "CartChanged")) as happenings:
            async for happening in happenings:
                yield cast("CartChanged", happening)

    @subscription(requires=PUBLIC)
    async def order_status_changed(
        self, info: Info, order_id: strawberry.ID, access_token: str | None = UNSET, after: str | None = UNSET
    ) -> AsyncGenerator[OrderStatusChanged, None]:
        """An order's status, for its buyer and staff: the present one first, then every change, none left out."""
        _refuse_resuming(sent(after))
        key = ids.decode("order", order_id)
        if not may_see(info, key, sent(access_token)):
            raise NotFound
        hub, topic = info.context.server.hub, order_events.OrderStatusChanged.topic
        with hub.listening(topic, [key], coalesce=False) as listener:
            async with info.context.reading() as session:
                order = (await order_queries.orders_by_id(session, [key])).get(key)
            await info.context.close()
            if order is None:
                raise NotFound
            present = {"status": order.status, "previous_status": None}
            yield cast("OrderStatusChanged", _now(info, topic, key, present, "OrderStatusChanged", hub.position))
            async for entry in listener.entries():
                # Entries that the first message already told of are left out.
                if entry.payload["version"] > order.version:
                    yield cast("OrderStatusChanged", _told(info, entry, "OrderStatusChanged"))


async def _follow(info: Info, topic: str, keys: Iterable[UUID], type_name: str) -> AsyncGenerator[Happening, None]:
    """State of some records: one message each for now, then one whenever a record changed, the newest only."""
    hub = info.context.server.hub
    with hub.listening(topic, keys, coalesce=True) as listener:
        await info.context.close()
        for key in keys:
            yield _now(info, topic, key, {}, type_name, hub.position)
        async for entry in listener.entries():
            yield _told(info, entry, type_name)


def _now(info: Info, topic: str, key: UUID, payload: dict[str, Any], type_name: str, position: int) -> Happening:
    return Happening(ids.new(), _cursor(info, topic, key, position), clock.now(), key, payload, type_name)


def _told(info: Info, entry: Entry, type_name: str) -> Happening:
    cursor = _cursor(info, entry.topic, entry.key, entry.position)
    return Happening(entry.id, cursor, entry.occurred_at, entry.key, entry.payload, type_name)


def _cursor(info: Info, topic: str, key: UUID, position: int) -> str:
    """A position in the log, signed for the stream that it belongs to."""
    place = position.to_bytes(8)
    signature = info.context.server.signer.sign(f"cursor:{topic}", key.bytes + place, size=8)
    return crypto.b64(place + signature)


def _refuse_resuming(after: str | None) -> None:
    if after is not None:
        raise ResyncRequired


def _keys(prefix: str, wanted: list[strawberry.ID]) -> list[UUID]:
    if not 1 <= len(wanted) <= MOST_KEYS:
        message = f"Subscribe to 1 to {MOST_KEYS} ids at once."
        raise BadUserInput(message)
    return list(dict.fromkeys(ids.decode(prefix, one) for one in wanted))


async def _variant(happening: Happening, info: Info) -> Any:
    return await info.context.load(catalog_queries.variants_by_id, happening.key, await info.context.eye())
