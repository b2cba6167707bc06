"""How do processes hear of each other through Redis or Valkey? By publishing the log's position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from headless.platform.carriers.backoff import again_and_again
from headless.platform.db import Session

WAIT_SECONDS = 2.0
CHECK_SECONDS = 5.0
"""How often a silent connection is asked whether it is still there."""


class RedisChannel:
    """Publishes after the numbering, never in it: whatever becomes of Redis, nobody who writes waits for it."""

    def __init__(self, url: str, *, shop: str) -> None:
        """`shop` keeps shops on one Redis from waking each other."""
        self._url = url
        self._channel = f"headless:{shop}:log"
        self._position = 0
        self._told = asyncio.Event()

    async def announce(self, session: Session, position: int) -> None: ...

    def tell(self, position: int) -> None:
        self._position = position
        self._told.set()

    async def speak(self) -> None:
        """Publish the newest position until cancelled; what can't be told now is told when the connection is back."""

        async def hold(connected: Callable[[], None]) -> None:
            async with self._client() as client:
                await client.ping()
                connected()
                while True:
                    await self._told.wait()
                    self._told.clear()
                    try:
                        await client.publish(self._channel, str(self._position))
                    except BaseException:
                        self._told.set()
                        raise

        await again_and_again("redis, telling", hold, (RedisError, OSError))

    async def listen(self, heard: Callable[[int | None], None]) -> None:
        """Hear what others publish until cancelled."""

        async def hold(connected: Callable[[], None]) -> None:
            async with self._client() as client, aclosing(client.pubsub()) as channel:
                await channel.subscribe(self._channel)
                async with asyncio.timeout(WAIT_SECONDS):
                    while (await _message(channel) or {}).get("type") != "subscribe":
                        pass
                connected()
                # What was told before the subscription is in the log.
                heard(None)
                await _hear(channel, heard)

        await again_and_again("redis, listening", hold, (RedisError, OSError))

    def _client(self) -> Redis:
        return Redis.from_url(
            self._url,
            socket_connect_timeout=WAIT_SECONDS,
            socket_timeout=WAIT_SECONDS,
            # Trying again is ours to do: a silent retry would hide what was missed meanwhile.
            retry=Retry(NoBackoff(), 0),
            client_name="headless",
        )


async def _message(channel: Any) -> dict[str, Any] | None:
    """The next message; None when nothing comes for a while."""
    found: dict[str, Any] | None = await channel.get_message(timeout=CHECK_SECONDS)
    return found


async def _hear(channel: Any, heard: Callable[[int | None], None]) -> None:
    """Hear until the connection is lost; one whose other side vanished says nothing, so silence is questioned."""
    is_asked = False
    while True:
        message = await _message(channel)
        if message is None and is_asked:
            raise ConnectionError("no answer")
        is_asked = message is None
        if message is None:
            await channel.ping()
        elif message["type"] == "message":
            heard(_position(message["data"]))


def _position(data: bytes) -> int | None:
    return int(data) if data.isdigit() else None
