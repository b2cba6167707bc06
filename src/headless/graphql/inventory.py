"""How does stock look in the API?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.catalog import ProductVariant, find_variant
from headless.graphql.context import Info, sent
from headless.graphql.declare import (
    decoded,
    errors,
    field,
    id_of,
    input_type,
    mutation,
    payload,
    query,
    view,
)
from headless.graphql.errors import UserError
from headless.graphql.nodes import Node, finds
from headless.graphql.pages import Connection, page
from headless.inventory import models, queries, service
from headless.inventory.errors import ChangeFromQuantityRequired
from headless.inventory.rules import COUNTED, Stock
from headless.inventory.service import Change, Why
from headless.platform import idempotency, ids
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, Refusal, Refused
from headless.platform.pages import window

MOST_CHANGES = 250


@view(models.Location)
class Location(Node):
    """A place that holds stock and ships orders."""

    id: strawberry.ID = id_of("location")
    handle: str
    name: str
    is_active: bool


@strawberry.type(description="One counted quantity of a level.")
class InventoryQuantity:
    name: str = strawberry.field(
        description="available, on_hand, reserved, committed, damaged, safety_stock or incoming."
    )
    quantity: int


@strawberry.type(description="A variant's stock at a location.")
class InventoryLevel:
    @field
    async def variant(self: Stock, info: Info) -> ProductVariant | None:
        """The variant that is stocked."""
        return cast("ProductVariant | None", await find_variant(info, self.variant_id))

    @field
    async def location(self: Stock, info: Info) -> Location:
        """Where it is."""
        return cast("Location", await info.context.load(queries.locations_by_id, self.location_id))

    @field
    def quantities(self: Stock, names: list[str] | None = UNSET) -> list[InventoryQuantity]:
        """Quantities by name; available = on_hand - reserved - committed - damaged - safety_stock."""
        known = ("available", *COUNTED)
        wanted = sent(names) or known
        return [InventoryQuantity(name=name, quantity=self.quantity(name)) for name in wanted if name in known]


@view(models.Movement)
class InventoryMovement:
    """One entry of the ledger."""

    id: strawberry.ID = id_of("movement")
    name: str
    delta: int
    reason: str
    actor: str
    occurred_at: datetime

    @field
    def group_id(self: models.Movement) -> strawberry.ID:
        """Equal for the entries of one call."""
        return strawberry.ID(ids.encode("movement_group", self.group_id))

    @field
    def reference_document_uri(self: models.Movement) -> str | None:
        """The document that explains it, such as an order's id."""
        return self.reference

    @field
    async def variant(self: models.Movement, info: Info) -> ProductVariant | None:
        """What moved."""
        return cast("ProductVariant | None", await find_variant(info, self.variant_id))

    @field
    async def location(self: models.Movement, info: Info) -> Location:
        """Where it moved."""
        return cast("Location", await info.context.load(queries.locations_by_id, self.location_id))


@input_type
class InventoryAdjustChangeInput:
    """A change of a quantity by `delta`."""

    variant_id: strawberry.ID
    location_id: strawberry.ID
    name: str = "available"
    delta: int
    change_from_quantity: int | None = strawberry.field(
        default=UNSET, description="The quantity that you saw; null writes over whatever is there."
    )


@input_type
class InventoryAdjustInput:
    """Corrections of stock, all or none."""

    reason: str
    reference_document_uri: str | None = UNSET
    idempotency_key: str | None = UNSET
    changes: list[InventoryAdjustChangeInput]


@input_type
class InventorySetChangeInput:
    """A change of a quantity to `quantity`."""

    variant_id: strawberry.ID
    location_id: strawberry.ID
    name: str = "available"
    quantity: int
    change_from_quantity: int | None = strawberry.field(
        default=UNSET, description="The quantity that you saw; null writes over whatever is there."
    )


@input_type
class InventorySetInput:
    """Counts of stock, all or none."""

    reason: str
    reference_document_uri: str | None = UNSET
    idempotency_key: str | None = UNSET
    changes: list[InventorySetChangeInput]


@payload
class InventoryAdjustPayload:
    """What was moved."""

    movements: list[InventoryMovement] | None = None
    levels: list[InventoryLevel] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class InventorySetPayload:
    """What was moved."""

    movements: list[InventoryMovement] | None = None
    levels: list[InventoryLevel] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class InventoryQueries:
    @query(requires=Permission.READ_INVENTORY)
    async def locations(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Location] | None:
        """Locations in the order in which they give their stock."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            return cast("Connection[Location]", page(await queries.location_page(session, wanted)))

    @query(requires=Permission.READ_INVENTORY)
    async def inventory_movements(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        variant_id: strawberry.ID | None = UNSET,
        location_id: strawberry.ID | None = UNSET,
    ) -> Connection[InventoryMovement] | None:
        """The ledger, newest first."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            found = await queries.movement_page(
                session,
                wanted,
                variant_id=_decoded("variant", sent(variant_id)),
                location_id=_decoded("location", sent(location_id)),
            )
        return cast("Connection[InventoryMovement]", page(found))


@strawberry.type
class InventoryMutations:
    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_adjust(self, info: Info, input: InventoryAdjustInput) -> InventoryAdjustPayload | None:
        """Change stock by differences, all or none."""
        changes = _changes(input.changes, delta=True)
        return InventoryAdjustPayload(**await _change(info, "inventoryAdjust", input, changes))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_set(self, info: Info, input: InventorySetInput) -> InventorySetPayload | None:
        """Set stock to what was counted, all or none."""
        changes = _changes(input.changes, delta=False)
        return InventorySetPayload(**await _change(info, "inventorySet", input, changes))


@finds("location", "Location")
async def find_location(info: Info, location_id: UUID) -> Record | None:
    if not info.context.actor.may(Permission.READ_INVENTORY):
        return None
    return cast("Record | None", await info.context.load(queries.locations_by_id, location_id))


def _decoded(prefix: str, wanted: str | None) -> Any:
    return None if wanted is None else ids.decode(prefix, wanted)


def _changes(inputs: Any, *, delta: bool) -> list[Change]:
    if not 1 <= len(inputs) <= MOST_CHANGES:
        message = f"A call makes 1 to {MOST_CHANGES} changes."
        raise InvalidInput(message, field=("changes",))
    changes: list[Change] = []
    problems: list[Refusal] = []
    for index, change in enumerate(inputs):
        try:
            if change.change_from_quantity is UNSET:
                raise ChangeFromQuantityRequired(field=("changes", index, "changeFromQuantity"))
            changes.append(
                Change(
                    variant_id=decoded("variant", change.variant_id, "changes", index, "variantId"),
                    location_id=decoded("location", change.location_id, "changes", index, "locationId"),
                    name=change.name,
                    delta=change.delta if delta else None,
                    quantity=None if delta else change.quantity,
                    seen=change.change_from_quantity,
                )
            )
        except Refusal as refusal:
            problems.append(refusal)
    if problems:
        raise Refused(problems)
    return changes


async def _change(info: Info, operation: str, input: Any, changes: list[Change]) -> dict[str, Any]:
    context = info.context
    claim = context.claim(operation, input, required=True)
    async with context.transaction() as session:
        earlier = await idempotency.begin(session, claim)
        if earlier is None:
            why = Why(input.reason, context.actor.name, sent(input.reference_document_uri))
            group_id = await service.change(session, changes, why)
            await idempotency.finish(session, claim, {"group": str(group_id)})
        else:
            context.is_replayed = True
            group_id = UUID(earlier["group"])
    async with context.reading() as session:
        return await _result(session, group_id, changes)


async def _result(session: Session, group_id: UUID, changes: list[Change]) -> dict[str, Any]:
    keys = {(change.variant_id, change.location_id) for change in changes}
    stocks = await queries.stocks_by_variant(session, sorted({variant_id for variant_id, _location in keys}))
    return {
        "movements": (await queries.movements_by_group(session, [group_id])).get(group_id, []),
        "levels": [
            stock
            for per_variant in stocks.values()
            for stock in per_variant
            if (stock.variant_id, stock.location_id) in keys
        ],
    }
