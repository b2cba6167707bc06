"""What can happen to an order?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class _OrderFact(Fact):
    order_id: UUID

    @property
    def key(self) -> UUID:
        return self.order_id


@dataclass(frozen=True, slots=True)
class OrderPlaced(_OrderFact):
    """A checkout became an order."""

    topic: ClassVar[str] = "order.placed"


@dataclass(frozen=True, slots=True)
class OrderStatusChanged(_OrderFact):
    """An order's status moved."""

    topic: ClassVar[str] = "order.status_changed"

    status: str
    previous_status: str | None
    version: int


@dataclass(frozen=True, slots=True)
class OrderUpdated(_OrderFact):
    """Something else of an order changed, such as its payments."""

    topic: ClassVar[str] = "order.updated"
