"""How does a stream of answers travel in one HTTP response? As Server-Sent Events, or in Apollo's multipart form."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

import orjson
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headless.accounts.rules import Actor
from headless.graphql.errors import of_fault
from headless.graphql.server.connections import Connections, Ending
from headless.graphql.server.negotiation import EVENT_STREAM, MULTIPART
from headless.graphql.server.sharing import Counters, Frame
from headless.graphql.server.subscribing import Interrupted
from headless.platform.errors import Fault, Unauthenticated, Unavailable
from headless.platform.hub import TooSlow

log = structlog.get_logger(__name__)

BEAT_SECONDS = 12.0
SEND_SECONDS = 10.0
ENDINGS: Mapping[Ending, Fault] = {
    Ending.RESTART: Unavailable("The server restarts: connect again."),
    Ending.RIGHTS: Unauthenticated("This token is no longer valid, or has lost a permission."),
    Ending.LATER: Unavailable("You read too slowly, or the server is too busy: connect again and resume."),
}


class Dialect(Protocol):
    """What the bytes of a stream look like."""

    media_type: str
    opening: bytes
    beat: bytes
    """Keeps proxies and clients from giving up; means nothing."""
    completion: bytes

    def next(self, frame: Frame) -> bytes: ...

    def ending(self, why: Ending) -> bytes:
        """Tell why a stream ends that isn't complete."""


class EventStream:
    """The distinct connections mode of graphql-sse, which EventSource understands as well."""

    media_type = EVENT_STREAM
    # Comments without an empty line: graphql-sse loses the event after a lone empty one.
    opening = beat = b":\n"
    # With data, though empty: EventSource ignores events without.
    completion = b"event: complete\ndata:\n\n"

    def next(self, frame: Frame) -> bytes:
        position = f"id: {frame.cursor}\n" if frame.cursor is not None else ""
        return f"event: next\n{position}data: {frame.text}\n\n".encode()

    def ending(self, why: Ending) -> bytes:
        # Who isn't told that it is complete connects again; he who may not any more is told.
        return self.next(Frame(_errors(why))) + self.completion if why is Ending.RIGHTS else b""


class Multipart:
    """Apollo's multipart subscription protocol. A boundary follows each part at once: it is what shows a part's end."""

    media_type = f'{MULTIPART};boundary="graphql";subscriptionSpec=1.0'
    opening = b"\r\n--graphql"
    beat = b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql"
    completion = b"--\r\n"

    def next(self, frame: Frame) -> bytes:
        return self._part(f'{{"payload":{frame.text}}}')

    def ending(self, why: Ending) -> bytes:
        errors = _errors(why)
        return self._part(f'{{"payload":null,{errors[1:]}') + self.completion

    def _part(self, text: str) -> bytes:
        return f"\r\ncontent-type: application/json\r\n\r\n{text}\r\n--graphql".encode()


DIALECTS: Mapping[str, Dialect] = {EVENT_STREAM: EventStream(), MULTIPART: Multipart()}


def _errors(why: Ending) -> str:
    return orjson.dumps({"errors": [of_fault(ENDINGS[why])]}).decode()


class StreamingAnswer(Response):
    """A response that goes on until its operation is complete, or either side has enough."""

    def __init__(
        self,
        frames: AsyncGenerator[Frame, None],
        dialect: Dialect,
        *,
        actor: Actor,
        connections: Connections,
        counters: Counters,
        headers: Mapping[str, str],
    ) -> None:
        # X-Accel-Buffering: nginx would keep events back until its buffer is full.
        own = {"Content-Type": dialect.media_type, "X-Accel-Buffering": "no", **headers}
        super().__init__(None, headers=own)
        del self.headers["Content-Length"]
        self._frames = frames
        self._dialect = dialect
        self._actor = actor
        self._connections = connections
        self._counters = counters
        self._pump: asyncio.Task[None] | None = None
        self._why: Ending | None = None
        self._beats: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes away."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        with self._connections.opened(self), self._connections.watched(self, self._actor):
            self._pump = asyncio.create_task(self._send_all(send))
            try:
                # Comes when the client has gone, or when everything was sent.
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                self._pump.cancel()
                await asyncio.gather(self._pump, return_exceptions=True)

    def end(self, why: Ending) -> None:
        if self._why is None and self._pump is not None:
            self._why = why
            self._pump.cancel()

    async def _send_all(self, send: Send) -> None:
        last = b""
        try:
            await self._write(send, self._dialect.opening)
            self._beat_later(send)
            async with aclosing(self._frames) as frames:
                async for frame in frames:
                    await self._write(send, self._dialect.next(frame))
            last = self._dialect.completion
        except (TooSlow, TimeoutError):
            self._counters.cut += 1
            last = self._dialect.ending(Ending.LATER)
        except Interrupted:
            last = self._dialect.ending(Ending.LATER)
        except asyncio.CancelledError:
            if self._why is None:
                raise
            last = self._dialect.ending(self._why)
        except Exception:
            log.exception("stream_failed")
            last = self._dialect.ending(Ending.LATER)
        finally:
            if self._beats is not None:
                self._beats.cancel()
            if self._beating is not None:
                self._beating.cancel()
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _write(self, send: Send, data: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": data, "more_body": True})

    def _beat_later(self, send: Send) -> None:
        self._beats = asyncio.get_running_loop().call_later(BEAT_SECONDS, self._beat, send)

    def _beat(self, send: Send) -> None:
        self._beat_later(send)
        if self._beating is None:
            self._beating = asyncio.create_task(self._send_beat(send))

    async def _send_beat(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": self._dialect.beat, "more_body": True})
        self._beating = None
