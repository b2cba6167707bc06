"""How does a test sell through a provider whose every call can go wrong, and finish what that leaves?"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from headless.checkout import completion
from headless.checkout.completion import Wish
from headless.checkout.concluding import Result
from headless.orders import service as order_service
from headless.orders.models import orders
from headless.payments.errors import PaymentFailed
from headless.payments.service import Providers
from headless.platform import outbox
from headless.platform.db import Database
from headless.platform.errors import IdempotencyConcurrentRequest
from tests import builders
from tests.builders import SETTLED, Shop, desk, persistently
from tests.payments import books
from tests.payments.fault_provider import NAME, FaultProvider

GOOD = "well"
ROUNDS = 40
"""More than any story needs to end."""


@dataclass(frozen=True, slots=True)
class Till:
    """A shop that is paid through the provider of the tests."""

    database: Database
    shop: Shop
    provider: FaultProvider
    providers: Providers
    goods: UUID

    async def cart(self) -> UUID:
        async with self.database.transaction(patience=60) as session:
            return await builders.cart_ready_to_check_out(session, self.shop, {self.goods: 1})

    async def ask(self, wanted: Wish) -> Result | None:
        """Pay; None: no answer, or the answer to come again."""
        try:
            return await persistently(completion.complete, desk(self.database), self.providers, wanted, SETTLED)
        except (RuntimeError, IdempotencyConcurrentRequest):
            return None

    async def work(self) -> None:
        """Do what the worker does."""
        await persistently(completion.settle_left_over, self.database, self.providers, SETTLED)
        await persistently(order_service.settle_refunds, self.database, self.providers)
        async with self.database.transaction(patience=60) as session:
            await outbox.number(session)

    async def insist(self, cart_id: UUID, token: str) -> Result:
        """Ask with one key until there is an order or a refusal that is meant."""
        wanted = builders.wish(cart_id, token, provider=NAME)
        for _ in range(ROUNDS):
            result = await self.ask(wanted)
            if result is not None and (result.order_id is not None or any(map(is_final, result.refusals))):
                return result
            await books.let_leases_end(self.database)
        raise AssertionError(f"no end for {token}")

    async def settle(self) -> None:
        """Have the worker finish everything, and time pass as it needs it."""
        for _ in range(ROUNDS):
            left = await books.unsettled(self.database)
            if not any(left.values()):
                return
            await books.let_leases_end(self.database)
            await books.let_reservations_end(self.database)
            await self.work()
        raise AssertionError(f"left over: {left}")

    async def is_bought(self, cart_id: UUID) -> bool:
        async with self.database.reading() as session:
            return bool(await session.scalar(select(func.count()).where(orders.c.cart_id == cart_id)))


def is_final(refusal: Exception) -> bool:
    """Whether a refusal is of the wish, not of a request that died on its way."""
    return not (isinstance(refusal, PaymentFailed) and "never reached" in refusal.message)
