"""What do staff send to change stock, and what do they get?"""

import strawberry
from strawberry import UNSET

from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError
from headless.graphql.inventory.types import InventoryLevel, InventoryMovement

SEEN = "The quantity that you saw; null writes over whatever is there."


@input_type
class InventoryAdjustChangeInput:
    """A change of a quantity by `delta`."""

    variant_id: strawberry.ID
    location_id: strawberry.ID
    name: str = "available"
    delta: int
    change_from_quantity: int | None = strawberry.field(default=UNSET, description=SEEN)


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
    change_from_quantity: int | None = strawberry.field(default=UNSET, description=SEEN)


@input_type
class InventorySetInput:
    """Counts of stock, all or none."""

    reason: str
    reference_document_uri: str | None = UNSET
    idempotency_key: str | None = UNSET
    changes: list[InventorySetChangeInput]


@input_type
class InventoryMoveFromInput:
    """Where units are taken: free ones (`available` or `on_hand`), `damaged` or `safety_stock`."""

    location_id: strawberry.ID
    name: str = "available"
    change_from_quantity: int | None = strawberry.field(default=UNSET, description=SEEN)


@input_type
class InventoryMoveToInput:
    """Where units go: to the free ones (`available` or `on_hand`), `damaged` or `safety_stock`."""

    location_id: strawberry.ID
    name: str = "available"


@input_type
class InventoryMoveChangeInput:
    """Units of a variant that go from one location or quantity to another."""

    variant_id: strawberry.ID
    quantity: int
    from_: InventoryMoveFromInput = strawberry.field(name="from")
    to: InventoryMoveToInput


@input_type
class InventoryMoveInput:
    """Moves of stock, all or none; no unit is made or lost."""

    reason: str
    reference_document_uri: str | None = UNSET
    idempotency_key: str | None = UNSET
    changes: list[InventoryMoveChangeInput]


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


@payload
class InventoryMovePayload:
    """What was moved, both sides in one group."""

    movements: list[InventoryMovement] | None = None
    levels: list[InventoryLevel] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
