"""How does a test follow a stream of answers over HTTP? Over a real port: nothing is buffered on the way."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from tests.graphql.client import PATIENCE, Api

SSE = "text/event-stream"
MULTIPART = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"


@dataclass(frozen=True, slots=True)
class Message:
    """One event of text/event-stream, as the standard reads it."""

    event: str
    id: str | None
    data: str

    @property
    def body(self) -> Any:
        return orjson.loads(self.data)


class Stream:
    """A response that is still coming."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._chunks = response.aiter_text()
        self._text = ""
        self.comments = 0

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    async def line(self) -> str | None:
        """The next line, or None at the end."""
        return await self._until("\n")

    async def _until(self, mark: str) -> str | None:
        async with asyncio.timeout(PATIENCE):
            while mark not in self._text:
                try:
                    self._text += await anext(self._chunks)
                except StopAsyncIteration:
                    return None
        found, _, self._text = self._text.partition(mark)
        return found

    async def message(self) -> Message | None:
        """The next event of text/event-stream, or None at the end."""
        fields: dict[str, list[str]] = {}
        while (line := await self.line()) is not None:
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
            elif "data" in fields:
                (event,), ids = fields.get("event", ["message"]), fields.get("id", [None])
                return Message(event, ids[-1], "\n".join(fields["data"]))
        assert not fields, fields
        return None

    async def next(self) -> dict[str, Any]:
        """The data of the next event, which must have come without errors."""
        message = await self.message()
        assert message is not None
        assert message.event == "next", message
        assert set(message.body) == {"data"}, message
        data: dict[str, Any] = message.body["data"]
        return data

    async def part(self) -> Any:
        """The next part of a multipart answer, or None at the end. Heartbeats are parts, too."""
        text = await self._until("\r\n--graphql")
        if text == "":
            text = await self._until("\r\n--graphql")
        if text is None:
            assert self._text == "--\r\n", self._text
            return None
        head, _, body = text.removeprefix("\r\n").partition("\r\n\r\n")
        assert head == "content-type: application/json", text
        return orjson.loads(body)

    async def payload(self) -> Any:
        """The payload of the next part that isn't a heartbeat."""
        while not (part := await self.part()):
            assert part == {}, "the stream has ended"
        return part["payload"]


@asynccontextmanager
async def streaming(
    api: Api,
    document: str,
    variables: Mapping[str, Any] | None = None,
    *,
    accept: str = SSE,
    method: str = "POST",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Stream]:
    """Ask for a stream of answers."""
    await api.listen()
    own = {"Accept": accept, **({"Authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    asked: dict[str, Any] = {"query": document, "variables": variables or {}}
    if method == "GET":
        asked["variables"] = orjson.dumps(asked["variables"]).decode()
    given: dict[str, Any] = {"params": asked} if method == "GET" else {"json": asked}
    async with (
        httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
        client.stream(method, f"http://{api.address}/graphql", headers=own, **given) as response,
    ):
        yield Stream(response)
