"""How does a test watch what a real client hears? Each client follows one subscription and tells line by line."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed

from tests.clients.street import Proxy
from tests.plugin_servers import needs_node_clients

FOLDER: Final = Path(__file__).parent
PATIENCE_SECONDS: Final = 30.0
GQL: Final = "gql"
LARGEST_LINE: Final = 1 << 20

Json = dict[str, Any]


class Channel(Protocol):
    """Two ends to a client: what it tells, and what it asked for."""

    async def told(self) -> Json: ...

    async def answer(self, text: str) -> None: ...


class Follower:
    """A client on a subscription: it connects again and resumes as its makers, or our guide, would have it."""

    def __init__(self, channel: Channel, token: str) -> None:
        self.token = token
        """What the client gets when it next asks."""
        self._channel = channel

    async def event(self) -> Json:
        """The next event, however often the connection is lost before."""
        event: Json = await self._next("event")
        return event

    async def lost(self) -> int | None:
        """Wait until a connection is lost; answer the close code, None where there is no such thing."""
        code: int | None = await self._next("lost", passing=())
        return code

    async def refused(self) -> list[str]:
        """Wait until the subscription is refused; answer the codes of the errors."""
        codes: list[str] = await self._next("refused", passing=())
        return codes

    async def _next(self, wanted: str, *, passing: tuple[str, ...] = ("lost", "refused")) -> Any:
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                said = await self._channel.told()
            if "wants" in said:
                await self._channel.answer(self.token)
            elif wanted in said:
                return said[wanted]
            else:
                assert set(said) <= {*passing}, f"waited for {wanted}, but the client said {said}"


@asynccontextmanager
async def following(
    client: str, proxy: Proxy, query: str, variables: Mapping[str, Any], *, token: str, after: str | None = None
) -> AsyncIterator[Follower]:
    """Let a real client follow a subscription: a script of this folder, or Python's gql."""
    given = {"url": proxy.url, "query": query, "variables": dict(variables), "after": after}
    open_channel = _gql_channel if client == GQL else _node_channel
    async with open_channel(client, given) as channel:
        yield Follower(channel, token)


class _Script:
    """A Node process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def told(self) -> Json:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"the client ended: {(await self._process.stderr.read()).decode()}")
        said: Json = orjson.loads(line)
        return said

    async def answer(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def _node_channel(client: str, given: Json) -> AsyncIterator[Channel]:
    node = needs_node_clients()
    # Everything is on this machine: no proxy of the environment's.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        node,
        FOLDER / f"{client}.mjs",
        orjson.dumps(given).decode(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LARGEST_LINE,
        env=environment,
    )
    try:
        yield _Script(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        # Also reads the pipes to their end, without which they outlive the event loop.
        await process.communicate()


class _Gql:
    """Python's gql, in a task of this process."""

    def __init__(self, given: Json) -> None:
        self._given = given
        self._request = GraphQLRequest(given["query"])
        self._said: asyncio.Queue[Json] = asyncio.Queue()
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    async def told(self) -> Json:
        return await self._said.get()

    async def answer(self, text: str) -> None:
        self._answers.put_nowait(text)

    async def run(self) -> None:
        after = self._given["after"]
        while True:
            try:
                async for event in self._events(after):
                    after = event["cursor"]
                    self._said.put_nowait({"event": event})
            except TransportQueryError as error:
                codes = [told["extensions"]["code"] for told in error.errors or ()]
                self._said.put_nowait({"refused": codes})
                if "RESYNC_REQUIRED" in codes:
                    after = None
            except TransportError as error:
                self._said.put_nowait({"lost": _close_code(error)})
            await asyncio.sleep(0.05)

    async def _events(self, after: str | None) -> AsyncIterator[Json]:
        self._said.put_nowait({"wants": "token"})
        token = await self._answers.get()
        transport = WebsocketsTransport(
            url=self._given["url"].replace("http", "ws", 1),
            init_payload={"authorization": f"Bearer {token}"},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            connect_args={"proxy": None},
        )
        async with Client(transport=transport) as session:
            request = GraphQLRequest(self._request, variable_values={**self._given["variables"], "after": after})
            async for data in session.subscribe(request):
                yield next(iter(data.values()))


def _close_code(error: BaseException | None) -> int:
    """What the library keeps among the causes of its error; 1006 as in browsers where there is no code."""
    while error is not None:
        if isinstance(error, ConnectionClosed) and error.rcvd is not None:
            return error.rcvd.code
        error = error.__cause__ or error.__context__
    return 1006


@asynccontextmanager
async def _gql_channel(_client: str, given: Json) -> AsyncIterator[Channel]:
    channel = _Gql(given)
    task = asyncio.create_task(channel.run())
    try:
        yield channel
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
