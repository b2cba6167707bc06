"""What can the inventory refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class OutOfStock(Refusal):
    """There is less in stock than asked for."""


class MaxQuantityExceeded(Refusal):
    """This is more than one order or one customer may have. Lower the quantity."""


class BundleInvalid(Refusal):
    """This can't be a bundle of these parts."""


class InvalidQuantity(Refusal):
    """A quantity is out of its range."""


class ChangeFromQuantityRequired(Refusal):
    """Say which quantity you saw before the change, or null to write over whatever is there."""


class ChangeFromQuantityStale(Refusal):
    """The quantity is no longer the one you saw. Read it again and repeat your change."""


class UnknownQuantityName(Refusal):
    """This quantity can't be written: use available, on_hand, damaged or safety_stock."""


class LocationInactive(Refusal):
    """This location holds no stock at present."""


class LocationInUse(Refusal):
    """Units are reserved, committed or incoming at this location."""


class TransferClosed(Refusal):
    """This transfer was received or cancelled."""


class MoreThanSent(Refusal):
    """More would arrive than is on its way."""


class InStock(Refusal):
    """This can be bought now: there is nothing to wait for."""


class StockPromised(Refusal):
    """Units are reserved for checkouts or committed to orders. Wait until they are shipped or given back."""


class StockIncoming(Refusal):
    """Units are on their way. Receive or cancel the transfer first."""


class PartOfBundle(Refusal):
    """Bundles are made of this variant. Take it out of them first."""
