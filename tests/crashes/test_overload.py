"""What becomes of buyers when all connections are in use, rows are locked, or the payment provider doesn't answer?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import select

from headless.inventory.models import levels
from headless.platform.db import Database
from tests import builders
from tests.crashes.conftest import POOL_SIZE, STOCK, Counter, assert_nothing_leaked, told_to_come_again
from tests.crashes.crashing import IS_SOAK, settle
from tests.graphql.client import Reply, until
from tests.payments import books

HELD_SECONDS = 10 if IS_SOAK else 0
"""For how long at least nothing goes; without soaking until everybody was told so."""
CALLERS = 20
STALLED = 50
SHOP = "{ shop { name } products(first: 3) { nodes { id title } } }"
NOTE = "mutation ($cart: ID!, $note: String!) { cartNoteUpdate(input: {cartId: $cart, note: $note}) "
NOTE += "{ cart { note } userErrors { code } } }"


@asynccontextmanager
async def every_connection_held(counter: Counter) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            await stack.enter_async_context(counter.api.server.database.engine.connect())
        yield


@asynccontextmanager
async def stock_locked(database: Database) -> AsyncIterator[None]:
    """Have another process write the stock that everybody wants, and take its time."""
    async with database.transaction() as session:
        await session.execute(select(levels).with_for_update())
        yield


async def test_who_gets_no_connection_is_told_to_come_again_and_none_leaks(counter: Counter) -> None:
    carts = await counter.carts(CALLERS)
    replies: list[Reply] = []
    async with every_connection_held(counter):
        until_then = time.monotonic() + HELD_SECONDS
        while not replies or time.monotonic() < until_then:
            wishes = [counter.pay(cart_id) for cart_id in carts] + [counter.api.execute(SHOP) for _ in carts]
            replies += await asyncio.gather(*wishes)
        assert counter.checked_out == POOL_SIZE

    assert [told_to_come_again(reply) for reply in replies] == [True] * len(replies)
    assert counter.provider.ledger.charges() == []
    await buy_all(counter, carts)


async def test_who_waits_for_locked_stock_is_told_to_come_again_and_others_are_served_after_it(
    counter: Counter,
) -> None:
    carts = await counter.carts(CALLERS)
    async with stock_locked(counter.database):
        paying = [asyncio.create_task(counter.pay(cart_id)) for cart_id in carts]
        looking = [asyncio.create_task(counter.api.execute(SHOP)) for _ in carts]
        looked = await asyncio.gather(*looking)
        if HELD_SECONDS:
            await asyncio.wait(paying, timeout=HELD_SECONDS)
    paid = await asyncio.gather(*paying)

    assert {reply.status for reply in [*looked, *paid]} <= {200, 503}
    told = [told_to_come_again(reply) for reply in [*looked, *paid]]
    assert len(told) == 2 * CALLERS
    await buy_all(counter, carts)


async def buy_all(counter: Counter, carts: list[str]) -> None:
    """Let everybody come again until he has his order."""

    async def insist(cart_id: str) -> None:
        while True:
            reply = await counter.pay(cart_id)
            if not told_to_come_again(reply) and reply.data["checkoutComplete"]["order"] is not None:
                return

    await asyncio.gather(*(insist(cart_id) for cart_id in carts))
    await settle(counter.database)
    await assert_nothing_leaked(counter)
    assert len(counter.provider.ledger.times_charged()) == len(carts)
    assert await builders.sellable(counter.database, counter.goods) == STOCK - len(carts)
    await books.assert_money_and_stock_agree(counter.database, counter.provider.ledger)


async def test_provider_that_does_not_answer_harms_nobody_else(counter: Counter) -> None:
    stalled, others = await counter.carts(STALLED), await counter.carts(10)
    paying = [asyncio.create_task(counter.pay(cart_id, "gated")) for cart_id in stalled]
    # Who was told to come again while all began at once does so.
    await until(lambda: counter.provider.waiting + sum(task.done() for task in paying) == STALLED)
    again = [cart_id for task, cart_id in zip(paying, stalled, strict=True) if task.done()]
    assert all(told_to_come_again(task.result()) for task in paying if task.done())
    paying = [task for task in paying if not task.done()]
    for cart_id in again:
        paying.append(asyncio.create_task(counter.pay(cart_id, "gated")))
        await until(lambda: counter.provider.waiting == len(paying))
    await until(lambda: counter.checked_out == 0)

    for _ in range(10):
        assert (await counter.api.execute(SHOP)).data["shop"] == {"name": "Test Shop"}
    for cart_id in others:
        reply = await counter.api.execute(NOTE, {"cart": cart_id, "note": "quick"})
        assert reply.data == {"cartNoteUpdate": {"cart": {"note": "quick"}, "userErrors": []}}
        bought = (await counter.pay(cart_id)).data["checkoutComplete"]
        assert bought["userErrors"] == []
        assert bought["order"]["status"] == "CONFIRMED"
    await until(lambda: counter.checked_out == 0)
    assert not any(task.done() for task in paying)
    assert await builders.sellable(counter.database, counter.goods) == STOCK - STALLED - 10

    counter.provider.gate.set()
    replies = await asyncio.gather(*paying)
    assert {reply.data["checkoutComplete"]["order"]["financialStatus"] for reply in replies} == {"PAID"}
    await settle(counter.database)
    await assert_nothing_leaked(counter)
    await books.assert_money_and_stock_agree(counter.database, counter.provider.ledger)
