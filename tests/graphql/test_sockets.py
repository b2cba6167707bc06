"""Is graphql-transport-ws spoken as its protocol says, whatever a client sends?"""

import asyncio
from collections.abc import MutableMapping
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from headless.accounts.rules import Permission
from headless.graphql.server import messages, sockets
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import PATIENCE, Api, of, ready_cart, running, until

STOCK = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { variant { sku } quantityAvailable } }"
Logs = list[MutableMapping[str, Any]]


@pytest.fixture
def database_kind() -> str:
    """The protocol is the same whatever the database."""
    return "sqlite"


async def test_socket_that_says_nothing_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.05)

    async with api.socket() as socket:
        assert await socket.close_code() == 4408


async def test_initialised_socket_outlives_the_wait_for_its_init(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "INIT_SECONDS", 0.05)

    async with api.socket() as socket:
        await socket.init()
        await asyncio.sleep(0.15)

        assert await socket.is_usable()


@pytest.mark.parametrize("payload", [None, {}, {"anything": [1]}, {"headers": None}, {"authToken": ""}])
async def test_shopper_is_let_in_whatever_else_he_sends(api: Api, payload: object) -> None:
    async with api.socket() as socket:
        await socket.init(payload)

        assert await socket.is_usable()


@pytest.mark.parametrize(
    "place",
    [
        lambda token: {"authorization": f"Bearer {token}"},
        lambda token: {"Authorization": f"bearer {token}"},
        lambda token: {"headers": {"authorization": f"Bearer {token}"}},
        lambda token: {"headers": {"Authorization": f"Bearer {token}"}},
        lambda token: {"authToken": token},
    ],
)
async def test_token_is_taken_wherever_clients_put_it(api: Api, place: Any) -> None:
    token = await api.token(Permission.READ_ORDERS)

    async with api.socket() as socket:
        await socket.init(place(token))
        await socket.subscribe("1", "{ viewer { permissions } }")

        assert await socket.next("1") == {"viewer": {"permissions": ["READ_ORDERS"]}}


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": "Bearer wrong"},
        {"Authorization": "Basic x"},
        {"headers": {"authorization": "Bearer wrong"}},
        {"authToken": "wrong"},
        {"authToken": "\0"},
        {"authorization": "Bearer " + "x" * 10_000},
    ],
)
async def test_wrong_token_closes_the_socket(api: Api, payload: object) -> None:
    async with api.socket() as socket:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.close_code() == 4403


async def test_nothing_is_done_before_the_init(api: Api) -> None:
    async with api.socket() as socket:
        await socket.subscribe("1", "mutation { cartCreate(input: {}) { cart { id } } }")

        assert await socket.close_code() == 4401


async def test_second_init_closes_the_socket(api: Api) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.send({"type": "connection_init"})

        assert await socket.close_code() == 4429


async def test_second_operation_of_the_same_id_closes_the_socket(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("1")
        await socket.subscribe("1", "{ __typename }")

        assert await socket.close_code() == 4409
    await api.nobody_listens()


async def test_id_of_an_operation_that_ended_can_be_used_again(api: Api) -> None:
    async with api.socket() as socket:
        await socket.init()

        for _ in range(3):
            assert await socket.is_usable()


MALFORMED: dict[str, str | bytes] = {
    "empty": "",
    "no JSON": "hello",
    "half": '{"type": ',
    "list": "[]",
    "null": "null",
    "number": "1",
    "text": '"x"',
    "true": "true",
    "no type": "{}",
    "type null": '{"type": null}',
    "type a list": '{"type": ["subscribe"]}',
    "type an object": '{"type": {}}',
    "unknown type": '{"type": "start"}',
    "a server's type": '{"type": "next", "id": "1"}',
    "binary": b'{"type": "ping"}',
    "binary nonsense": b"\xff\xfe\0",
    "nested": "[" * 30_000,
    "lone surrogate": '{"type": "subscribe", "id": "\\ud800", "payload": {"query": "{ __typename }"}}',
    "no id": '{"type": "subscribe", "payload": {"query": "{ __typename }"}}',
    "id null": '{"type": "subscribe", "id": null, "payload": {"query": "{ __typename }"}}',
    "id a list": '{"type": "subscribe", "id": ["1"], "payload": {"query": "{ __typename }"}}',
    "id an object": '{"type": "subscribe", "id": {}, "payload": {"query": "{ __typename }"}}',
    "id a number": '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
    "id empty": '{"type": "subscribe", "id": "", "payload": {"query": "{ __typename }"}}',
    "id long": '{"type": "subscribe", "id": "%s", "payload": {"query": "{ __typename }"}}' % ("x" * 201),
    "no payload": '{"type": "subscribe", "id": "1"}',
    "payload null": '{"type": "subscribe", "id": "1", "payload": null}',
    "payload a list": '{"type": "subscribe", "id": "1", "payload": []}',
    "payload a text": '{"type": "subscribe", "id": "1", "payload": "{ __typename }"}',
    "no query": '{"type": "subscribe", "id": "1", "payload": {}}',
    "query null": '{"type": "subscribe", "id": "1", "payload": {"query": null}}',
    "query a list": '{"type": "subscribe", "id": "1", "payload": {"query": []}}',
    "variables a list": '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": []}}',
    "variables a text": '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "variables": "{}"}}',
    "name a number": '{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }", "operationName": 1}}',
    "complete without id": '{"type": "complete"}',
    "complete of a list": '{"type": "complete", "id": []}',
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_frames_close_the_socket_and_hurt_nobody_else(api: Api, logs: Logs, name: str) -> None:
    async with api.socket() as other, api.socket() as socket:
        await other.init()
        await socket.init()
        await socket.connection.send(MALFORMED[name])

        assert await socket.close_code() == 4400
        assert await other.is_usable()
    assert logs == []


@pytest.mark.parametrize("name", ["list", "null", "no JSON", "binary", "payload null"])
async def test_malformed_frames_before_the_init_close_the_socket(api: Api, logs: Logs, name: str) -> None:
    async with api.socket() as socket:
        await socket.connection.send(MALFORMED[name])

        assert await socket.close_code() in range(4400, 4500)
    assert logs == []


@pytest.mark.parametrize("payload", [[], "x", 1, True])
async def test_init_with_a_payload_that_is_no_object_closes_the_socket(api: Api, payload: object) -> None:
    async with api.socket() as socket:
        await socket.send({"type": "connection_init", "payload": payload})

        assert await socket.close_code() == 4400


@pytest.mark.parametrize("size", [messages.LARGEST_FRAME + 1, 5_000_000])
async def test_frame_that_is_too_large_closes_the_socket(api: Api, logs: Logs, size: int) -> None:
    async with api.socket() as socket:
        await socket.init()
        with suppress(ConnectionClosed):
            await socket.connection.send("x" * size)

        # RFC 6455: message too big. The connection is dropped before the protocol sees the frame.
        assert await socket.close_code() == 1009
    assert logs == []


async def test_frame_of_exactly_the_limit_is_taken(api: Api) -> None:
    frame = '{"type": "ping", "payload": {"x": ""}}'
    async with api.socket() as socket:
        await socket.init()
        await socket.connection.send(frame.replace('""', f'"{"x" * (messages.LARGEST_FRAME - len(frame))}"'))

        assert await socket.receive() == {"type": "pong"}


BAD = {
    "parse": ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    "empty": ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
    "validation": ({"query": "subscription { nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    "two roots": (
        {"query": 'subscription { a: cartChanged(cartId: "") { id } b: cartChanged(cartId: "") { id } }'},
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "variables": ({"query": STOCK}, "BAD_USER_INPUT"),
    "variables of a query": ({"query": "query($id: ID!) { product(id: $id) { id } }"}, "BAD_USER_INPUT"),
    "ambiguous": ({"query": "query A { __typename } query B { __typename }"}, "BAD_USER_INPUT"),
    "unknown name": ({"query": "query A { __typename }", "operationName": "B"}, "BAD_USER_INPUT"),
    "too much": ({"query": "{" + " __typename" * 51 + "}"}, "MAX_COST_EXCEEDED"),
    "unknown channel": (
        {"query": 'subscription @inContext(channel: "moon") { stockChanged(variantIds: ["x"]) { id } }'},
        "NOT_FOUND",
    ),
    "channel no text": (
        {"query": "query($c: String) @inContext(channel: $c) { __typename }", "variables": {"c": 1}},
        "BAD_USER_INPUT",
    ),
    "none": ({"query": "subscription { stockChanged(variantIds: []) { id } }"}, "BAD_USER_INPUT"),
    "not found": ({"query": 'subscription { cartChanged(cartId: "cart_1") { id } }'}, "NOT_FOUND"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_document_ends_its_operation_only(api: Api, logs: Logs, name: str) -> None:
    payload, code = BAD[name]
    async with api.socket() as socket:
        await socket.init()
        await socket.send({"id": "bad", "type": "subscribe", "payload": payload})

        assert set(await socket.refusal("bad")) == {code}
        assert await socket.is_usable()
    assert logs == []
    await api.nobody_listens()


async def test_variables_that_are_nested_deeply_end_their_operation_only(api: Api, shop: Shop, logs: Logs) -> None:
    ids = orjson.dumps([of("variant", shop.mug)]).decode()
    variables = f'{{"ids": {ids}, "unused": {"[" * 500}{"]" * 500}}}'
    async with api.socket() as socket:
        await socket.init()
        payload = f'{{"query": {orjson.dumps(STOCK).decode()}, "variables": {variables}}}'
        await socket.connection.send(f'{{"id": "bad", "type": "subscribe", "payload": {payload}}}')

        assert await socket.refusal("bad") == ["BAD_USER_INPUT"]
        assert await socket.is_usable()
    assert logs == []
    await api.nobody_listens()


async def test_queries_and_mutations_run_over_the_socket(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("q", "query($id: ID!) { variant(id: $id) { sku } }", {"id": of("variant", shop.mug)})
        assert await socket.next("q") == {"variant": {"sku": "MUG"}}
        assert await socket.receive() == {"id": "q", "type": "complete"}
        await socket.subscribe("m", 'mutation { cartCreate(input: {note: "hello"}) { cart { note } } }')
        assert await socket.next("m") == {"cartCreate": {"cart": {"note": "hello"}}}
        assert await socket.receive() == {"id": "m", "type": "complete"}


async def test_error_of_a_field_comes_with_the_data(api: Api) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", '{ product(id: "x") { id } orders { totalCount } __typename }')
        message = await socket.receive()

        assert message["type"] == "next"
        assert message["payload"]["data"] == {"product": None, "orders": None, "__typename": "Query"}
        codes = {error["path"][0]: error["extensions"]["code"] for error in message["payload"]["errors"]}
        assert codes == {"product": "NOT_FOUND", "orders": "UNAUTHENTICATED"}
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_complete_ends_a_subscription_and_nothing_more_comes_of_it(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        assert await socket.next("1") == {"stockChanged": {"variant": {"sku": "MUG"}, "quantityAvailable": 10}}
        await socket.send({"id": "1", "type": "complete"})
        await api.nobody_listens()
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 3})

        assert await socket.is_usable()


async def test_complete_of_an_unknown_operation_is_ignored(api: Api) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.send({"id": "never", "type": "complete"})

        assert await socket.is_usable()


@pytest.mark.parametrize("is_initialised", [True, False])
async def test_ping_is_answered(api: Api, is_initialised: bool) -> None:
    async with api.socket() as socket:
        if is_initialised:
            await socket.init()
        await socket.send({"type": "ping", "payload": {"at": 1}})
        assert (await socket.receive())["type"] == "pong"
        await socket.send({"type": "pong"})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


async def test_server_pings(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "PING_SECONDS", 0.05)

    async with api.socket() as socket:
        await socket.init()

        assert await socket.receive() == {"type": "ping"}
        assert await socket.receive() == {"type": "ping"}


async def test_fifty_subscriptions_are_served_and_one_more_closes_the_socket(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        for number in range(sockets.MOST_SUBSCRIPTIONS):
            await socket.subscribe(str(number), STOCK, {"ids": [of("variant", shop.mug)]})
            await socket.next(str(number))
        assert api.listeners == sockets.MOST_SUBSCRIPTIONS
        await socket.subscribe("more", STOCK, {"ids": [of("variant", shop.mug)]})

        assert await socket.close_code() == 4429
    await api.nobody_listens()


@pytest.mark.parametrize(
    ("origins", "is_development", "origin", "is_allowed"),
    [
        ("", False, None, True),
        ("", False, "https://evil.test", False),
        ("", False, "http://localhost:3000", False),
        ("", True, "http://localhost:3000", True),
        ("", True, "http://127.0.0.1:5173", True),
        ("", True, "http://localhost.evil.test", False),
        ("https://shop.example", False, "https://shop.example", True),
        ("https://shop.example", False, "https://shop.example.evil.test", False),
        ("*", False, "https://evil.test", True),
    ],
)
async def test_browsers_are_let_in_by_their_origin(
    settings: Settings,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    origins: str,
    is_development: bool,
    origin: str | None,
    is_allowed: bool,
) -> None:
    own = Settings.model_validate({**settings.model_dump(), "cors_origins": origins, "development": is_development})

    async with running(own, monkeypatch) as api:
        if is_allowed:
            async with api.socket(origin=origin) as socket:
                await socket.init()
                assert await socket.is_usable()
        else:
            with pytest.raises(InvalidStatus) as refused:
                async with api.socket(origin=origin):
                    pass
            assert refused.value.response.status_code == 403


async def test_page_of_the_server_itself_is_let_in(api: Api) -> None:
    async with api.socket():
        pass

    async with api.socket(origin=f"http://{api.address}") as socket:
        await socket.init()


@pytest.mark.parametrize("protocols", [(), ("graphql-ws",), ("chat", "graphql-ws")])
async def test_other_protocols_are_refused(api: Api, protocols: tuple[str, ...]) -> None:
    async with api.socket(protocols=protocols) as socket:
        assert await socket.close_code() == 4406


async def test_protocol_is_found_among_others(api: Api) -> None:
    async with api.socket(protocols=("graphql-ws", "graphql-transport-ws")) as socket:
        assert socket.connection.subprotocol == "graphql-transport-ws"
        await socket.init()


async def test_client_that_vanishes_leaves_nothing_behind(api: Api, shop: Shop, logs: Logs) -> None:
    for _ in range(5):
        async with api.socket() as socket:
            await socket.init()
            await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug), of("variant", shop.shirt_small)]})
            await socket.next("1")
            socket.connection.transport.abort()
    await api.nobody_listens()
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 3})

    async with api.socket() as socket:
        await socket.init()
        assert await socket.is_usable()
    assert logs == []
    # The process itself reads now and then.
    await until(lambda: api.server.database.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]


async def test_mutation_of_a_client_that_vanishes_is_carried_out(api: Api, shop: Shop) -> None:
    cart = await ready_cart(api, shop.mug)
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe(
            "1",
            """mutation($cart: ID!) { checkoutComplete(input: {
                 cartId: $cart, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "once"
               }) { order { id } } }""",
            {"cart": cart},
        )
        await socket.send({"type": "ping"})
        await socket.receive()
        socket.connection.transport.abort()

    async def order() -> object:
        reply = await api.execute("query($cart: ID!) { cart(id: $cart) { order { status } } }", {"cart": cart})
        return reply.data["cart"]["order"]

    async with asyncio.timeout(PATIENCE):
        while (placed := await order()) is None:
            pass
    assert placed == {"status": "CONFIRMED"}


async def test_what_nobody_foresaw_is_masked_and_the_socket_stays(api: Api, shop: Shop, logs: Logs) -> None:
    async with api.server.database.transaction() as session:
        await session.execute(text("ALTER TABLE cart RENAME TO cart_gone"))

    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe(
            "1", "subscription($id: ID!) { cartChanged(cartId: $id) { id } }", {"id": of("cart", shop.mug)}
        )
        message = await socket.receive()

        assert (message["type"], message["id"]) == ("error", "1")
        (error,) = message["payload"]
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert error["extensions"]["requestId"] == logs[0]["request_id"]
        assert "cart_gone" not in orjson.dumps(message).decode()
        assert await socket.is_usable()
    await api.nobody_listens()


async def test_server_that_stops_sends_its_clients_elsewhere(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, monkeypatch) as api, api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("1")
        await api.exits.aclose()

        assert await socket.close_code() == 1012


async def test_acknowledgement_says_when_to_expect_pings_and_what_time_it_is(api: Api) -> None:
    async with api.socket() as socket:
        await socket.send({"type": "connection_init"})
        message = await socket.receive()

    assert message["type"] == "connection_ack"
    assert message["payload"].keys() == {"keepAliveIntervalMs", "sessionExpiresAt", "serverTime"}
    assert 12_000 <= message["payload"]["keepAliveIntervalMs"] <= 25_000
    assert message["payload"]["sessionExpiresAt"] is None
    assert datetime.fromisoformat(message["payload"]["serverTime"]).tzinfo == UTC


async def test_flood_of_messages_closes_the_socket(api: Api, monkeypatch: pytest.MonkeyPatch, logs: Logs) -> None:
    monkeypatch.setattr(sockets, "MOST_MESSAGES", 20.0)
    monkeypatch.setattr(sockets, "MESSAGES_PER_SECOND", 0.0)
    async with api.socket() as socket:
        await socket.init()
        for _ in range(19):
            await socket.send({"type": "pong"})
        await socket.send({"type": "ping"})

        assert await socket.close_code() == 4429
    assert logs == []


async def test_messages_are_allowed_again_after_a_while(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST_MESSAGES", 4.0)
    monkeypatch.setattr(sockets, "MESSAGES_PER_SECOND", 1_000_000.0)
    async with api.socket() as socket:
        await socket.init()
        for _ in range(20):
            await socket.send({"type": "ping"})
            assert await socket.receive() == {"type": "pong"}


async def test_socket_beyond_the_limit_is_told_to_come_again(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings.model_copy(update={"max_connections": 2}), monkeypatch) as api:
        async with api.socket() as first, api.socket() as second:
            await first.init()
            await second.init()
            async with api.socket() as third:
                assert await third.close_code() == 1013
            assert await first.is_usable()
        await until(lambda: len(api.connections) == 0)
        async with api.socket() as socket:
            await socket.init()


async def test_subscription_beyond_the_process_limit_is_refused_alone(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running(settings.model_copy(update={"max_subscriptions": 2}), monkeypatch) as api,
        api.socket() as socket,
    ):
        await socket.init()
        for operation in ("1", "2"):
            await socket.subscribe(operation, STOCK, {"ids": [of("variant", shop.mug)]})
            await socket.next(operation)
        await socket.subscribe("3", STOCK, {"ids": [of("variant", shop.mug)]})
        assert await socket.refusal("3") == ["UNAVAILABLE"]
        assert await socket.is_usable()
        await socket.send({"id": "1", "type": "complete"})
        await api.nobody_listens_but(1)
        await socket.subscribe("3", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("3")


async def test_queries_over_sockets_take_places_like_those_over_http(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running(settings.model_copy(update={"max_concurrent_requests": 1}), monkeypatch) as api,
        api.socket() as socket,
    ):
        await socket.init()
        with api.subscriptions._engine.working():
            await socket.subscribe("1", "{ __typename }")
            assert await socket.refusal("1") == ["UNAVAILABLE"]
            await socket.subscribe("2", STOCK, {"ids": [of("variant", shop.mug)]})
            await socket.next("2")
        await socket.send({"id": "2", "type": "complete"})
        assert await socket.is_usable()


async def test_whoever_tells_many_gives_way_to_requests_for_longer_than_to_nobody(api: Api) -> None:
    engine = api.subscriptions._engine
    for works in (True, False):
        with engine.working() if works else nullcontext():
            pause = asyncio.create_task(engine.give_way(PATIENCE))
            for _ in range(2):
                await asyncio.sleep(0)
            assert pause.done() is not works
            pause.cancel()


async def test_consumer_of_a_log_that_is_too_slow_is_cut_and_counted(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await api.token(Permission.READ_INVENTORY)
    document = "subscription($after: String) { inventoryChanged(after: $after) { cursor movement { delta } } }"
    async with api.socket() as socket, api.socket() as shopper:
        await socket.init({"authToken": token})
        await socket.subscribe("1", document)
        cursor = (await socket.next("1"))["inventoryChanged"]["cursor"]
        await shopper.init()
        await shopper.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await shopper.next("1")
        monkeypatch.setattr("headless.platform.hub.QUEUE_LIMIT", 0)
        async with api.server.database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 3})

        assert await socket.close_code() == 1013
        assert await shopper.next("1") == {"stockChanged": {"variant": {"sku": "MUG"}, "quantityAvailable": 3}}
        assert api.server.hub.counters.cut == api.subscriptions.counters.cut == 1
    monkeypatch.undo()
    async with api.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", document, {"after": cursor})
        assert (await socket.next("1"))["inventoryChanged"]["movement"] == {"delta": -7}


async def test_state_that_moves_faster_than_it_is_sent_coalesces(api: Api, shop: Shop) -> None:
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("1")
        for quantity in range(20):
            async with api.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: quantity})
        await api.settled()
        seen = 10
        while seen != 19:
            seen = (await socket.next("1"))["stockChanged"]["quantityAvailable"]
        counters = api.server.hub.counters

        assert await socket.is_usable()
        assert counters.queued + counters.coalesced == 20
        assert counters.cut == 0
        assert api.server.hub.waiting == 0


async def test_mutation_is_answered_before_a_restart_closes_its_socket(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, monkeypatch) as api, api.socket() as socket:
        cart = await ready_cart(api, shop.mug)
        await socket.init()
        await socket.subscribe("s", STOCK, {"ids": [of("variant", shop.mug)]})
        await socket.next("s")
        await socket.subscribe(
            "1",
            """mutation($cart: ID!) { checkoutComplete(input: {
                 cartId: $cart, payment: {provider: "sandbox", token: "tok_visa"}, idempotencyKey: "once"
               }) { order { status } } }""",
            {"cart": cart},
        )
        await socket.send({"type": "ping"})
        while (await socket.receive())["type"] != "pong":
            pass
        await api.connections.drain(0)
        answers = []
        with suppress(ConnectionClosed):
            while True:
                answers.append(orjson.loads(await socket.connection.recv()))

        assert socket.connection.close_code == 1012
        assert {"checkoutComplete": {"order": {"status": "CONFIRMED"}}} in [
            answer["payload"]["data"] for answer in answers if answer["type"] == "next"
        ]


async def test_socket_that_comes_during_a_restart_is_sent_elsewhere(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, monkeypatch) as api:
        await api.listen()
        await api.connections.drain(0)
        async with api.socket() as socket:
            assert await socket.close_code() == 1012


async def test_stream_that_ends_on_a_socket_that_is_gone_is_no_concern_of_others() -> None:
    class Gone:
        def __init__(self) -> None:
            self.running: dict[str, object] = {}

        async def send(self, _text: str) -> None:
            raise WebSocketDisconnect(1006)

    gone = Gone()
    operation = sockets._Operation(gone, "1")  # type: ignore[arg-type]
    gone.running["1"] = operation

    operation.ended(None)

    assert operation.task is None
    assert gone.running == {}
