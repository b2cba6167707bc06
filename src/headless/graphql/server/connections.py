"""Which sockets and streams are open in this process, and when does the server end them itself?"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

import structlog

from headless.accounts import queries as account_queries
from headless.accounts.rules import Actor
from headless.platform import clock
from headless.platform.db import Database
from headless.platform.errors import Fault

log = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0
"""How often it is asked whether those who listen still may."""
FAREWELL_SECONDS = 5.0


class Ending(Enum):
    """Why the server ends a connection that would go on."""

    RESTART = auto()
    RIGHTS = auto()
    """The token expired, was revoked or has lost a permission."""
    LATER = auto()
    """The client reads too slowly, or what it follows can't be read now."""


class Connection(Protocol):
    """A socket or a stream."""

    def end(self, why: Ending) -> None:
        """Begin to end it; returns at once. May be called again."""


class Connections:
    """The open connections of one process, at most so many."""

    def __init__(self, database: Database, most: int) -> None:
        self.is_draining = False
        self.checks = 0
        """How often rights were looked at, since the process began."""
        self._database = database
        self._most = most
        self._open: set[Connection] = set()
        self._emptied = asyncio.Event()
        self._actors: dict[UUID, dict[Connection, Actor]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        return len(self._open) >= self._most

    @contextmanager
    def opened(self, connection: Connection) -> Iterator[None]:
        """Keep a connection known while it is open."""
        self._open.add(connection)
        if self.is_draining:
            # It was let in just before the others were sent away.
            asyncio.get_running_loop().call_soon(connection.end, Ending.RESTART)
        try:
            yield
        finally:
            self._open.discard(connection)
            if not self._open:
                self._emptied.set()

    @contextmanager
    def watched(self, connection: Connection, actor: Actor) -> Iterator[None]:
        """End a connection as soon as its actor may less than at its beginning."""
        self.watch_over(connection, actor)
        try:
            yield
        finally:
            self.let_be(connection, actor)

    def watch_over(self, connection: Connection, actor: Actor) -> None:
        """Do what `watched` does, until `let_be`."""
        if actor.token_id is not None:
            self._actors[actor.token_id][connection] = actor

    def let_be(self, connection: Connection, actor: Actor) -> None:
        """Care no more; harmless for a connection that isn't watched over."""
        if actor.token_id in self._actors:
            self._actors[actor.token_id].pop(connection, None)
            if not self._actors[actor.token_id]:
                del self._actors[actor.token_id]

    async def watch(self) -> None:
        """Look again and again, until cancelled, whether actors still may what they could."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self._check()
            except (Fault, OSError) as error:
                log.warning("postponed", work="check_rights", error=str(error))
            except Exception:
                # The edge of the process: without this loop rights would be kept for ever.
                log.exception("failed", work="check_rights")
            self.checks += 1

    async def drain(self, seconds: float) -> None:
        """Send everyone away to another process, spread over a window so that they don't all come there at once."""
        self.is_draining = True
        loop = asyncio.get_running_loop()
        for connection in list(self._open):
            loop.call_later(random.uniform(0, seconds), connection.end, Ending.RESTART)  # noqa: S311 - spreads load
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + FAREWELL_SECONDS):
                while self._open:
                    self._emptied.clear()
                    await self._emptied.wait()

    async def _check(self) -> None:
        # What a token said of its end needs no asking: it counts while the database can't be read, too.
        self._end_unless(lambda _token_id, actor: actor.is_valid(clock.now()))
        if not self._actors:
            return
        asked = frozenset(self._actors)
        async with self._database.reading() as session:
            actors = await account_queries.actors_by_id(session, list(asked))

        def still_may(token_id: UUID, actor: Actor) -> bool:
            if token_id not in asked:
                return True  # who came while the database was asked showed a valid token just now
            current = actors.get(token_id)
            return current is not None and current.is_valid(clock.now()) and current.permissions >= actor.permissions

        self._end_unless(still_may)

    def _end_unless(self, may: Callable[[UUID, Actor], bool]) -> None:
        for token_id, watched in list(self._actors.items()):
            for connection, actor in list(watched.items()):
                if not may(token_id, actor):
                    connection.end(Ending.RIGHTS)
