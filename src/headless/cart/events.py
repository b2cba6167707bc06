"""What can happen to a cart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class CartChanged(Fact):
    """A cart, its checkout or its order changed."""

    topic: ClassVar[str] = "cart.changed"

    cart_id: UUID

    @property
    def key(self) -> UUID:
        return self.cart_id
