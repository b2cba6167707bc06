"""What can a checkout refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class CheckoutInProgress(Refusal):
    """A payment for this cart is under way. Wait for its outcome, or complete the action it asks for."""


class CheckoutNotStarted(Refusal):
    """This cart has no checkout that could be cancelled."""


class TotalTooLarge(Refusal):
    """This cart costs more than can be charged at once. Buy less of it."""
