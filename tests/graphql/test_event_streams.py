"""Is text/event-stream spoken as graphql-sse and browsers expect it, and resumed where it was left?"""

from collections.abc import MutableMapping
from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.graphql.server import streaming as server_streaming
from headless.platform import ids
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import Api, empty_cart, of, running, until
from tests.graphql.streaming import SSE, Message, streaming

STOCK = """subscription($ids: [ID!]!, $after: String) {
  stockChanged(variantIds: $ids, after: $after) { quantityAvailable }
}"""
CURSORS = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { cursor quantityAvailable } }"
NESTED = """subscription($ids: [ID!]!, $after: String) { ...Root }
fragment Root on Subscription { stock: stockChanged(variantIds: $ids, after: $after) { quantityAvailable } }"""
LITERAL = 'subscription($ids: [ID!]!) { stockChanged(variantIds: $ids, after: "nonsense") { quantityAvailable } }'
ORDERS = "subscription { orderPlaced { cursor order { number } } }"
Logs = list[MutableMapping[str, Any]]


@pytest.fixture
def database_kind() -> str:
    """The protocol is the same whatever the database."""
    return "sqlite"


async def set_stock(api: Api, shop: Shop, quantity: int) -> None:
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: quantity})


def codes(message: Message | None) -> list[str]:
    assert message is not None
    assert message.event == "next"
    assert set(message.body) == {"errors"}
    return [error["extensions"]["code"] for error in message.body["errors"]]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_subscription_is_followed(api: Api, shop: Shop, method: str) -> None:
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, method=method) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == SSE
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 10}}
        await set_stock(api, shop, 3)
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 3}}
        assert api.listeners == 1
    await api.nobody_listens()
    assert len(api.connections) == 0


async def test_id_is_the_cursor_though_nobody_selected_it(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    async with streaming(api, STOCK, variables) as stream, streaming(api, CURSORS, variables) as other:
        for _ in range(2):
            message, beside = await stream.message(), await other.message()
            assert message is not None
            assert beside is not None
            assert message.id == beside.id == beside.body["data"]["stockChanged"]["cursor"]
            assert message.body["data"]["stockChanged"].keys() == {"quantityAvailable"}
            await set_stock(api, shop, 3)


@pytest.mark.parametrize("document", [STOCK, NESTED, LITERAL, CURSORS.replace("cursor ", "")])
async def test_last_event_id_says_where_to_go_on(api: Api, shop: Shop, document: str) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    async with streaming(api, STOCK, variables) as stream:
        message = await stream.message()
        assert message is not None
        assert message.id is not None
    await set_stock(api, shop, 7)
    await api.settled()
    headers = {"Last-Event-ID": message.id}

    async with streaming(api, document, variables, headers=headers, method="GET") as stream:
        assert list((await stream.next()).values()) == [{"quantityAvailable": 7}]
        await set_stock(api, shop, 2)
        assert list((await stream.next()).values()) == [{"quantityAvailable": 2}]


async def test_last_event_id_beats_after(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    async with streaming(api, STOCK, variables) as stream:
        first = await stream.message()
        await set_stock(api, shop, 7)
        second = await stream.message()
    assert first is not None
    assert second is not None

    headers = {"Last-Event-ID": str(first.id)}
    async with streaming(api, STOCK, {**variables, "after": second.id}, headers=headers) as stream:
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 7}}
    async with streaming(api, STOCK, {**variables, "after": second.id}) as stream:
        await api.nobody_listens_but(1)
        await set_stock(api, shop, 5)
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 5}}


async def test_nothing_of_a_log_is_missed_or_told_twice_over_many_reconnects(api: Api, shop: Shop) -> None:
    cart = await empty_cart(api)
    document = "subscription($id: ID!) { cartChanged(cartId: $id) { cart { note } } }"
    note = """mutation($cart: ID!, $note: String!) {
      cartNoteUpdate(input: {cartId: $cart, note: $note}) { userErrors { code } }
    }"""
    last, told = "", []
    for number in range(6):
        headers = {"Last-Event-ID": last} if last else {}
        async with streaming(api, document, {"id": cart}, headers=headers) as stream:
            message = await stream.message()
            assert message is not None
            told.append(message.body["data"]["cartChanged"]["cart"]["note"])
            last = str(message.id)
        await api.execute(note, {"cart": cart, "note": str(number)})
        await api.settled()

    assert told == ["", "0", "1", "2", "3", "4"]


@pytest.mark.parametrize("last", ["nonsense", "A" * 28, "\u00e9"])
async def test_last_event_id_that_is_no_cursor_of_ours_asks_for_a_new_start(api: Api, shop: Shop, last: str) -> None:
    headers: Any = {"Last-Event-ID": last.encode("latin-1")}
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, headers=headers) as stream:
        assert codes(await stream.message()) == ["RESYNC_REQUIRED"]
        assert await stream.message() == Message("complete", None, "")
        assert await stream.message() is None


async def test_empty_last_event_id_is_none(api: Api, shop: Shop) -> None:
    headers = {"Last-Event-ID": ""}
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, headers=headers) as stream:
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 10}}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        (STOCK, "BAD_USER_INPUT"),
        ("subscription { stockChanged(variantIds: []) { id } }", "BAD_USER_INPUT"),
        ('subscription { cartChanged(cartId: "cart_1") { id } }', "NOT_FOUND"),
        (ORDERS, "UNAUTHENTICATED"),
        ("{" + " __typename" * 51 + "}", "MAX_COST_EXCEEDED"),
        ('subscription @inContext(channel: "moon") { stockChanged(variantIds: ["x"]) { id } }', "NOT_FOUND"),
    ],
)
async def test_what_is_refused_is_told_in_the_stream(api: Api, logs: Logs, document: str, code: str) -> None:
    async with streaming(api, document) as stream:
        assert stream.status == 200
        assert set(codes(await stream.message())) == {code}
        assert await stream.message() == Message("complete", None, "")
        assert await stream.message() is None
    assert logs == []
    await api.nobody_listens()


async def test_query_is_answered_in_a_stream_that_ends(api: Api) -> None:
    async with streaming(api, "{ __typename }") as stream:
        assert await stream.next() == {"__typename": "Query"}
        assert await stream.message() == Message("complete", None, "")
        assert await stream.message() is None


async def test_mutation_is_answered_in_a_stream_by_post_only(api: Api) -> None:
    document = 'mutation { cartCreate(input: {note: "hello"}) { cart { note } } }'
    async with streaming(api, document) as stream:
        assert await stream.next() == {"cartCreate": {"cart": {"note": "hello"}}}

    async with streaming(api, document, method="GET") as stream:
        assert stream.status == 405


async def test_token_opens_what_is_staffs(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_ORDERS)
    async with streaming(api, ORDERS, token=token) as stream:
        assert (await stream.next())["orderPlaced"]["order"] is None

    async with streaming(api, ORDERS, token=await api.token(Permission.READ_PRODUCTS)) as stream:
        assert codes(await stream.message()) == ["FORBIDDEN"]
    async with streaming(api, ORDERS, token="wrong") as stream:
        assert stream.status == 401
        assert stream.headers["content-type"].startswith("application/json")


async def test_head_answers_what_a_get_would_be(api: Api) -> None:
    reply = await api.request("HEAD", params={"query": "subscription { a }"}, headers={"Accept": SSE})

    assert reply.status == 200
    assert reply.headers["content-type"] == SSE


async def test_heartbeats_are_comments(api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_streaming, "BEAT_SECONDS", 0.02)
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream:
        await stream.next()
        lines = [await stream.line() for _ in range(3)]
        await set_stock(api, shop, 3)

        assert lines == [":"] * 3
        assert await stream.next() == {"stockChanged": {"quantityAvailable": 3}}


@pytest.mark.parametrize(
    ("accept", "is_stream"),
    [
        (f"application/json, {SSE}", True),
        ("application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed", True),
        ("*/*", False),
        ("text/*", None),
        (f"{SSE};q=0, application/json", False),
        ("multipart/mixed", None),
        ("multipart/mixed, application/json", False),
    ],
)  # fmt: skip
async def test_streams_have_to_be_asked_for(api: Api, shop: Shop, accept: str, is_stream: bool | None) -> None:
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, accept=accept) as stream:
        if is_stream:
            assert stream.headers["content-type"] == SSE
            await stream.next()
        else:
            assert stream.headers["content-type"].startswith("application/")
            assert stream.status == (406 if is_stream is None else 200)
    async with streaming(api, "{ __typename }", accept=accept) as stream:
        assert stream.headers["content-type"].startswith("application/")


async def test_browsers_may_read_streams_of_their_origin(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings.model_copy(update={"cors_origins": ("https://shop.example",)})
    async with running(own, monkeypatch) as api:
        headers = {"Origin": "https://shop.example"}
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, headers=headers) as stream:
            assert stream.headers["access-control-allow-origin"] == "https://shop.example"
            await stream.next()
        async with streaming(api, STOCK, {"ids": []}, headers={"Origin": "https://evil.example"}) as stream:
            assert "access-control-allow-origin" not in stream.headers
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "last-event-id,authorization",
        }
        reply = await api.request("OPTIONS", headers={**headers, **asked})
        assert reply.status == 200


async def test_stream_beyond_the_limit_is_told_to_come_again(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings.model_copy(update={"max_connections": 2}), monkeypatch) as api, api.socket() as socket:
        await socket.init()
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream:
            await stream.next()
            async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as refused:
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            reply = await api.execute("{ __typename }")
            assert reply.status == 200
        await api.nobody_listens()
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream:
            assert stream.status == 200


async def test_streams_take_no_places_from_requests(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        running(settings.model_copy(update={"max_concurrent_requests": 1}), monkeypatch) as api,
        streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream,
    ):
        await stream.next()
        assert (await api.execute("{ __typename }")).status == 200


async def test_server_that_stops_ends_the_stream_without_calling_it_complete(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings, monkeypatch) as api:
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream:
            await stream.next()
            await api.connections.drain(0)

            assert await stream.message() is None
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}) as stream:
            assert stream.status == 503
        assert (await api.request("GET", "/readyz")).status == 503
        assert (await api.execute("{ __typename }")).status == 200


async def test_client_that_vanishes_leaves_nothing_behind(api: Api, shop: Shop, logs: Logs) -> None:
    for _ in range(5):
        async with streaming(api, STOCK, {"ids": [of("variant", shop.mug), of("variant", shop.shirt_small)]}) as stream:
            await stream.next()
    await api.nobody_listens()
    # A response ends a little after what it followed.
    await until(lambda: len(api.connections) == 0)

    assert logs == []
    assert api.subscriptions.running == api.subscriptions.audiences == 0
    await until(lambda: api.server.database.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]


async def test_order_of_another_is_no_more_to_be_had_than_elsewhere(api: Api, shop: Shop) -> None:
    document = "subscription($id: ID!) { orderStatusChanged(orderId: $id) { status } }"
    async with streaming(api, document, {"id": of("order", ids.new())}) as stream:
        assert codes(await stream.message()) == ["NOT_FOUND"]
