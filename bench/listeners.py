"""How do many sockets listen to one server from one process? Cheaply: nothing is parsed that isn't asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
SHORT, LONG = 126, 127
GONE = 1006
"""What RFC 6455 calls a connection that ended without a close frame."""


class Closed(Exception):
    """The server has closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def framed(opcode: int, payload: bytes) -> bytes:
    """A client's frame. Its mask of zeros leaves the payload as it is."""
    size = len(payload)
    length = bytes((MASKED | size,)) if size < SHORT else bytes((MASKED | SHORT,)) + size.to_bytes(2)
    return bytes((FINAL | opcode,)) + length + b"\0\0\0\0" + payload


class Listener(asyncio.Protocol):
    """A WebSocket client that speaks just enough of RFC 6455. `told` hears every text, and None at the end."""

    def __init__(self, host: str, told: Callable[[Listener, bytes | None], None], *, protocol: str = "") -> None:
        self.code: int | None = None
        self.is_open = False
        self._host = host
        self._told = told
        self._protocol = protocol
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not checked: uvloop's transports are no subclasses.
        self._transport = cast("asyncio.Transport", transport)
        wanted = f"Sec-WebSocket-Protocol: {self._protocol}\r\n" if self._protocol else ""
        self._transport.write(
            (
                f"GET /graphql HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{wanted}\r\n"
            ).encode()
        )

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.is_open:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            self.is_open = self._data.startswith(b"HTTP/1.1 101")
            del self._data[: end + 4]
            if not self.is_open:
                self.close()
                return
            self._told(self, b"")
        self._read_frames()

    def connection_lost(self, _error: Exception | None) -> None:
        self.is_open = False
        self.code = self.code or GONE
        self._told(self, None)

    def say(self, message: Mapping[str, Any]) -> None:
        self._send(TEXT, orjson.dumps(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(framed(opcode, payload))

    def _read_frames(self) -> None:
        data, at = self._data, 0
        while len(data) - at >= 2:  # noqa: PLR2004 - the shortest head
            size, start = data[at + 1] & 0x7F, at + 2
            if size >= SHORT:
                width = 2 if size == SHORT else 8
                size, start = int.from_bytes(data[start : start + width]), start + width
            if len(data) < start + size:
                break
            self._take(data[at] & 0xF, bytes(data[start : start + size]))
            at = start + size
        del data[:at]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            if payload == b'{"type":"ping"}':
                self.say({"type": "pong"})
            else:
                self._told(self, payload)
        elif opcode == PING:
            self._send(PONG, payload)
        elif opcode == CLOSE:
            self.code = int.from_bytes(payload[:2]) if payload else 1005
            self._send(CLOSE, payload[:2])


class Line:
    """A listener whose messages are awaited one by one."""

    def __init__(self) -> None:
        self._texts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listener: Listener | None = None

    @classmethod
    async def open(cls, host: str, port: int, *, protocol: str = "graphql-transport-ws") -> Line:
        """Connect; raises OSError or `Closed`."""
        line = cls()
        loop = asyncio.get_running_loop()
        _, line._listener = await loop.create_connection(
            lambda: Listener(f"{host}:{port}", line._told, protocol=protocol), host, port
        )
        await line.text()
        return line

    async def text(self) -> bytes:
        """The next text; raises `Closed`."""
        found = await self._texts.get()
        if found is None:
            raise Closed(self._listener.code or GONE if self._listener else GONE)
        return found

    async def receive(self) -> Any:
        return orjson.loads(await self.text())

    def say(self, message: Mapping[str, Any]) -> None:
        if self._listener is not None:
            self._listener.say(message)

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def _told(self, _listener: Listener, text: bytes | None) -> None:
        self._texts.put_nowait(text)
