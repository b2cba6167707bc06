"""Does everything come right again when the server dies at a named point of its work, and is started anew?"""

import asyncio
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.cli import running
from headless.orders.models import orders
from headless.payments.models import payments
from headless.platform import clock, ids, outbox
from headless.platform.db import Database
from headless.platform.idempotency import LEASE, idempotency_keys
from tests import builders
from tests.builders import Form, Shop, make_product
from tests.crashes.crashing import IS_SOAK, Buyer, ShopProcess, cart_key, ledger_of, settle, shop_process
from tests.payments import books
from tests.serving import Client, Lost

SOURCE = Path(__file__).parent.parent.parent / "src"
ROUNDS = 20 if IS_SOAK else 1
BUYERS = 4
STOCK = 1000
PROVIDER_TIMEOUT = timedelta(seconds=2)
CANCEL = """
mutation ($input: OrderCancelInput!) {
    orderCancel(input: $input) { order { id } userErrors { code message } }
}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """Where the server dies, and how it is made to come there."""

    name: str
    token: str = "well"
    most: int = 1
    """It dies the first to n-th time that it comes there."""
    expires: bool = False
    """Whether buyers must go away for it, and time pass."""
    cancels: bool = False
    """Whether orders must be cancelled for it."""


POINTS = [
    Point("checkout.before_claim"),
    Point("checkout.after_claim"),
    Point("checkout.before_reserve"),
    Point("checkout.after_reserve"),
    Point("payments.before_authorize", most=BUYERS),
    Point("payments.after_authorize", most=BUYERS),
    Point("payments.before_inquiry", token="lost", most=BUYERS),
    Point("checkout.before_commit", most=BUYERS),
    Point("checkout.after_commit", most=BUYERS),
    Point("http.before_response", most=BUYERS),
    Point("outbox.before_numbering"),
    Point("outbox.before_numbering_commit"),
    Point("outbox.after_numbering"),
    Point("checkout.before_expiry", token="declined", most=BUYERS, expires=True),
    Point("checkout.before_expiry_commit", token="declined", most=BUYERS, expires=True),
    Point("checkout.after_expiry", token="declined", most=BUYERS, expires=True),
    Point("payments.before_refund", most=BUYERS, cancels=True),
    Point("payments.after_refund", most=BUYERS, cancels=True),
]


@dataclass(frozen=True, slots=True)
class Scene:
    """A shop whose server dies."""

    database: Database
    shop: Shop
    process: ShopProcess
    goods: UUID
    staff: str

    async def buyers(self, token: str, number: int = BUYERS) -> list[Buyer]:
        async with self.database.transaction() as session:
            carts = [await builders.cart_ready_to_check_out(session, self.shop, {self.goods: 1}) for _ in range(number)]
            await outbox.number(session)
        return [Buyer(cart_key(cart_id), token) for cart_id in carts]


@pytest.fixture
async def scene(database: Database, database_url: str, shop: Shop, tmp_path: Path) -> AsyncIterator[Scene]:
    async with database.transaction() as session:
        _, (goods,) = await make_product(session, shop.channel_id, "Goods", Form(1500))
        await builders.stock(session, shop.main_id, {goods: STOCK})
        staff = await accounts.create_token(session, name="Staff", permissions=Permission)
    async with shop_process(database_url, tmp_path) as process:
        yield Scene(database, shop, process, goods, staff)


ELSEWHERE = {"bulk.after_chunk", "bulk.after_part", "consumers.after_commit", "consumers.before_commit"}
"""No buyer comes to them: the tests of bulk jobs and of collections do."""


def test_every_failpoint_of_the_code_is_tested() -> None:
    reached = {
        name
        for file in SOURCE.rglob("*.py")
        for name in re.findall(r'failpoints\.reach\("([^"]+)"\)', file.read_text(encoding="utf-8"))
    }

    assert reached == {point.name for point in POINTS} | ELSEWHERE


def test_process_dies_the_nth_time_that_it_comes_to_the_point() -> None:
    reached = "reach('b'); reach('a'); print('once', flush=True); reach('a'); print('twice', flush=True)"
    program = f"from headless.platform.failpoints import arm, reach; arm('a:2'); {reached}"

    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "once\n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"FAILPOINT": "checkout.before_claim"}, "HEADLESS_FAILPOINT: kills the server on purpose"),
        ({"FAILPOINT": "a", "ALLOW_FAILPOINTS": "0"}, "HEADLESS_FAILPOINT: kills the server on purpose"),
        ({"FAILPOINT": "a:0", "ALLOW_FAILPOINTS": "1"}, "HEADLESS_FAILPOINT: must be the name of a failpoint"),
    ],
)
def test_server_that_is_not_under_test_refuses_to_be_armed(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"HEADLESS_{name}", value)

    with pytest.raises(running.Stop, match=told):
        running.settings_from_environment()


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
async def test_nothing_is_lost_or_done_twice(
    scene: Scene, point: Point, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(point.name)
    record_property("rounds", ROUNDS)

    for _ in range(ROUNDS):
        buyers = await scene.buyers(point.token)
        await die_and_go_on(scene, point, buyers, nth=chance.randint(1, point.most))
        await settle(scene.database)
        await assert_all_is_well(scene, point, buyers)
        await scene.process.kill()


async def die_and_go_on(scene: Scene, point: Point, buyers: list[Buyer], *, nth: int) -> None:
    """Have the server die under its buyers, and start it again while they insist."""
    process = scene.process
    await process.start(f"{point.name}:{nth}")
    async with Client([process.url]) as client, Client([process.url], token=scene.staff) as staff:
        async with asyncio.TaskGroup() as group:
            acts = group.create_task(act(scene, point, buyers, client, staff))
            await process.dies()
            await assert_leases_end_soon(scene.database)
            await books.let_leases_end(scene.database)
            await process.start()
            await acts
        if point.expires:
            # The carts live on: now they are bought with a better card.
            await settle(scene.database)
            for buyer in buyers:
                buyer.take_card("well")
            await asyncio.gather(*(buyer.buy(client) for buyer in buyers))


async def act(scene: Scene, point: Point, buyers: list[Buyer], client: Client, staff: Client) -> None:
    """Do what leads to the point; whoever gets no answer asks again."""
    await asyncio.gather(*(buyer.buy(client) for buyer in buyers))
    if point.expires:
        assert [buyer.refusals for buyer in buyers] == [["PAYMENT_DECLINED"]] * BUYERS
        await books.let_reservations_end(scene.database)
    if point.cancels:
        assert [buyer.refusals for buyer in buyers] == [[]] * BUYERS
        await asyncio.gather(*(cancel(staff, buyer) for buyer in buyers))


async def cancel(staff: Client, buyer: Buyer) -> None:
    given = {"orderId": buyer.order_id, "reason": "CUSTOMER", "idempotencyKey": buyer.key}
    while True:
        try:
            answer = await staff.execute(CANCEL, {"input": given})
        except Lost:
            buyer.losses += 1
            await asyncio.sleep(0.02)
        else:
            assert answer["orderCancel"] == {"order": {"id": buyer.order_id}, "userErrors": []}
            return


async def assert_leases_end_soon(database: Database) -> None:
    """What the dead had to themselves is free ten seconds after, at the latest."""
    c, p, now = idempotency_keys.c, payments.c, clock.now()
    async with database.reading() as session:
        kept_until = [
            *(await session.execute(select(c.leased_until).where(c.result.is_(None)))).scalars(),
            *(await session.execute(select(p.leased_until).where(p.status == "STARTED"))).scalars(),
        ]
    assert max(kept_until, default=now) <= now + timedelta(seconds=10)
    assert timedelta(seconds=10) >= LEASE > PROVIDER_TIMEOUT


async def assert_all_is_well(scene: Scene, point: Point, buyers: list[Buyer]) -> None:
    database = scene.database
    assert all(buyer.order_id is not None for buyer in buyers), buyers
    keys = [ids.decode("cart", buyer.cart_id) for buyer in buyers]
    async with database.reading() as session:
        rows = await session.execute(
            select(orders.c.cart_id, orders.c.id, orders.c.cancelled_at).where(orders.c.cart_id.in_(keys))
        )
        placed = rows.all()
        running = await session.scalar(select(func.count()).where(idempotency_keys.c.result.is_(None)))
    told = {buyer.cart_id: buyer.order_id for buyer in buyers}
    assert {cart_key(row.cart_id): ids.encode("order", row.id) for row in placed} == told
    assert len(placed) == len(buyers)
    assert {row.cancelled_at is not None for row in placed} == {point.cancels}
    assert running == 0
    with ledger_of(scene.process) as ledger:
        await books.assert_money_and_stock_agree(database, ledger)
        owed = sum(charge.is_kept for charge in ledger.charges())
    assert await builders.sellable(database, scene.goods) == STOCK - owed
