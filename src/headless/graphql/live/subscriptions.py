"""What can be subscribed to? Each subscription tells the present first, then what happens."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.cart import events as cart_events
from headless.cart import queries as cart_queries
from headless.catalog import queries as catalog_queries
from headless.catalog.queries import Eye
from headless.graphql.context import Context, Info, sent
from headless.graphql.declare import PUBLIC, subscription
from headless.graphql.live import topics as known_topics
from headless.graphql.live.streams import Happening, Stream, about, logged, present, states
from headless.graphql.live.types import (
    CartChanged,
    InventoryChanged,
    LoggedEvent,
    OrderPlaced,
    OrderStatusChanged,
    PriceChanged,
    StockChanged,
)
from headless.graphql.orders.mutations import may_see
from headless.inventory import events as inventory_events
from headless.inventory import queries as inventory_queries
from headless.orders import events as order_events
from headless.orders import queries as order_queries
from headless.platform import clock, ids
from headless.platform.db import Session
from headless.platform.errors import BadUserInput, NotFound
from headless.platform.outbox import Entry, Interest, Place
from headless.pricing import events as price_events

MOST_KEYS = 250


@strawberry.type
class Subscription:
    @subscription(requires=PUBLIC)
    async def stock_changed(
        self, info: Info, variant_ids: list[strawberry.ID], after: str | None = UNSET
    ) -> AsyncGenerator[StockChanged, None]:
        """How many units of these variants can be sold: the present state first, then every change."""
        keys = _keys("variant", variant_ids)
        stream = _stream("stockChanged", "StockChanged", about(inventory_events.StockChanged.topic, keys))
        async with aclosing(_variants(info, stream, keys, sent(after))) as happenings:
            async for happening in happenings:
                yield cast("StockChanged", happening)

    @subscription(requires=PUBLIC)
    async def price_changed(
        self, info: Info, variant_ids: list[strawberry.ID], after: str | None = UNSET
    ) -> AsyncGenerator[PriceChanged, None]:
        """What these variants cost in the channel: the present state first, then every change."""
        keys = _keys("variant", variant_ids)
        channel = await info.context.channel()
        interest = about(price_events.PriceChanged.topic, keys, channel_id=str(channel.id))
        stream = _stream("priceChanged", "PriceChanged", interest)
        async with aclosing(_variants(info, stream, keys, sent(after))) as happenings:
            async for happening in happenings:
                yield cast("PriceChanged", happening)

    @subscription(requires=PUBLIC)
    async def cart_changed(
        self, info: Info, cart_id: strawberry.ID, after: str | None = UNSET
    ) -> AsyncGenerator[CartChanged, None]:
        """A cart, for whoever knows its id: the present state first, then every change."""
        key = ids.decode("cart", cart_id)
        if await info.context.load(cart_queries.carts_by_id, key) is None:
            raise NotFound
        stream = _stream("cartChanged", "CartChanged", about(cart_events.CartChanged.topic, [key]))
        async with aclosing(states(info.context, stream, [key], _place(info, stream, sent(after)))) as happenings:
            async for happening in happenings:
                yield cast("CartChanged", happening)

    @subscription(requires=PUBLIC)
    async def order_status_changed(
        self, info: Info, order_id: strawberry.ID, access_token: str | None = UNSET, after: str | None = UNSET
    ) -> AsyncGenerator[OrderStatusChanged, None]:
        """An order's status, for its buyer and staff: the present one first, then every change, none left out."""
        key = ids.decode("order", order_id)
        if not may_see(info, key, sent(access_token)):
            raise NotFound
        stream = _stream(
            "orderStatusChanged", "OrderStatusChanged", about(order_events.OrderStatusChanged.topic, [key])
        )
        async with aclosing(_order(info, stream, key, sent(after))) as happenings:
            async for happening in happenings:
                yield cast("OrderStatusChanged", happening)

    @subscription(requires=Permission.READ_ORDERS)
    async def order_placed(self, info: Info, after: str | None = UNSET) -> AsyncGenerator[OrderPlaced | None, None]:
        """Every new order: a marker with a cursor first."""
        stream = Stream("orderPlaced", "OrderPlaced", about(order_events.OrderPlaced.topic))
        async with aclosing(logged(info.context, stream, _place(info, stream, sent(after)))) as happenings:
            async for happening in happenings:
                yield cast("OrderPlaced", happening)

    @subscription(requires=Permission.READ_INVENTORY)
    async def inventory_changed(
        self, info: Info, location_id: strawberry.ID | None = UNSET, after: str | None = UNSET
    ) -> AsyncGenerator[InventoryChanged | None, None]:
        """Every movement of stock, at one location or at all: a marker with a cursor first."""
        place = sent(location_id)
        keys = None if place is None else [ids.decode("location", place)]
        if keys is not None and await info.context.load(inventory_queries.locations_by_id, keys[0]) is None:
            raise NotFound
        interest = about(inventory_events.InventoryChanged.topic, keys)
        stream = _stream("inventoryChanged", "InventoryChanged", interest)
        async with aclosing(logged(info.context, stream, _place(info, stream, sent(after)))) as happenings:
            async for happening in happenings:
                yield cast("InventoryChanged", happening)

    @subscription(requires=PUBLIC)
    async def events(
        self, info: Info, topics: list[str] | None = UNSET, after: str | None = UNSET
    ) -> AsyncGenerator[LoggedEvent, None]:
        """Everything that happens, or some topics of it, as far as the caller may read them: a marker first."""
        wanted = sent(topics)
        interest = Interest(known_topics.allowed(info.context.actor, wanted))
        arguments = ["all"] if wanted is None else ["some", *sorted(interest.topics)]
        stream = Stream("events", "LoggedEvent", interest, arguments)
        async with aclosing(logged(info.context, stream, _place(info, stream, sent(after)))) as happenings:
            async for happening in happenings:
                yield cast("LoggedEvent", happening)


async def _variants(info: Info, stream: Stream, keys: list[UUID], after: str | None) -> AsyncGenerator[Happening, None]:
    place = _place(info, stream, after)
    # One who resumes has seen them all, and is to hear of those that were hidden meanwhile.
    if place is None and not await _are_visible(info.context, keys):
        raise NotFound
    async with aclosing(states(info.context, stream, keys, place)) as happenings:
        async for happening in happenings:
            yield happening


async def _are_visible(context: Context, keys: list[UUID]) -> bool:
    """Whether the caller may see all of some variants; asked once for all who come back at the same moment."""
    channel, sees_hidden = await context.channel(), context.actor.may(Permission.READ_PRODUCTS)

    async def look(session: Session) -> bool:
        eye = Eye(channel.id, sees_hidden=sees_hidden, at=clock.now())
        return len(await catalog_queries.variants_by_id(session, keys, eye)) == len(keys)

    return await context.read_together(("variants are visible", tuple(keys), channel.id, sees_hidden), look)


async def _order(info: Info, stream: Stream, key: UUID, after: str | None) -> AsyncGenerator[Happening, None]:
    place, wants = _place(info, stream, after), None
    if place is None:
        # Noted before the order is read: what changes meanwhile is told afterwards.
        place = info.context.server.hub.place
        async with info.context.reading() as session:
            order = (await order_queries.orders_by_id(session, [key])).get(key)
        await info.context.close()
        if order is None:
            raise NotFound
        cursor = stream.cursor(info.context.server.signer, place)
        wants = partial(_is_after, order.version)
        yield present(stream, cursor, key, {"status": order.status, "previous_status": None})
    async with aclosing(logged(info.context, stream, place, wants=wants)) as happenings:
        async for happening in happenings:
            yield happening


def _is_after(version: int, entry: Entry) -> bool:
    """Whether a change wasn't told yet by the order's first message."""
    return bool(entry.payload["version"] > version)


def _stream(field: str, type_name: str, interest: Interest) -> Stream:
    """A stream whose key arguments are the records that it is about."""
    keys = ["all"] if interest.keys is None else sorted(key.hex for key in interest.keys)
    return Stream(field, type_name, interest, keys)


def _place(info: Info, stream: Stream, after: str | None) -> Place | None:
    return stream.place(info.context.server.signer, after)


def _keys(prefix: str, wanted: list[strawberry.ID]) -> list[UUID]:
    if not 1 <= len(wanted) <= MOST_KEYS:
        message = f"Subscribe to 1 to {MOST_KEYS} ids at once."
        raise BadUserInput(message)
    return list(dict.fromkeys(ids.decode(prefix, one) for one in wanted))
