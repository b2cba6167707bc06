"""How does a shop behave in which one thing happens after the other? In plain Python, to compare with the real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

Codes = set[str]
"""Why something is refused; empty: it isn't."""
DONE: Codes = set()
PLACES = ("main", "outlet")
"""Locations, in the order in which they give their stock."""


class Refused(Exception):
    """Nothing may have changed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Level:
    on_hand: int = 0
    reserved: int = 0
    committed: int = 0

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved - self.committed


@dataclass(slots=True)
class Line:
    """A line of an order: what each location owes of it, and what shipments will take or took."""

    quantity: int
    owed: dict[str, int]
    preparing: dict[str, int] = field(default_factory=dict)
    shipped: int = 0

    @property
    def left(self) -> int:
        return self.quantity - self.shipped - sum(self.preparing.values())


@dataclass(slots=True)
class Order:
    lines: dict[str, Line]
    is_cancelled: bool = False

    @property
    def status(self) -> str:
        shipped = sum(line.shipped for line in self.lines.values())
        if self.is_cancelled:
            return "CANCELLED"
        if shipped:
            return "SHIPPED" if shipped == sum(line.quantity for line in self.lines.values()) else "PARTIALLY_SHIPPED"
        return "PROCESSING" if any(line.preparing for line in self.lines.values()) else "CONFIRMED"


@dataclass(slots=True)
class Cart:
    lines: dict[str, int] = field(default_factory=dict)
    status: str | None = None
    """Of its live checkout."""
    is_late: bool = False
    """Whether the checkout's time is over."""
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    """Units by variant and location."""
    order: Order | None = None


class Model:
    """The shop. Variants, locations and carts go by names."""

    def __init__(self, stock: dict[str, dict[str, int]]) -> None:
        self.levels = {name: {place: Level(per.get(place, 0)) for place in PLACES} for name, per in stock.items()}
        self.carts: dict[str, Cart] = {}

    def sellable(self, variant: str) -> int:
        return sum(max(level.available, 0) for level in self.levels[variant].values())

    def put(self, name: str, variant: str, quantity: int, *, more: bool = False) -> tuple[Codes, Codes]:
        """Set the quantity of a line, or add to it; answer refusals and warnings."""
        cart = self.carts[name]
        if cart.status == "COMPLETED":
            return {"CART_COMPLETED"}, set()
        if cart.status in {"PAYMENT_PENDING", "ACTION_REQUIRED"}:
            return {"CHECKOUT_IN_PROGRESS"}, set()
        warnings = {"CHECKOUT_CANCELLED"} if cart.status == "OPEN" else set()
        self._end(cart)
        wanted = quantity + (cart.lines.get(variant, 0) if more else 0)
        if wanted == cart.lines.get(variant):
            return DONE, warnings
        possible = min(wanted, self.sellable(variant))
        if possible < wanted:
            warnings.add("MERCHANDISE_NOT_ENOUGH_STOCK" if possible else "MERCHANDISE_OUT_OF_STOCK")
        cart.lines[variant] = possible
        if not possible:
            del cart.lines[variant]
        return DONE, warnings

    def start(self, name: str) -> Codes:
        """Start a checkout, or give it more time."""
        cart = self.carts[name]
        if cart.status == "COMPLETED":
            return {"CART_COMPLETED"}
        if cart.status in {"PAYMENT_PENDING", "ACTION_REQUIRED"}:
            return {"CHECKOUT_IN_PROGRESS"}
        if cart.status == "OPEN" and not cart.is_late:
            return DONE
        with self._all_or_nothing() as codes:
            cart = self.carts[name]
            self._end(cart)
            if not cart.lines:
                raise Refused("NO_LINES")
            for variant, quantity in cart.lines.items():
                cart.held[variant] = self._reserved(variant, quantity)
            cart.status = "OPEN"
        return codes

    def complete(self, name: str, token: str) -> Codes:
        """Pay with one of the sandbox's tokens."""
        if self.carts[name].status == "COMPLETED":
            return DONE
        if self.carts[name].status == "PAYMENT_PENDING":
            self._place(self.carts[name])
            return DONE
        if self.carts[name].status == "ACTION_REQUIRED":
            if token == "tok_3ds":
                self._place(self.carts[name])
                return DONE
            # The first means of payment is given up; the stock stays held for the second.
            self.carts[name].status, self.carts[name].is_late = "OPEN", False
        if codes := self.start(name):
            return codes
        cart = self.carts[name]
        if token == "tok_visa":
            self._place(cart)
        cart.status = {"tok_visa": "COMPLETED", "tok_3ds": "ACTION_REQUIRED", "tok_timeout": "PAYMENT_PENDING"}.get(
            token, "OPEN"
        )
        refusals = {"tok_declined": "PAYMENT_DECLINED", "tok_insufficient_funds": "PAYMENT_DECLINED",
                    "tok_error": "PAYMENT_FAILED"}  # fmt: skip
        return {refusals[token]} if token in refusals else DONE

    def cancel(self, name: str) -> Codes:
        """Give the reservation back."""
        cart = self.carts[name]
        if cart.status is None:
            return {"CHECKOUT_NOT_STARTED"}
        if cart.status == "COMPLETED":
            return {"CART_COMPLETED"}
        if cart.status != "OPEN":
            return {"CHECKOUT_IN_PROGRESS"}
        self._end(cart)
        return DONE

    def sweep(self) -> None:
        """What the worker does: settle lost payments, end what is late."""
        for cart in self.carts.values():
            if cart.status == "PAYMENT_PENDING":
                self._place(cart)
            elif cart.status in {"OPEN", "ACTION_REQUIRED"} and cart.is_late:
                self._end(cart)

    def adjust(self, variant: str, place: str, delta: int) -> Codes:
        level = self.levels[variant][place]
        if level.on_hand + delta < 0:
            return {"INVALID_QUANTITY"}
        level.on_hand += delta
        return DONE

    def count(self, variant: str, place: str, available: int) -> Codes:
        return self.adjust(variant, place, available - self.levels[variant][place].available)

    def cancel_order(self, name: str, *, restock: bool) -> Codes:
        order = self.order(name)
        if order.is_cancelled or any(line.shipped for line in order.lines.values()):
            return {"ORDER_NOT_CANCELLABLE"}
        with self._all_or_nothing() as codes:
            order = self.order(name)
            for variant, line in order.lines.items():
                for place, units in line.owed.items():
                    self._take(variant, place, units, written_off=0 if restock else units)
                line.owed, line.preparing = {}, {}
            order.is_cancelled = True
        return codes

    def fulfill(self, name: str, variant: str, quantity: int, *, shipped: bool) -> Codes:
        """Ship units of a line, or prepare them, from the first location that owes them."""
        order = self.order(name)
        if order.is_cancelled:
            return {"ORDER_NOT_FULFILLABLE"}
        if quantity > order.lines[variant].left:
            return {"NOTHING_TO_FULFILL"}
        with self._all_or_nothing() as codes:
            line = self.order(name).lines[variant]
            for place in PLACES:
                units = min(quantity, line.owed.get(place, 0) - line.preparing.get(place, 0))
                quantity -= units
                if units and shipped:
                    self._ship(variant, line, place, units)
                elif units:
                    line.preparing[place] = line.preparing.get(place, 0) + units
        return codes

    def ship(self, name: str, variant: str, parts: dict[str, int]) -> Codes:
        """Send off what was prepared."""
        with self._all_or_nothing() as codes:
            line = self.order(name).lines[variant]
            for place, units in parts.items():
                line.preparing[place] -= units
                self._ship(variant, line, place, units)
            line.preparing = {place: units for place, units in line.preparing.items() if units}
        return codes

    def order(self, name: str) -> Order:
        order = self.carts[name].order
        assert order is not None
        return order

    def _reserved(self, variant: str, quantity: int) -> dict[str, int]:
        if self.sellable(variant) < quantity:
            raise Refused("OUT_OF_STOCK")
        held = {}
        for place, level in self.levels[variant].items():
            units = max(0, min(quantity, level.available))
            level.reserved += units
            quantity -= units
            if units:
                held[place] = units
        return held

    def _end(self, cart: Cart) -> None:
        for variant, per in cart.held.items():
            for place, units in per.items():
                self.levels[variant][place].reserved -= units
        cart.held, cart.status, cart.is_late = {}, None, False

    def _place(self, cart: Cart) -> None:
        held = cart.held
        self._end(cart)
        for variant, per in held.items():
            for place, units in per.items():
                self.levels[variant][place].committed += units
        cart.order = Order({variant: Line(sum(per.values()), dict(per)) for variant, per in held.items()})
        cart.status = "COMPLETED"

    def _ship(self, variant: str, line: Line, place: str, units: int) -> None:
        self._take(variant, place, units, written_off=units)
        line.owed[place] -= units
        line.shipped += units

    def _take(self, variant: str, place: str, units: int, *, written_off: int) -> None:
        level = self.levels[variant][place]
        if level.on_hand < written_off:
            raise Refused("OUT_OF_STOCK")
        level.committed -= units
        level.on_hand -= written_off

    @contextmanager
    def _all_or_nothing(self) -> Iterator[Codes]:
        before, codes = deepcopy((self.levels, self.carts)), set[str]()
        try:
            yield codes
        except Refused as refused:
            self.levels, self.carts = before
            codes.add(refused.code)
