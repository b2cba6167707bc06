"""How much is there, where, and how did it come to that?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    and_,
    case,
    cast,
    column,
    func,
    or_,
    select,
    table,
)

from headless.catalog.models import variants
from headless.inventory.models import allocations, bundle_parts, levels, locations, movements
from headless.inventory.rules import Stock, Take
from headless.platform import pages
from headless.platform.columns import any_named, any_of
from headless.platform.db import Record, Session

SELLS = and_(locations.c.is_active, locations.c.ships_orders)
"""Orders ship from there."""
AVAILABLE = levels.c.on_hand - levels.c.reserved - levels.c.committed - levels.c.damaged - levels.c.safety_stock


PRICES = table("price", column("variant_id", Uuid()), column("channel_id", Uuid()))
"""Another domain's, by name: whether a variant has a price in a channel."""


@dataclass(frozen=True, slots=True)
class Sellable:
    """What a checkout would grant of a variant; `quantity` means nothing when it isn't tracked."""

    is_tracked: bool
    quantity: int
    on_shelf: int = 0
    """Units of these that are there now, not on back-order."""

    def grants(self, wanted: int) -> bool:
        return not self.is_tracked or self.quantity >= wanted


def sellable_units(variant: FromClause = variants, *, with_backorders: bool = True) -> ColumnElement[int | None]:
    """Units of a variant that a checkout would grant, as a subquery of its row; null when it isn't tracked.

    The same rule as `rules.sellable`; of a bundle as many as its scarcest part allows.
    """
    part = variants.alias("part")
    of_parts = (
        select(func.min(_own_units(part, with_backorders) // bundle_parts.c.quantity))
        .join(part, part.c.id == bundle_parts.c.part_id)
        .where(bundle_parts.c.bundle_id == variant.c.id, part.c.is_tracked)
        .correlate(variant)
        .scalar_subquery()
    )
    own = case((variant.c.is_tracked, _own_units(variant, with_backorders)), else_=None)
    return case((variant.c.is_bundle, of_parts), else_=own)


def _own_units(variant: FromClause, with_backorders: bool) -> ColumnElement[int]:
    units_sum: ColumnElement[int] = func.sum(case((AVAILABLE > 0, AVAILABLE), else_=0))
    if with_backorders:
        left = variant.c.backorder_limit - func.sum(case((AVAILABLE < 0, -AVAILABLE), else_=0))
        units_sum = units_sum + case((left > 0, left), else_=0)
    units = (
        select(cast(units_sum, BigInteger))
        .select_from(levels.join(locations, locations.c.id == levels.c.location_id))
        .where(levels.c.variant_id == variant.c.id, SELLS)
        .correlate(variant)
        .scalar_subquery()
    )
    return func.coalesce(units, 0)


async def sellable_by_variant(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Sellable]:
    rows = await session.execute(_sellable_rows(), {"variant_ids": list(keys)})
    return {row.id: _sellable(row.units, row.on_shelf) for row in rows}


@cache
def _sellable_rows() -> Select[Any]:
    """Built once: putting it together takes longer than carrying it out."""
    units = sellable_units().label("units")
    # Only what can be owed, itself or by a part, needs a second look at its levels.
    can_owe = or_(variants.c.is_bundle, variants.c.backorder_limit > 0)
    on_shelf = case((can_owe, sellable_units(with_backorders=False)), else_=None).label("on_shelf")
    return select(variants.c.id, units, on_shelf).where(any_named(variants.c.id, "variant_ids"))


def _sellable(units: int | None, on_shelf: int | None) -> Sellable:
    quantity = int(units or 0)
    return Sellable(units is not None, quantity, quantity if on_shelf is None else int(on_shelf))


def is_buyable(listing: FromClause) -> ColumnElement[bool]:
    """Whether the product of a listing has a variant that can be bought in the channel: in stock and with a price."""
    units = sellable_units()
    price = select(PRICES.c.variant_id).where(
        PRICES.c.variant_id == variants.c.id, PRICES.c.channel_id == listing.c.channel_id
    )
    is_priced = price.correlate(variants, listing).exists()
    has_units = or_(units.is_(None), units > 0)
    buyable = select(variants.c.id).where(variants.c.product_id == listing.c.product_id, is_priced, has_units)
    return buyable.correlate(listing).exists()


async def bundles_of(session: Session, part_ids: Sequence[UUID]) -> Sequence[Record]:
    """The bundles that variants are part of."""
    return (await session.execute(select(bundle_parts).where(any_of(bundle_parts.c.part_id, part_ids)))).all()


async def bundles_among(session: Session, variant_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these variants are bundles."""
    rows = await session.execute(select(variants.c.id).where(any_of(variants.c.id, variant_ids), variants.c.is_bundle))
    return set(rows.scalars())


async def parts_by_bundle(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    """What bundles are made of, each part with whether its stock is tracked."""
    c = bundle_parts.c
    rows = await session.execute(
        select(c.bundle_id, c.part_id, c.quantity, variants.c.is_tracked)
        .join(variants, variants.c.id == c.part_id)
        .where(any_of(c.bundle_id, keys))
        .order_by(c.bundle_id, c.part_id)
    )
    by_bundle: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_bundle[row.bundle_id].append(row)
    return by_bundle


async def stocks_by_variant(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Stock]]:
    return _stocks(await session.execute(_stock_rows(), {"variant_ids": list(keys)}))


async def locked_stocks(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Stock]]:
    """Read variants' levels and keep others from changing them until the end of the transaction.

    Rows are locked in the order of their ids: two carts that share variants can't deadlock.
    """
    return _stocks(await session.execute(_locked_stock_rows(), {"variant_ids": list(keys)}))


@cache
def _locked_stock_rows() -> Select[Any]:
    return _stock_rows().with_for_update(of=levels)


@cache
def _stock_rows() -> Select[Any]:
    c = levels.c
    is_part = select(bundle_parts.c.part_id).where(bundle_parts.c.part_id == c.variant_id).correlate(levels).exists()
    return (
        select(
            c.variant_id,
            c.location_id,
            locations.c.position,
            SELLS,
            c.on_hand,
            c.reserved,
            c.committed,
            c.damaged,
            c.safety_stock,
            c.incoming,
            locations.c.country_code,
            variants.c.backorder_limit,
            is_part,
        )
        .join(locations, locations.c.id == c.location_id)
        .join(variants, variants.c.id == c.variant_id)
        .where(any_named(c.variant_id, "variant_ids"))
        .order_by(c.variant_id, c.location_id)
    )


def _stocks(rows: Any) -> Mapping[UUID, list[Stock]]:
    by_variant: defaultdict[UUID, list[Stock]] = defaultdict(list)
    for row in rows:
        by_variant[row.variant_id].append(Stock(*row))
    return by_variant


async def location_ids_by_handle(session: Session) -> Mapping[str, UUID]:
    rows = await session.execute(select(locations.c.handle, locations.c.id).order_by(locations.c.position))
    return {row.handle: row.id for row in rows}


async def locations_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(locations).where(any_of(locations.c.id, keys)))
    return {row.id: row for row in rows}


async def location_page(session: Session, window: pages.Window) -> pages.Slice:
    order = pages.Order("POSITION", (locations.c.position, locations.c.id))

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(locations)) or 0)

    return await pages.fetch(session, select(locations), order=order, window=window, count=count)


async def movements_by_group(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    rows = await session.execute(select(movements).where(any_of(movements.c.group_id, keys)).order_by(movements.c.id))
    by_group: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in rows:
        by_group[row.group_id].append(row)
    return by_group


async def movements_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(movements).where(any_of(movements.c.id, keys)))
    return {row.id: row for row in rows}


async def committed_by_line(session: Session, line_ids: Sequence[UUID]) -> Mapping[UUID, list[Take]]:
    """From which locations the units of placed lines are to be shipped."""
    c = allocations.c
    rows = await session.execute(
        select(c.line_id, c.variant_id, c.location_id, c.quantity)
        .where(any_of(c.line_id, line_ids), c.is_committed)
        .order_by(c.line_id, c.location_id)
    )
    by_line: defaultdict[UUID, list[Take]] = defaultdict(list)
    for row in rows:
        by_line[row.line_id].append(Take(*row))
    return by_line
