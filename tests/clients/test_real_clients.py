"""Do the clients that people use get everything, once and in order, whatever happens to their connection?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform.db import Database
from tests import builders
from tests.clients.followers import GQL, Follower, following
from tests.clients.street import Proxy, Street
from tests.conftest import Templates
from tests.serving import Client, serving

SOCKETS = ["graphql-ws", "apollo", "urql", GQL]
STREAMS = ["graphql-sse", "apollo-multipart"]
LIFETIME = timedelta(seconds=25)
"""Of a token: long enough for every client to have connected."""
QUERY = """subscription Movements($locationId: ID!, $after: String) {
  inventoryChanged(locationId: $locationId, after: $after) { cursor movement { delta } }
}"""


@asynccontextmanager
async def opened(database_url: str, folder: Path) -> AsyncIterator[Street]:
    database = Database(make_url(database_url))
    async with database.transaction() as session:
        shop = await builders.make_shop(session)
        token = await accounts.create_token(session, name="staff", permissions=list(Permission))
    async with (
        serving(database_url, folder, servers=2) as served,
        Client(served.urls[1:], token=token) as staff,
    ):
        yield Street(served, database, shop, staff)
    await database.close()


@pytest.fixture(scope="module")
async def street(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    async with templates.sqlite() as database_url, opened(database_url, tmp_path_factory.mktemp("street")) as street:
        yield street


@pytest.fixture
async def wire(street: Street) -> AsyncIterator[Proxy]:
    async with street.wire() as proxy:
        yield proxy


async def deltas(follower: Follower, count: int) -> list[int]:
    return [(await follower.event())["movement"]["delta"] for _ in range(count)]


@pytest.mark.parametrize("client", [*SOCKETS, *STREAMS])
async def test_a_cut_connection_is_resumed_with_nothing_missed_and_nothing_twice(
    street: Street, wire: Proxy, client: str
) -> None:
    variables = {"locationId": street.location_id}
    async with following(client, wire, QUERY, variables, token=await street.token()) as follower:
        assert (await follower.event())["movement"] is None
        await street.move(1, 2)
        assert await deltas(follower, 2) == [1, 2]

        await wire.cut()
        assert await follower.lost() == (1006 if client in SOCKETS else None)
        await street.move(3, 4, 5)
        await wire.mend()
        assert await deltas(follower, 3) == [3, 4, 5]

        await street.move(6)
        assert await deltas(follower, 1) == [6]


@pytest.mark.parametrize("client", SOCKETS)
async def test_a_revoked_token_ends_the_socket_with_4403_and_a_new_one_resumes(
    street: Street, wire: Proxy, client: str
) -> None:
    token = await street.token()
    async with following(client, wire, QUERY, {"locationId": street.location_id}, token=token) as follower:
        assert (await follower.event())["movement"] is None
        await street.move(1)
        assert await deltas(follower, 1) == [1]

        await street.revoke(token)
        assert await follower.lost() == 4403
        # It is asked for a token once more, has only the old one, and isn't let in.
        assert await follower.lost() == 4403
        await street.move(2, 3)
        follower.token = await street.token()
        assert await deltas(follower, 2) == [2, 3]


@pytest.mark.parametrize("client", STREAMS)
async def test_a_revoked_token_ends_the_stream_with_an_error_and_a_new_one_resumes(
    street: Street, wire: Proxy, client: str
) -> None:
    token = await street.token()
    async with following(client, wire, QUERY, {"locationId": street.location_id}, token=token) as follower:
        assert (await follower.event())["movement"] is None
        await street.move(1)
        assert await deltas(follower, 1) == [1]

        await street.revoke(token)
        assert await follower.refused() == ["UNAUTHENTICATED"]
        # It isn't let in with the old one: HTTP 401.
        assert await follower.lost() is None
        await street.move(2, 3)
        follower.token = await street.token()
        assert await deltas(follower, 2) == [2, 3]


async def test_a_token_that_expires_ends_every_client_and_a_new_one_resumes(street: Street, wire: Proxy) -> None:
    """All at once, for the time that it takes."""
    token = await street.token(lifetime=LIFETIME)

    async def follow(client: str) -> list[int]:
        async with following(client, wire, QUERY, {"locationId": street.location_id}, token=token) as follower:
            assert (await follower.event())["movement"] is None
            await together.wait()
            before = await deltas(follower, 1)
            if client in STREAMS:
                assert await follower.refused() == ["UNAUTHENTICATED"]
            assert await follower.lost() == (4403 if client in SOCKETS else None)
            await together.wait()
            await together.wait()
            follower.token = new
            return before + await deltas(follower, 2)

    clients = [*SOCKETS, *STREAMS]
    together = asyncio.Barrier(len(clients) + 1)
    async with asyncio.TaskGroup() as group:
        following_all = [group.create_task(follow(client)) for client in clients]
        await together.wait()
        await street.move(1)
        await together.wait()
        await street.move(2, 3)
        new = await street.token()
        await together.wait()

    assert [task.result() for task in following_all] == [[1, 2, 3]] * len(clients)


@pytest.mark.parametrize("client", [*SOCKETS, *STREAMS])
async def test_a_cursor_that_leads_nowhere_is_refused_by_its_code_and_the_client_starts_anew(
    street: Street, wire: Proxy, client: str
) -> None:
    variables = {"locationId": street.location_id}
    token = await street.token()
    async with following(client, wire, QUERY, variables, token=token, after="nowhere") as follower:
        assert await follower.refused() == ["RESYNC_REQUIRED"]
        assert (await follower.event())["movement"] is None
        await street.move(1)
        assert await deltas(follower, 1) == [1]


async def test_every_client_outlives_a_restart_of_its_server_with_nothing_missed(
    database_url: str, tmp_path: Path
) -> None:
    clients = [*SOCKETS, *STREAMS]
    async with opened(database_url, tmp_path) as street, AsyncExitStack() as stack:
        variables, token = {"locationId": street.location_id}, await street.token()
        followers = {}
        for client in clients:
            wire = await stack.enter_async_context(street.wire())
            joined = following(client, wire, QUERY, variables, token=token)
            followers[client] = await stack.enter_async_context(joined)
        for follower in followers.values():
            assert (await follower.event())["movement"] is None
        await street.move(1)
        for follower in followers.values():
            assert await deltas(follower, 1) == [1]

        await street.served.servers[0].stop()
        # Apollo holds a multipart stream that ends without a word to be complete, so it is told why.
        assert await followers["apollo-multipart"].refused() == ["UNAVAILABLE"]
        closed = [await followers[client].lost() for client in clients]
        await street.move(2, 3)
        await street.served.start(0)
        heard = await asyncio.gather(*(deltas(follower, 2) for follower in followers.values()))

        assert closed == [1012] * len(SOCKETS) + [None] * len(STREAMS)
        assert heard == [[2, 3]] * len(clients)
        await street.move(4)
        assert [await deltas(follower, 1) for follower in followers.values()] == [[4]] * len(clients)
