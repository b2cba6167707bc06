"""What do lists filter and sort products by, and who writes it? Whoever flips it, under the listing's lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, literal, select, true, update

from headless.catalog.models import listings, products, variants
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into

_UNLISTED = {
    "is_published": False,
    "is_priced": False,
    "is_available": False,
    "min_amount": 0,
    "max_amount": 0,
    "units_sold": 0,
}
"""What is listed of a product in a channel where nothing was done for it yet."""


async def lock_listings(session: Session, product_ids: Sequence[UUID]) -> None:
    """Make whoever else recomputes these products' listings wait, so that the last one sees all changes."""
    await _lock_listings(session, any_of(listings.c.product_id, product_ids))


async def lock_listings_in(session: Session, channel_id: UUID, product_ids: Sequence[UUID]) -> None:
    """Do the same, and see to it that each product has a listing in a channel, which may be new."""
    here = await session.execute(
        select(listings.c.product_id, listings.c.channel_id)
        .where(any_of(listings.c.product_id, product_ids))
        .order_by(listings.c.product_id, listings.c.channel_id)
        .with_for_update()
    )
    listed = {row.product_id for row in here if row.channel_id == channel_id}
    rows = [
        {"product_id": product_id, "channel_id": channel_id, **_UNLISTED}
        for product_id in product_ids
        if product_id not in listed
    ]
    if rows:
        await session.execute(insert_into(session, listings).on_conflict_do_nothing(), rows)


async def lock_listings_of(session: Session, variant_ids: Sequence[UUID]) -> set[UUID]:
    """Lock the listings of the products of variants; answer the products."""
    owners = select(variants.c.product_id).where(any_of(variants.c.id, variant_ids))
    return await _lock_listings(session, listings.c.product_id.in_(owners))


async def _lock_listings(session: Session, condition: ColumnElement[bool]) -> set[UUID]:
    locked = await session.execute(
        select(listings.c.product_id)
        .where(condition)
        .order_by(listings.c.product_id, listings.c.channel_id)
        .with_for_update()
    )
    return set(locked.scalars())


async def locked(session: Session, product_id: UUID, channel_id: UUID) -> Record:
    """Have a product's listing in a channel to oneself; one that the channel hasn't got yet is made."""
    c = listings.c
    one = select(listings).where(c.product_id == product_id, c.channel_id == channel_id).with_for_update()
    row = (await session.execute(one)).first()
    if row is None:
        values = {"product_id": product_id, "channel_id": channel_id, **_UNLISTED}
        await session.execute(insert_into(session, listings).values(values).on_conflict_do_nothing())
        row = (await session.execute(one)).one()
    return row


async def write(session: Session, before: Record, values: Mapping[str, object]) -> None:
    """Change a locked listing."""
    c = listings.c
    await session.execute(
        update(listings)
        .where(c.product_id == before.product_id, c.channel_id == before.channel_id)
        .values(dict(values))
    )


async def published_channels(session: Session, product_id: UUID) -> list[UUID]:
    """The channels in which a product is published, or is to be."""
    c = listings.c
    rows = await session.scalars(select(c.channel_id).where(c.product_id == product_id, c.is_published))
    return sorted(rows)


async def write_availability(
    session: Session, product_ids: Collection[UUID], is_available: ColumnElement[bool]
) -> None:
    """Keep whether something of products can be bought, as a condition on their listings' rows tells."""
    await session.execute(
        update(listings).where(any_of(listings.c.product_id, product_ids)).values(is_available=is_available)
    )


async def write_price_ranges(session: Session, channel_id: UUID, ranges: Sequence[Record]) -> None:
    """Keep products' lowest and highest prices in a channel."""
    c = listings.c
    names = ("min_amount", "max_amount", "min_compare_at_amount", "max_compare_at_amount")
    if ranges:
        connection = await session.connection()
        await connection.execute(
            update(listings)
            .where(c.channel_id == channel_id, c.product_id == bindparam("of_product"))
            .values({"is_priced": true(), **{name: bindparam(f"new_{name}") for name in names}}),
            [{"of_product": row.product_id, **{f"new_{name}": getattr(row, name) for name in names}} for row in ranges],
        )


async def forget_prices(session: Session, channel_id: UUID, product_ids: Collection[UUID]) -> None:
    """Keep that nothing of products has a price in a channel any more."""
    c = listings.c
    cleared = {"min_amount": 0, "max_amount": 0, "min_compare_at_amount": None, "max_compare_at_amount": None}
    await session.execute(
        update(listings)
        .where(c.channel_id == channel_id, any_of(c.product_id, product_ids))
        .values(is_priced=False, **cleared)
    )


async def write_units_sold(session: Session, sold: Mapping[tuple[UUID, UUID], int]) -> None:
    """Keep how many units of `(product, channel)` were sold, for lists sorted by it."""
    c = listings.c
    if sold:
        connection = await session.connection()
        await connection.execute(
            update(listings)
            .where(c.product_id == bindparam("of_product"), c.channel_id == bindparam("of_channel"))
            .values(units_sold=bindparam("units")),
            [
                {"of_product": product_id, "of_channel": channel_id, "units": units}
                for (product_id, channel_id), units in sorted(sold.items())
            ],
        )


async def extend(session: Session, channel_id: UUID, *, after: UUID, limit: int) -> UUID | None:
    """List the next products in a channel that is new: without a price, so not for sale.

    Answers the last one's id, None when there are no more.
    """
    c = products.c
    last: UUID | None = await session.scalar(select(c.id).where(c.id > after).order_by(c.id).offset(limit - 1).limit(1))
    following = c.id > after if last is None else and_(c.id > after, c.id <= last)
    values = {"channel_id": channel_id, **_UNLISTED}
    columns = (literal(value, listings.c[name].type).label(name) for name, value in values.items())
    writing = insert_into(session, listings).from_select(
        ["product_id", *values], select(c.id, *columns).where(following)
    )
    await session.execute(writing.on_conflict_do_nothing())
    return last


async def is_any(session: Session, channel_id: UUID, condition: ColumnElement[bool]) -> bool:
    """Whether something is listed in a channel that meets a condition."""
    found = select(listings.c.product_id).where(listings.c.channel_id == channel_id, condition).limit(1)
    return (await session.execute(found)).first() is not None
