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


@dataclass(frozen=True, slots=True)
class InventoryChanged(Fact):
    """A counted quantity of a variant changed at a location: one entry of the ledger."""

    topic: ClassVar[str] = "inventory.changed"

    location_id: UUID
    variant_id: UUID
    movement_id: UUID

    @property
    def key(self) -> UUID:
        return self.location_id


@dataclass(frozen=True, slots=True)
class TransferChanged(Fact):
    """Stock was sent on its way, arrived in part or whole, or won't come any more."""

    topic: ClassVar[str] = "transfer.changed"

    transfer_id: UUID
    status: str

    @property
    def key(self) -> UUID:
        return self.transfer_id


@dataclass(frozen=True, slots=True)
class StockRequestServed(Fact):
    """A variant that somebody waited for can be bought again: now they are to be told."""

    topic: ClassVar[str] = "stock_request.served"

    request_id: UUID
    variant_id: UUID

    @property
    def key(self) -> UUID:
        return self.request_id
