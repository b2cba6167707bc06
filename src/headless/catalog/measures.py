"""In which units are weights and lengths given and shown? Kept are whole grams and millimeters."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from enum import Enum
from typing import Final

from headless.platform.errors import InvalidInput

MOST_GRAMS: Final = 10**9
MOST_MILLIMETERS: Final = 10**6


class WeightUnit(Enum):
    """What a weight is counted in."""

    GRAMS = Decimal(1)
    KILOGRAMS = Decimal(1000)
    OUNCES = Decimal("28.349523125")
    POUNDS = Decimal("453.59237")


class LengthUnit(Enum):
    """What a length is counted in."""

    MILLIMETERS = Decimal(1)
    CENTIMETERS = Decimal(10)
    METERS = Decimal(1000)
    INCHES = Decimal("25.4")
    FEET = Decimal("304.8")


def counted(value: Decimal, unit: WeightUnit | LengthUnit, *, most: int) -> int:
    """Whole grams or millimeters, rounded half up; raises `InvalidInput` for less than nothing and for too much."""
    if not value.is_finite() or not 0 <= value <= most:
        raise InvalidInput(f"This is a number between 0 and {most}.")
    found = int((value * unit.value).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if found > most:
        raise InvalidInput(f"This is more than {most} {'grams' if isinstance(unit, WeightUnit) else 'millimeters'}.")
    return found


def shown(counted: int, unit: WeightUnit | LengthUnit) -> Decimal:
    """Grams or millimeters in a unit, to the thousandth."""
    exact: Decimal = counted / unit.value
    found = exact.quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)
    whole = found.to_integral_value()
    return whole if found == whole else found.normalize()
