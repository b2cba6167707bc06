"""How do staff make, change, close and open locations?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.cart import service as carts
from headless.graphql.addresses import AddressInput
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import decoded, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.graphql.inventory.types import Location
from headless.inventory import places, queries
from headless.inventory.places import Place
from headless.platform.errors import InvalidInput


@input_type
class LocationCreateInput:
    """A new location; without a handle it gets one made of its name, without a position it comes last."""

    name: str
    handle: str | None = UNSET
    position: int | None = UNSET
    address: AddressInput | None = UNSET
    ships_orders: bool = True
    offers_pickup: bool = False


@input_type
class LocationUpdateInput:
    """What becomes of a location: an omitted field stays, null clears."""

    id: strawberry.ID
    expected_version: int
    name: str | None = UNSET
    handle: str | None = UNSET
    position: int | None = UNSET
    address: AddressInput | None = UNSET
    ships_orders: bool | None = UNSET
    offers_pickup: bool | None = UNSET


@input_type
class LocationActivateInput:
    id: strawberry.ID


@input_type
class LocationDeactivateInput:
    id: strawberry.ID


@payload
class LocationCreatePayload:
    """The new location."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class LocationUpdatePayload:
    """The location as it is now."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class LocationActivatePayload:
    """The location, whose stock can be sold."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class LocationDeactivatePayload:
    """The location, whose stock can't be sold."""

    location: Location | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class LocationMutations:
    @mutation(requires=Permission.WRITE_INVENTORY)
    async def location_create(self, info: Info, input: LocationCreateInput) -> LocationCreatePayload | None:
        """Make a location, which can hold stock at once."""
        place = Place(
            name=input.name,
            handle=sent(input.handle),
            position=sent(input.position),
            address=_address(sent(input.address)),
            ships_orders=input.ships_orders,
            offers_pickup=input.offers_pickup,
        )
        async with info.context.transaction() as session:
            location_id = await places.create(session, place)
        return LocationCreatePayload(location=await _location(info, location_id))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def location_update(self, info: Info, input: LocationUpdateInput) -> LocationUpdatePayload | None:
        """Change a location, if it is still the version that you saw."""
        location_id = decoded("location", input.id, "id")
        changes = _columns(input)
        async with info.context.transaction() as session:
            await places.change(session, location_id, expected_version=input.expected_version, changes=changes)
        return LocationUpdatePayload(location=await _location(info, location_id))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def location_activate(self, info: Info, input: LocationActivateInput) -> LocationActivatePayload | None:
        """Let a location give its stock to orders again."""
        location_id = decoded("location", input.id, "id")
        async with info.context.transaction() as session:
            await places.activate(session, location_id)
        return LocationActivatePayload(location=await _location(info, location_id))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def location_deactivate(self, info: Info, input: LocationDeactivateInput) -> LocationDeactivatePayload | None:
        """Close a location where nothing is reserved, committed or incoming: its stock can't be sold any more."""
        location_id = decoded("location", input.id, "id")
        async with info.context.transaction() as session:
            await places.deactivate(session, location_id)
        return LocationDeactivatePayload(location=await _location(info, location_id))


def _columns(input: LocationUpdateInput) -> dict[str, Any]:
    required = ("name", "handle", "position", "ships_orders", "offers_pickup")
    changes = dict(given(**{name: getattr(input, name) for name in required}))
    for name, value in changes.items():
        if value is None:
            camel = {"ships_orders": "shipsOrders", "offers_pickup": "offersPickup"}.get(name, name)
            message = "A location always has this: leave the field out to keep it."
            raise InvalidInput(message, field=(camel,))
    if input.address is not UNSET:
        changes["address"] = _address(input.address)
    return changes


def _address(address: AddressInput | None) -> dict[str, Any] | None:
    return None if address is None else cast("dict[str, Any]", carts.address("address", address.plain())["address"])


async def _location(info: Info, location_id: UUID) -> Location:
    return cast("Location", await info.context.load(queries.locations_by_id, location_id))
