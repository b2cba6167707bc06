"""Who acts, and what may they do?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Permission(StrEnum):
    """What a token or a member of staff may read or change."""

    READ_PRODUCTS = "READ_PRODUCTS"
    WRITE_PRODUCTS = "WRITE_PRODUCTS"
    READ_INVENTORY = "READ_INVENTORY"
    WRITE_INVENTORY = "WRITE_INVENTORY"
    READ_ORDERS = "READ_ORDERS"
    WRITE_ORDERS = "WRITE_ORDERS"
    READ_CUSTOMERS = "READ_CUSTOMERS"
    WRITE_CUSTOMERS = "WRITE_CUSTOMERS"
    READ_PRICING = "READ_PRICING"
    WRITE_PRICING = "WRITE_PRICING"
    READ_PROMOTIONS = "READ_PROMOTIONS"
    WRITE_PROMOTIONS = "WRITE_PROMOTIONS"
    READ_SETTINGS = "READ_SETTINGS"
    WRITE_SETTINGS = "WRITE_SETTINGS"
    MANAGE_ACCESS = "MANAGE_ACCESS"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who an operation acts for. Without `token_id` it is an anonymous shopper."""

    token_id: UUID | None = None
    name: str = "anonymous"
    permissions: frozenset[Permission] = field(default_factory=frozenset)
    expires_at: datetime | None = None
    """When the token stops being valid by itself; None: never."""

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    @property
    def is_anonymous(self) -> bool:
        return self.token_id is None

    def may(self, permission: Permission) -> bool:
        """Writing includes reading the same things."""
        if permission in self.permissions:
            return True
        return permission.startswith("READ_") and f"WRITE_{permission.removeprefix('READ_')}" in self.permissions


ANONYMOUS = Actor()
