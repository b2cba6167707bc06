"""Which shop has seen everything that can happen to an order?"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import insert, select, update

from headless.catalog.models import variants
from headless.checkout import completion
from headless.checkout import service as checkouts
from headless.checkout.models import checkouts as checkout_table
from headless.inventory import ledger, transfers
from headless.inventory.models import bundle_parts
from headless.inventory.transfers import Receipt, Shipment
from headless.orders import queries, service, shipping
from headless.orders.models import orders
from headless.orders.rules import OrderCancelReason
from headless.platform import clock, outbox
from headless.platform.db import Database
from tests.builders import (
    SETTLED,
    Form,
    Shop,
    cart_ready_to_check_out,
    complete,
    desk,
    make_product,
    place_order,
    sandbox_providers,
    stock,
)


@dataclass(frozen=True, slots=True)
class Journey:
    """Orders by how far they have come, and checkouts without one."""

    placed: UUID
    authorized: UUID
    shipped: UUID
    cancelled: UUID
    bundled: UUID
    open_checkout: UUID
    expired_checkout: UUID


async def travel(database: Database, shop: Shop) -> Journey:
    """Let buyers and staff do everything that there is; at the end the log is numbered, as a server does."""
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 40, shop.shirt_small: 20})
    placed = await place_order(database, shop, {shop.mug: 2, shop.voucher: 1})
    authorized = await place_order(database, shop, {shop.mug: 1}, settled=replace(SETTLED, capture=False))
    shipped = await place_order(database, shop, {shop.shirt_small: 22, shop.mug: 2})
    delivered = await place_order(database, shop, {shop.mug: 3})
    partly = await place_order(database, shop, {shop.mug: 3, shop.voucher: 2})
    prepared = await place_order(database, shop, {shop.mug: 2})
    await fulfill(database, shipped)
    await deliver(database, await fulfill(database, delivered))
    await fulfill(database, partly, most=1)
    await fulfill(database, prepared, is_shipped=False)
    bundle = await make_bundle(database, shop)
    bundled = await place_order(database, shop, {bundle: 3, shop.mug: 1})
    await fulfill(database, bundled, most=1)
    await place_order(database, shop, {await make_backordered(database, shop): 4})
    await send_stock(database, shop)
    cancelled = await place_order(database, shop, {shop.mug: 1})
    written_off = await place_order(database, shop, {shop.mug: 1})
    voided = await place_order(database, shop, {shop.mug: 1}, settled=replace(SETTLED, capture=False))
    await cancel(database, cancelled)
    await cancel(database, written_off, restock=False)
    await cancel(database, voided)
    declined = await begin(database, shop)
    await complete(database, await cart_of(database, declined), "tok_declined")
    await cancel_checkout(database, declined)
    expired = await begin(database, shop)
    async with database.transaction() as session:
        past = clock.now() - timedelta(minutes=1)
        await session.execute(update(checkout_table).where(checkout_table.c.id == expired).values(expires_at=past))
    await completion.settle_left_over(database, sandbox_providers(database), SETTLED)
    opened = await begin(database, shop)
    async with database.transaction() as session:
        # Copies of this shop are looked at much later.
        late = clock.now() + timedelta(days=1)
        await session.execute(update(checkout_table).where(checkout_table.c.id == opened).values(expires_at=late))
        await outbox.number(session)
    return Journey(placed, authorized, shipped, cancelled, bundled, opened, expired)


async def make_bundle(database: Database, shop: Shop) -> UUID:
    """Offer two mugs and a shirt together."""
    async with database.transaction() as session:
        product_id, (bundle,) = await make_product(session, shop.channel_id, "Gift box", Form(4500, sku="BOX"))
        await session.execute(update(variants).where(variants.c.id == bundle).values(is_bundle=True))
        parts = [(shop.mug, 2), (shop.shirt_small, 1)]
        await session.execute(
            insert(bundle_parts),
            [{"bundle_id": bundle, "part_id": part, "quantity": quantity} for part, quantity in parts],
        )
        await stock(session, shop.main_id, {shop.shirt_small: 20})
        await ledger.refresh_availability(session, [product_id])
    return bundle


async def make_backordered(database: Database, shop: Shop) -> UUID:
    """Offer what may be sold before it is there, three of which are, at most five to a customer."""
    async with database.transaction() as session:
        product_id, (variant,) = await make_product(session, shop.channel_id, "Lamp", Form(5900, sku="LAMP"))
        limits = {"backorder_limit": 10, "max_per_customer": 5}
        await session.execute(update(variants).where(variants.c.id == variant).values(limits))
        await stock(session, shop.main_id, {variant: 3})
        await ledger.refresh_availability(session, [product_id])
    return variant


async def send_stock(database: Database, shop: Shop) -> None:
    """Set mugs on their way to the outlet, of which some have arrived."""
    async with database.transaction() as session:
        shipment = Shipment(origin_id=shop.main_id, destination_id=shop.outlet_id, lines=[(shop.mug, 5)])
        transfer_id = await transfers.send(session, shipment, actor="packer")
        await transfers.receive(session, transfer_id, [Receipt(shop.mug, 2, 1)], actor="clerk")


async def begin(database: Database, shop: Shop) -> UUID:
    """Start a checkout of two mugs and a voucher; answer its id."""
    async with database.transaction() as session:
        cart_id = await cart_ready_to_check_out(session, shop, {shop.mug: 2, shop.voucher: 1})
    started = await desk(database).start(cart_id, accept_price_changes=False)
    return UUID(str(started.id))


async def cart_of(database: Database, checkout_id: UUID) -> UUID:
    c = checkout_table.c
    async with database.reading() as session:
        return UUID(str(await session.scalar(select(c.cart_id).where(c.id == checkout_id))))


async def cancel_checkout(database: Database, checkout_id: UUID) -> None:
    cart_id = await cart_of(database, checkout_id)
    async with database.transaction() as session:
        await checkouts.cancel(session, cart_id)


async def fulfill(database: Database, order_id: UUID, *, most: int = 1000, is_shipped: bool = True) -> UUID:
    """Ship an order, or `most` units of each line."""
    async with database.transaction() as session:
        lines = (await queries.lines_by_order(session, [order_id]))[order_id]
        return await shipping.create_fulfillment(
            session,
            order_id,
            [(line.id, min(line.quantity, most)) for line in lines],
            location_id=None,
            tracking=None,
            is_shipped=is_shipped,
            actor="packer",
        )


async def deliver(database: Database, fulfillment_id: UUID) -> None:
    async with database.transaction() as session:
        await shipping.deliver_fulfillment(session, fulfillment_id, at=None, actor="carrier")


async def cancel(database: Database, order_id: UUID, *, restock: bool = True) -> None:
    async with database.transaction() as session:
        await service.cancel(session, order_id, reason=OrderCancelReason.STAFF, restock=restock, actor="clerk")
    await service.settle_refunds(database, sandbox_providers(database), order_id=order_id)


async def statuses(database: Database) -> set[tuple[str, str, str]]:
    """How far the orders have come."""
    c = orders.c
    async with database.reading() as session:
        rows = await session.execute(select(c.status, c.financial_status, c.fulfillment_status))
        return {(row.status, row.financial_status, row.fulfillment_status) for row in rows}
