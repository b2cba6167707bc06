"""Is Apollo's multipart subscription protocol spoken as its clients expect it?"""

import pytest

from headless.accounts.rules import Permission
from headless.graphql.server import connections
from headless.graphql.server import streaming as server_streaming
from headless.settings import Settings
from tests.builders import Shop, stock
from tests.graphql.client import Api, of, running
from tests.graphql.streaming import MULTIPART, streaming

STOCK = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { cursor quantityAvailable } }"
ORDERS = "subscription { orderPlaced { cursor order { number } } }"


@pytest.fixture
def database_kind() -> str:
    """The protocol is the same whatever the database."""
    return "sqlite"


async def set_stock(api: Api, shop: Shop, quantity: int) -> None:
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: quantity})


@pytest.mark.parametrize(
    "accept",
    [
        MULTIPART,
        'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/graphql-response+json,application/json',
        'multipart/mixed; subscriptionSpec="1.0", application/json',
    ],
)
async def test_each_part_ends_at_once(api: Api, shop: Shop, accept: str) -> None:
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, accept=accept) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        assert (await stream.payload())["data"]["stockChanged"]["quantityAvailable"] == 10
        await set_stock(api, shop, 3)
        assert (await stream.payload())["data"]["stockChanged"]["quantityAvailable"] == 3
    await api.nobody_listens()


async def test_heartbeats_are_empty_objects(api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_streaming, "BEAT_SECONDS", 0.02)
    async with streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, accept=MULTIPART) as stream:
        await stream.payload()
        assert [await stream.part() for _ in range(3)] == [{}, {}, {}]


async def test_what_is_refused_is_the_last_payload(api: Api) -> None:
    async with streaming(api, ORDERS, accept=MULTIPART) as stream:
        payload = await stream.payload()
        assert set(payload) == {"errors"}
        assert [error["extensions"]["code"] for error in payload["errors"]] == ["UNAUTHENTICATED"]
        assert await stream.part() is None


async def test_query_is_one_part(api: Api) -> None:
    async with streaming(api, "{ __typename }", accept=MULTIPART) as stream:
        assert await stream.part() == {"payload": {"data": {"__typename": "Query"}}}
        assert await stream.part() is None


async def test_server_that_stops_says_so(settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        running(settings, monkeypatch) as api,
        streaming(api, STOCK, {"ids": [of("variant", shop.mug)]}, accept=MULTIPART) as stream,
    ):
        await stream.payload()
        await api.connections.drain(0)
        part = await stream.part()

        assert part["payload"] is None
        assert [error["extensions"]["code"] for error in part["errors"]] == ["UNAVAILABLE"]
        assert await stream.part() is None


async def test_revoked_token_ends_it_with_an_error_of_the_protocol(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.05)
    token = await api.token(Permission.READ_ORDERS)
    async with streaming(api, ORDERS, accept=MULTIPART, token=token) as stream:
        await stream.payload()
        await api.revoke(token)
        part = await stream.part()

        assert part["payload"] is None
        assert [error["extensions"]["code"] for error in part["errors"]] == ["UNAUTHENTICATED"]
        assert await stream.part() is None
