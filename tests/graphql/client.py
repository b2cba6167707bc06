"""How does a test talk to the API? In this process: over ASGI for requests, over a real port for sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import orjson
import pytest
import uvicorn
from sqlalchemy import func, select
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from headless import app as wiring
from headless.accounts import queries as account_queries
from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.graphql.context import Server
from headless.graphql.server import sockets
from headless.graphql.server.connections import Connections
from headless.graphql.server.feeds import Feed
from headless.graphql.server.subscribing import Subscriptions
from headless.platform import ids, outbox
from headless.platform.db import Database
from headless.settings import Settings

PATIENCE = 20
"""Seconds after which a message that doesn't come is a failure."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: Any
    statements: int

    @property
    def data(self) -> Any:
        assert self.status == 200, self.body
        assert "errors" not in self.body, self.body
        return self.body["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["errors"]
        return found

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.body.get("errors", ())]


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.01)


class Socket:
    """A client of graphql-transport-ws."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: object) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            message: dict[str, Any] = orjson.loads(await self.connection.recv())
        return message

    async def init(self, payload: object = None) -> None:
        await self.send({"type": "connection_init", **({"payload": payload} if payload is not None else {})})
        message = await self.receive()
        assert message["type"] == "connection_ack", message

    async def subscribe(self, operation: str, document: str, variables: Mapping[str, Any] | None = None) -> None:
        payload = {"query": document, "variables": variables or {}}
        await self.send({"id": operation, "type": "subscribe", "payload": payload})

    async def next(self, operation: str) -> dict[str, Any]:
        """The data of the next message, which must be one of this operation without errors."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("next", operation), message
        assert "errors" not in message["payload"], message
        data: dict[str, Any] = message["payload"]["data"]
        return data

    async def refusal(self, operation: str) -> list[str]:
        """The codes of the next message, which must end this operation in errors."""
        message = await self.receive()
        assert (message["type"], message["id"]) == ("error", operation), message
        return [error["extensions"]["code"] for error in message["payload"]]

    async def is_usable(self) -> bool:
        """Whether the very next message answers a new query: nothing else was under way."""
        await self.subscribe("still-there", "{ __typename }")
        data = await self.next("still-there")
        return data == {"__typename": "Query"} and await self.receive() == {"id": "still-there", "type": "complete"}

    async def close_code(self) -> int:
        """How the server closes the socket, whatever it sends before."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        code = self.connection.close_code
        assert code is not None
        return code


@dataclass(slots=True)
class Api:
    """A running server, and how to call it."""

    app: Starlette
    server: Server
    client: httpx2.AsyncClient
    exits: AsyncExitStack
    address: str = ""
    tokens: dict[frozenset[Permission], str] = field(default_factory=dict)

    async def execute(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return await self.post({"query": document, "variables": variables or {}}, token=token, headers=headers)

    async def post(self, body: object, *, token: str | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Post a JSON body; bytes go as they are."""
        return await self.request(
            "POST",
            content=body if isinstance(body, bytes) else orjson.dumps(body),
            headers={"Content-Type": "application/json", **(headers or {})},
            token=token,
        )

    async def request(
        self,
        method: str,
        path: str = "/graphql",
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        **rest: Any,
    ) -> Reply:
        own = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self.client.request(method, path, headers={**own, **(headers or {})}, **rest)
        is_json = "json" in response.headers.get("content-type", "")
        timing = response.headers.get("server-timing", "")
        return Reply(
            status=response.status_code,
            headers=response.headers,
            body=orjson.loads(response.content) if is_json and response.content else response.text,
            statements=int(timing.split('"')[1]) if timing else 0,
        )

    async def token(self, *permissions: Permission) -> str:
        """A token with exactly these permissions."""
        wanted = frozenset(permissions)
        if wanted not in self.tokens:
            async with self.server.database.transaction() as session:
                self.tokens[wanted] = await accounts.create_token(session, name="Robot", permissions=wanted)
        return self.tokens[wanted]

    async def revoke(self, token: str) -> None:
        """Withdraw a token."""
        async with self.server.database.transaction() as session:
            actor = await account_queries.actor_by_token(session, token)
            assert actor is not None
            assert actor.token_id is not None
            await accounts.revoke_token(session, actor.token_id)

    async def checked(self) -> None:
        """Wait until the process has looked twice whether those who listen still may."""
        seen = self.connections.checks
        await until(lambda: self.connections.checks >= seen + 2)

    async def every_token(self) -> str:
        """A token that may do everything."""
        return await self.token(*Permission)

    async def listen(self) -> None:
        """Be reachable over a real port, too."""
        if not self.address:
            self.address = await self.exits.enter_async_context(_listening(self.app, self.server.settings))

    @asynccontextmanager
    async def socket(
        self, *, origin: str | None = None, protocols: Sequence[str] = (sockets.PROTOCOL,), **rest: Any
    ) -> AsyncIterator[Socket]:
        """Open a WebSocket."""
        await self.listen()
        async with connect(
            f"ws://{self.address}/graphql",
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            proxy=None,
            **rest,
        ) as connection:
            yield Socket(connection)

    @property
    def subscriptions(self) -> Subscriptions:
        subscriptions: Subscriptions = self.app.state.subscriptions
        return subscriptions

    @property
    def connections(self) -> Connections:
        connections: Connections = self.app.state.connections
        return connections

    @property
    def listeners(self) -> int:
        """How many follow feeds of facts."""
        return sum(len(follower) for follower in self.server.hub._everyone() if isinstance(follower, Feed))

    async def settled(self) -> None:
        """Wait until the process has handed on everything that was committed so far."""
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.server.database.reading() as session:
                    committed = await session.scalar(select(func.max(outbox.facts.c.seq))) or 0
                    numbered = await session.scalar(
                        select(outbox.facts.c.position).where(outbox.facts.c.seq == committed)
                    )
                if committed == 0 or (numbered is not None and self.server.hub.position >= numbered):
                    return
                await asyncio.sleep(0.01)

    async def nobody_listens(self) -> None:
        """Wait until every subscription has ended."""
        await self.nobody_listens_but(0)

    async def nobody_listens_but(self, number: int) -> None:
        """Wait until so many listen, no more and no less."""
        await until(lambda: self.listeners == number)


@asynccontextmanager
async def _listening(app: Starlette, settings: Settings) -> AsyncIterator[str]:
    """Serve on a free port, as in production; the application's lifespan is already running."""
    listener = wiring.listen(settings)
    config = wiring.uvicorn_config(app, settings)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]))
    await until(lambda: server.started)
    host, port = listener.getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


@asynccontextmanager
async def running(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Run a server with these settings."""
    made: list[Server] = []

    def server_of(settings: Settings, database: Database) -> Server:
        made.append(original(settings, database))
        return made[-1]

    original = wiring.server_of
    monkeypatch.setattr(wiring, "server_of", server_of)
    # Freezing what start-up made is for processes that start once.
    monkeypatch.setattr("gc.collect", lambda: 0)
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr("gc.set_threshold", lambda *_values: None)
    app = wiring.create_app(settings)
    monkeypatch.setattr(wiring, "server_of", original)
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(app.router.lifespan_context(app))
        transport = httpx2.ASGITransport(app)
        client = httpx2.AsyncClient(transport=transport, base_url="http://shop.test", headers={"Accept": "*/*"})
        await exits.enter_async_context(client)
        yield Api(app, made[0], client, exits)


def of(prefix: str, value: UUID) -> str:
    """An id as clients know it."""
    return ids.encode(prefix, value)


async def empty_cart(api: Api) -> str:
    """The id of a new cart."""
    reply = await api.execute("mutation { cartCreate(input: {}) { cart { id } } }")
    return str(reply.data["cartCreate"]["cart"]["id"])


async def filled_cart(api: Api, variant: UUID, quantity: int = 1) -> str:
    """The id of a new cart with a line and an e-mail address."""
    reply = await api.execute(
        """mutation($variant: ID!, $quantity: Int!) { cartCreate(input: {
             lines: [{variantId: $variant, quantity: $quantity}], buyerIdentity: {email: "marie@example.com"}
           }) { cart { id } warnings { code } userErrors { code } } }""",
        {"variant": of("variant", variant), "quantity": quantity},
    )
    assert reply.data["cartCreate"]["warnings"] == []
    return str(reply.data["cartCreate"]["cart"]["id"])


async def ready_cart(api: Api, variant: UUID, quantity: int = 1) -> str:
    """The id of a new cart that nothing stops from being bought."""
    cart_id = await filled_cart(api, variant, quantity)
    reply = await api.execute(
        """mutation($cart: ID!) { cartDeliveryAddressUpdate(input: {
             cartId: $cart, address: {countryCode: DE, lastName: "Curie", address1: "Hauptstr. 1", city: "Berlin"}
           }) { cart { deliveryOptions { id } } } }""",
        {"cart": cart_id},
    )
    (option,) = reply.data["cartDeliveryAddressUpdate"]["cart"]["deliveryOptions"]
    reply = await api.execute(
        """mutation($cart: ID!, $option: ID!) {
             cartDeliveryOptionSelect(input: {cartId: $cart, deliveryOptionId: $option}) { userErrors { code } }
           }""",
        {"cart": cart_id, "option": option["id"]},
    )
    assert reply.data == {"cartDeliveryOptionSelect": {"userErrors": []}}
    return cart_id


async def bought(api: Api, cart_id: str, *, card: str = "tok_visa") -> dict[str, Any]:
    """The order of a cart that is paid now: id, access token, number and lines."""
    reply = await api.execute(
        """mutation($cart: ID!, $token: String!) {
             checkoutComplete(input: {
               cartId: $cart, payment: {provider: "sandbox", token: $token}, idempotencyKey: "pay"
             }) { order { id accessToken number lines { nodes { id } } } userErrors { code message } }
           }""",
        {"cart": cart_id, "token": card},
    )
    assert reply.data["checkoutComplete"]["userErrors"] == []
    order: dict[str, Any] = reply.data["checkoutComplete"]["order"]
    return order
