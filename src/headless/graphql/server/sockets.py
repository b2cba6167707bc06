"""How is GraphQL spoken over WebSocket? By the graphql-transport-ws protocol of graphql-ws."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from headless.accounts.rules import ANONYMOUS, Actor
from headless.graphql.server import messages
from headless.graphql.server.connections import FAREWELL_SECONDS, Connections, Ending
from headless.graphql.server.execution import Caller, Engine, Prepared, Request, RequestError
from headless.graphql.server.http import Refuse, actor_of
from headless.graphql.server.messages import LARGEST_FRAME, Close
from headless.graphql.server.sharing import Frame
from headless.graphql.server.subscribing import Following, Interrupted, Subscriptions
from headless.platform import clock, tasks
from headless.platform.errors import Fault
from headless.platform.hub import TooSlow

log = structlog.get_logger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 5.0
PING_SECONDS = 20.0
SEND_SECONDS = 10.0
MOST_SUBSCRIPTIONS = 50
MESSAGES_PER_SECOND = 50.0
MOST_MESSAGES = 500.0
"""Messages that a client may send in one go."""
TOO_SLOW = "Too slow: connect again and resume."
LATER = "Try again later: connect again and resume."
FORBIDDEN = "Forbidden"
RESTARTS = "The server restarts."
ENDINGS = {
    Ending.RESTART: Close(1012, RESTARTS),
    Ending.RIGHTS: Close(4403, FORBIDDEN),
    Ending.LATER: Close(1013, LATER),
}


class SocketEndpoint:
    """Accepts sockets at /graphql."""

    def __init__(
        self,
        engine: Engine,
        subscriptions: Subscriptions,
        connections: Connections,
        *,
        is_allowed_origin: Callable[[str], bool],
    ) -> None:
        self._engine = engine
        self._subscriptions = subscriptions
        self._connections = connections
        self._is_allowed_origin = is_allowed_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Speak the protocol until the socket ends."""
        websocket = WebSocket(scope, receive, send)
        origin = websocket.headers.get("origin")
        own = f"{'https' if websocket.url.scheme == 'wss' else 'http'}://{websocket.headers.get('host', '')}"
        if origin is not None and origin != own and not self._is_allowed_origin(origin):
            await websocket.close(1008)
            return
        refusal = self._refusal(websocket)
        if refusal is not None:
            # Without its protocol in the answer a browser fails the handshake and never sees the reason.
            speaks_it = PROTOCOL in websocket.scope.get("subprotocols", ())
            await websocket.accept(subprotocol=PROTOCOL if speaks_it else None)
            await websocket.close(refusal.code, refusal.reason)
            return
        await websocket.accept(subprotocol=PROTOCOL)
        socket = _Socket(self._engine, self._subscriptions, self._connections, websocket)
        with self._connections.opened(socket):
            await socket.run()

    def _refusal(self, websocket: WebSocket) -> Close | None:
        if PROTOCOL not in websocket.scope.get("subprotocols", ()):
            return Close(4406, f"Speak {PROTOCOL}.")
        if self._connections.is_draining:
            return Close(1012, RESTARTS)
        if self._connections.is_full:
            return Close(1013, "Too many sockets are open here: try again later.")
        return None


class _Socket:
    """One connection: its caller and its running operations."""

    __slots__ = (
        "__weakref__",
        "_actor",
        "_allowance",
        "_connections",
        "_counted_at",
        "_ending",
        "_engine",
        "_is_greeted",
        "_is_over",
        "_pinging",
        "_sending",
        "_stall_timer",
        "_stalled_at",
        "_task",
        "_timer",
        "_websocket",
        "running",
        "subscriptions",
    )

    def __init__(
        self, engine: Engine, subscriptions: Subscriptions, connections: Connections, websocket: WebSocket
    ) -> None:
        self._engine = engine
        self.subscriptions = subscriptions
        self._connections = connections
        self._websocket = websocket
        self._actor: Actor | None = None
        self._is_greeted = False
        self.running: dict[str, _Operation] = {}
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._ending: Close | None = None
        self._is_over = False
        self._sending = 0
        self._stalled_at = 0.0
        self._stall_timer: asyncio.TimerHandle | None = None
        self._allowance = MOST_MESSAGES
        self._counted_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Answer what the client says, until either side has enough."""
        self._timer = asyncio.get_running_loop().call_later(INIT_SECONDS, self._init_is_late)
        try:
            while True:
                message = messages.parsed(await self._receive())
                self._count()
                await self._handle(message)
        except Close as close:
            self._ending = self._ending or close
        except WebSocketDisconnect:
            pass
        except asyncio.CancelledError:
            if self._ending is None or self._task is None:
                raise
            self._task.uncancel()
        finally:
            self._is_over = True
            self._timer.cancel()
            if self._stall_timer is not None:
                self._stall_timer.cancel()
            await self._stop()
        if self._ending is not None:
            await self._close(self._ending)

    def end(self, why: Ending) -> None:
        self.close(ENDINGS[why])

    def close(self, close: Close) -> None:
        """Have the socket closed by the task that runs it, which may be waiting for a client that never speaks."""
        if self._ending is None and not self._is_over and self._task is not None:
            self._ending = close
            self._task.cancel()

    async def _stop(self) -> None:
        """End what runs; a mutation is carried out anyway, and is waited for before a restart."""
        if self._actor is not None:
            self._connections.let_be(self, self._actor)
        operations = list(self.running.values())
        if self._ending is ENDINGS[Ending.RESTART]:
            single = [operation.task for operation in operations if operation.task and not operation.is_subscription]
            if single:
                await asyncio.wait(single, timeout=FAREWELL_SECONDS)
        ending = [operation.task for operation in operations if operation.task is not None]
        for operation in operations:
            operation.stop()
        if self._pinging is not None:
            self._pinging.cancel()
            ending.append(self._pinging)
        await asyncio.gather(*ending, return_exceptions=True)

    async def _close(self, close: Close) -> None:
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                if self._websocket.application_state is not WebSocketState.DISCONNECTED:
                    await self._websocket.close(close.code, close.reason)

    async def _receive(self) -> str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise Close(4400, "Send text frames.")
        if len(text) > LARGEST_FRAME:
            raise Close(4400, f"A frame is larger than {LARGEST_FRAME // 1024} kB.")
        return str(text)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        earned = (now - self._counted_at) * MESSAGES_PER_SECOND
        self._counted_at = now
        self._allowance = min(MOST_MESSAGES, self._allowance + earned) - 1
        if self._allowance < 0:
            raise Close(4429, f"At most {MESSAGES_PER_SECOND:g} messages a second are taken from one socket.")

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "connection_init":
            await self._init(message)
        elif kind == "ping":
            await self.send('{"type":"pong"}')
        elif kind == "pong":
            return
        elif kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete":
            operation = self.running.pop(messages.id_of(message), None)
            if operation is not None:
                operation.stop()
        else:
            raise Close(4400, "Unknown message type.")

    async def _init(self, message: dict[str, Any]) -> None:
        if self._actor is not None:
            raise Close(4429, "Too many initialisation requests")
        payload = message.get("payload")
        if payload is not None and not isinstance(payload, dict):
            raise Close(4400, "The payload of connection_init is an object.")
        self._actor = ANONYMOUS
        try:
            self._actor = await actor_of(messages.authorization(payload or {}), self._engine.server)
        except Refuse:
            raise Close(4403, FORBIDDEN) from None
        except Fault:
            raise Close(1013, LATER) from None
        self._connections.watch_over(self, self._actor)
        self._is_greeted = True
        # Those who came at once needn't be pinged at once.
        self._ping_in(random.uniform(0.6, 1) * PING_SECONDS)  # noqa: S311 - spreads load
        await self.send(messages.acknowledgement(self._actor, ping_seconds=PING_SECONDS, now=clock.now()))

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if self._actor is None:
            raise Close(4401, "Unauthorized")
        operation_id = messages.id_of(message)
        if operation_id in self.running:
            raise Close(4409, f"Subscriber for {operation_id} already exists")
        if len(self.running) >= MOST_SUBSCRIPTIONS:
            raise Close(4429, f"At most {MOST_SUBSCRIPTIONS} operations run on one socket.")
        request = messages.request(message)
        try:
            prepared = self._engine.prepare(request)
        except RequestError as error:
            errors = Frame.of(error.answer()).errors
            await self.send(f'{{"id":{_quoted(operation_id)},"type":"error","payload":{errors}}}')
            return
        operation = self.running[operation_id] = _Operation(self, operation_id)
        operation.run(prepared, request, Caller(self._actor))

    async def send(self, text: str) -> None:
        loop = asyncio.get_running_loop()
        if not self._sending:
            self._stalled_at = loop.time()
        self._sending += 1
        if self._stall_timer is None:
            # One timer now and then, not one for each of the frames of ten thousand sockets.
            self._stall_timer = loop.call_later(SEND_SECONDS, self._look_for_a_stall)
        try:
            # Text, not bytes: a binary frame is refused by browsers' clients.
            await self._websocket.send({"type": "websocket.send", "text": text})
        except RuntimeError:
            raise WebSocketDisconnect(1006) from None
        finally:
            self._sending -= 1
            self._stalled_at = loop.time()

    def _look_for_a_stall(self) -> None:
        """Cut off a client that takes nothing in: for so long nothing that is being sent has got away."""
        self._stall_timer = None
        if not self._sending:
            return
        loop = asyncio.get_running_loop()
        left = self._stalled_at + SEND_SECONDS - loop.time()
        if left > 0:
            self._stall_timer = loop.call_later(left, self._look_for_a_stall)
            return
        self.subscriptions.counters.cut += self._ending is None
        self.close(Close(1013, TOO_SLOW))

    def _init_is_late(self) -> None:
        if not self._is_greeted:
            self.close(Close(4408, "Connection initialisation timeout"))

    def _ping_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ping_is_due)

    def _ping_is_due(self) -> None:
        self._ping_in(PING_SECONDS)
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._ping())

    async def _ping(self) -> None:
        try:
            with suppress(WebSocketDisconnect):
                await self.send('{"type":"ping"}')
        finally:
            self._pinging = None


class _Operation:
    """An operation that runs on a socket: in a task, until it only waits for news."""

    __slots__ = ("_following", "_id", "_socket", "is_subscription", "task")

    def __init__(self, socket: _Socket, operation_id: str) -> None:
        self._socket = socket
        self._id = operation_id
        self._following: Following | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_subscription = False

    def run(self, prepared: Prepared, request: Request, caller: Caller) -> None:
        """Begin."""
        self.is_subscription = prepared.kind is OperationType.SUBSCRIPTION
        self.task = asyncio.create_task(self._run(prepared, request, caller))

    def stop(self) -> None:
        """End it without a word."""
        if self.task is not None:
            self.task.cancel()
        self._leave()

    async def send(self, frame: Frame) -> None:
        """Tell the client of news, as a member of a feed."""
        self._socket.subscriptions.counters.delivered += 1
        await self._guarded(self._tell(frame))

    def ended(self, error: Exception | None) -> None:
        """Nothing more will come from the feed."""
        self._leave()
        if error is None:
            self.task = tasks.begin(self._guarded(self._complete()))
        else:
            self._fail(error)

    async def _guarded(self, telling: Coroutine[Any, Any, None]) -> None:
        """Keep what goes wrong from the feed, which has others to tell."""
        try:
            await telling
        except Exception as error:  # noqa: BLE001 - the edge of the operation
            self._fail(error)

    async def _run(self, prepared: Prepared, request: Request, caller: Caller) -> None:
        try:
            frames = self._socket.subscriptions.frames(prepared, request, caller, onward=self._hand_over)
            async with aclosing(frames):
                async for frame in frames:
                    await self._tell(frame)
                    if frame.errors is not None:
                        return
            if self._following is not None:
                self.task = None
                self._following.receive(self)
            else:
                await self._complete()
        except Exception as error:  # noqa: BLE001 - the edge of the process
            self._fail(error)

    def _hand_over(self, following: Following) -> None:
        self._following = following

    async def _tell(self, frame: Frame) -> None:
        if frame.errors is None:
            await self._socket.send(f'{{"id":{_quoted(self._id)},"type":"next","payload":{frame.text}}}')
        elif self._socket.running.pop(self._id, None) is not None:
            self._leave()
            await self._socket.send(f'{{"id":{_quoted(self._id)},"type":"error","payload":{frame.errors}}}')

    async def _complete(self) -> None:
        if self._socket.running.pop(self._id, None) is not None:
            await self._socket.send(f'{{"id":{_quoted(self._id)},"type":"complete"}}')

    def _fail(self, error: Exception) -> None:
        socket = self._socket
        if isinstance(error, TooSlow):
            socket.subscriptions.counters.cut += 1
            socket.close(Close(1013, TOO_SLOW))
        elif isinstance(error, Interrupted):
            socket.end(Ending.LATER)
        elif not isinstance(error, WebSocketDisconnect):
            log.error("operation_failed", exc_info=error)
            socket.close(Close(1011, "Internal error"))

    def _leave(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            self._socket.subscriptions.leave(following)


def _quoted(operation_id: str) -> str:
    return orjson.dumps(operation_id).decode()
