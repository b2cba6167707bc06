"""What does it cost to have many sockets open: while nothing happens, and beside those who buy?"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import scenarios, servers
from bench.client import Address
from bench.listeners import Listener
from bench.live import FOLLOW, PROTOCOL, Crowd, Say, allow, greeting_of, resident_kb
from bench.load import Bounds, Load, measure
from bench.processes import SetupFailed, cpu_seconds
from bench.scenarios import Shelf
from bench.servers import Server

IDLE_SECONDS = 45.0
"""Longer than two pings."""
FOLLOWERS = 20
"""Sockets that follow each of the variants that are bought."""
PAIRS = 3
BUYERS = 8
ANSWERED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Idle:
    """What a socket costs that follows something to which nothing happens."""

    sockets: int
    database: str
    connected_s: float
    kb: float
    cpu_share: float
    """Of one core, for all of them: pings and their answers."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Checkouts while nobody follows what is bought, and while many do; medians of pairs of rounds."""

    followers: int
    database: str
    frames: int
    """What the followers were told in all rounds."""
    alone: float
    """Checkouts a second."""
    followed: float
    share: float
    """Followed to alone, the median of the pairs."""
    failures: int


async def idle(directory: Path, database: str, *, sockets: int, say: Say) -> Idle:
    """Have so many sockets follow one variant, and leave them alone."""
    allow(sockets)
    folder = directory / "idle"
    folder.mkdir()
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(_server(folder, database))
        shelf = await scenarios.prepare(server.address, token=server.token)
        pid, crowd = server.weighed.apps[0], Crowd()
        exits.callback(crowd.leave)
        say(f"idle, {sockets} sockets connect")
        before, started = resident_kb(pid), time.monotonic()
        await crowd.join(server.address, sockets, greeting=greeting_of(shelf.variants[0]), answers=2)
        connected_s = time.monotonic() - started
        say(f"idle, nothing happens for {IDLE_SECONDS:g} s")
        busy = cpu_seconds(pid) or 0.0
        await asyncio.sleep(IDLE_SECONDS)
        share = ((cpu_seconds(pid) or 0.0) - busy) / IDLE_SECONDS
        if crowd.failures:
            raise SetupFailed(f"{crowd.failures} sockets were closed.")
        return Idle(sockets, server.database, connected_s, (resident_kb(pid) - before) / sockets, share)


async def traffic(directory: Path, database: str, *, seconds: float, say: Say) -> Traffic:
    """Buy from a shop, in turns without and with followers of what is bought."""
    folder = directory / "traffic"
    folder.mkdir()
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(_server(folder, database))
        shelf = await scenarios.prepare(server.address, token=server.token)
        street = Street()
        exits.callback(street.leave)
        say(f"traffic, {FOLLOWERS * len(shelf.variants)} sockets connect")
        await street.join(server.address, shelf)
        pairs = []
        for number in range(PAIRS):
            say(f"traffic, pair {number + 1} of {PAIRS}")
            alone = await _buying(server, shelf, seconds)
            await street.follow()
            pairs.append((alone, await _buying(server, shelf, seconds)))
            street.look_away()
        return Traffic(
            followers=len(street.sockets),
            database=server.database,
            frames=street.frames,
            alone=median(alone.per_second for alone, _ in pairs),
            followed=median(followed.per_second for _, followed in pairs),
            share=median(followed.per_second / alone.per_second for alone, followed in pairs),
            failures=sum(alone.failures + followed.failures for alone, followed in pairs),
        )


class Street:
    """Sockets before a shop that now and then follow what is sold there."""

    def __init__(self) -> None:
        self.sockets: dict[Listener, str] = {}
        self.frames = 0
        self._unanswered: set[Listener] = set()
        self._answered = asyncio.Event()

    async def join(self, address: Address, shelf: Shelf) -> None:
        for variant in shelf.variants * FOLLOWERS:
            await self._open(address, variant)
        await self._all_answered()

    async def _open(self, address: Address, variant: str) -> None:
        listener = Listener(f"{address.host}:{address.port}", self._hear, protocol=PROTOCOL)
        self.sockets[listener] = variant
        self._unanswered.add(listener)
        await asyncio.get_running_loop().create_connection(lambda: listener, address.host, address.port)

    async def follow(self) -> None:
        """Subscribe, and wait for the present state."""
        self._unanswered = set(self.sockets)
        for listener, variant in self.sockets.items():
            payload = {"query": FOLLOW, "variables": {"ids": [variant]}}
            listener.say({"type": "subscribe", "id": "1", "payload": payload})
        await self._all_answered()

    def look_away(self) -> None:
        for listener in self.sockets:
            listener.say({"type": "complete", "id": "1"})

    def leave(self) -> None:
        for listener in self.sockets:
            listener.close()

    async def _all_answered(self) -> None:
        if not self._unanswered:
            return
        self._answered.clear()
        try:
            async with asyncio.timeout(ANSWERED_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            raise SetupFailed(f"{len(self._unanswered)} sockets weren't answered in {ANSWERED_SECONDS:g} s.") from None

    def _hear(self, listener: Listener, text: bytes | None) -> None:
        if text is None:
            return
        if text == b"":
            # At once: who says nothing for some seconds is sent away.
            listener.say({"type": "connection_init"})
            return
        self.frames += text.startswith(b'{"id"')
        self._unanswered.discard(listener)
        if not self._unanswered:
            self._answered.set()


async def _buying(server: Server, shelf: Shelf, seconds: float) -> Load:
    bounds = Bounds(concurrency=BUYERS, seconds=seconds, most=200_000)
    return await measure(scenarios.checkout(shelf), server.address, bounds=bounds, weighed=server.weighed)


def _server(folder: Path, database: str) -> AbstractAsyncContextManager[Server]:
    return servers.on_postgres(folder, database) if database else servers.embedded(folder)
