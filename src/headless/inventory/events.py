"""What can happen to stock?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class StockChanged(Fact):
    """How many units of a variant can be sold changed."""

    topic: ClassVar[str] = "stock.changed"

    variant_id: UUID

    @property
    def key(self) -> UUID:
        return self.variant_id
