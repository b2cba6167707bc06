"""Does one who was away get exactly what he missed, and is he told when that can't be?"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from headless.accounts.rules import Permission
from headless.catalog import publishing
from headless.platform import clock, crypto, hub, ids, outbox
from headless.platform.outbox import Place
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import Api, Socket, bought, empty_cart, of, ready_cart, running
from tests.live.bells import ring

STOCK = """subscription($ids: [ID!]!, $after: String) {
  stockChanged(variantIds: $ids, after: $after) { id cursor variant { sku } availableForSale quantityAvailable }
}"""
PRICE = """subscription($ids: [ID!]!, $after: String) {
  priceChanged(variantIds: $ids, after: $after) { cursor price { amount } }
}"""
CART = "subscription($id: ID!, $after: String) { cartChanged(cartId: $id, after: $after) { cursor cart { note } } }"
ORDER = """subscription($id: ID!, $token: String, $after: String) {
  orderStatusChanged(orderId: $id, accessToken: $token, after: $after) { id cursor status previousStatus }
}"""
NOTE = """mutation($cart: ID!, $note: String!) {
  cartNoteUpdate(input: {cartId: $cart, note: $note}) { userErrors { code } }
}"""


def left(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    return [(event["variant"]["sku"], event["quantityAvailable"]) for event in events]


async def take(socket: Socket, operation: str, count: int) -> list[dict[str, Any]]:
    """So many messages of an operation, each the event itself."""
    found = []
    for _ in range(count):
        (event,) = (await socket.next(operation)).values()
        found.append(event)
    return found


async def count_stock(api: Api, shop: Shop, *counts: tuple[UUID, int]) -> None:
    """Set stock, each time in a transaction of its own, and wait until all of it was handed on."""
    for variant, units in counts:
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {variant: units})
    await api.settled()


async def snapshot(api: Api, document: str, variables: Mapping[str, Any], count: int = 1) -> list[dict[str, Any]]:
    """What a new subscriber is told first."""
    await api.settled()
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", document, variables)
        found = await take(socket, "1", count)
        assert await socket.is_usable()
    return found


async def test_newest_of_what_changed_meanwhile_is_told_and_then_what_follows(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", variant) for variant in (shop.mug, shop.poster, shop.shirt_small)]}
    *_others, last = await snapshot(api, STOCK, wanted, 3)
    await count_stock(api, shop, (shop.mug, 5), (shop.poster, 2), (shop.mug, 4), (shop.shirt_large, 9))

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {**wanted, "after": last["cursor"]})
        missed = await take(socket, "1", 2)
        await count_stock(api, shop, (shop.poster, 1))
        live = await take(socket, "1", 1)
        assert await socket.is_usable()

    assert left(missed) == [("POSTER", 2), ("MUG", 4)]
    assert left(live) == [("POSTER", 1)]


async def test_who_missed_nothing_is_told_nothing_until_something_happens(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    (first,) = await snapshot(api, STOCK, wanted)
    await count_stock(api, shop, (shop.poster, 2))

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {**wanted, "after": first["cursor"]})
        assert await socket.is_usable()
        await count_stock(api, shop, (shop.mug, 3))
        live = await take(socket, "1", 1)
        assert await socket.is_usable()

    assert left(live) == [("MUG", 3)]


async def test_cursor_from_within_the_snapshot_brings_the_snapshot_again(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug), of("variant", shop.poster)]}
    first, second = await snapshot(api, STOCK, wanted, 2)
    await count_stock(api, shop, (shop.poster, 2))

    again = await snapshot(api, STOCK, {**wanted, "after": first["cursor"]}, 2)
    resumed = await snapshot(api, STOCK, {**wanted, "after": second["cursor"]}, 1)

    assert left(again) == [("MUG", 10), ("POSTER", 2)]
    assert left(resumed) == [("POSTER", 2)]


async def test_cursor_belongs_to_the_stream_not_to_socket_token_process_or_order_of_ids(
    api: Api, settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug, poster = of("variant", shop.mug), of("variant", shop.poster)
    *_first, last = await snapshot(api, STOCK, {"ids": [mug, poster]}, 2)
    await count_stock(api, shop, (shop.mug, 1))

    async with running(settings, monkeypatch) as other, other.socket() as socket:
        await socket.init({"authToken": await other.token(Permission.READ_PRODUCTS)})
        await socket.subscribe("1", STOCK, {"ids": [poster, mug, poster], "after": last["cursor"]})
        missed = await take(socket, "1", 1)
        assert await socket.is_usable()

    assert left(missed) == [("MUG", 1)]


async def test_order_is_followed_without_a_gap_from_every_cursor(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug, 2))
    access = {"id": order["id"], "token": order["accessToken"]}
    (first,) = await snapshot(api, ORDER, access)
    token, line = await api.token(Permission.WRITE_ORDERS), order["lines"]["nodes"][0]["id"]
    ship = """mutation($order: ID!, $line: ID!) { fulfillmentCreate(input: {
      orderId: $order, lines: [{orderLineId: $line, quantity: 1}] }) { fulfillment { id } userErrors { code } } }"""
    arrive = "mutation($id: ID!) { fulfillmentMarkDelivered(input: {fulfillmentId: $id}) { userErrors { code } } }"
    parcels = []
    for _ in range(2):
        made = await api.execute(ship, {"order": order["id"], "line": line}, token=token)
        parcels.append(made.data["fulfillmentCreate"]["fulfillment"]["id"])
    for parcel in parcels:
        await api.execute(arrive, {"id": parcel}, token=token)

    whole = await snapshot(api, ORDER, {**access, "after": first["cursor"]}, 3)
    for nth, event in enumerate(whole):
        rest = await snapshot(api, ORDER, {**access, "after": event["cursor"]}, 2 - nth)
        assert rest == whole[nth + 1 :]

    assert [(event["previousStatus"], event["status"]) for event in [first, *whole]] == [
        (None, "CONFIRMED"),
        ("CONFIRMED", "PARTIALLY_SHIPPED"),
        ("PARTIALLY_SHIPPED", "SHIPPED"),
        ("SHIPPED", "DELIVERED"),
    ]


async def test_order_is_resumed_by_those_who_may_see_it_only(api: Api, shop: Shop) -> None:
    order = await bought(api, await ready_cart(api, shop.mug))
    (first,) = await snapshot(api, ORDER, {"id": order["id"], "token": order["accessToken"]})
    after = {"id": order["id"], "after": first["cursor"]}

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", ORDER, after)
        assert await socket.refusal("1") == ["NOT_FOUND"]
    async with api.socket() as socket:
        await socket.init({"authToken": await api.token(Permission.READ_ORDERS)})
        await socket.subscribe("1", ORDER, after)
        assert await socket.is_usable()
    await api.nobody_listens()


async def test_cart_is_told_as_it_is_now_however_often_it_changed(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    (first,) = await snapshot(api, CART, {"id": cart})
    for note in ("one", "two", "three"):
        await api.execute(NOTE, {"cart": cart, "note": note})

    (missed,) = await snapshot(api, CART, {"id": cart, "after": first["cursor"]})
    nothing = await snapshot(api, CART, {"id": cart, "after": missed["cursor"]}, 0)

    assert missed["cart"] == {"note": "three"}
    assert nothing == []


async def test_what_was_hidden_meanwhile_is_told_to_be_hidden(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    (first,) = await snapshot(api, STOCK, wanted)
    async with api.server.database.transaction() as session:
        await publishing.unpublish(session, shop.mug_product, channel_id=shop.channel_id)
    await count_stock(api, shop, (shop.mug, 1))

    (missed,) = await snapshot(api, STOCK, {**wanted, "after": first["cursor"]})

    assert (missed["variant"], missed["availableForSale"], missed["quantityAvailable"]) == (None, False, None)


async def refused(api: Api, document: str, variables: Mapping[str, Any]) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", document, variables)
        assert await socket.refusal("1") == ["RESYNC_REQUIRED"]
        assert await socket.is_usable()


@pytest.mark.parametrize("after", ["", "nonsense", "\u2603", "A" * 28, "A" * 4000, "=", "AA=="])
async def test_nonsense_is_no_cursor(api: Api, shop: Shop, after: str) -> None:
    await refused(api, STOCK, {"ids": [of("variant", shop.mug)], "after": after})
    await refused(api, PRICE, {"ids": [of("variant", shop.mug)], "after": after})
    await refused(api, CART, {"id": await empty_cart(api), "after": after})
    await api.nobody_listens()


async def test_cursor_that_was_changed_in_any_place_is_refused(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    (first,) = await snapshot(api, STOCK, wanted)
    data = crypto.unb64(first["cursor"])
    wrong = [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(len(data))]
    texts = [*map(crypto.b64, [*wrong, data[:-1], data + b"\0"]), first["cursor"] + "=", first["cursor"] + "\n"]

    async with api.socket() as socket:
        await socket.init()
        for nth, after in enumerate(texts):
            await socket.subscribe(str(nth), STOCK, {**wanted, "after": after})
            assert await socket.refusal(str(nth)) == ["RESYNC_REQUIRED"], after
        assert await socket.is_usable()


async def test_cursor_of_another_stream_is_refused(api: Api, shop: Shop) -> None:
    mug, poster = of("variant", shop.mug), of("variant", shop.poster)
    (cursor,) = [event["cursor"] for event in await snapshot(api, STOCK, {"ids": [mug]})]
    cart, other = await empty_cart(api), await empty_cart(api)
    (of_cart,) = [event["cursor"] for event in await snapshot(api, CART, {"id": cart})]

    for document, variables in (
        (STOCK, {"ids": [poster], "after": cursor}),
        (STOCK, {"ids": [mug, poster], "after": cursor}),
        (PRICE, {"ids": [mug], "after": cursor}),
        (CART, {"id": cart, "after": cursor}),
        (CART, {"id": other, "after": of_cart}),
        (STOCK, {"ids": [mug], "after": of_cart}),
    ):
        await refused(api, document, variables)


async def test_cursor_under_another_secret_is_refused_and_under_a_rotated_one_is_not(
    api: Api, settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    (first,) = await snapshot(api, STOCK, wanted)
    secrets = {"another secret of ours": ["RESYNC_REQUIRED"], "a new one of ours,a secret of the tests": []}

    for secret, codes in secrets.items():
        changed = settings.model_copy(update={"secret_key": SecretStr(secret)})
        async with running(changed, monkeypatch) as other, other.socket() as socket:
            await socket.init()
            await socket.subscribe("1", STOCK, {**wanted, "after": first["cursor"]})
            if codes:
                assert await socket.refusal("1") == codes
            assert await socket.is_usable()


async def test_cursor_of_what_is_forgotten_is_refused(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    (old,) = await snapshot(api, STOCK, wanted)
    await count_stock(api, shop, (shop.mug, 5), (shop.mug, 4))
    (new,) = await snapshot(api, STOCK, wanted)
    await count_stock(api, shop, (shop.poster, 5), (shop.mug, 3))
    async with api.server.database.transaction() as session:
        kept = await outbox.position(session) - position_of(new)
        await outbox.forget(session, before=clock.now() - timedelta(days=1), most=kept)

    await refused(api, STOCK, {**wanted, "after": old["cursor"]})
    assert left(await snapshot(api, STOCK, {**wanted, "after": new["cursor"]})) == [("MUG", 3)]

    async with api.server.database.transaction() as session:
        await outbox.forget(session, before=clock.now() + timedelta(days=1), most=0)
    await refused(api, STOCK, {**wanted, "after": new["cursor"]})
    (newest,) = await snapshot(api, STOCK, wanted)
    assert await snapshot(api, STOCK, {**wanted, "after": newest["cursor"]}, 0) == []
    await api.nobody_listens()


def position_of(event: Mapping[str, Any]) -> int:
    return int.from_bytes(crypto.unb64(event["cursor"])[1:9])


async def test_cursor_from_the_future_is_refused(api: Api, shop: Shop) -> None:
    """As after the database was brought back from a backup."""
    wanted = {"ids": [of("variant", shop.mug)]}
    (first,) = await snapshot(api, STOCK, wanted)
    async with api.server.database.transaction() as session:
        await session.execute(outbox.log_heads.update().values(position=0))
        await session.execute(outbox.facts.delete())
    await api.server.hub.start()

    await refused(api, STOCK, {**wanted, "after": first["cursor"]})


@pytest.mark.parametrize("missed", [0, 2])
async def test_cursor_of_before_a_backup_was_brought_back_is_refused_though_the_log_has_grown_past_it(
    api: Api, shop: Shop, missed: int
) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    await count_stock(api, shop, (shop.mug, 9))
    (kept,) = await snapshot(api, STOCK, wanted)
    await count_stock(api, shop, (shop.mug, 8))
    (lost,) = await snapshot(api, STOCK, wanted)
    async with api.server.database.transaction() as session:
        await session.execute(outbox.facts.delete().where(outbox.facts.c.position > position_of(kept)))
        await session.execute(outbox.log_heads.update().values(position=position_of(kept)))
    await api.server.hub.start()
    while api.server.hub.position < position_of(lost) + missed:
        await ring(api.server.database)
        await api.settled()

    await refused(api, STOCK, {**wanted, "after": lost["cursor"]})
    assert await snapshot(api, STOCK, {**wanted, "after": kept["cursor"]}, 0) == []
    await api.nobody_listens()


async def test_process_that_lags_behind_the_cursor_tells_only_what_follows_it(api: Api, shop: Shop) -> None:
    wanted = {"ids": [of("variant", shop.mug)]}
    await count_stock(api, shop, (shop.mug, 7))
    (first,) = await snapshot(api, STOCK, wanted)
    reached, api.server.hub.place = api.server.hub.position, Place(0)

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {**wanted, "after": first["cursor"]})
        await count_stock(api, shop, (shop.mug, 6))
        assert left(await take(socket, "1", 1)) == [("MUG", 6)]
        assert await socket.is_usable()
    assert api.server.hub.position > reached


async def test_long_past_is_told_page_by_page_while_new_things_happen(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "REPLAY_SPAN", 3)
    monkeypatch.setattr(hub, "QUEUE_LIMIT", 2)
    token = await api.token(Permission.READ_INVENTORY)
    document = """subscription($after: String) { inventoryChanged(after: $after) {
      cursor movement { delta } level { quantities(names: ["on_hand"]) { quantity } } } }"""
    await api.settled()
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", document)
        (marker,) = await take(socket, "1", 1)
    await count_stock(api, shop, *((shop.mug, units) for units in range(11, 41)))

    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", document, {"after": marker["cursor"]})
        seen, _written = await asyncio.gather(
            take(socket, "1", 40), count_stock(api, shop, *((shop.mug, units) for units in range(41, 51)))
        )
        assert await socket.is_usable()

    assert (marker["movement"], marker["level"]) == (None, None)
    assert [event["movement"]["delta"] for event in seen] == [1] * 40
    positions = [position_of(event) for event in seen]
    assert positions == sorted(set(positions))
    assert seen[-1]["level"]["quantities"] == [{"quantity": 50}]


async def test_unknown_ids_are_not_found_whatever_the_cursor(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", CART, {"id": of("cart", ids.new_secret()), "after": "x"})
        assert await socket.refusal("1") == ["NOT_FOUND"]
