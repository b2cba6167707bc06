"""How are an order's units shipped and delivered?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from headless.fulfillment import queries as fulfillment_queries
from headless.fulfillment import service as fulfillment
from headless.fulfillment.models import FulfillmentStatus
from headless.fulfillment.service import Part, Taken, Tracking
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.errors import InvalidQuantity
from headless.inventory.ledger import Why
from headless.inventory.rules import Take
from headless.orders import queries, rules
from headless.orders.errors import FulfillmentStatusInvalid, NothingToFulfill, OrderNotFulfillable
from headless.orders.service import derive, lock
from headless.platform import clock, ids
from headless.platform.db import Record, Session
from headless.platform.errors import NotFound


async def create_fulfillment(
    session: Session,
    order_id: UUID,
    wanted: Sequence[tuple[UUID, int]],
    *,
    location_id: UUID | None,
    tracking: Tracking | None,
    is_shipped: bool,
    actor: str,
) -> UUID:
    """Ship units `(order line, quantity)`, or prepare them; without a location from where the stock is committed.

    Raises `NotFound`, `InvalidQuantity`, `NothingToFulfill`, `OrderNotFulfillable` or `OutOfStock`.
    """
    order = await lock(session, order_id)
    if order.cancelled_at is not None:
        raise OrderNotFulfillable(field=("orderId",))
    lines = {line.id: line for line in (await queries.lines_by_order(session, [order_id])).get(order_id, [])}
    in_fulfillments = await queries.units_in_fulfillments(session, [order_id])
    if location_id is not None and location_id not in await inventory_queries.locations_by_id(session, [location_id]):
        raise NotFound(field=("locationId",))
    asked = _asked(wanted, lines, in_fulfillments)
    why = Why("fulfillment", actor, reference=ids.encode("order", order_id))
    parts: list[Part] = []
    tracked = {variant_id for line_id in asked for variant_id in _made_of(lines[line_id])}
    await inventory_queries.locked_stocks(session, sorted(tracked))
    for line_id, quantity in sorted(asked.items()):
        line = lines[line_id]
        preparing = await _preparing(session, line)
        if location_id is not None:
            for variant_id, units in _made_of(line).items():
                await inventory.recommit(
                    session,
                    line_id,
                    variant_id=variant_id,
                    quantity=quantity * units,
                    location_id=location_id,
                    spoken_for=preparing.get(variant_id, {}),
                    why=why,
                )
        parts += await _parts(session, line, quantity, location_id=location_id, preparing=preparing)
    if is_shipped:
        await inventory.ship(session, _takes(parts), why)
    fulfillment_id = await fulfillment.create(session, order_id, parts, tracking=tracking, is_shipped=is_shipped)
    await derive(session, order_id, actor=actor)
    return fulfillment_id


def _asked(
    wanted: Sequence[tuple[UUID, int]], lines: Mapping[UUID, Record], in_fulfillments: Mapping[UUID, int]
) -> Mapping[UUID, int]:
    """Sum what is asked of each line and refuse more than is left to ship."""
    asked: dict[UUID, int] = {}
    for index, (line_id, quantity) in enumerate(wanted):
        if line_id not in lines:
            raise NotFound(field=("lines", index, "orderLineId"))
        if quantity < 1:
            message = f"A quantity is at least 1; {quantity} is not."
            raise InvalidQuantity(message, field=("lines", index, "quantity"))
        asked[line_id] = asked.get(line_id, 0) + quantity
        line = lines[line_id]
        left = rules.Progress(line.quantity, line.cancelled_quantity, in_fulfillments[line_id]).fulfillable
        if asked[line_id] > left:
            message = f"{left} of this line are left to ship."
            raise NothingToFulfill(message, field=("lines", index, "quantity"))
    if not asked:
        message = "Name at least one line to ship."
        raise NothingToFulfill(message, field=("lines",))
    return asked


async def ship_fulfillment(session: Session, fulfillment_id: UUID, *, tracking: Tracking | None, actor: str) -> UUID:
    """Send a prepared shipment off; answer its order. Raises `NotFound` or `FulfillmentStatusInvalid`."""
    order_id = await _order_of(session, fulfillment_id)
    if not await fulfillment.mark_shipped(session, fulfillment_id, tracking=tracking):
        message = "Only a shipment that is PENDING can be shipped."
        raise FulfillmentStatusInvalid(message, field=("fulfillmentId",))
    lines = (await fulfillment_queries.lines_by_fulfillment(session, [fulfillment_id])).get(fulfillment_id, [])
    parts = [fulfillment.part_of(line) for line in lines]
    await inventory.ship(session, _takes(parts), Why("fulfillment", actor, reference=ids.encode("order", order_id)))
    await derive(session, order_id, actor=actor)
    return order_id


async def deliver_fulfillment(session: Session, fulfillment_id: UUID, *, at: datetime | None, actor: str) -> UUID:
    """Note that a shipment has arrived; answer its order. Raises `NotFound` or `FulfillmentStatusInvalid`."""
    order_id = await _order_of(session, fulfillment_id)
    if not await fulfillment.mark_delivered(session, fulfillment_id, at=at or clock.now()):
        message = "Only a shipment that is SHIPPED can be delivered."
        raise FulfillmentStatusInvalid(message, field=("fulfillmentId",))
    await derive(session, order_id, actor=actor)
    return order_id


async def _order_of(session: Session, fulfillment_id: UUID) -> UUID:
    found = (await fulfillment_queries.fulfillments_by_id(session, [fulfillment_id])).get(fulfillment_id)
    if found is None:
        raise NotFound(field=("fulfillmentId",))
    await lock(session, found.order_id)
    return UUID(str(found.order_id))


def _made_of(line: Record) -> Mapping[UUID, int]:
    """The variants whose stock one unit of a line takes, and how many of each."""
    if not line.is_tracked:
        return {}
    return {UUID(part["variant_id"]): part["quantity"] for part in line.parts or ()} or {line.variant_id: 1}


async def _preparing(session: Session, line: Record) -> Mapping[UUID, Mapping[UUID, int]]:
    """Units by variant and location that shipments in preparation will take for a line."""
    preparing: defaultdict[UUID, defaultdict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    rows = (await fulfillment_queries.lines_by_order(session, [line.order_id])).get(line.order_id, [])
    waiting = [row for row in rows if row.order_line_id == line.id and row.status == FulfillmentStatus.PENDING]
    for take in _takes([fulfillment.part_of(row) for row in waiting]):
        preparing[take.variant_id][take.location_id] += take.quantity
    return preparing


async def _parts(
    session: Session,
    line: Record,
    quantity: int,
    *,
    location_id: UUID | None,
    preparing: Mapping[UUID, Mapping[UUID, int]],
) -> list[Part]:
    """What leaves from where for units of a line: from the wished location first, else where they are owed."""
    made_of = _made_of(line)
    if not made_of:
        return [Part(line.id, line.variant_id, location_id, quantity)]
    owed = (await inventory_queries.committed_by_line(session, [line.id])).get(line.id, [])
    taken: list[Taken] = []
    for variant_id, units in made_of.items():
        missing, spoken_for = quantity * units, preparing.get(variant_id, {})
        of_variant = [take for take in owed if take.variant_id == variant_id]
        for take in sorted(of_variant, key=lambda take: take.location_id != location_id):
            given = min(take.quantity - spoken_for.get(take.location_id, 0), missing)
            if given > 0:
                taken.append(Taken(variant_id, take.location_id, given))
                missing -= given
        if missing:
            raise NothingToFulfill(field=("lines",))
    if line.parts:
        return [Part(line.id, line.variant_id, None, quantity, taken)]
    return [Part(line.id, line.variant_id, each.location_id, each.quantity) for each in taken]


def _takes(parts: Sequence[Part]) -> list[Take]:
    takes = [
        Take(part.order_line_id, each.variant_id, each.location_id, each.quantity)
        for part in parts
        for each in part.taken
    ]
    return takes + [
        Take(part.order_line_id, part.variant_id, part.location_id, part.quantity)
        for part in parts
        if not part.taken and part.variant_id is not None and part.location_id is not None
    ]
