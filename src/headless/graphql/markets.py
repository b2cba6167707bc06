"""Which channels does a process know, without asking the database for every operation?"""

from __future__ import annotations

from contextlib import aclosing, suppress

from headless.platform.db import Record
from headless.platform.hub import Hub, TooSlow
from headless.platform.outbox import Interest
from headless.shop.events import ChannelCreated, ChannelUpdated


class KnownChannels:
    """Channels that were asked for, by handle; None: the default one. Forgotten as soon as one has changed."""

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

    async def follow(self, hub: Hub) -> None:
        """Forget whenever any process changes a channel, until cancelled."""
        interest = Interest(frozenset({ChannelCreated.topic, ChannelUpdated.topic}))
        while True:
            self.forget()
            with hub.listening(interest, coalesce=True) as listener, suppress(TooSlow):
                async with aclosing(listener.entries()) as entries:
                    async for _entry in entries:
                        self.forget()
                return
