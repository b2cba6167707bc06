"""How does a test talk to real server processes, and how do they end?"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast
from uuid import uuid4

import httpx2
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
EVENT_SECONDS = 20.0
SETTLED_SECONDS = 60.0
VISA = "tok_visa"
# A process of ours dies with the tests, however they die (prctl's PR_SET_PDEATHSIG, where there is one).
DIE_WITH_PARENT = "import ctypes, sys; sys.platform == 'linux' and ctypes.CDLL(None).prctl(1, 9); "
COMMAND = [
    sys.executable,
    "-c",
    DIE_WITH_PARENT + "from headless.cli import main; main()",
]

Json = dict[str, Any]


class Lost(Exception):
    """No answer came: the request may or may not have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: Json

    def __getitem__(self, name: str) -> Any:
        """A root field of an answer without top-level errors."""
        assert self.status == 200, self
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"][name]

    @property
    def is_replayed(self) -> bool:
        return bool(self.body.get("extensions", {}).get("idempotency") == {"replayed": True})

    @property
    def error_codes(self) -> list[str]:
        """The codes of top-level errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", ())]


class Client:
    """A caller of one or several servers; each request goes to the next of them."""

    def __init__(self, urls: Sequence[str], *, token: str | None = None) -> None:
        self._urls = urls
        self._next = 0
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Never the environment's proxy: everything is on this machine.
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(30, pool=None),
            trust_env=False,
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=200),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._http.aclose()

    async def execute(
        self, document: str, variables: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send an operation; raises `Lost` when the server is gone or goes."""
        url = self._urls[self._next % len(self._urls)]
        self._next += 1
        try:
            response = await self._http.post(
                f"{url}/graphql",
                json={"query": document, "variables": dict(variables or {})},
                headers={**self._headers, **(headers or {})},
            )
        except httpx2.TransportError as error:
            raise Lost from error
        return Answer(response.status_code, orjson.loads(response.content))

    @asynccontextmanager
    async def subscribed(self, document: str, variables: Mapping[str, Any] | None = None) -> AsyncIterator["Events"]:
        """Follow a subscription over a socket of its own."""
        url = self._urls[0].replace("http://", "ws://")
        async with connect(
            f"{url}/graphql", subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
        ) as websocket:
            authorization = {"authorization": self._headers["Authorization"]} if self._headers else {}
            await _send(websocket, {"type": "connection_init", "payload": authorization})
            assert (await _received(websocket))["type"] == "connection_ack"
            payload = {"query": document, "variables": dict(variables or {})}
            await _send(websocket, {"type": "subscribe", "id": "1", "payload": payload})
            yield Events(websocket)


class Events:
    """What a subscription brings."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket

    async def next(self) -> Json:
        """The data of the next event."""
        message = await _received(self._websocket)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return cast("Json", message["payload"]["data"])


@dataclass(slots=True)
class Process:
    """One command of ours, running."""

    arguments: Sequence[str]
    settings: Mapping[str, str]
    log: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADLESS_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*COMMAND, *self.arguments],
                env=inherited | dict(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def kill(self) -> None:
        """End the process as a power cut does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the process to end, as an operator does."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.arguments} did not end in time; {self.said()}") from None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@dataclass(slots=True)
class Served:
    """A shop with its server processes on one database."""

    database_url: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    servers: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    async def add_server(self, *, with_worker: bool = True) -> None:
        """Start a server process, by default with the worker inside, and wait until it is ready."""
        port = free_port()
        arguments = ["dev"] if with_worker else ["serve"]
        log = self.folder / f"server-{len(self.servers)}.log"
        self.servers.append(Process(arguments, {**self._environment(), "HEADLESS_PORT": str(port)}, log))
        self.urls.append(f"http://{HOST}:{port}")
        await self.start(len(self.servers) - 1)

    def add_worker(self) -> None:
        """Start a worker process beside the servers."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(Process(["worker"], self._environment(), log))
        self.workers[-1].start()

    async def start(self, index: int) -> None:
        """Start a server process, again on its port, and wait until it is ready."""
        server, url = self.servers[index], self.urls[index]
        earlier = server.said().count(url)
        server.start()
        deadline = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient(trust_env=False) as http:
            while time.monotonic() < deadline:
                assert server.is_running, server.said()
                if server.arguments == ["dev"] and server.said().count(url) == earlier:
                    # It says its address when it has taken it: until then somebody else's server may answer there.
                    await asyncio.sleep(0.05)
                    continue
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"{url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)
        raise AssertionError(f"the server did not start in time; {server.said()}")

    async def close(self) -> None:
        """Stop everything; fail when a process said something that nobody foresaw."""
        processes = [*self.servers, *self.workers]
        ended = await asyncio.gather(*(process.stop() for process in processes), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error
        for process in processes:
            said = process.said()
            for sign in ("Traceback", '"level": "error"', '"level":"error"', "Task exception was never retrieved"):
                assert sign not in said, said

    def client(self, token: str | None = None) -> Client:
        return Client(self.urls, token=token)

    def _environment(self) -> dict[str, str]:
        return {
            "HEADLESS_DATABASE_URL": self.database_url,
            "HEADLESS_DATA_DIR": str(self.folder / "data"),
            "HEADLESS_SECRET_KEY": "a secret of the tests alone",
            "HEADLESS_HOST": HOST,
            **self.settings,
        }


@asynccontextmanager
async def serving(
    database_url: str, folder: Path, *, servers: int = 1, with_worker: bool = True, **settings: str
) -> AsyncIterator[Served]:
    """Run server processes on a migrated database that holds a shop."""
    served = Served(database_url, folder, settings)
    try:
        for _ in range(servers):
            await served.add_server(with_worker=with_worker)
        yield served
    finally:
        await served.close()


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def new_key() -> str:
    return uuid4().hex


async def _send(websocket: ClientConnection, message: Json) -> None:
    await websocket.send(orjson.dumps(message).decode())


async def _received(websocket: ClientConnection) -> Json:
    while True:
        async with asyncio.timeout(EVENT_SECONDS):
            message = cast("Json", orjson.loads(await websocket.recv()))
        if message["type"] != "ping":
            return message
        await _send(websocket, {"type": "pong"})


# What shoppers and staff say, in the words of the public API.

CART = """
    id totalQuantity version
    lines(first: 50) { nodes { id quantity variant { id } cost { totalAmount { amount } } } }
    cost { subtotalAmount { amount currencyCode } totalDeliveryAmount { amount } totalAmount { amount } }
    deliveryOptions { id title cost { amount } }
    selectedDeliveryOption { id }
    problems { code target }
"""
ORDER = """
    id number status financialStatus fulfillmentStatus email accessToken
    lines(first: 50) { nodes { id title quantity fulfillableQuantity } }
    cost { totalAmount { amount currencyCode } }
    payments { status amount { amount } }
    refunds { status reason amount { amount } }
"""
REFUSED = "userErrors { code field message }"
CHECKOUT_PAYLOAD = f"""
    checkout {{ id status expiresAt nextAction {{ type url clientSecret }} order {{ id }} }}
    cart {{ id problems {{ code }} }}
    order {{ {ORDER} }}
    {REFUSED}
    warnings {{ code target }}
"""


def cart_mutation(name: str) -> str:
    """A document for any of the cart's mutations."""
    kind = f"{name[0].upper()}{name[1:]}Input!"
    return (
        f"mutation ($input: {kind}) {{ {name}(input: $input) "
        f"{{ cart {{ {CART} }} {REFUSED} warnings {{ code target message }} }} }}"
    )


def checkout_mutation(name: str) -> str:
    """A document for any of the checkout's mutations."""
    kind = f"{name[0].upper()}{name[1:]}Input!"
    return f"mutation ($input: {kind}) {{ {name}(input: $input) {{ {CHECKOUT_PAYLOAD} }} }}"


ADDRESS = {
    "lastName": "Curie", "address1": "Hauptstraße 1", "city": "Berlin", "postalCode": "10115", "countryCode": "DE",
}  # fmt: skip


async def edit(client: Client, name: str, **given: Any) -> Json:
    """Run a mutation of a cart that is not refused; answer its payload."""
    payload = (await client.execute(cart_mutation(name), {"input": given}))[name]
    assert payload["userErrors"] == [], payload
    return cast("Json", payload)


async def cart_with(client: Client, lines: Mapping[str, int]) -> Json:
    """Make a cart with an address and a chosen delivery, as a shopper does step by step."""
    wanted = [{"variantId": variant_id, "quantity": quantity} for variant_id, quantity in lines.items()]
    made = await edit(client, "cartCreate", lines=wanted, buyerIdentity={"email": "marie@example.com"})
    cart_id = made["cart"]["id"]
    addressed = await edit(client, "cartDeliveryAddressUpdate", cartId=cart_id, address=ADDRESS)
    option_id = addressed["cart"]["deliveryOptions"][0]["id"]
    chosen = await edit(client, "cartDeliveryOptionSelect", cartId=cart_id, deliveryOptionId=option_id)
    return cast("Json", chosen["cart"])


async def start(client: Client, cart_id: str, **given: Any) -> Json:
    """Start a checkout; answer the payload."""
    document = checkout_mutation("checkoutStart")
    return cast("Json", (await client.execute(document, {"input": {"cartId": cart_id, **given}}))["checkoutStart"])


async def pay(client: Client, cart_id: str, token: str = VISA, *, key: str | None = None, **given: Any) -> Answer:
    """Complete a checkout, by default under a key of its own."""
    wanted = {
        "cartId": cart_id,
        "payment": {"provider": "sandbox", "token": token},
        "idempotencyKey": key or new_key(),
        **given,
    }
    return await client.execute(checkout_mutation("checkoutComplete"), {"input": wanted})


async def paid(client: Client, cart_id: str, token: str = VISA, *, key: str | None = None, **given: Any) -> Json:
    """Complete a checkout; answer the payload."""
    return cast("Json", (await pay(client, cart_id, token, key=key, **given))["checkoutComplete"])


@dataclass(slots=True)
class Insistence:
    """What a buyer was told in the end, and how often he got no answer or was told to come again."""

    payload: Json = field(default_factory=dict)
    losses: int = 0
    postponements: int = 0


async def insist(client: Client, cart_id: str, token: str = VISA, *, key: str | None = None) -> Insistence:
    """Pay with one key until an order was placed or refused for good, as the contract tells clients to do."""
    key, told = key or new_key(), Insistence()
    while True:
        try:
            answer = await pay(client, cart_id, token, key=key)
        except Lost:
            told.losses += 1
        else:
            if answer.status == 503:
                assert answer.error_codes == ["UNAVAILABLE"]
                told.postponements += 1
            else:
                told.payload = answer["checkoutComplete"]
                if _is_final(told.payload):
                    return told
        await asyncio.sleep(0.05)


def _is_final(payload: Json) -> bool:
    """Whether this is the end: an order, or a refusal other than of a request that died on its way."""
    for_now = any(
        error["code"] == "IDEMPOTENCY_CONCURRENT_REQUEST"
        or (error["code"] == "PAYMENT_FAILED" and "never reached" in error["message"])
        for error in payload["userErrors"]
    )
    return payload["order"] is not None or (bool(payload["userErrors"]) and not for_now)


def codes(payload: Json) -> list[str]:
    """Why a mutation was refused."""
    return [error["code"] for error in payload["userErrors"]]


def warned(payload: Json) -> list[str]:
    """What was adjusted."""
    return [warning["code"] for warning in payload["warnings"]]
