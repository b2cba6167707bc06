"""What do races run through: a shop served by two processes, seen by its buyers, its staff and from behind."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.orders.models import orders
from headless.payments.providers.sandbox import charges
from headless.platform import ids
from headless.platform.db import Database
from tests import builders
from tests.builders import Form, Shop, make_product, stocks
from tests.serving import Answer, Client, Served, codes, serving

T = TypeVar("T")
IS_SOAK = os.environ.get("HEADLESS_SOAK") == "1"
"""Whether there is all the time in the world."""


@dataclass(frozen=True, slots=True)
class Street:
    """A served shop."""

    shop: Shop
    database: Database
    served: Served
    token: str
    """What the staff of `staff` shows."""
    buyers: "Patient"
    staff: "Patient"

    async def offer(self, title: str, units: int, *sizes: str) -> tuple[UUID, list[UUID]]:
        """Put variants on sale, so many of each; answer the product and the variants."""
        async with self.database.transaction() as session:
            forms = [Form(value=size) for size in sizes]
            product_id, variant_ids = await make_product(session, self.shop.channel_id, title, *forms)
            await builders.stock(session, self.shop.main_id, dict.fromkeys(variant_ids, units))
        return product_id, variant_ids

    async def level(self, variant_id: UUID) -> tuple[int, int, int]:
        """On hand, reserved and committed."""
        level = (await stocks(self.database, variant_id))[variant_id, self.shop.main_id]
        return level.on_hand, level.reserved, level.committed

    async def orders_of(self, cart_ids: Iterable[str]) -> int:
        keys = [ids.decode("cart", cart_id) for cart_id in cart_ids]
        async with self.database.reading() as session:
            return int(await session.scalar(select(func.count()).where(orders.c.cart_id.in_(keys))) or 0)

    async def charges(self) -> int:
        """How often the provider took money."""
        async with self.database.reading() as session:
            return int(await session.scalar(select(func.count()).where(charges.c.status == "CAPTURED")) or 0)


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Street]:
    """Open a shop on a migrated, empty database and serve it by two processes, workers inside."""
    database = Database(url)
    async with database.transaction() as session:
        shop = await builders.make_shop(session)
        token = await accounts.create_token(session, name="Races", permissions=Permission)
    async with (
        serving(url, folder, servers=2, HEADLESS_DATABASE_POOL_SIZE="20") as served,
        Patient(served.urls) as buyers,
        Patient(served.urls, token=token) as staff,
    ):
        yield Street(shop, database, served, token, buyers, staff)
    await database.close()


class Patient(Client):
    """A caller who comes again when told that the server is busy and that this does no harm."""

    postponements = 0

    async def execute(self, *wanted: Any, **given: Any) -> Answer:
        while (answer := await super().execute(*wanted, **given)).status == HTTPStatus.SERVICE_UNAVAILABLE:
            assert answer.error_codes == ["UNAVAILABLE"]
            self.postponements += 1
            await asyncio.sleep(0.1)
        return answer


async def at_once(wishes: Iterable[Awaitable[T]], *, most: int = 100) -> list[T]:
    """Fulfil wishes together, at most so many at a time."""
    turn = asyncio.Semaphore(most)

    async def one(wish: Awaitable[T]) -> T:
        async with turn:
            return await wish

    return list(await asyncio.gather(*(one(wish) for wish in wishes)))


def variant(variant_id: UUID) -> str:
    return ids.encode("variant", variant_id)


def outcome(answer: Answer, name: str = "checkoutComplete") -> str:
    """What an answer came to, in a word."""
    payload = answer[name]
    return ",".join(codes(payload)) or "ORDER"
