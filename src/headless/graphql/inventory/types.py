"""How does stock look in the API?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.addresses import MailingAddress, address
from headless.graphql.catalog.types import ProductVariant, find_variant
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.nodes import Node, finds
from headless.graphql.scalars import CountryCode
from headless.inventory import lists, models, queries
from headless.inventory.rules import COUNTED
from headless.inventory.transfers import TransferStatus
from headless.inventory.waiting import RequestStatus
from headless.platform import ids
from headless.platform.db import Record

strawberry.enum(TransferStatus, name="InventoryTransferStatus", description="How far a transfer is.")
strawberry.enum(RequestStatus, name="StockRequestStatus", description="What became of a wish to be told.")


@view(models.Location)
class Location(Node):
    """A place that holds stock and ships orders."""

    id: strawberry.ID = id_of("location")
    handle: str
    name: str
    position: int = strawberry.field(description="Lower ones give their stock first.")
    is_active: bool
    ships_orders: bool = strawberry.field(description="Whether orders take stock from here.")
    offers_pickup: bool
    country_code: CountryCode | None
    version: int

    @field
    def address(self: models.Location) -> MailingAddress | None:
        """Where it is."""
        return address(self.address)


@strawberry.type(description="One counted quantity of a level.")
class InventoryQuantity:
    name: str = strawberry.field(
        description="available, on_hand, reserved, committed, damaged, safety_stock or incoming."
    )
    quantity: int


@strawberry.type(description="A variant's stock at a location.")
class InventoryLevel:
    @field
    async def variant(self: Any, info: Info) -> ProductVariant | None:
        """The variant that is stocked."""
        return await _variant(info, self.variant_id)

    @field
    async def location(self: Any, info: Info) -> Location:
        """Where it is."""
        return await _location(info, self.location_id)

    @field
    def quantities(self: Any, names: list[str] | None = UNSET) -> list[InventoryQuantity]:
        """Quantities by name; available = on_hand - reserved - committed - damaged - safety_stock."""
        known = ("available", *COUNTED)
        wanted = sent(names) or known
        return [InventoryQuantity(name=name, quantity=getattr(self, name)) for name in wanted if name in known]


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
        return await _variant(info, self.variant_id)

    @field
    async def location(self: models.Movement, info: Info) -> Location:
        """Where it moved."""
        return await _location(info, self.location_id)


@view(models.TransferLine)
class InventoryTransferLine:
    """Units of a variant in a transfer."""

    quantity: int = strawberry.field(description="Units that were sent.")
    received: int = strawberry.field(description="Units that arrived in order.")
    rejected: int = strawberry.field(description="Units that were rejected on arrival; they count nowhere.")

    @field
    async def variant(self: models.TransferLine, info: Info) -> ProductVariant | None:
        """What travels."""
        return await _variant(info, self.variant_id)


@view(models.Transfer)
class InventoryTransfer(Node):
    """Stock on its way to a location, from another one or from a supplier."""

    id: strawberry.ID = id_of("transfer")
    supplier: str | None
    status: TransferStatus
    expected_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    @field
    async def origin(self: models.Transfer, info: Info) -> Location | None:
        """The location it left; null when it comes from a supplier."""
        return None if self.origin_id is None else await _location(info, self.origin_id)

    @field
    async def destination(self: models.Transfer, info: Info) -> Location:
        """The location it goes to."""
        return await _location(info, self.destination_id)

    @field
    def reference_document_uri(self: models.Transfer) -> str | None:
        """The document that explains it, such as a purchase order."""
        return self.reference

    @field
    async def lines(self: models.Transfer, info: Info) -> list[InventoryTransferLine]:
        """What travels, at most 250 variants."""
        found = await info.context.load(lists.lines_by_transfer, self.id)
        return cast("list[InventoryTransferLine]", found or [])


@view(models.StockRequest)
class StockRequest(Node):
    """A shopper's wish to be told when a variant can be bought again."""

    id: strawberry.ID = id_of("stock_request")
    email: str
    status: RequestStatus
    created_at: datetime
    served_at: datetime | None

    @field
    async def variant(self: models.StockRequest, info: Info) -> ProductVariant | None:
        """What they wait for."""
        return await _variant(info, self.variant_id)


async def _variant(info: Info, variant_id: UUID) -> ProductVariant | None:
    return cast("ProductVariant | None", await find_variant(info, variant_id))


async def _location(info: Info, location_id: UUID) -> Location:
    return cast("Location", await info.context.load(queries.locations_by_id, location_id))


@finds("location", "Location")
async def find_location(info: Info, location_id: UUID) -> Record | None:
    return await _find(info, queries.locations_by_id, location_id)


@finds("transfer", "InventoryTransfer")
async def find_transfer(info: Info, transfer_id: UUID) -> Record | None:
    return await _find(info, lists.transfers_by_id, transfer_id)


@finds("stock_request", "StockRequest")
async def find_request(info: Info, request_id: UUID) -> Record | None:
    return await _find(info, lists.requests_by_id, request_id)


async def _find(info: Info, batch: Any, key: UUID) -> Record | None:
    if not info.context.actor.may(Permission.READ_INVENTORY):
        return None
    return cast("Record | None", await info.context.load(batch, key))
