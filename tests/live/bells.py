"""What rings in the tests of live events? A fact of their own."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform import ids, outbox
from headless.platform.db import Database
from headless.platform.outbox import Fact, Interest


@dataclass(frozen=True, slots=True)
class Rang(Fact):
    topic: ClassVar[str] = "bell.rang"

    bell_id: UUID
    times: int = 1

    @property
    def key(self) -> UUID:
        return self.bell_id


RINGING = Interest(frozenset({Rang.topic}))


async def ring(database: Database, bell: UUID | None = None, times: int = 1) -> None:
    """Record a fact and commit it; nobody has numbered it yet."""
    async with database.transaction() as session:
        outbox.record(session, Rang(bell or ids.new(), times))
