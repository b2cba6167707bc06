"""Does a request that is cancelled at any point give back what it held, and leave the books right?"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import orjson
import pytest

from headless.platform import ids
from tests import builders
from tests.crashes.conftest import STOCK, Counter, assert_nothing_leaked, told_to_come_again
from tests.crashes.crashing import IS_SOAK, settle
from tests.graphql.client import _listening
from tests.payments import books
from tests.payments.fault_provider import NAME
from tests.serving import CART, checkout_mutation, new_key

REQUESTS = 6000 if IS_SOAK else 600
AT_ONCE = 12
CARTS = 60
LONGEST_SECONDS = 0.08
"""About as long as a request takes when so many run at once: all its points are hit."""
HABITS = ["well", "well", "lost", "action", "declined", "error_after"]

# Of a cancelled operation some resolvers are never begun. What was begun and not ended is still an error.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning",
)

Sent = tuple[str, dict[str, object]]


def requests(counter: Counter, carts: list[str], chance: random.Random) -> list[Sent]:
    """What shoppers send, in any order; most of it wants to write."""
    variant = ids.encode("variant", counter.shop.mug)

    def one() -> Sent:
        cart = chance.choice(carts)
        payment = {"provider": NAME, "token": f"{chance.choice(HABITS)}@{chance.randrange(100_000)}"}
        given = {"cartId": cart, "payment": payment, "idempotencyKey": new_key()}
        wishes: list[Sent] = [
            (checkout_mutation("checkoutComplete"), {"input": given}),
            (checkout_mutation("checkoutStart"), {"input": {"cartId": cart}}),
            (checkout_mutation("checkoutCancel"), {"input": {"cartId": cart}}),
            (f"query ($id: ID!) {{ cart(id: $id) {{ {CART} }} }}", {"id": cart}),
            ("{ products(first: 5) { nodes { id title variants(first: 5) { nodes { quantityAvailable } } } } }", {}),
            (
                "mutation ($v: ID!) { cartCreate(input: {lines: [{variantId: $v}]}) { cart { id totalQuantity } } }",
                {"v": variant},
            ),
        ]
        return chance.choices(wishes, weights=[5, 2, 1, 2, 1, 1])[0]

    return [one() for _ in range(REQUESTS)]


async def at_once(calls: list[Callable[[], Awaitable[None]]]) -> None:
    """Make calls, so many at a time."""
    waiting = list(reversed(calls))

    async def make() -> None:
        while waiting:
            await waiting.pop()()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(make())


@pytest.mark.parametrize("seed", [1])
async def test_cancelled_tasks_leave_nothing_behind(
    counter: Counter, seed: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("rounds", REQUESTS)
    chance = random.Random(seed)
    carts = await counter.carts(CARTS)

    def cancelled(document: str, variables: dict[str, object]) -> Callable[[], Awaitable[None]]:
        async def call() -> None:
            task = asyncio.create_task(counter.api.execute(document, variables))
            await asyncio.sleep(chance.uniform(0, LONGEST_SECONDS))
            task.cancel()
            with suppress(asyncio.CancelledError):
                reply = await task
                assert reply.status in {200, 503}, reply.body

        return call

    await at_once([cancelled(*sent) for sent in requests(counter, carts, chance)])

    await assert_the_shop_is_well(counter, carts)


@pytest.mark.parametrize("seed", [1])
async def test_clients_that_hang_up_leave_nothing_behind(
    counter: Counter, seed: int, record_property: Callable[[str, object], None]
) -> None:
    record_property("rounds", REQUESTS)
    chance = random.Random(seed)
    carts = await counter.carts(CARTS)
    async with _listening(counter.api.app, counter.api.server.settings) as address:
        host, port = urlsplit(f"//{address}").hostname, urlsplit(f"//{address}").port

        def hung_up(document: str, variables: dict[str, object]) -> Callable[[], Awaitable[None]]:
            body = orjson.dumps({"query": document, "variables": variables})
            head = [
                "POST /graphql HTTP/1.1",
                "Host: shop.test",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
            ]
            whole = "\r\n".join([*head, "", ""]).encode() + body

            async def call() -> None:
                _reader, writer = await asyncio.open_connection(host, port)
                # Some hang up while they still speak.
                writer.write(whole[: chance.choice([len(whole), len(whole), chance.randrange(len(whole))])])
                await asyncio.sleep(chance.uniform(0, LONGEST_SECONDS))
                writer.transport.abort()

            return call

        await at_once([hung_up(*sent) for sent in requests(counter, carts, chance)])

        await assert_the_shop_is_well(counter, carts)


async def assert_the_shop_is_well(counter: Counter, carts: list[str]) -> None:
    """Nothing is held for ever: every cart can still be bought, and then everything adds up."""
    await settle(counter.database)
    await assert_nothing_leaked(counter)
    for cart_id in carts:
        while True:
            reply = await counter.pay(cart_id)
            if not told_to_come_again(reply) and reply.data["checkoutComplete"]["order"] is not None:
                break
    await settle(counter.database)
    await assert_nothing_leaked(counter)
    kept = [charge for charge in counter.provider.ledger.charges() if charge.is_kept]
    assert len(kept) == len(carts)
    assert await builders.sellable(counter.database, counter.goods) == STOCK - len(carts)
    await books.assert_money_and_stock_agree(counter.database, counter.provider.ledger)
