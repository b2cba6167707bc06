"""Is a state that can't be read for a while neither skipped nor shown as an error?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from headless.graphql.server import subscribing
from headless.inventory.events import StockChanged
from headless.platform import outbox
from headless.platform.db import Database
from tests.builders import Shop, stock
from tests.graphql.client import PATIENCE, Api, Socket, of
from tests.graphql.streaming import MULTIPART, streaming

STOCK = """subscription($ids: [ID!]!, $after: String) {
  stockChanged(variantIds: $ids, after: $after) { cursor quantityAvailable }
}"""


@pytest.fixture
def database_kind() -> str:
    """A file is always there; a server's connections come and go."""
    return "postgres"


@asynccontextmanager
async def unreadable(api: Api, database: Database, shop: Shop, left: int) -> AsyncIterator[None]:
    """Tell of a change of stock that nobody can read before the end of the block."""
    async with database.transaction() as session:
        await session.execute(text("LOCK TABLE level IN ACCESS EXCLUSIVE MODE"))
        await stock(session, shop.main_id, {shop.mug: left})
        async with api.server.database.transaction() as other:
            outbox.record(other, StockChanged(shop.mug))
        yield


async def cut(database: Database) -> None:
    """Have the database cut off whoever waits for the stock, as it does when it is restarted."""
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            # One look for each transaction: it doesn't see what others have done since its first.
            async with database.reading() as session:
                if (await session.execute(statement)).all():
                    return
            await asyncio.sleep(0.01)


async def quantity(socket: Socket) -> int:
    found: int = (await socket.next("1"))["stockChanged"]["quantityAvailable"]
    return found


async def test_state_is_told_when_it_can_be_read_again(api: Api, database: Database, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    async with api.socket() as one, api.socket() as two, streaming(api, STOCK, variables) as stream:
        for socket in (one, two):
            await socket.init()
            await socket.subscribe("1", STOCK, variables)
            assert await quantity(socket) == 10
        assert (await stream.next())["stockChanged"]["quantityAvailable"] == 10
        async with unreadable(api, database, shop, left=3):
            await cut(database)
            await cut(database)

        assert [await quantity(one), await quantity(two)] == [3, 3]
        assert (await stream.next())["stockChanged"]["quantityAvailable"] == 3


async def test_who_cannot_be_told_for_long_is_sent_away_and_resumes_before_it(
    api: Api, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribing, "PATIENCE", 0.0)
    variables = {"ids": [of("variant", shop.mug)]}
    async with (
        api.socket() as socket,
        streaming(api, STOCK, variables) as stream,
        streaming(api, STOCK, variables, accept=MULTIPART) as parts,
    ):
        await socket.init()
        await socket.subscribe("1", STOCK, variables)
        cursor = (await socket.next("1"))["stockChanged"]["cursor"]
        assert (await stream.message()) is not None
        await parts.payload()
        async with unreadable(api, database, shop, left=3):
            await cut(database)

            assert await socket.close_code() == 1013
            # Not called complete: an EventSource comes back by itself, with the id that it has.
            assert await stream.message() is None
            part = await parts.part()
            assert part["payload"] is None
            assert [error["extensions"]["code"] for error in part["errors"]] == ["UNAVAILABLE"]
    await api.nobody_listens()
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {**variables, "after": cursor})

        assert await quantity(socket) == 3
