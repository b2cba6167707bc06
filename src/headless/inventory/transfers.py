"""How does stock travel to a location? Sent, received in parts, or called back; locked before its levels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from headless.catalog import queries as catalog_queries
from headless.inventory import ledger, queries, rules
from headless.inventory.errors import (
    BundleInvalid,
    InvalidQuantity,
    LocationInactive,
    MoreThanSent,
    OutOfStock,
    TransferClosed,
)
from headless.inventory.events import TransferChanged
from headless.inventory.ledger import Entry, Why
from headless.inventory.models import locations, transfer_lines, transfers
from headless.inventory.moving import by_key, open_levels
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Refusal, Refused

MOST_LINES = 250
LONGEST_TEXT = 255
YEARS = range(2000, 3000)
"""In which something can be expected; at the ends of the calendar, time zones lead out of it."""


class TransferStatus(StrEnum):
    """How far a transfer is."""

    IN_TRANSIT = "IN_TRANSIT"
    PARTIALLY_RECEIVED = "PARTIALLY_RECEIVED"
    RECEIVED = "RECEIVED"
    CANCELLED = "CANCELLED"


OPEN = frozenset({TransferStatus.IN_TRANSIT, TransferStatus.PARTIALLY_RECEIVED})


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is to travel, `(variant, units)`, from a location or, with `origin_id` None, from a supplier."""

    destination_id: UUID
    lines: Sequence[tuple[UUID, int]]
    origin_id: UUID | None = None
    supplier: str | None = None
    reference: str | None = None
    expected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Units of a variant that arrived: in order, and rejected, which count nowhere from then on."""

    variant_id: UUID
    received: int
    rejected: int = 0


async def send(session: Session, shipment: Shipment, *, actor: str) -> UUID:
    """Set stock on its way: it leaves its origin at once and is incoming at its destination.

    Raises `Refused`, or a single `NotFound`, `LocationInactive` or `InvalidInput`.
    """
    _check_form(shipment)
    await _check_places(session, shipment)
    await _check_lines(session, shipment.lines)
    transfer_id, at = ids.new(), clock.now()
    await session.execute(
        insert(transfers).values(
            id=transfer_id,
            origin_id=shipment.origin_id,
            supplier=shipment.supplier,
            destination_id=shipment.destination_id,
            status=TransferStatus.IN_TRANSIT,
            reference=shipment.reference,
            expected_at=shipment.expected_at,
            version=1,
            changed_by=actor,
            created_at=at,
            updated_at=at,
        )
    )
    await session.execute(
        insert(transfer_lines),
        [
            {"transfer_id": transfer_id, "variant_id": variant_id, "quantity": quantity, "received": 0, "rejected": 0}
            for variant_id, quantity in shipment.lines
        ],
    )
    places = [place for place in (shipment.origin_id, shipment.destination_id) if place is not None]
    stocks = await open_levels(
        session, [(variant_id, place) for variant_id, _quantity in shipment.lines for place in places]
    )
    now = by_key(stocks)
    deltas: defaultdict[tuple[UUID, UUID], dict[str, int]] = defaultdict(dict)
    problems: list[Refusal] = []
    for index, (variant_id, quantity) in enumerate(shipment.lines):
        if shipment.origin_id is not None:
            free = now[variant_id, shipment.origin_id].available
            if free < quantity:
                message = f"{quantity} should leave, but {max(free, 0)} can be spared there. Lower the quantity."
                problems.append(OutOfStock(message, field=("lines", index, "quantity")))
            deltas[variant_id, shipment.origin_id]["on_hand"] = -quantity
        if now[variant_id, shipment.destination_id].incoming + quantity > rules.MAX_QUANTITY:
            problems.append(_too_many("lines", index, "quantity"))
        deltas[variant_id, shipment.destination_id]["incoming"] = quantity
    if problems:
        raise Refused(problems)
    await ledger.move(session, stocks, Entry(_why("transfer_sent", transfer_id, actor), deltas))
    outbox.record(session, TransferChanged(transfer_id, TransferStatus.IN_TRANSIT))
    return transfer_id


async def receive(session: Session, transfer_id: UUID, receipts: Sequence[Receipt], *, actor: str) -> None:
    """Take in what arrived; raises `NotFound`, `TransferClosed`, or `Refused` with what is wrong by line."""
    transfer = await _locked(session, transfer_id)
    lines = await _open_lines(session, transfer)
    _check_receipts(receipts, lines)
    left = {variant_id: _left(line) for variant_id, line in lines.items()}
    for receipt in receipts:
        left[receipt.variant_id] -= receipt.received + receipt.rejected
    c = transfer_lines.c
    connection = await session.connection()
    await connection.execute(
        update(transfer_lines)
        .where(c.transfer_id == transfer_id, c.variant_id == bindparam("of_variant"))
        .values(received=c.received + bindparam("arrived"), rejected=c.rejected + bindparam("refused")),
        [
            {"of_variant": receipt.variant_id, "arrived": receipt.received, "refused": receipt.rejected}
            for receipt in receipts
        ],
    )
    is_done = not any(left.values())
    await _set_status(
        session, transfer, TransferStatus.RECEIVED if is_done else TransferStatus.PARTIALLY_RECEIVED, actor=actor
    )
    deltas = {
        (receipt.variant_id, transfer.destination_id): {
            "incoming": -receipt.received - receipt.rejected,
            "on_hand": receipt.received,
        }
        for receipt in receipts
    }
    await _move(session, deltas, _why("transfer_received", transfer_id, actor))


async def cancel(session: Session, transfer_id: UUID, *, actor: str) -> None:
    """Call back what hasn't arrived: it is on hand at its origin again. Raises `NotFound` or `TransferClosed`."""
    transfer = await _locked(session, transfer_id)
    lines = await _open_lines(session, transfer)
    await _set_status(session, transfer, TransferStatus.CANCELLED, actor=actor)
    deltas: defaultdict[tuple[UUID, UUID], dict[str, int]] = defaultdict(dict)
    for variant_id, line in lines.items():
        if _left(line):
            deltas[variant_id, transfer.destination_id]["incoming"] = -_left(line)
            if transfer.origin_id is not None:
                deltas[variant_id, transfer.origin_id]["on_hand"] = _left(line)
    await _move(session, deltas, _why("transfer_cancelled", transfer_id, actor))


def _check_form(shipment: Shipment) -> None:
    if (shipment.origin_id is None) == (shipment.supplier is None):
        message = "A transfer comes either from a location or from a supplier: give one of them."
        raise InvalidInput(message, field=("originId",))
    if shipment.origin_id == shipment.destination_id:
        message = "A transfer goes from one location to another. Choose a different destination."
        raise InvalidInput(message, field=("destinationId",))
    for name, text in (("supplier", shipment.supplier), ("referenceDocumentUri", shipment.reference)):
        if text is not None and not 1 <= len(text.strip()) <= LONGEST_TEXT:
            message = f"A text here has 1 to {LONGEST_TEXT} characters."
            raise InvalidInput(message, field=(name,))
    if shipment.expected_at is not None and shipment.expected_at.year not in YEARS:
        message = f"Nothing is expected then: choose a year from {YEARS[0]} to {YEARS[-1]}."
        raise InvalidInput(message, field=("expectedAt",))
    _check_count(shipment.lines)


def _check_count(lines: Sequence[object]) -> None:
    if not 1 <= len(lines) <= MOST_LINES:
        message = f"A transfer has 1 to {MOST_LINES} lines."
        raise InvalidInput(message, field=("lines",))


async def _check_places(session: Session, shipment: Shipment) -> None:
    wanted = {"originId": shipment.origin_id, "destinationId": shipment.destination_id}
    # Shared, so that nobody closes them meanwhile.
    rows = await session.execute(
        select(locations.c.id, locations.c.is_active)
        .where(any_of(locations.c.id, [place for place in wanted.values() if place is not None]))
        .order_by(locations.c.id)
        .with_for_update(read=True)
    )
    is_active = {row.id: row.is_active for row in rows}
    for name, place in wanted.items():
        if place is not None and place not in is_active:
            raise NotFound(field=(name,))
        if place is not None and not is_active[place]:
            raise LocationInactive(field=(name,))


async def _check_lines(session: Session, lines: Sequence[tuple[UUID, int]]) -> None:
    wanted = [variant_id for variant_id, _quantity in lines]
    owners = await catalog_queries.owners_of(session, wanted)
    bundles = await queries.bundles_among(session, wanted)
    problems: list[Refusal] = []
    seen: set[UUID] = set()
    for index, (variant_id, quantity) in enumerate(lines):
        if variant_id not in owners:
            problems.append(NotFound(field=("lines", index, "variantId")))
        elif variant_id in seen:
            problems.append(_twice(index))
        elif variant_id in bundles:
            message = "A bundle has no stock of its own: send its parts."
            problems.append(BundleInvalid(message, field=("lines", index, "variantId")))
        if not 1 <= quantity <= rules.MAX_QUANTITY:
            message = f"A quantity is between 1 and {rules.MAX_QUANTITY}; {quantity} is not."
            problems.append(InvalidQuantity(message, field=("lines", index, "quantity")))
        seen.add(variant_id)
    if problems:
        raise Refused(problems)


def _check_receipts(receipts: Sequence[Receipt], lines: Mapping[UUID, Record]) -> None:
    _check_count(receipts)
    problems: list[Refusal] = []
    seen: set[UUID] = set()
    for index, receipt in enumerate(receipts):
        arrived = receipt.received + receipt.rejected
        if receipt.variant_id not in lines:
            problems.append(NotFound("No line of this transfer has this variant.", field=("lines", index, "variantId")))
        elif receipt.variant_id in seen:
            problems.append(_twice(index))
        elif receipt.received < 0 or receipt.rejected < 0 or arrived == 0:
            message = "Say how many arrived: received and rejected are 0 or more, and one of them isn't 0."
            problems.append(InvalidQuantity(message, field=("lines", index, "received")))
        elif arrived > (left := _left(lines[receipt.variant_id])):
            message = f"{arrived} should have arrived, but only {left} are on their way. Correct the quantities."
            problems.append(MoreThanSent(message, field=("lines", index, "received")))
        seen.add(receipt.variant_id)
    if problems:
        raise Refused(problems)


async def _locked(session: Session, transfer_id: UUID) -> Record:
    row = (await session.execute(select(transfers).where(transfers.c.id == transfer_id).with_for_update())).first()
    if row is None:
        raise NotFound(field=("transferId",))
    return row


async def _open_lines(session: Session, transfer: Record) -> Mapping[UUID, Record]:
    if transfer.status not in OPEN:
        status = TransferStatus(transfer.status).value.lower()
        message = f"This transfer was {status} by {transfer.changed_by}: nothing of it is on its way any more."
        raise TransferClosed(message, field=("transferId",))
    c = transfer_lines.c
    rows = await session.execute(select(transfer_lines).where(c.transfer_id == transfer.id).order_by(c.variant_id))
    return {row.variant_id: row for row in rows}


async def _set_status(session: Session, transfer: Record, status: TransferStatus, *, actor: str) -> None:
    await session.execute(
        update(transfers)
        .where(transfers.c.id == transfer.id)
        .values(status=status, version=transfer.version + 1, changed_by=actor, updated_at=clock.now())
    )
    outbox.record(session, TransferChanged(transfer.id, status))


async def _move(session: Session, deltas: ledger.Deltas, why: Why) -> None:
    stocks = await queries.locked_stocks(session, sorted({variant_id for variant_id, _place in deltas}))
    now = by_key(stocks)
    for index, (key, names) in enumerate(deltas.items()):
        if now[key].on_hand + names.get("on_hand", 0) > rules.MAX_QUANTITY:
            raise _too_many("lines", index)
    await ledger.move(session, stocks, Entry(why, deltas))


def _left(line: Record) -> int:
    return int(line.quantity - line.received - line.rejected)


def _too_many(*path: str | int) -> InvalidQuantity:
    return InvalidQuantity(f"No place holds more than {rules.MAX_QUANTITY} units.", field=path)


def _twice(index: int) -> InvalidInput:
    message = "An earlier line has this variant already. Put its units on one line."
    return InvalidInput(message, field=("lines", index, "variantId"))


def _why(reason: str, transfer_id: UUID, actor: str) -> Why:
    return Why(reason, actor, ids.encode("transfer", transfer_id))
