"""How do staff send, receive and call back stock?"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, sent
from headless.graphql.declare import decoded, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.graphql.inventory.types import InventoryTransfer
from headless.inventory import lists, transfers
from headless.inventory.transfers import Receipt, Shipment
from headless.platform import idempotency
from headless.platform.db import Session


@input_type
class InventoryTransferLineInput:
    """Units of a variant to send."""

    variant_id: strawberry.ID
    quantity: int


@input_type
class InventoryTransferCreateInput:
    """Stock to send to a location: from another one (`originId`) or from a `supplier`."""

    destination_id: strawberry.ID
    origin_id: strawberry.ID | None = UNSET
    supplier: str | None = UNSET
    reference_document_uri: str | None = UNSET
    expected_at: datetime | None = UNSET
    idempotency_key: str | None = UNSET
    lines: list[InventoryTransferLineInput]


@input_type
class InventoryTransferReceiptInput:
    """Units of a variant that arrived; rejected ones count nowhere from then on."""

    variant_id: strawberry.ID
    received: int
    rejected: int = 0


@input_type
class InventoryTransferReceiveInput:
    """What arrived of a transfer; the rest is still on its way."""

    transfer_id: strawberry.ID
    idempotency_key: str | None = UNSET
    lines: list[InventoryTransferReceiptInput]


@input_type
class InventoryTransferCancelInput:
    transfer_id: strawberry.ID
    idempotency_key: str | None = UNSET


@payload
class InventoryTransferCreatePayload:
    """The new transfer."""

    transfer: InventoryTransfer | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class InventoryTransferReceivePayload:
    """The transfer as it is now."""

    transfer: InventoryTransfer | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class InventoryTransferCancelPayload:
    """The transfer, of which nothing is on its way any more."""

    transfer: InventoryTransfer | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class TransferMutations:
    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_transfer_create(
        self, info: Info, input: InventoryTransferCreateInput
    ) -> InventoryTransferCreatePayload | None:
        """Set stock on its way: it leaves its origin at once and is incoming at its destination."""
        origin = sent(input.origin_id)
        shipment = Shipment(
            destination_id=decoded("location", input.destination_id, "destinationId"),
            origin_id=None if origin is None else decoded("location", origin, "originId"),
            supplier=sent(input.supplier),
            reference=sent(input.reference_document_uri),
            expected_at=sent(input.expected_at),
            lines=[
                (decoded("variant", line.variant_id, "lines", index, "variantId"), line.quantity)
                for index, line in enumerate(input.lines)
            ],
        )

        async def write(session: Session) -> UUID:
            return await transfers.send(session, shipment, actor=info.context.actor.name)

        transfer = await _once(info, "inventoryTransferCreate", input, write)
        return InventoryTransferCreatePayload(transfer=transfer)

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_transfer_receive(
        self, info: Info, input: InventoryTransferReceiveInput
    ) -> InventoryTransferReceivePayload | None:
        """Take in what arrived of a transfer, wholly or in part."""
        transfer_id: UUID = decoded("transfer", input.transfer_id, "transferId")
        receipts = [
            Receipt(decoded("variant", line.variant_id, "lines", index, "variantId"), line.received, line.rejected)
            for index, line in enumerate(input.lines)
        ]

        async def write(session: Session) -> UUID:
            await transfers.receive(session, transfer_id, receipts, actor=info.context.actor.name)
            return transfer_id

        transfer = await _once(info, "inventoryTransferReceive", input, write, required=True)
        return InventoryTransferReceivePayload(transfer=transfer)

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_transfer_cancel(
        self, info: Info, input: InventoryTransferCancelInput
    ) -> InventoryTransferCancelPayload | None:
        """Call back what hasn't arrived: it is on hand at its origin again."""
        transfer_id: UUID = decoded("transfer", input.transfer_id, "transferId")

        async def write(session: Session) -> UUID:
            await transfers.cancel(session, transfer_id, actor=info.context.actor.name)
            return transfer_id

        transfer = await _once(info, "inventoryTransferCancel", input, write)
        return InventoryTransferCancelPayload(transfer=transfer)


async def _once(
    info: Info, operation: str, input: Any, write: Callable[[Session], Awaitable[UUID]], *, required: bool = False
) -> InventoryTransfer:
    """Write once under the caller's key; answer the transfer as it is now."""
    context = info.context
    claim = context.claim(operation, input, required=required)
    async with context.transaction() as session:
        earlier = await idempotency.begin(session, claim)
        if earlier is None:
            transfer_id = await write(session)
            await idempotency.finish(session, claim, {"transfer": str(transfer_id)})
        else:
            context.is_replayed, transfer_id = True, UUID(earlier["transfer"])
    return cast("InventoryTransfer", await context.load(lists.transfers_by_id, transfer_id))
