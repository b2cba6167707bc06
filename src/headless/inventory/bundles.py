"""What is a bundle made of? It has no stock of its own: it sells as long as its parts do."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, exists, insert, or_, select, update

from headless.catalog import history
from headless.catalog.events import ProductUpdated
from headless.catalog.models import variants
from headless.inventory import ledger
from headless.inventory.errors import BundleInvalid, InvalidQuantity
from headless.inventory.models import bundle_parts, levels
from headless.inventory.queries import AVAILABLE
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import NotFound
from headless.teamwork import revisions
from headless.teamwork.rules import Change, Json

MOST_PARTS = 50
MOST_UNITS = 1000


async def set_parts(
    session: Session, variant_id: UUID, parts: Mapping[UUID, int], *, expected_version: int, actor: str
) -> None:
    """Make a variant a bundle of parts, `units by variant`, or, without parts, an ordinary one again.

    Orders and checkouts keep what the bundle was made of when they were placed.

    Raises `NotFound`, `StaleObject`, `InvalidQuantity`, or `BundleInvalid` for a bundle within a bundle or one with
    stock of its own.
    """
    if len(parts) > MOST_PARTS:
        message = f"A bundle has at most {MOST_PARTS} parts."
        raise BundleInvalid(message, field=("parts",))
    rows = await _locked(session, {variant_id, *parts})
    bundle = rows.get(variant_id)
    if bundle is None:
        raise NotFound(field=("variantId",))
    if bundle.version != expected_version:
        raise await revisions.stale(session, "variant", bundle, expected_version)
    for index, (part_id, units) in enumerate(parts.items()):
        _check_part(rows.get(part_id), units, index, is_self=part_id == variant_id)
    if parts:
        await _check_bundle(session, variant_id)
    c = bundle_parts.c
    gone = await session.execute(delete(bundle_parts).where(c.bundle_id == variant_id).returning(c.part_id, c.quantity))
    before = {row.part_id: row.quantity for row in gone}
    if parts:
        await session.execute(
            insert(bundle_parts),
            [{"bundle_id": variant_id, "part_id": key, "quantity": units} for key, units in parts.items()],
        )
    await session.execute(
        update(variants)
        .where(variants.c.id == variant_id)
        .values(is_bundle=bool(parts), version=variants.c.version + 1, updated_at=clock.now(), changed_by=actor)
    )
    made_of = Change("bundle_parts", _units(before), _units(parts))
    history.record_variant(session, bundle, {"is_bundle": bool(parts)}, actor=actor, beside=[made_of])
    await ledger.announce(session, [variant_id])
    outbox.record(session, ProductUpdated(bundle.product_id))


def _units(parts: Mapping[UUID, int]) -> Json:
    return [{"variantId": ids.encode("variant", key), "quantity": parts[key]} for key in sorted(parts)]


async def _locked(session: Session, variant_ids: set[UUID]) -> Mapping[UUID, Record]:
    """Lock variants, in the order of their ids: none of them becomes a bundle or a part meanwhile."""
    found = await session.execute(
        select(variants).where(any_of(variants.c.id, sorted(variant_ids))).order_by(variants.c.id)
        .with_for_update(key_share=True)
    )  # fmt: skip
    return {row.id: row for row in found}


def _check_part(part: Record | None, units: int, index: int, *, is_self: bool) -> None:
    if part is None:
        raise NotFound(field=("parts", index, "variantId"))
    if is_self or part.is_bundle:
        message = "A part is another variant that is no bundle itself."
        raise BundleInvalid(message, field=("parts", index, "variantId"))
    if not 1 <= units <= MOST_UNITS:
        message = f"A bundle holds 1 to {MOST_UNITS} units of a part."
        raise InvalidQuantity(message, field=("parts", index, "quantity"))


async def _check_bundle(session: Session, variant_id: UUID) -> None:
    c = levels.c
    is_stocked = exists().where(
        c.variant_id == variant_id, or_(c.on_hand > 0, c.reserved > 0, c.committed > 0, c.incoming > 0, AVAILABLE < 0)
    )
    is_part = exists().where(bundle_parts.c.part_id == variant_id)
    stocked, part = (await session.execute(select(is_stocked, is_part))).one()
    if stocked:
        message = "This variant has stock of its own, or owes it to orders. Set it to 0 and ship what is owed first."
        raise BundleInvalid(message, field=("variantId",))
    if part:
        message = "This variant is part of another bundle, and bundles can't hold bundles."
        raise BundleInvalid(message, field=("variantId",))
