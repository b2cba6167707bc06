"""How is GraphQL spoken over WebSocket? By the graphql-transport-ws protocol of graphql-ws."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from headless.accounts.rules import ANONYMOUS, Actor
from headless.graphql.server.execution import Answer, Caller, Engine, Request, RequestError, fault_answer
from headless.graphql.server.http import Refuse, actor_of
from headless.platform.errors import Fault
from headless.platform.hub import TooSlow

log = structlog.get_logger(__name__)

PROTOCOL = "graphql-transport-ws"
INIT_SECONDS = 5.0
PING_SECONDS = 20.0
SEND_SECONDS = 10.0
MOST_SUBSCRIPTIONS = 50
LARGEST_FRAME = 64 * 1024
LONGEST_ID = 200
_FINISHING: set[asyncio.Task[Answer]] = set()
"""Operations that run to their end whatever becomes of their socket: the event loop alone would forget them."""


class Close(Exception):
    """The socket ends here."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class SocketEndpoint:
    """Accepts sockets at /graphql."""

    def __init__(self, engine: Engine, *, is_allowed_origin: Callable[[str], bool]) -> None:
        self._engine = engine
        self._is_allowed_origin = is_allowed_origin
        self._sockets: set[_Socket] = set()

    async def serve(self, websocket: WebSocket) -> None:
        """Speak the protocol until the socket ends."""
        origin = websocket.headers.get("origin")
        own = f"{'https' if websocket.url.scheme == 'wss' else 'http'}://{websocket.headers.get('host', '')}"
        if origin is not None and origin != own and not self._is_allowed_origin(origin):
            await websocket.close(1008)
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(4406, f"Speak {PROTOCOL}.")
            return
        await websocket.accept(subprotocol=PROTOCOL)
        socket = _Socket(self._engine, websocket)
        self._sockets.add(socket)
        try:
            await socket.run()
        finally:
            self._sockets.discard(socket)

    async def close(self) -> None:
        """Send every client away to another process (1012, service restart)."""
        await asyncio.gather(*(socket.close(1012, "The server restarts.") for socket in list(self._sockets)))


class _Socket:
    """One connection: its caller and its running operations."""

    def __init__(self, engine: Engine, websocket: WebSocket) -> None:
        self._engine = engine
        self._websocket = websocket
        self._actor: Actor | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        init = asyncio.create_task(self._expect_init())
        ping = asyncio.create_task(self._ping())
        try:
            while True:
                await self._handle(_parsed(await self._receive()))
        except Close as close:
            await self.close(close.code, close.reason)
        except WebSocketDisconnect:
            pass
        finally:
            tasks = [init, ping, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self, code: int, reason: str) -> None:
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                if self._websocket.application_state is not WebSocketState.DISCONNECTED:
                    await self._websocket.close(code, reason)

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

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "connection_init":
            await self._init(message)
        elif kind == "ping":
            await self._send({"type": "pong"})
        elif kind == "pong":
            return
        elif kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete":
            task = self._running.pop(_id_of(message), None)
            if task is not None:
                task.cancel()
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
            self._actor = await actor_of(_authorization(payload or {}), self._engine.server)
        except Refuse:
            raise Close(4403, "Forbidden") from None
        except Fault:
            raise Close(1013, "Try again later") from None
        await self._send({"type": "connection_ack"})

    async def _subscribe(self, message: dict[str, Any]) -> None:
        if self._actor is None:
            raise Close(4401, "Unauthorized")
        operation_id = _id_of(message)
        if operation_id in self._running:
            raise Close(4409, f"Subscriber for {operation_id} already exists")
        if len(self._running) >= MOST_SUBSCRIPTIONS:
            raise Close(4429, f"At most {MOST_SUBSCRIPTIONS} operations run on one socket.")
        request = _request(message)
        # An operation that ends at once must not be removed before it was added.
        task = asyncio.create_task(self._operate(operation_id, request, self._actor))
        self._running[operation_id] = task

    async def _operate(self, operation_id: str, request: Request, actor: Actor) -> None:
        try:
            async with aclosing(self._answers(request, Caller(actor))) as answers:
                async for answer in answers:
                    if answer.is_request_error:
                        self._running.pop(operation_id, None)
                        await self._send({"id": operation_id, "type": "error", "payload": answer.body["errors"]})
                        return
                    await self._send({"id": operation_id, "type": "next", "payload": answer.body})
            if self._running.pop(operation_id, None) is not None:
                await self._send({"id": operation_id, "type": "complete"})
        except TooSlow:
            await self.close(1013, "Too slow: connect again and resume.")
        except Close as close:
            await self.close(close.code, close.reason)
        except WebSocketDisconnect:
            pass
        except Exception:
            log.exception("operation_failed")
            await self.close(1011, "Internal error")

    async def _answers(self, request: Request, caller: Caller) -> AsyncGenerator[Answer, None]:
        try:
            prepared = self._engine.prepare(request)
            if prepared.kind is OperationType.SUBSCRIPTION:
                async with aclosing(self._engine.subscribe(prepared, request, caller)) as answers:
                    async for answer in answers:
                        yield answer
            else:
                # A client that goes away doesn't stop a mutation halfway.
                run = asyncio.create_task(self._engine.execute(prepared, request, caller))
                _FINISHING.add(run)
                run.add_done_callback(_FINISHING.discard)
                yield await asyncio.shield(run)
        except RequestError as error:
            yield error.answer()
        except Fault as fault:
            yield fault_answer(fault)

    async def _send(self, message: dict[str, Any]) -> None:
        # Text, not bytes: a binary frame is refused by browsers' clients.
        text = orjson.dumps(message).decode()
        try:
            async with self._sending, asyncio.timeout(SEND_SECONDS):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise Close(1013, "Too slow: connect again and resume.") from None
        except RuntimeError:
            raise WebSocketDisconnect(1006) from None

    async def _expect_init(self) -> None:
        await asyncio.sleep(INIT_SECONDS)
        if self._actor is None:
            await self.close(4408, "Connection initialisation timeout")

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            if self._actor is not None:
                try:
                    await self._send({"type": "ping"})
                except (Close, WebSocketDisconnect):
                    return


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Close(4400, "The frame is no valid JSON.") from None
    if not isinstance(message, dict):
        raise Close(4400, "A message is a JSON object.")
    return message


def _id_of(message: dict[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not 1 <= len(operation_id) <= LONGEST_ID:
        raise Close(4400, "A message needs an id: a text that isn't empty.")
    return operation_id


def _request(message: dict[str, Any]) -> Request:
    payload = message.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        raise Close(4400, "The payload of subscribe is an object with a query.")
    variables, name = payload.get("variables"), payload.get("operationName")
    if variables is not None and not isinstance(variables, dict):
        raise Close(4400, "Variables are an object.")
    if name is not None and not isinstance(name, str):
        raise Close(4400, "The operationName is a text.")
    return Request(payload["query"], variables or {}, name or None)


def _authorization(payload: dict[str, Any]) -> str | None:
    """The bearer token wherever clients put it: `authorization`, `headers.authorization` or `authToken`."""
    nested = payload.get("headers")
    for values in (payload, nested if isinstance(nested, dict) else {}):
        for name, value in values.items():
            if name.lower() == "authorization" and value is not None and value != "":
                return str(value)
    token = payload.get("authToken")
    return None if token is None or token == "" else f"Bearer {token}"
