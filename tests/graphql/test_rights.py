"""Does a stream end when whoever opened it may less than before, and does nobody else's?"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text, update

from headless.accounts import queries as account_queries
from headless.accounts import service as accounts
from headless.accounts.models import api_tokens
from headless.accounts.rules import Actor, Permission
from headless.graphql.server import connections
from headless.platform import clock, crypto, ids
from headless.platform.db import Session
from headless.settings import Settings
from tests.builders import Shop
from tests.graphql.client import Api, bought, of, ready_cart, running
from tests.graphql.streaming import Message, streaming

ORDERS = "subscription { orderPlaced { cursor order { number } } }"
STOCK = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { quantityAvailable } }"


@pytest.fixture
async def quick(settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """A server that looks at rights all the time."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.05)
    async with running(settings, monkeypatch) as api:
        yield api


async def grant(api: Api, token: str, *permissions: Permission) -> None:
    async with api.server.database.transaction() as session:
        c = api_tokens.c
        await session.execute(
            update(api_tokens).where(c.digest == crypto.digest(token)).values(permissions=sorted(permissions))
        )


def test_rights_are_checked_often_enough() -> None:
    assert connections.CHECK_SECONDS <= 3


async def test_revoked_token_closes_its_sockets_and_nobody_elses(quick: Api, shop: Shop) -> None:
    token = await quick.token(Permission.READ_ORDERS)
    other = await quick.token(Permission.READ_ORDERS, Permission.READ_PRODUCTS)
    async with quick.socket() as first, quick.socket() as second, quick.socket() as staff, quick.socket() as shopper:
        for socket, payload in ((first, token), (second, token), (staff, other), (shopper, None)):
            await socket.init({"authToken": payload} if payload else None)
        await first.subscribe("1", ORDERS)
        await first.next("1")
        await staff.subscribe("1", ORDERS)
        await staff.next("1")
        await quick.revoke(token)

        assert await first.close_code() == 4403
        assert await second.close_code() == 4403
        await bought(quick, await ready_cart(quick, shop.mug))
        assert (await staff.next("1"))["orderPlaced"]["order"] is not None
        assert await staff.is_usable()
        assert await shopper.is_usable()
    async with quick.socket() as socket:
        await socket.send({"type": "connection_init", "payload": {"authToken": token}})
        assert await socket.close_code() == 4403


async def test_lost_permission_closes_the_socket_and_a_gained_one_does_not(quick: Api) -> None:
    token = await quick.token(Permission.READ_ORDERS, Permission.READ_INVENTORY)
    async with quick.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", ORDERS)
        await socket.next("1")
        await grant(quick, token, Permission.READ_ORDERS, Permission.READ_INVENTORY, Permission.READ_PRODUCTS)
        await quick.checked()
        assert await socket.is_usable()
        await grant(quick, token, Permission.READ_INVENTORY)

        assert await socket.close_code() == 4403
    async with quick.socket() as socket:
        await socket.init({"authToken": token})
        await socket.subscribe("1", ORDERS)
        assert await socket.refusal("1") == ["FORBIDDEN"]


async def test_revoked_token_ends_its_event_streams(quick: Api, shop: Shop) -> None:
    token = await quick.token(Permission.READ_ORDERS)
    async with (
        streaming(quick, ORDERS, token=token) as stream,
        streaming(quick, STOCK, {"ids": [of("variant", shop.mug)]}) as shopper,
    ):
        await stream.next()
        await shopper.next()
        await quick.revoke(token)
        message = await stream.message()

        assert message is not None
        assert [error["extensions"]["code"] for error in message.body["errors"]] == ["UNAUTHENTICATED"]
        assert message.id is None
        assert await stream.message() == Message("complete", None, "")
        assert await stream.message() is None
        await quick.checked()
        assert len(quick.connections) == 1
    await quick.nobody_listens()


async def test_token_that_expires_closes_the_socket(quick: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = clock.now() + timedelta(hours=1)
    async with quick.server.database.transaction() as session:
        token = await accounts.create_token(
            session, name="Robot", permissions=[Permission.READ_ORDERS], expires_at=expires_at
        )
    async with quick.socket() as socket:
        await socket.send({"type": "connection_init", "payload": {"authToken": token}})
        acknowledged = (await socket.receive())["payload"]
        assert acknowledged["sessionExpiresAt"] == expires_at.isoformat().replace("+00:00", "Z")
        assert acknowledged["serverTime"] < acknowledged["sessionExpiresAt"]
        await quick.checked()
        assert await socket.is_usable()
        # It is over even if nobody can be asked about it.
        async with quick.server.database.transaction() as session:
            await session.execute(text("ALTER TABLE api_token RENAME TO api_token_gone"))
        monkeypatch.setattr(clock, "now", lambda: expires_at)

        assert await socket.close_code() == 4403
    async with quick.server.database.transaction() as session:
        await session.execute(text("ALTER TABLE api_token_gone RENAME TO api_token"))
    assert (await quick.execute("{ shop { name } }", token=token)).status == 401


async def test_socket_survives_a_database_that_does_not_answer_for_a_while(quick: Api) -> None:
    token = await quick.token(Permission.READ_ORDERS)
    async with quick.socket() as socket:
        await socket.init({"authToken": token})
        async with quick.server.database.transaction() as session:
            await session.execute(text("ALTER TABLE api_token RENAME TO api_token_gone"))
        await quick.checked()
        async with quick.server.database.transaction() as session:
            await session.execute(text("ALTER TABLE api_token_gone RENAME TO api_token"))
        assert await socket.is_usable()
        await quick.revoke(token)

        assert await socket.close_code() == 4403
    assert not quick.connections._actors


async def test_who_comes_while_rights_are_looked_up_is_let_be(quick: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[tuple[str, connections.Ending]] = []

    class Guest:
        def __init__(self, name: str) -> None:
            self.name = name

        def end(self, why: connections.Ending) -> None:
            ended.append((self.name, why))

    doors = connections.Connections(quick.server.database, most=10)
    early, late = [Actor(ids.new(), name, frozenset()) for name in ("early", "late")]
    look_up = account_queries.actors_by_id

    async def while_somebody_comes(session: Session, token_ids: Sequence[UUID]) -> Mapping[UUID, Actor]:
        found = await look_up(session, token_ids)
        doors.watch_over(Guest("late"), late)
        return found

    monkeypatch.setattr(account_queries, "actors_by_id", while_somebody_comes)
    doors.watch_over(Guest("early"), early)
    await doors._check()

    assert ended == [("early", connections.Ending.RIGHTS)]
