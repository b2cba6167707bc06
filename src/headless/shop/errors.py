"""What can the shop refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class CurrencyInUse(Refusal):
    """The channel's currency can't change any more: there are prices, delivery rates, carts or orders in it."""
