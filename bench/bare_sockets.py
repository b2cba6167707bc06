"""How fast could this stack tell many sockets? Whatever is posted is sent to all of them, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_listeners: set[Send] = set()


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    if scope["type"] == "websocket":
        await _listen(receive, send)
    elif scope["type"] == "http":
        await _tell(receive, send)
    else:
        raise NotImplementedError


async def _listen(receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    _listeners.add(send)
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        _listeners.discard(send)


async def _tell(receive: Callable[[], Awaitable[Message]], send: Send) -> None:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    frame = {"type": "websocket.send", "text": b"".join(parts).decode()}
    for tell in list(_listeners):
        await tell(frame)
    await send({"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
