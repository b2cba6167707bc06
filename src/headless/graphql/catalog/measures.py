"""How do weights and dimensions of variants look in the API, and how are they given?"""

from decimal import Decimal
from typing import Any

import strawberry
from strawberry import UNSET

from headless.catalog import measures
from headless.catalog.measures import MOST_GRAMS, MOST_MILLIMETERS, LengthUnit, WeightUnit
from headless.graphql.declare import input_type
from headless.platform.errors import InvalidInput

strawberry.enum(WeightUnit, description="What a weight is counted in.")
strawberry.enum(LengthUnit, description="What a length is counted in.")


@strawberry.type(description="What one unit weighs.")
class Weight:
    value: Decimal
    unit: WeightUnit


@strawberry.type(description="How much room one unit takes.")
class Dimensions:
    length: Decimal | None
    width: Decimal | None
    height: Decimal | None
    unit: LengthUnit


@input_type
class WeightInput:
    """What one unit weighs; kept are whole grams."""

    value: Decimal
    unit: WeightUnit = WeightUnit.GRAMS


@input_type
class DimensionsInput:
    """How much room one unit takes; kept are whole millimeters, and what is left out isn't known."""

    length: Decimal | None = UNSET
    width: Decimal | None = UNSET
    height: Decimal | None = UNSET
    unit: LengthUnit = LengthUnit.MILLIMETERS


def weight(grams: int | None, unit: WeightUnit) -> Weight | None:
    return None if grams is None else Weight(value=measures.shown(grams, unit), unit=unit)


def dimensions(sizes: tuple[int | None, int | None, int | None], unit: LengthUnit) -> Dimensions | None:
    """All three, or null when none is known."""
    if sizes == (None, None, None):
        return None
    length, width, height = (None if size is None else measures.shown(size, unit) for size in sizes)
    return Dimensions(length=length, width=width, height=height, unit=unit)


def weight_columns(given: WeightInput | None, *path: str | int) -> dict[str, Any]:
    """What a weight becomes in a variant's row."""
    if given is None:
        return {"weight_grams": None}
    try:
        return {"weight_grams": measures.counted(given.value, given.unit, most=MOST_GRAMS)}
    except InvalidInput as refusal:
        raise refusal.at(*path, "weight", "value") from None


def dimension_columns(given: DimensionsInput | None, *path: str | int) -> dict[str, Any]:
    """What dimensions become in a variant's row."""
    columns: dict[str, Any] = {"length_mm": None, "width_mm": None, "height_mm": None}
    for name in ("length", "width", "height") if given is not None else ():
        size = getattr(given, name)
        if size is None or size is UNSET or given is None:
            continue
        try:
            counted = measures.counted(size, given.unit, most=MOST_MILLIMETERS)
        except InvalidInput as refusal:
            raise refusal.at(*path, "dimensions", name) from None
        if not counted:
            raise InvalidInput("This is less than a millimeter.", field=(*path, "dimensions", name))
        columns[f"{name}_mm"] = counted
    return columns
