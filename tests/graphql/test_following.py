"""Do prices, orders, stock movements and whatever else happens reach those who may follow them?"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

import headless
from headless.accounts.rules import Permission
from headless.graphql.live import topics
from headless.merchandising import service as merchandising
from headless.platform import ids, outbox
from headless.platform.outbox import Fact
from headless.pricing import service as pricing
from headless.pricing.events import PriceChanged
from headless.pricing.service import NewPrice
from tests.builders import Shop, stock
from tests.graphql.client import Api, Socket, bought, of, ready_cart

PRICE = """subscription($ids: [ID!]!, $after: String) {
  priceChanged(variantIds: $ids, after: $after) {
    id cursor occurredAt variant { sku } price { amount currencyCode } compareAtPrice { amount }
  }
}"""
ORDERS = "subscription($after: String) { orderPlaced(after: $after) { id cursor order { number } } }"
MOVEMENTS = """subscription($location: ID, $after: String) {
  inventoryChanged(locationId: $location, after: $after) {
    id cursor movement { delta name reason location { handle } } level { variant { sku } location { handle }
      quantities(names: ["on_hand", "available"]) { name quantity } }
  }
}"""
EVENTS = """subscription($topics: [String!], $after: String) {
  events(topics: $topics, after: $after) { __typename id cursor topic payload }
}"""
READS = [one for one in Permission if one.startswith("READ_")]


async def take(socket: Socket, count: int, operation: str = "1") -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        (event,) = (await socket.next(operation)).values()
        found.append(event)
    return found


async def reprice(api: Api, shop: Shop, prices: Mapping[Any, NewPrice]) -> None:
    async with api.server.database.transaction() as session:
        await pricing.set_prices(session, shop.channel_id, prices)


def prices(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [
        (
            event["variant"]["sku"],
            event["price"]["amount"],
            event["compareAtPrice"] and event["compareAtPrice"]["amount"],
        )
        for event in events
    ]


async def test_price_is_told_now_and_after_every_change(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug), of("variant", shop.shirt_large)]}
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", PRICE, wanted)
        first = await take(socket, 2)
        await reprice(api, shop, {shop.mug: NewPrice(990, 1290), shop.poster: NewPrice(1)})
        (second,) = await take(socket, 1)
        await reprice(api, shop, {shop.mug: NewPrice(990, 1290)})
        await api.settled()
        assert await socket.is_usable()
        await socket.subscribe("2", PRICE, {**wanted, "after": first[1]["cursor"]})
        assert await take(socket, 1, "2") == [second]

    assert prices(first) == [("MUG", "12.90", None), ("SHIRT-L", "26.00", "30.00")]
    assert prices([second]) == [("MUG", "9.90", "12.90")]
    assert second["price"]["currencyCode"] == "EUR"


async def test_price_of_another_channel_is_no_news_and_hides_none(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", PRICE, {"ids": [of("variant", shop.mug)]})
        await take(socket, 1)
        async with api.server.database.transaction() as session:
            outbox.record(session, PriceChanged(shop.mug, ids.new()))
        await api.settled()
        assert await socket.is_usable()
        async with api.server.database.transaction() as session:
            await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1500)})
            outbox.record(session, PriceChanged(shop.mug, ids.new()))
        (seen,) = await take(socket, 1)
        await api.settled()
        assert await socket.is_usable()

    assert prices([seen]) == [("MUG", "15.00", None)]


async def test_price_is_gone_with_the_publication_and_comes_back_with_it(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", PRICE, {"ids": [of("variant", shop.mug)]})
        await take(socket, 1)
        async with api.server.database.transaction() as session:
            await merchandising.unpublish(session, shop.mug_product, channel_id=shop.channel_id)
        (hidden,) = await take(socket, 1)
        async with api.server.database.transaction() as session:
            await merchandising.publish(session, shop.mug_product, channel_id=shop.channel_id)
        (shown,) = await take(socket, 1)
        assert await socket.is_usable()

    assert (hidden["variant"], hidden["price"], hidden["compareAtPrice"]) == (None, None, None)
    assert prices([shown]) == [("MUG", "12.90", None)]


@pytest.mark.parametrize("name", ["unknown", "hidden", "none", "too many"])
async def test_price_of_what_is_not_there_is_refused(api: Api, shop: Shop, name: str) -> None:
    wanted, code = {
        "unknown": ([of("variant", ids.new())], "NOT_FOUND"),
        "hidden": ([of("variant", shop.secret)], "NOT_FOUND"),
        "none": ([], "BAD_USER_INPUT"),
        "too many": ([of("variant", ids.new()) for _ in range(251)], "BAD_USER_INPUT"),
    }[name]
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", PRICE, {"ids": wanted})
        assert await socket.refusal("1") == [code]
    await api.nobody_listens()


async def test_every_order_is_told_after_a_marker(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_ORDERS)
    await bought(api, await ready_cart(api, shop.mug))
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", ORDERS)
        (marker,) = await take(socket, 1)
        orders = [await bought(api, await ready_cart(api, shop.mug)) for _ in range(3)]
        seen = await take(socket, 3)
        assert await socket.is_usable()
        for nth, event in enumerate([marker, *seen]):
            await socket.subscribe(f"again {nth}", ORDERS, {"after": event["cursor"]})
            assert await take(socket, 3 - nth, f"again {nth}") == seen[nth:]

    assert marker["order"] is None
    assert [event["order"]["number"] for event in seen] == [order["number"] for order in orders]
    assert len({event["id"] for event in [marker, *seen]}) == 4


async def test_movements_are_told_of_one_location_or_of_all(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_INVENTORY, Permission.READ_PRODUCTS)
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("all", MOVEMENTS)
        await socket.subscribe("one", MOVEMENTS, {"location": of("location", shop.outlet_id)})
        markers = {}
        for _ in range(2):
            message = await socket.receive()
            markers[message["id"]] = message["payload"]["data"]["inventoryChanged"]
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 7})
        (first,) = await take(socket, 1, "all")
        async with api.server.database.transaction() as session:
            await stock(session, shop.outlet_id, {shop.shirt_small: 6})
        seen = {}
        for _ in range(2):
            message = await socket.receive()
            seen[message["id"]] = message["payload"]["data"]["inventoryChanged"]
        assert await socket.is_usable()
        await socket.subscribe("foreign", MOVEMENTS, {"after": seen["one"]["cursor"]})
        assert await socket.refusal("foreign") == ["RESYNC_REQUIRED"]

    assert [(marker["movement"], marker["level"]) for marker in markers.values()] == [(None, None)] * 2
    assert first["movement"] == {"delta": -3, "name": "on_hand", "reason": "count", "location": {"handle": "main"}}
    assert first["level"] == {
        "variant": {"sku": "MUG"},
        "location": {"handle": "main"},
        "quantities": [{"name": "on_hand", "quantity": 7}, {"name": "available", "quantity": 7}],
    }
    assert {**seen["one"], "cursor": ""} == {**seen["all"], "cursor": ""}
    assert seen["one"]["movement"]["location"] == {"handle": "outlet"}


async def test_location_that_is_not_there_is_not_found(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(Permission.READ_INVENTORY)})
        for wanted in ("", "location_x", of("location", ids.new()), of("variant", shop.main_id)):
            await socket.subscribe("1", MOVEMENTS, {"location": wanted})
            assert await socket.refusal("1") == ["NOT_FOUND"]
    await api.nobody_listens()


async def test_integrator_follows_everything_in_order_with_ids_as_in_the_api(api: Api, shop: Shop) -> None:
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(*READS)})
        await socket.subscribe("1", EVENTS)
        (marker,) = await take(socket, 1)
        order = await bought(api, await ready_cart(api, shop.mug))
        await reprice(api, shop, {shop.mug: NewPrice(990)})
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["topic"] != "price.changed":
            seen += await take(socket, 1)
        assert await socket.is_usable()
        await socket.subscribe("2", EVENTS, {"after": marker["cursor"]})
        assert await take(socket, len(seen), "2") == seen
        await socket.subscribe("3", EVENTS, {"topics": ["order.placed", "price.changed"], "after": marker["cursor"]})
        assert await socket.refusal("3") == ["RESYNC_REQUIRED"]

    assert (marker["__typename"], marker["topic"], marker["payload"]) == ("LoggedEvent", None, None)
    payloads = {event["topic"]: event["payload"] for event in seen}
    assert payloads["order.placed"] == {"orderId": order["id"]}
    assert payloads["price.changed"] == {
        "variantId": of("variant", shop.mug),
        "channelId": of("channel", shop.channel_id),
    }
    assert payloads["order.status_changed"]["previousStatus"] is None
    assert payloads["inventory.changed"]["locationId"] == of("location", shop.main_id)
    assert "cart.changed" not in payloads


async def test_integrator_follows_the_topics_that_he_asks_for_and_no_other(api: Api, shop: Shop) -> None:
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(*READS)})
        await socket.subscribe("1", EVENTS, {"topics": ["price.changed", "order.placed"]})
        (marker,) = await take(socket, 1)
        await bought(api, await ready_cart(api, shop.mug))
        await reprice(api, shop, {shop.mug: NewPrice(990)})
        seen = await take(socket, 2)
        await api.settled()
        assert await socket.is_usable()
        # The order in which topics are named is no part of what a cursor is bound to.
        again = {"topics": ["order.placed", "price.changed", "order.placed"], "after": marker["cursor"]}
        await socket.subscribe("2", EVENTS, again)
        assert await take(socket, 2, "2") == seen

    assert [event["topic"] for event in seen] == ["order.placed", "price.changed"]


async def test_integrator_hears_only_of_what_he_may_read(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(Permission.READ_PRODUCTS)})
        await socket.subscribe("1", EVENTS)
        await take(socket, 1)
        await bought(api, await ready_cart(api, shop.mug))
        await reprice(api, shop, {shop.mug: NewPrice(990)})
        (seen,) = await take(socket, 1)
        assert await socket.is_usable()
        for wanted, codes in (
            (["order.placed"], ["FORBIDDEN"]),
            (["price.changed", "order.placed"], ["FORBIDDEN"]),
            (["cart.changed"], ["BAD_USER_INPUT"]),
            (["nonsense"], ["BAD_USER_INPUT"]),
            ([], ["BAD_USER_INPUT"]),
        ):
            await socket.subscribe("2", EVENTS, {"topics": wanted})
            assert await socket.refusal("2") == codes

    assert seen["topic"] == "price.changed"


@pytest.mark.parametrize(
    ("document", "needed"),
    [(ORDERS, Permission.READ_ORDERS), (MOVEMENTS, Permission.READ_INVENTORY), (EVENTS, None)],
)
async def test_logs_are_for_staff_and_tokens(api: Api, document: str, needed: Permission | None) -> None:
    without = [one for one in Permission if one not in topics.REQUIRED.values() and not one.startswith("WRITE_")]
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", document)
        assert await socket.refusal("1") == ["UNAUTHENTICATED"]
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(*without)})
        await socket.subscribe("1", document)
        assert await socket.refusal("1") == ["FORBIDDEN"]
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(needed or Permission.READ_PRODUCTS)})
        await socket.subscribe("1", document)
        await take(socket, 1)


def test_every_topic_needs_a_permission_or_is_private() -> None:
    assert topics.REQUIRED.keys() & topics.PRIVATE == set()
    assert {fact.topic for fact in known_facts()} == {*topics.REQUIRED, *topics.PRIVATE}


def known_facts() -> Iterator[type[Fact]]:
    """Every kind of fact that a domain can record."""
    for module in pkgutil.iter_modules(headless.__path__):
        if module.ispkg:
            package = importlib.import_module(f"headless.{module.name}")
            if any(found.name == "events" for found in pkgutil.iter_modules(package.__path__)):
                events = importlib.import_module(f"headless.{module.name}.events")
                for kind in vars(events).values():
                    if isinstance(kind, type) and issubclass(kind, Fact) and "topic" in vars(kind):
                        yield kind
