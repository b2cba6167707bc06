"""What do the buyers of a flash sale find? Variants with plenty of stock, and carts that only want to be paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, make_url, select

from bench.scenarios import PLENTY
from headless.cart import service as carts
from headless.cart.models import cart_lines
from headless.cart.models import carts as cart_table
from headless.cart.rules import Address, Wanted
from headless.catalog import publishing
from headless.catalog.rules import Option
from headless.catalog.service import ProductDraft
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.models import levels
from headless.inventory.service import Change
from headless.merchandising import service as merchandising
from headless.merchandising.service import NewVariant
from headless.operations.books import CHECKS, find_all
from headless.platform import ids
from headless.platform.db import Database, Session
from headless.settings import DRIVERS
from headless.shop import queries as shop_queries

VARIANTS, PER_PRODUCT = 1000, 50
ROWS_AT_ONCE = 500
BOOKS = {"ledger", "negative_quantity", "reserved", "committed", "availability"}
LIFETIME = timedelta(days=1)
ADDRESS = Address(country_code="DE", last_name="Lovelace", address1="Main Street 1", city="Berlin", postal_code="10115")

Buyer = tuple[UUID, UUID]
"""A cart and the one variant in it."""


def database_at(url: str, *, pool_size: int) -> Database:
    """Open a database by the URL that operators write."""
    given = make_url(url)
    return Database(given.set(drivername=DRIVERS.get(given.drivername, given.drivername)), pool_size=pool_size)


@dataclass(frozen=True, slots=True)
class Stall:
    """A thousand variants of a shop, and the cart and line of which all others are copies."""

    database: Database
    variant_ids: list[UUID]
    cart: dict[str, Any]
    line: dict[str, Any]

    async def crowd(self, size: int, variant_ids: Sequence[UUID]) -> list[Buyer]:
        """Make carts of one unit each, which take turns with these variants."""
        buyers = [(ids.new_secret(), variant_ids[nth % len(variant_ids)]) for nth in range(size)]
        async with self.database.transaction() as session:
            for start in range(0, size, ROWS_AT_ONCE):
                some = buyers[start : start + ROWS_AT_ONCE]
                await session.execute(insert(cart_table), [{**self.cart, "id": cart_id} for cart_id, _ in some])
                await session.execute(
                    insert(cart_lines),
                    [
                        {**self.line, "id": ids.new(), "cart_id": cart_id, "variant_id": variant_id}
                        for cart_id, variant_id in some
                    ],
                )
        return buyers

    async def units_gone(self, variant_ids: Sequence[UUID]) -> int:
        """Units of variants that are held or owed, as their levels say."""
        gone = select(func.sum(levels.c.reserved + levels.c.committed)).where(levels.c.variant_id.in_(variant_ids))
        async with self.database.reading() as session:
            return int(await session.scalar(gone) or 0)

    async def faults(self) -> list[str]:
        """What is wrong in the books of stock: levels, ledger, allocations and what is said to be available."""
        found = await find_all(self.database, [check for check in CHECKS if check.name in BOOKS])
        return [f"{one.check.name}: {one.violations} times, as {one.samples}" for one in found if one.violations]


async def open_stall(database: Database) -> Stall:
    """Put variants on sale in the shop's default channel."""
    async with database.transaction() as session:
        channel = await shop_queries.channel(session)
        location_id = next(iter((await inventory_queries.location_ids_by_handle(session)).values()))
        variant_ids: list[UUID] = []
        numbers = [str(number) for number in range(PER_PRODUCT)]
        for nth in range(VARIANTS // PER_PRODUCT):
            product_id, made = await merchandising.create_product_and_variants(
                session,
                ProductDraft(title=f"Flash {nth}", options=[Option("Number", tuple(numbers))]),
                [NewVariant(selected_options=(("Number", number),), price=Decimal(20)) for number in numbers],
                channel=channel,
                actor="bench",
            )
            await publishing.publish(session, product_id, channel_id=channel.id)
            variant_ids += made
        stocked = [Change(variant_id, location_id, "available", quantity=PLENTY) for variant_id in variant_ids]
        await inventory.change(session, stocked, Why("count", "bench"))
        cart_id = await _cart(session, channel, variant_ids[0])
        cart = (await session.execute(select(cart_table).where(cart_table.c.id == cart_id))).one()
        line = (await session.execute(select(cart_lines).where(cart_lines.c.cart_id == cart_id))).one()
        # A shop in use has its statistics.
        await (await session.connection()).exec_driver_sql("ANALYZE")
    return Stall(database, variant_ids, dict(cart._mapping), dict(line._mapping))  # noqa: SLF001 - its public way


async def _cart(session: Session, channel: Any, variant_id: UUID) -> UUID:
    made = await carts.create(session, channel=channel, lifetime=LIFETIME)
    await carts.add_lines(session, made, [Wanted(variant_id, 1)], is_new=True)
    addressed = {**carts.buyer(email="ada@example.com"), **carts.address("delivery_address", ADDRESS)}
    made = await carts.change(session, made.id, lifetime=LIFETIME, values=addressed)
    rate = (await carts.rates(session, made))[0]
    await carts.change(session, made.id, lifetime=LIFETIME, values={"delivery_rate_id": rate.id})
    return UUID(str(made.id))
