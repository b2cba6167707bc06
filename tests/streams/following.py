"""How does a client behave that loses no event? It keeps the last cursor and resumes wherever it is let in."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from bench.listeners import Closed, Line

HOST = "127.0.0.1"
PATIENCE = 90
Json = dict[str, Any]


@dataclass(slots=True)
class Follower:
    """One client and what it has seen."""

    document: str
    variables: Json
    is_done: Callable[[Json], bool]
    token: str | None = None
    seen: list[Json] = field(default_factory=list)
    closed: Counter[int] = field(default_factory=Counter)
    cursor: str | None = None
    line: Line | None = None

    async def follow(self, ports: Sequence[int], *, begun: Callable[[], None] = lambda: None) -> None:
        """Follow until what was waited for has come; each time the line is lost, at the next port."""
        nth = 0
        while True:
            try:
                self.line = await Line.open(HOST, ports[nth % len(ports)])
                await self._greet(self.line)
                while True:
                    if await self._take(self.line, begun):
                        return
            except Closed as closed:
                self.closed[closed.code] += 1
            except OSError:
                self.closed[0] += 1
                await asyncio.sleep(0.05)
            finally:
                if self.line is not None:
                    self.line.close()
            nth += 1

    async def _greet(self, line: Line) -> None:
        payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
        line.say({"type": "connection_init", "payload": payload})
        variables = {**self.variables, "after": self.cursor}
        assert (await line.receive())["type"] == "connection_ack"
        asked = {"query": self.document, "variables": variables}
        line.say({"type": "subscribe", "id": "1", "payload": asked})

    async def _take(self, line: Line, begun: Callable[[], None]) -> bool:
        message = await line.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (event,) = message["payload"]["data"].values()
        if not self.seen:
            begun()
        self.seen.append(event)
        self.cursor = event["cursor"]
        return self.is_done(event)


class Crowd:
    """Many followers at once."""

    def __init__(self, followers: Sequence[Follower]) -> None:
        self.followers = followers
        self._began = 0
        self._all_began = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks:
            task.cancel()
        with suppress(Exception):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, ports: Sequence[int]) -> None:
        self._tasks = [asyncio.create_task(one.follow(ports, begun=self._begun)) for one in self.followers]

    async def all_began(self) -> None:
        """Wait until each has got its first event."""
        waiting = asyncio.create_task(self._all_began.wait())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([*self._tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            assert not task.done(), task
        assert waiting.done()

    async def all_done(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)

    def _begun(self) -> None:
        self._began += 1
        if self._began == len(self.followers):
            self._all_began.set()
