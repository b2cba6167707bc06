"""How do the processes of a shop hear of each other's facts at once?

A carrier only says that the log has grown. It may lose, repeat or delay what it carries: each process knows its own
position and reads from the log what it missed, at the latest when it next polls.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from headless.platform.carriers.postgres import PostgresChannel
from headless.platform.carriers.redis import RedisChannel
from headless.platform.carriers.sqlite import SqliteFile
from headless.platform.db import Database, Session
from headless.platform.outbox import Numberer

Heard = Callable[[int | None], None]
"""Takes the log's position that was told of; None: something may have been missed."""


class Carrier(Protocol):
    """What tells other processes that facts were numbered, and hears it of them."""

    async def announce(self, session: Session, position: int) -> None:
        """Tell inside the numbering transaction: heard if and when it commits."""

    def tell(self, position: int) -> None:
        """Tell after the numbering transaction, without waiting."""

    async def speak(self) -> None:
        """Carry what is told until cancelled."""

    async def listen(self, heard: Heard) -> None:
        """Hear others until cancelled, whatever happens to the connection."""


def carrier_of(database: Database, redis_url: str) -> Carrier:
    """Redis where there is one, else what the database itself offers."""
    if redis_url:
        return RedisChannel(redis_url, shop=str(database.url.database))
    return SqliteFile(database.url) if database.is_sqlite else PostgresChannel(database.url)


def loops(database: Database, redis_url: str, *, heard: Heard | None = None) -> list[Coroutine[Any, Any, None]]:
    """What a process runs for its facts to reach all processes; with `heard`, for those of all to reach it."""
    carrier = carrier_of(database, redis_url)

    def tell(position: int) -> None:
        if heard is not None:
            heard(position)
        carrier.tell(position)

    running = [Numberer(database, tell=tell, announce=carrier.announce).run(), carrier.speak()]
    return running if heard is None else [*running, carrier.listen(heard)]
