"""What can happen to prices?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class PriceChanged(Fact):
    """A variant's price or compare-at price changed in a channel, or whether shoppers see it there."""

    topic: ClassVar[str] = "price.changed"

    variant_id: UUID
    channel_id: UUID

    @property
    def key(self) -> UUID:
        return self.variant_id
