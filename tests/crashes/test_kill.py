"""Is anything lost, sold twice or charged twice when the server is killed at random moments under load?"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from headless.checkout.models import checkouts
from headless.checkout.rules import CheckoutStatus
from headless.inventory.models import allocations
from headless.orders.models import orders
from headless.payments.models import payments, refunds
from headless.payments.providers.sandbox import charges
from headless.platform import clock, ids
from headless.platform.db import Database
from headless.platform.idempotency import idempotency_keys
from headless.platform.outbox import facts
from tests import builders
from tests.builders import Form, Shop, assert_books_balance, make_product, sellable, stocks
from tests.crashes.crashing import IS_SOAK
from tests.serving import (
    SETTLED_SECONDS,
    Client,
    Lost,
    Served,
    cart_mutation,
    cart_with,
    codes,
    insist,
    new_key,
    pay,
    serving,
)

CARTS = 200
CLIENTS = 8
KILLS = 3
# Of the buyers, many pay and some have trouble.
TOKENS = ["tok_visa"] * 7 + ["tok_declined", "tok_timeout", "tok_3ds"]


@dataclass(slots=True)
class Buyer:
    """A cart to be bought and what its buyer was told in the end."""

    cart_id: str
    token: str
    key: str = field(default_factory=new_key)
    order_id: str | None = None
    refusals: list[str] = field(default_factory=list)
    losses: int = 0


@pytest.fixture
async def served(database: Database, database_url: str, shop: Shop, tmp_path: Path) -> AsyncIterator[Served]:
    """Server processes with workers inside: one on SQLite, two on PostgreSQL, of which one dies at a time."""
    async with serving(
        database_url,
        tmp_path,
        servers=1 if database.is_sqlite else 2,
        HEADLESS_RESERVATION_MINUTES="1",
        HEADLESS_PROVIDER_TIMEOUT_SECONDS="2",
    ) as running:
        yield running


async def buy(client: Client, buyer: Buyer) -> None:
    told = await insist(client, buyer.cart_id, buyer.token, key=buyer.key)
    buyer.losses = told.losses
    buyer.refusals = codes(told.payload)
    if told.payload["order"] is not None:
        buyer.order_id = told.payload["order"]["id"]


async def buy_all(served: Served, buyers: list[Buyer], killer: random.Random) -> None:
    """Let clients buy, and kill the server again and again until nobody is left."""
    waiting, total = list(buyers), len(buyers)

    async def shop_on() -> None:
        async with served.client() as client:
            while waiting:
                await buy(client, waiting.pop())

    async def is_down_to(left: float) -> bool:
        return len(waiting) <= left

    async def kill(nth: int) -> None:
        # At a random moment of its share of the work, so that each kill finds the server busy.
        left = total - total * (nth + killer.uniform(0.1, 0.8)) / KILLS
        await until(lambda: is_down_to(left))
        await asyncio.sleep(killer.random() * 0.05)
        victim = nth % len(served.servers)
        await served.servers[victim].kill()
        await served.start(victim)

    async def kill_in_turn() -> None:
        for nth in range(KILLS):
            await kill(nth)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(shop_on())
        group.create_task(kill_in_turn())


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again, as closely as possible."""
    while not await happened():
        await asyncio.sleep(0.001)


async def kill_all(served: Served) -> None:
    await asyncio.gather(*(server.kill() for server in served.servers))


async def start_all(served: Served) -> None:
    await asyncio.gather(*(served.start(nth) for nth in range(len(served.servers))))


async def make_time_pass(database: Database) -> None:
    """Have the worker end what is open: its time is over."""
    async with database.transaction() as session:
        open_ones = checkouts.c.status.in_([CheckoutStatus.OPEN, CheckoutStatus.ACTION_REQUIRED])
        past = clock.now() - timedelta(minutes=1)
        await session.execute(update(checkouts).where(open_ones).values(expires_at=past))


async def unsettled(database: Database) -> dict[str, int]:
    """What the worker still has to finish."""
    async with database.reading() as session:
        counts = {
            "payments": select(func.count()).where(payments.c.status.in_(["STARTED", "ACTION_REQUIRED"])),
            "refunds": select(func.count()).where(refunds.c.status == "PENDING"),
            "checkouts": select(func.count()).where(
                checkouts.c.status.in_(["OPEN", "PAYMENT_PENDING", "ACTION_REQUIRED"])
            ),
            "reservations": select(func.count()).where(~allocations.c.is_committed),
            "facts": select(func.count()).where(facts.c.position.is_(None)),
        }
        return {name: int(await session.scalar(wanted) or 0) for name, wanted in counts.items()}


async def settle(database: Database) -> None:
    """Wait until the worker has nothing left to do."""
    deadline = time.monotonic() + SETTLED_SECONDS
    left = await unsettled(database)
    while any(left.values()) and time.monotonic() < deadline:
        await make_time_pass(database)
        await asyncio.sleep(0.2)
        left = await unsettled(database)
    assert left == dict.fromkeys(left, 0)


@pytest.mark.parametrize("seed", range(1, 21) if IS_SOAK else [1])
async def test_orders_money_and_stock_survive_kills_under_load(
    served: Served, database: Database, shop: Shop, seed: int
) -> None:
    chance = random.Random(seed)
    async with database.transaction() as session:
        _, (mug, box) = await make_product(session, shop.channel_id, "Mug", Form(value="S"), Form(value="L"))
        await builders.stock(session, shop.main_id, {mug: CARTS, box: CARTS // 4})
        await builders.stock(session, shop.outlet_id, {box: CARTS // 8})
        carts = [
            await builders.cart_ready_to_check_out(
                session, shop, {mug: 1, box: 1} if chance.random() < 0.6 else {mug: 1}
            )
            for _ in range(CARTS)
        ]
    buyers = [Buyer(ids.encode("cart", cart_id), chance.choice(TOKENS)) for cart_id in carts]

    async with asyncio.timeout(100):
        await buy_all(served, buyers, chance)
    await settle(database)

    assert sum(buyer.losses for buyer in buyers) >= KILLS
    await assert_orders_are_those_that_were_told(database, buyers)
    await assert_every_charge_has_its_order(database)
    await assert_stock_is_what_the_orders_owe(database, shop, [mug, box])


async def assert_orders_are_those_that_were_told(database: Database, buyers: list[Buyer]) -> None:
    told = {buyer.cart_id: buyer.order_id for buyer in buyers if buyer.order_id is not None}
    async with database.reading() as session:
        placed = (await session.execute(select(orders.c.id, orders.c.cart_id))).all()
        numbers = (await session.execute(select(orders.c.number))).scalars().all()
    assert len(placed) == len({row.cart_id for row in placed})
    assert {ids.encode("cart", row.cart_id): ids.encode("order", row.id) for row in placed} == told
    assert len(set(numbers)) == len(numbers)
    refused = Counter(tuple(buyer.refusals) for buyer in buyers if buyer.order_id is None)
    assert set(refused) <= {("PAYMENT_DECLINED",), ("OUT_OF_STOCK",)}
    declined = [buyer for buyer in buyers if buyer.refusals == ["PAYMENT_DECLINED"]]
    assert {buyer.token for buyer in declined} <= {"tok_declined"}
    assert all(buyer.order_id is None for buyer in buyers if buyer.token == "tok_declined")


async def assert_every_charge_has_its_order(database: Database) -> None:
    async with database.reading() as session:
        captured = (
            await session.execute(
                select(charges.c.key, charges.c.amount, charges.c.returned_amount).where(charges.c.status == "CAPTURED")
            )
        ).all()
        paying = (
            await session.execute(
                select(payments.c.id, payments.c.order_id, payments.c.amount, payments.c.status).where(
                    payments.c.order_id.is_not(None)
                )
            )
        ).all()
        order_ids = set((await session.execute(select(orders.c.id))).scalars())
    kept = {charge.key for charge in captured if charge.returned_amount == 0}
    returned = [charge for charge in captured if charge.returned_amount != 0]
    assert Counter(payment.order_id for payment in paying) == Counter(order_ids)
    assert {payment.id for payment in paying} == kept
    assert {payment.status for payment in paying} == {"CAPTURED"}
    assert all(charge.returned_amount == charge.amount for charge in returned)


async def assert_stock_is_what_the_orders_owe(database: Database, shop: Shop, variant_ids: list[UUID]) -> None:
    await assert_books_balance(database)
    levels = await stocks(database, *variant_ids)
    async with database.reading() as session:
        rows = await session.execute(
            select(allocations.c.variant_id, func.sum(allocations.c.quantity)).group_by(allocations.c.variant_id)
        )
        owed = {variant_id: int(units) for variant_id, units in rows}
        placed = int(await session.scalar(select(func.count()).select_from(orders)) or 0)
    for variant_id in variant_ids:
        own = [level for (of, _), level in levels.items() if of == variant_id]
        assert sum(level.reserved for level in own) == 0
        assert sum(level.committed for level in own) == owed[variant_id]
        assert all(level.available >= 0 for level in own)
        assert await sellable(database, variant_id) == sum(level.on_hand for level in own) - owed[variant_id]
    assert owed[variant_ids[0]] == placed


async def test_key_of_a_killed_request_is_not_stuck_after_its_lease(
    served: Served, database: Database, shop: Shop
) -> None:
    async with database.transaction() as session:
        carts = [await builders.cart_ready_to_check_out(session, shop, {shop.voucher: 1}) for _ in range(12)]
    buyers = [Buyer(ids.encode("cart", cart_id), "tok_visa") for cart_id in carts]

    async with served.client() as client, asyncio.TaskGroup() as group:
        for buyer in buyers:
            group.create_task(buy(client, buyer))
        await until(lambda: is_key_running(database))
        await kill_all(served)
        await start_all(served)

    assert all(buyer.order_id is not None for buyer in buyers)
    await settle(database)
    async with database.reading() as session:
        kept = (await session.execute(select(idempotency_keys.c.result))).scalars().all()
    assert len(kept) == 12
    assert all(result is not None for result in kept)
    await assert_orders_are_those_that_were_told(database, buyers)
    await assert_every_charge_has_its_order(database)


async def is_key_running(database: Database) -> bool:
    async with database.reading() as session:
        running = select(func.count()).where(idempotency_keys.c.result.is_(None))
        return int(await session.scalar(running) or 0) > 0


async def is_reserved(database: Database, variant_id: UUID) -> bool:
    async with database.reading() as session:
        reserved = select(func.count()).where(allocations.c.variant_id == variant_id, ~allocations.c.is_committed)
        return int(await session.scalar(reserved) or 0) > 0


async def test_dead_buyers_reservations_are_given_back(served: Served, database: Database, shop: Shop) -> None:
    """Buyers whose requests died with the server and who never come back."""
    async with database.transaction() as session:
        carts = [await builders.cart_ready_to_check_out(session, shop, {shop.mug: 1}) for _ in range(10)]
    buyers = [Buyer(ids.encode("cart", cart_id), "tok_3ds") for cart_id in carts]

    async def ask(client: Client, buyer: Buyer) -> None:
        try:
            await pay(client, buyer.cart_id, buyer.token, key=buyer.key)
        except Lost:
            buyer.losses += 1

    async with served.client() as client, asyncio.TaskGroup() as group:
        for buyer in buyers:
            group.create_task(ask(client, buyer))
        await until(lambda: is_reserved(database, shop.mug))
        await kill_all(served)
    await start_all(served)
    await settle(database)

    assert sum(buyer.losses for buyer in buyers) >= 1
    assert await sellable(database, shop.mug) == 10
    async with database.reading() as session:
        assert int(await session.scalar(select(func.count()).select_from(orders)) or 0) == 0
        assert int(await session.scalar(select(func.count()).where(charges.c.status == "CAPTURED")) or 0) == 0
    await assert_books_balance(database)


async def test_what_was_answered_before_the_kill_is_there_after_it(
    served: Served, database: Database, shop: Shop
) -> None:
    """SQLite keeps commits in the log of a killed process; clients see their carts again."""
    async with served.client() as client:
        cart = await cart_with(client, {ids.encode("variant", shop.voucher): 2})
        await kill_all(served)
        await start_all(served)
        wish = {"cartId": cart["id"], "note": "still here"}
        noted = await client.execute(cart_mutation("cartNoteUpdate"), {"input": wish})

    assert noted["cartNoteUpdate"]["cart"]["lines"] == cart["lines"]
    assert noted["cartNoteUpdate"]["cart"]["version"] == cart["version"] + 1
