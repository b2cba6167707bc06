"""How does a request reach a server on this machine, and its answer come back? HTTP/1.1 with keep-alive, bounded."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

HEAD_BYTES = 64 * 1024
BODY_BYTES = 16 * 1024 * 1024
REQUEST_SECONDS = 30.0

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
STATEMENTS = re.compile(rb'\r\nserver-timing:[^\r\n]*\bsql;desc="?(\d+)', re.IGNORECASE)
OK = 200


class Unreachable(Exception):
    """The server didn't answer, or not in HTTP/1.1 within its bounds."""


class OperationFailed(Exception):
    """The server answered something else than success."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server on this machine listens."""

    host: str
    port: int
    path: str = "/graphql"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `http://127.0.0.1:8000[/graphql]`; any host that isn't this machine is a ValueError."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "http" or not (host == "localhost" or _is_loopback(host)):
            raise ValueError(f"{url!r} isn't an http:// address of this machine; load goes nowhere else")
        path = parts.path.rstrip("/")
        return cls(host, parts.port or 80, path or "/graphql")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    statements: int | None
    """SQL statements, where the server tells them in `Server-Timing`."""


class Connection:
    """One socket that asks one request at a time and opens again when the server closed it."""

    def __init__(self, address: Address, *, token: str = "") -> None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        authorization = f"authorization: Bearer {token}\r\n" if token else ""
        self._address = address
        self._head = (
            f"POST {address.path} HTTP/1.1\r\nhost: {host}:{address.port}\r\n{authorization}"
            "accept: application/json\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def post(self, body: bytes) -> Answer:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await self._exchange(body)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}".removesuffix(": ")) from error
        except BaseException:
            self.close()
            raise

    async def _exchange(self, body: bytes) -> Answer:
        reader, writer = self._reader, self._writer
        if reader is None or writer is None or reader.at_eof():
            self.close()
            reader, writer = await asyncio.open_connection(self._address.host, self._address.port, limit=HEAD_BYTES)
            self._reader, self._writer = reader, writer
        writer.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length, statements = CONTENT_LENGTH.search(head), STATEMENTS.search(head)
        if length:
            content = await reader.readexactly(_bounded(int(length[1])))
        elif CHUNKED.search(head):
            content = await _chunks(reader)
        else:
            raise ValueError("an answer without a length")
        if CLOSES.search(head):
            self.close()
        return Answer(status, content, int(statements[1]) if statements else None)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    total = 0
    while size := int((await reader.readline()).split(b";")[0], 16):
        total = _bounded(total + size)
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while (await reader.readline()).strip():
        pass
    return b"".join(parts)


def _bounded(length: int) -> int:
    if length > BODY_BYTES:
        raise ValueError(f"an answer of more than {BODY_BYTES} bytes")
    return length


class Document:
    """A GraphQL document, ready to be sent with changing variables."""

    def __init__(self, text: str) -> None:
        self._prefix = b'{"query":%b,"variables":' % orjson.dumps(" ".join(text.split()))

    def body(self, variables: dict[str, Any]) -> bytes:
        return b"%b%b}" % (self._prefix, orjson.dumps(variables))


class Conversation:
    """The requests of one operation, with what they took and gave."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._started = time.perf_counter()
        self.requests = 0
        self.bytes = 0
        self.statements: int | None = 0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started

    async def ask(self, document: Document, /, **variables: Any) -> Any:
        """Answer the `data` of a request that succeeded in every field; else raise OperationFailed."""
        answer = await self._connection.post(document.body(variables))
        self.requests += 1
        self.bytes += len(answer.body)
        known = self.statements is not None and answer.statements is not None
        self.statements = (self.statements or 0) + (answer.statements or 0) if known else None
        if answer.status != OK:
            raise OperationFailed(f"HTTP {answer.status}: {answer.body[:300].decode(errors='replace')}")
        return _data(answer.body)


def _data(body: bytes) -> Any:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise OperationFailed(f"not JSON: {body[:100]!r}") from error
    if errors := content.get("errors"):
        code = errors[0].get("extensions", {}).get("code", "")
        raise OperationFailed(f"{code} {errors[0].get('message', '')} at {errors[0].get('path')}".strip())
    data = content["data"]
    for name, value in data.items():
        if value is None:
            raise OperationFailed(f"{name} is null")
        if isinstance(value, dict) and (refusals := value.get("userErrors")):
            raise OperationFailed(f"{name}: {refusals[0]['code']} {refusals[0]['message']}")
    return data
