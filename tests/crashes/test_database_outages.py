"""Is every order that was told still there after PostgreSQL crashed under load, and does the shop go on by itself?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, select, text

from headless.orders.models import orders
from headless.platform import ids
from headless.platform.db import Database, Session, translated
from headless.platform.errors import NotFound, Unavailable
from headless.settings import DRIVERS
from tests import builders
from tests.builders import Form, Shop, make_product
from tests.conftest import migrate
from tests.crashes.crashing import IS_SOAK, Buyer, ShopProcess, cart_key, ledger_of, settle, shop_process
from tests.payments import books
from tests.plugin_servers import needs_own_postgres
from tests.servers import OwnServer
from tests.serving import Client

OUTAGES = 20 if IS_SOAK else 2
BUYERS = 40 * OUTAGES
CLIENTS = 8
HABITS = ["well"] * 7 + ["lost", "error_before", "error_after"]


@pytest.fixture
async def postgres() -> AsyncIterator[OwnServer]:
    with needs_own_postgres() as server:
        yield server


async def test_every_order_that_was_told_is_there_after_postgres_crashed(
    postgres: OwnServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("rounds", OUTAGES)
    url = make_url(postgres.url)
    url = url.set(drivername=DRIVERS[url.drivername])
    await migrate(url)
    address = url.render_as_string(hide_password=False)
    buyers = await open_shop(address)
    async with AsyncExitStack() as stack:
        processes = [await stack.enter_async_context(shop_process(address, tmp_path)) for _ in range(2)]
        await asyncio.gather(*(process.start() for process in processes))
        async with asyncio.timeout(60 + 20 * OUTAGES):
            await buy_through_outages(postgres, address, processes, buyers)
        await assert_nothing_is_lost(address, processes[0], buyers)

    assert sum(buyer.refused_later for buyer in buyers) >= OUTAGES


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def open_shop(url: str) -> list[Buyer]:
    async with opened(url) as database, database.transaction() as session:
        shop: Shop = await builders.make_shop(session)
        _, (goods,) = await make_product(session, shop.channel_id, "Goods", Form(1500))
        await builders.stock(session, shop.main_id, {goods: BUYERS})
        carts = [await builders.cart_ready_to_check_out(session, shop, {goods: 1}) for _ in range(BUYERS)]
    return [Buyer(cart_key(cart_id), HABITS[nth % len(HABITS)]) for nth, cart_id in enumerate(carts)]


async def buy_through_outages(postgres: OwnServer, url: str, processes: list[ShopProcess], buyers: list[Buyer]) -> None:
    waiting = list(reversed(buyers))

    async def shop_on() -> None:
        async with Client([process.url for process in processes]) as client:
            while waiting:
                await waiting.pop().buy(client)

    async def crash(nth: int) -> None:
        while len(waiting) > BUYERS - BUYERS * (nth + 0.5) / OUTAGES:
            await asyncio.sleep(0.002)
        told = sum(buyer.refused_later for buyer in buyers)
        await asyncio.to_thread(postgres.crash)
        while sum(buyer.refused_later for buyer in buyers) == told:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(postgres.start)
        async with opened(url) as database:
            await books.let_leases_end(database)

    async def crash_in_turn() -> None:
        for nth in range(OUTAGES):
            await crash(nth)

    async with asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(shop_on())
        group.create_task(crash_in_turn())


async def assert_nothing_is_lost(url: str, process: ShopProcess, buyers: list[Buyer]) -> None:
    async with opened(url) as database:
        await settle(database)
        async with database.reading() as session:
            placed = (await session.execute(select(orders.c.id, orders.c.cart_id))).all()
        told = {buyer.cart_id: buyer.order_id for buyer in buyers}
        assert {cart_key(row.cart_id): ids.encode("order", row.id) for row in placed} == told
        assert len(placed) == BUYERS
        with ledger_of(process) as ledger:
            await books.assert_money_and_stock_agree(database, ledger)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as found:
        yield found


async def cut(session: Session, other: Database) -> None:
    """Have the server end the session's connection, as when it crashes."""
    pid = await session.scalar(text("SELECT pg_backend_pid()"))
    async with other.reading() as killer:
        await killer.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_connection_lost_after_the_last_read_is_no_error(database: Database, other: Database) -> None:
    async with database.reading() as session:
        await cut(session, other)

    assert in_use(database) == 0
    async with database.reading() as session:
        assert await session.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_every_read_after_a_connection_was_lost_is_unavailable(database: Database, other: Database) -> None:
    async with database.reading() as session:
        await cut(session, other)
        for _ in range(3):
            with pytest.raises(Unavailable), translated():
                await session.scalar(text("SELECT 1"))

    assert in_use(database) == 0


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_refusal_is_told_although_its_connection_was_lost(database: Database, other: Database) -> None:
    async def refuse() -> None:
        async with database.transaction() as session:
            await cut(session, other)
            raise NotFound

    with pytest.raises(NotFound):
        await refuse()
    assert in_use(database) == 0


def in_use(database: Database) -> int:
    count: int = database.engine.pool.checkedout()  # type: ignore[attr-defined]
    return count
