"""What do tests of overload get? A server in this process, with few connections and the provider of the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from headless.app import create_app, server_of
from headless.payments.service import Providers
from headless.platform.db import Database
from headless.settings import Settings
from tests import builders
from tests.builders import Form, Shop, make_product
from tests.crashes.crashing import cart_key
from tests.graphql.client import PATIENCE, Api, Reply, until
from tests.payments.fault_provider import NAME, FaultProvider
from tests.serving import checkout_mutation, new_key

POOL_SIZE = 4
STOCK = 2000


@dataclass(frozen=True, slots=True)
class Counter:
    """A shop in this process, seen from before and from behind the counter."""

    api: Api
    provider: FaultProvider
    database: Database
    """The test's own, not the server's."""
    shop: Shop
    goods: UUID

    async def carts(self, number: int) -> list[str]:
        async with self.database.transaction() as session:
            made = [await builders.cart_ready_to_check_out(session, self.shop, {self.goods: 1}) for _ in range(number)]
        return [cart_key(cart_id) for cart_id in made]

    async def pay(self, cart_id: str, habits: str = "well", *, key: str | None = None) -> Reply:
        wanted = {
            "cartId": cart_id,
            "payment": {"provider": NAME, "token": f"{habits}@{cart_id[-4:]}"},
            "idempotencyKey": key or new_key(),
        }
        return await self.api.execute(checkout_mutation("checkoutComplete"), {"input": wanted})

    @property
    def checked_out(self) -> int:
        """How many of the server's connections are in use."""
        count: int = self.api.server.database.engine.pool.checkedout()  # type: ignore[attr-defined]
        return count


@pytest.fixture
async def counter(
    database: Database, database_url: str, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Counter]:
    async with database.transaction() as session:
        _, (goods,) = await make_product(session, shop.channel_id, "Goods", Form(1500))
        await builders.stock(session, shop.main_id, {goods: STOCK})
    settings = Settings(
        database_url=database_url,
        database_pool_size=POOL_SIZE,
        data_dir=tmp_path,
        port=0,
        public_url="http://shop.test",
        secret_key="a secret of the tests",
        log_level="error",
        provider_timeout_seconds=60,
    )
    for name in ("collect", "freeze"):
        # Freezing what start-up made is for processes that start once.
        monkeypatch.setattr(f"gc.{name}", lambda: 0)
    monkeypatch.setattr("gc.set_threshold", lambda *_values: None)
    provider = FaultProvider(tmp_path / "ledger.db")
    async with _running(settings, provider) as api:
        yield Counter(api, provider, database, shop, goods)
    provider.ledger.close()


@asynccontextmanager
async def _running(settings: Settings, provider: FaultProvider) -> AsyncIterator[Api]:
    server = server_of(settings, Database(settings.database, pool_size=settings.database_pool_size))
    providers = Providers({NAME: provider}, timeout_seconds=settings.provider_timeout_seconds)
    server = replace(server, providers=providers)
    app = create_app(settings, with_worker=True, server=server)
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(app.router.lifespan_context(app))
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.test", timeout=60)
        await exits.enter_async_context(client)
        yield Api(app, server, client, exits)


def told_to_come_again(reply: Reply) -> bool:
    """Whether nothing was done, and that was said in the agreed way."""
    if reply.status == 200:
        assert "errors" not in reply.body, reply.body
        return False
    assert reply.status == 503, reply.body
    assert reply.codes == ["UNAVAILABLE"] * len(reply.errors)
    assert int(reply.headers["Retry-After"]) >= 1
    return True


async def assert_nothing_leaked(counter: Counter) -> None:
    """Find a moment at which no connection is in use or in a transaction; never are there more than allowed.

    The worker uses one now and then; what leaked would be in use for ever.
    """
    await until(lambda: counter.checked_out == 0)
    if counter.database.is_sqlite:
        return
    own = counter.database.engine.pool
    async with asyncio.timeout(PATIENCE):
        while True:
            # Within a transaction this view stands still.
            async with counter.database.reading() as session:
                rows = await session.execute(
                    text(
                        "SELECT state FROM pg_stat_activity WHERE datname = current_database() "
                        "AND application_name = 'headless' AND pid <> pg_backend_pid()"
                    )
                )
                states = [row.state for row in rows]
            assert len(states) <= POOL_SIZE + own.checkedin() + own.checkedout()  # type: ignore[attr-defined]
            if set(states) <= {"idle"}:
                return
            await asyncio.sleep(0.01)
