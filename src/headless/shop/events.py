"""What can happen to the shop's channels?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class _ChannelFact(Fact):
    channel_id: UUID

    @property
    def key(self) -> UUID:
        return self.channel_id


@dataclass(frozen=True, slots=True)
class ChannelCreated(_ChannelFact):
    """A channel was opened."""

    topic: ClassVar[str] = "channel.created"


@dataclass(frozen=True, slots=True)
class ChannelUpdated(_ChannelFact):
    """What a channel is, or how it works, was changed."""

    topic: ClassVar[str] = "channel.updated"
