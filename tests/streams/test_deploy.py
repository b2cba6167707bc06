"""Is nothing missed when a process is replaced by another?"""

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.graphql.server.connections import Connections, Ending
from headless.platform import ids
from headless.platform.db import Database
from tests import builders
from tests.builders import Shop
from tests.plugin_servers import needs_redis
from tests.serving import Client, Process, serving
from tests.streams.following import PATIENCE, Crowd, Follower

STATES, LOGS = 950, 50
LAST = 40
STOCK = """subscription ($ids: [ID!]!, $after: String) {
    stockChanged(variantIds: $ids, after: $after) { id cursor quantityAvailable }
}"""
MOVED = """subscription ($after: String) {
    inventoryChanged(after: $after) { id cursor movement { id delta } }
}"""
ADJUST = """mutation ($variant: ID!, $location: ID!, $key: String!) { inventoryAdjust(input: {
    reason: "test", idempotencyKey: $key,
    changes: [{variantId: $variant, locationId: $location, delta: 1, changeFromQuantity: null}]
}) { movements { id } userErrors { code } } }"""


async def gone(process: Process) -> int:
    """Wait until a process has ended by itself; answer its exit code."""
    assert process._process is not None
    code: int = await asyncio.to_thread(process._process.wait, PATIENCE)
    return code


async def statuses_until(url: str, *, is_over: asyncio.Event) -> set[int]:
    """What a balancer that asks all the time hears of a process."""
    heard: set[int] = set()
    async with httpx2.AsyncClient(trust_env=False) as http:
        while not is_over.is_set():
            try:
                heard.add((await http.get(f"{url}/readyz")).status_code)
            except httpx2.TransportError:
                return heard
            await asyncio.sleep(0.05)
    return heard


async def sell(client: Client, shop: Shop, count: int) -> list[str]:
    """Move stock so often, one unit each time; answer the ids of the movements."""
    moved: list[str] = []
    for number in range(count):
        variables = {
            "variant": ids.encode("variant", shop.mug),
            "location": ids.encode("location", shop.main_id),
            "key": f"{id(moved)}-{number}",
        }
        payload = (await client.execute(ADJUST, variables))["inventoryAdjust"]
        assert payload["userErrors"] == []
        moved += [movement["id"] for movement in payload["movements"]]
    return moved


async def test_a_thousand_sockets_go_to_another_process_and_miss_nothing(
    database_kind: str, database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    async with database.transaction() as session:
        shop = await builders.make_shop(session)
        token = await accounts.create_token(session, name="Live", permissions=Permission)
    await database.close()
    settings = {"HEADLESS_DRAIN_SECONDS": "2"}
    if database_kind == "postgres":
        settings["HEADLESS_REDIS_URL"] = needs_redis()
    mug = {"ids": [ids.encode("variant", shop.mug)]}
    final = 10 + LAST
    states = [Follower(STOCK, mug, lambda event: event["quantityAvailable"] == final) for _ in range(STATES)]
    logs = [Follower(MOVED, {}, lambda _event: False, token) for _ in range(LOGS)]
    for log in logs:
        log.is_done = lambda _event, log=log: len(log.seen) == LAST + 1  # type: ignore[misc]
    async with (
        serving(database_url, tmp_path, servers=2, with_worker=False, **settings) as served,
        Crowd([*states, *logs]) as crowd,
        Client([served.urls[1]], token=token) as staff,
    ):
        old, new = (urlsplit(url).port or 0 for url in served.urls)
        process = served.servers[0]
        crowd.start([old, new, new, new])
        await crowd.all_began()
        is_over = asyncio.Event()
        balancer = asyncio.create_task(statuses_until(served.urls[0], is_over=is_over))
        moved = await sell(staff, shop, LAST // 4)
        assert process._process is not None
        os.kill(process._process.pid, signal.SIGTERM)
        moved += await sell(staff, shop, LAST - LAST // 4)
        assert await gone(process) == 0
        await crowd.all_done()
        is_over.set()
        assert 503 in await balancer

    for follower in (*states, *logs):
        # Sent away once by the old process, and never by the new one.
        assert follower.closed == {1012: 1}
    for follower in states:
        assert follower.seen[-1]["quantityAvailable"] == final
        assert len({event["id"] for event in follower.seen}) == len(follower.seen)
    for follower in logs:
        marker, *events = follower.seen
        assert marker["movement"] is None
        assert [event["movement"]["id"] for event in events] == moved


class Guest:
    """A connection that leaves when it is told to."""

    def __init__(self) -> None:
        self.told: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def end(self, why: Ending) -> None:
        self.told.set_result(why)

    async def stay(self, connections: Connections) -> Ending:
        with connections.opened(self):
            return await self.told


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_who_gets_in_while_others_are_sent_away_is_sent_away_as_well(database: Database) -> None:
    connections = Connections(database, most=2)
    first = asyncio.create_task(Guest().stay(connections))
    await asyncio.sleep(0)
    draining = asyncio.create_task(connections.drain(0))
    await asyncio.sleep(0)
    late = asyncio.create_task(Guest().stay(connections))
    async with asyncio.timeout(PATIENCE):
        await draining

        assert [await first, await late] == [Ending.RESTART] * 2
    assert len(connections) == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_process_nobody_listens_to_ends_at_once(database_url: str, tmp_path: Path) -> None:
    database = Database(database_url)
    async with database.transaction() as session:
        await builders.make_shop(session)
    await database.close()
    async with serving(database_url, tmp_path, with_worker=False, HEADLESS_DRAIN_SECONDS="300") as served:
        process = served.servers[0]
        assert process._process is not None
        os.kill(process._process.pid, signal.SIGTERM)

        assert await gone(process) == 0
