"""How do staff correct, count and move stock?"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import strawberry

from headless.accounts.rules import Permission
from headless.graphql.context import Info, sent
from headless.graphql.declare import decoded, mutation
from headless.graphql.inventory.inputs import (
    InventoryAdjustInput,
    InventoryAdjustPayload,
    InventoryMoveInput,
    InventoryMovePayload,
    InventorySetInput,
    InventorySetPayload,
)
from headless.inventory import moving, queries, service
from headless.inventory.errors import ChangeFromQuantityRequired
from headless.inventory.ledger import Why
from headless.inventory.moving import Relocation, Spot
from headless.inventory.service import Change
from headless.platform import idempotency
from headless.platform.db import Session
from headless.platform.errors import InvalidInput, Refusal, Refused
from headless.platform.texts import checked_text

MOST_CHANGES = 250
LONGEST_REASON = 255
LONGEST_REFERENCE = 2000

Key = tuple[UUID, UUID]
"""Variant and location."""
Write = Callable[[Session, Why], Awaitable[UUID]]


@strawberry.type
class StockMutations:
    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_adjust(self, info: Info, input: InventoryAdjustInput) -> InventoryAdjustPayload | None:
        """Change stock by differences, all or none."""
        changes = _each(input.changes, lambda change, index: _change(change, index, delta=change.delta))
        return InventoryAdjustPayload(**await _changed(info, "inventoryAdjust", input, changes))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_set(self, info: Info, input: InventorySetInput) -> InventorySetPayload | None:
        """Set stock to what was counted, all or none."""
        changes = _each(input.changes, lambda change, index: _change(change, index, quantity=change.quantity))
        return InventorySetPayload(**await _changed(info, "inventorySet", input, changes))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def inventory_move(self, info: Info, input: InventoryMoveInput) -> InventoryMovePayload | None:
        """Move stock between locations, or between quantities of one, all or none."""
        relocations = _each(input.changes, _relocation)

        async def write(session: Session, why: Why) -> UUID:
            return await moving.relocate(session, relocations, why)

        keys = {(one.variant_id, spot.location_id) for one in relocations for spot in (one.origin, one.target)}
        return InventoryMovePayload(**await _written(info, "inventoryMove", input, keys, write))


def _each(inputs: Sequence[Any], make: Callable[[Any, int], Any]) -> list[Any]:
    if not 1 <= len(inputs) <= MOST_CHANGES:
        message = f"A call makes 1 to {MOST_CHANGES} changes."
        raise InvalidInput(message, field=("changes",))
    made: list[Any] = []
    problems: list[Refusal] = []
    for index, change in enumerate(inputs):
        try:
            made.append(make(change, index))
        except Refusal as refusal:
            problems.append(refusal)
    if problems:
        raise Refused(problems)
    return made


def _change(change: Any, index: int, *, delta: int | None = None, quantity: int | None = None) -> Change:
    path = ("changes", index)
    return Change(
        seen=_seen(change.change_from_quantity, *path),
        variant_id=decoded("variant", change.variant_id, *path, "variantId"),
        location_id=decoded("location", change.location_id, *path, "locationId"),
        name=change.name,
        delta=delta,
        quantity=quantity,
    )


def _relocation(change: Any, index: int) -> Relocation:
    path = ("changes", index)
    return Relocation(
        seen=_seen(change.from_.change_from_quantity, *path, "from"),
        variant_id=decoded("variant", change.variant_id, *path, "variantId"),
        quantity=change.quantity,
        origin=Spot(decoded("location", change.from_.location_id, *path, "from", "locationId"), change.from_.name),
        target=Spot(decoded("location", change.to.location_id, *path, "to", "locationId"), change.to.name),
    )


def _seen(value: int | None, *path: str | int) -> int | None:
    if value is strawberry.UNSET:
        raise ChangeFromQuantityRequired(field=(*path, "changeFromQuantity"))
    return value


async def _changed(info: Info, operation: str, input: Any, changes: Sequence[Change]) -> dict[str, Any]:
    async def write(session: Session, why: Why) -> UUID:
        return await service.change(session, changes, why)

    keys = {(change.variant_id, change.location_id) for change in changes}
    return await _written(info, operation, input, keys, write)


async def _written(info: Info, operation: str, input: Any, keys: set[Key], write: Write) -> dict[str, Any]:
    """Write once under the caller's key; answer the movements and the levels as they are now."""
    context = info.context
    claim = context.claim(operation, input, required=True)
    why = _why(input, context.actor.name)
    async with context.transaction() as session:
        earlier = await idempotency.begin(session, claim)
        if earlier is None:
            group_id = await write(session, why)
            await idempotency.finish(session, claim, {"group": str(group_id)})
        else:
            context.is_replayed = True
            group_id = UUID(earlier["group"])
    async with context.reading() as session:
        stocks = await queries.stocks_by_variant(session, sorted({variant_id for variant_id, _location in keys}))
        movements = (await queries.movements_by_group(session, [group_id])).get(group_id, [])
    levels = [stock for per in stocks.values() for stock in per if (stock.variant_id, stock.location_id) in keys]
    return {"movements": movements, "levels": levels}


def _why(input: Any, actor: str) -> Why:
    reason = checked_text(input.reason.strip(), "reason", longest=LONGEST_REASON)
    if not reason:
        message = "Say why the stock changes: the ledger keeps the reason."
        raise InvalidInput(message, field=("reason",))
    reference = sent(input.reference_document_uri)
    if reference is not None and len(reference) > LONGEST_REFERENCE:
        message = f"A reference has at most {LONGEST_REFERENCE} characters."
        raise InvalidInput(message, field=("referenceDocumentUri",))
    return Why(reason, actor, reference)
