"""What becomes of sockets that never read, and of a thousand that come back at once?"""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from bench.listeners import TEXT, Line, framed
from headless import app as wiring
from headless.graphql.server import sockets as server_sockets
from headless.platform import ids, outbox
from headless.platform.db import Database
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import Api, of, running, until
from tests.serving import serving
from tests.streams.following import HOST, PATIENCE, Crowd, Follower

STOCK = """subscription ($ids: [ID!]!, $after: String) {
    stockChanged(variantIds: $ids, after: $after) { id cursor quantityAvailable variant { sku title } }
}"""
BULKY = "query($id: ID!) {" + " ".join(f"a{number}: cart(id: $id) {{ note }}" for number in range(40)) + "}"
NOTE = "x" * 4_000
listen = wiring.listen
Logs = list[MutableMapping[str, Any]]


@pytest.fixture
def database_kind() -> str:
    """Sockets are the same whatever the database."""
    return "sqlite"


def narrow(settings: Settings) -> sockets.socket:
    """A listening socket whose connections buffer as little as the kernel allows."""
    listener = listen(settings)
    listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 2048)
    return listener


@asynccontextmanager
async def mute(address: str, *messages: object) -> AsyncIterator[None]:
    """A socket that says something and then never reads, with as small a buffer as the kernel allows."""
    loop = asyncio.get_running_loop()
    host, _, port = address.partition(":")
    with sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM) as opened:
        opened.setblocking(False)
        opened.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 2048)
        await loop.sock_connect(opened, (host, int(port)))
        await loop.sock_sendall(
            opened,
            f"GET /graphql HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode(),
        )
        assert (await loop.sock_recv(opened, 500)).startswith(b"HTTP/1.1 101")
        with suppress(ConnectionError):
            await loop.sock_sendall(opened, b"".join(framed(TEXT, orjson.dumps(message)) for message in messages))
        yield


def subscribed(operation: str, document: str, variables: object) -> dict[str, Any]:
    return {"type": "subscribe", "id": operation, "payload": {"query": document, "variables": variables}}


@pytest.fixture
async def impatient(
    settings: Settings, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """A server that gives up on silent clients within a second rather than half a minute."""
    monkeypatch.setattr(wiring, "PING_SECONDS", 0.3)
    monkeypatch.setattr(wiring, "PONG_SECONDS", 0.3)
    monkeypatch.setattr(server_sockets, "SEND_SECONDS", 0.3)
    async with database.transaction() as session:
        await outbox.number(session)
    async with running(settings, monkeypatch) as api:
        yield api


def test_patience_with_silent_clients_is_bounded() -> None:
    assert wiring.PING_SECONDS + wiring.PONG_SECONDS <= 28
    assert 12 <= server_sockets.PING_SECONDS <= 25
    # A consumer that doesn't read is noticed by a send, at the latest of a ping; then the kernel gives up as well.
    assert server_sockets.SEND_SECONDS + wiring.SILENT_SOCKET_SECONDS <= 28
    assert server_sockets.INIT_SECONDS <= 5


async def test_twenty_sockets_that_never_answer_are_gone(impatient: Api, shop: Shop, logs: Logs) -> None:
    await impatient.listen()
    stocks = subscribed("1", STOCK, {"ids": [of("variant", shop.mug)]})
    async with AsyncExitStack() as exits:
        for _ in range(20):
            await exits.enter_async_context(mute(impatient.address, {"type": "connection_init"}, stocks))
        await until(lambda: impatient.subscriptions.counters.delivered == 20)

        await until(lambda: len(impatient.connections) == 0)
        await impatient.nobody_listens()
    async with impatient.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 3})
    await impatient.settled()
    assert impatient.subscriptions.running == impatient.subscriptions.audiences == 0
    await until(lambda: impatient.server.database.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
    assert logs == []


async def test_twenty_sockets_that_take_nothing_in_are_cut_while_others_are_served(
    impatient: Api, shop: Shop, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "PING_SECONDS", 20.0)
    monkeypatch.setattr(wiring, "listen", narrow)
    await impatient.listen()
    stocks = subscribed("s", STOCK, {"ids": [of("variant", shop.mug)]})
    reply = await impatient.execute(
        "mutation($note: String!) { cartCreate(input: {note: $note}) { cart { id } userErrors { code } } }",
        {"note": NOTE},
    )
    # More than the buffers between take in.
    bulk = [subscribed(str(number), BULKY, reply.data["cartCreate"]["cart"]) for number in range(2)]
    async with AsyncExitStack() as exits:
        for _ in range(20):
            await exits.enter_async_context(mute(impatient.address, {"type": "connection_init"}, stocks, *bulk))
        async with impatient.socket() as shopper:
            await shopper.init()
            await shopper.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
            await shopper.next("1")
            await until(lambda: impatient.subscriptions.counters.cut >= 20)
            await until(lambda: len(impatient.connections) == 1)
            await impatient.nobody_listens_but(1)
            async with impatient.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: 3})

            assert (await shopper.next("1"))["stockChanged"]["quantityAvailable"] == 3
    await impatient.nobody_listens()
    assert logs == []


async def test_a_thousand_sockets_that_come_back_at_once_are_all_served(
    settings: Settings, shop: Shop, database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    async with database.transaction() as session:
        await outbox.number(session)
    mug = {"ids": [ids.encode("variant", shop.mug)]}
    followers = [Follower(STOCK, mug, lambda event: event["quantityAvailable"] == 2) for _ in range(1000)]
    async with serving(database_url, tmp_path, with_worker=False) as served, Crowd(followers) as crowd:
        port = urlsplit(served.urls[0]).port or 0
        crowd.start([port])
        await crowd.all_began()
        async with database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 5})
        for follower in followers:
            async with asyncio.timeout(PATIENCE):
                while follower.seen[-1]["quantityAvailable"] != 5:
                    await asyncio.sleep(0.01)
        # The network breaks for all of them at one moment, and something happens meanwhile.
        for follower in followers:
            assert follower.line is not None
            follower.line.close()
        async with database.transaction() as session:
            await stock(session, shop.main_id, {shop.mug: 2})
        await crowd.all_done()
        line = await Line.open(HOST, port)
        line.say({"type": "connection_init"})
        assert (await line.receive())["type"] == "connection_ack"
        line.close()
    await database.close()

    for follower in followers:
        assert [event["quantityAvailable"] for event in follower.seen] == [10, 5, 2]
        assert follower.closed == {1006: 1}
        assert len({event["id"] for event in follower.seen}) == 3
