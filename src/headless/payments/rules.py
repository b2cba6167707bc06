"""What can a payment provider answer, and what follows?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class PaymentStatus(StrEnum):
    """How far a payment is. STARTED: asked for, the outcome isn't known yet."""

    STARTED = "STARTED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    FAILED = "FAILED"
    VOIDED = "VOIDED"


OPEN = frozenset({PaymentStatus.STARTED, PaymentStatus.ACTION_REQUIRED})
PAID = frozenset({PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED})
UNPAID = frozenset({PaymentStatus.DECLINED, PaymentStatus.FAILED, PaymentStatus.VOIDED})


class RefundStatus(StrEnum):
    """Whether the provider has given the money back."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class NextAction:
    """What the buyer has to do before the payment can go on, such as 3-D Secure."""

    type: str
    url: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payment, as its provider tells."""

    status: PaymentStatus
    reference: str = ""
    message: str = ""
    next_action: NextAction | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """A wish for money. `key` makes repeating it harmless: the provider charges once per key."""

    key: UUID
    token: str
    amount: int
    currency: str
    capture: bool
    return_url: str


class AnswerLost(Exception):
    """The provider may or may not have carried out the request: ask it what happened."""


class Provider(Protocol):
    """What every payment provider can do. Each call may raise `AnswerLost`.

    DECLINED, FAILED and VOIDED are ends: an adapter answers them only when nothing will be charged under the key any
    more, whatever the buyer still does in the provider's own pages.
    """

    name: str

    async def authorize(self, request: Authorization) -> Outcome:
        """Reserve or take the money; repeated with the same key after an action, go on with it.

        STARTED means that the provider itself doesn't know yet: it is asked again by `find`.
        """

    async def find(self, key: UUID) -> Outcome | None:
        """Tell what became of a payment; None: the provider never heard of it."""

    async def abandon(self, key: UUID) -> Outcome:
        """See to it that nothing is or will be charged under this key, unless it already was."""

    async def give_back(self, key: UUID, *, payment: UUID, amount: int) -> bool:
        """Refund captured or release authorized money, once per key; False when the provider refuses."""
