"""Which channels does a process know, without asking the database for every operation?"""

from __future__ import annotations

from headless.platform.db import Record
from headless.platform.outbox import Entry, Interest
from headless.shop.events import ChannelCreated, ChannelUpdated


class KnownChannels:
    """Channels that were asked for, by handle; None: the default one. Forgotten as soon as one has changed."""

    interest = Interest(frozenset({ChannelCreated.topic, ChannelUpdated.topic}))
    coalesces = True

    def __init__(self) -> None:
        self._known: dict[str | None, Record] = {}
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often all was forgotten: what was read before a change is not to be kept after it."""
        return self._changes

    def get(self, handle: str | None) -> Record | None:
        return self._known.get(handle)

    def keep(self, handle: str | None, channel: Record, *, read_after: int) -> None:
        """Remember a channel that was read after so many changes, unless there was another one meanwhile."""
        if read_after == self._changes:
            self._known[handle] = channel

    def forget(self) -> None:
        self._known.clear()
        self._changes += 1

    # Told by the hub whenever any process changes a channel.

    @property
    def waiting(self) -> int:
        return 0

    def put(self, _entry: Entry, *, replacing: int = 0) -> None:  # noqa: ARG002 - what a follower is told
        self.forget()

    def cut(self) -> None:
        self.forget()

    def close(self) -> None:
        self.forget()
