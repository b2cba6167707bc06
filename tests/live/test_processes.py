"""Do real server processes hear of each other, whatever carries it, and does checkout care when it dies?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests import builders
from tests.builders import Form, Shop, assert_books_balance, make_product, stocks
from tests.plugin_servers import needs_own_redis, needs_redis
from tests.servers import OwnServer
from tests.serving import Client, Events, Json, Served, cart_with, edit, paid, serving

CARRIERS = ["database", "redis"]
STOCK = """subscription ($ids: [ID!]!, $after: String) {
    stockChanged(variantIds: $ids, after: $after) { cursor quantityAvailable }
}"""
CART = """subscription ($id: ID!, $after: String) {
    cartChanged(cartId: $id, after: $after) { cursor cart { note } }
}"""
PLACED = "subscription ($after: String) { orderPlaced(after: $after) { cursor order { number } } }"


@dataclass(frozen=True, slots=True)
class Town:
    """Two server processes on one database, each called by itself."""

    served: Served
    shop: Shop
    database: Database
    token: str

    def at(self, index: int, *, token: str | None = None) -> Client:
        return Client([self.served.urls[index]], token=token)


@asynccontextmanager
async def town(database_url: str, folder: Path, **settings: str) -> AsyncIterator[Town]:
    database = Database(database_url)
    try:
        async with database.transaction() as session:
            shop = await builders.make_shop(session)
            token = await accounts.create_token(session, name="Live", permissions=Permission)
        async with serving(database_url, folder, servers=2, with_worker=True, **settings) as served:
            yield Town(served, shop, database, token)
    finally:
        await database.close()


def carried_by(carrier: str) -> dict[str, str]:
    return {"HEADLESS_REDIS_URL": needs_redis()} if carrier == "redis" else {}


async def told(events: Events, field: str) -> Json:
    event: Json = (await events.next())[field]
    return event


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_change_in_one_process_is_told_by_the_other_and_resumed_there(
    database_url: str, tmp_path: Path, carrier: str
) -> None:
    async with town(database_url, tmp_path, **carried_by(carrier)) as place, place.at(0) as here, place.at(1) as there:
        cart = (await edit(here, "cartCreate"))["cart"]["id"]
        notes: list[str] = []
        async with there.subscribed(CART, {"id": cart}) as events:
            cursor = (await told(events, "cartChanged"))["cursor"]
            for note in ("one", "two", "three"):
                await edit(here, "cartNoteUpdate", cartId=cart, note=note)
                while not notes or notes[-1] != note:
                    event = await told(events, "cartChanged")
                    notes.append(event["cart"]["note"])
                    cursor = event["cursor"]
        await edit(there, "cartNoteUpdate", cartId=cart, note="four")
        async with here.subscribed(CART, {"id": cart, "after": cursor}) as events:
            assert (await told(events, "cartChanged"))["cart"] == {"note": "four"}

    # A state is read when it's told: the news of the cart's making, told late, may find the first note already there.
    assert [note for note, _ in groupby(notes) if note] == ["one", "two", "three"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_orders_are_followed_across_processes_that_are_killed(
    database_url: str, tmp_path: Path, carrier: str
) -> None:
    numbers: list[str] = []
    placed: list[str] = []
    async with town(database_url, tmp_path, **carried_by(carrier)) as place:
        async with place.at(1, token=place.token) as there, there.subscribed(PLACED) as events:
            cursor = (await told(events, "orderPlaced"))["cursor"]
        for killed in (1, 0):
            await place.served.servers[killed].kill()
            async with place.at(1 - killed) as survivor:
                placed += [await buy(survivor, place.shop.mug), await buy(survivor, place.shop.mug)]
            await place.served.start(killed)
            async with (
                place.at(killed, token=place.token) as again,
                again.subscribed(PLACED, {"after": cursor}) as events,
            ):
                placed.append(await buy(again, place.shop.mug))
                for _ in range(3):
                    event = await told(events, "orderPlaced")
                    numbers.append(event["order"]["number"])
                    cursor = event["cursor"]

    assert numbers == placed
    assert len(set(numbers)) == 6


async def buy(client: Client, variant: UUID) -> str:
    cart = await cart_with(client, {ids.encode("variant", variant): 1})
    payload = await paid(client, cart["id"])
    assert payload["userErrors"] == []
    return str(payload["order"]["number"])


async def test_dead_redis_costs_no_checkout_and_live_updates_catch_up(database_url: str, tmp_path: Path) -> None:
    units = 40
    with needs_own_redis() as redis:
        async with town(database_url, tmp_path, HEADLESS_REDIS_URL=redis.url) as place:
            async with place.database.transaction() as session:
                _product, (variant,) = await make_product(session, place.shop.channel_id, "Hot", Form())
                await builders.stock(session, place.shop.main_id, {variant: units})
            wanted = {"ids": [ids.encode("variant", variant)]}
            async with (
                place.at(1) as there,
                place.at(1, token=place.token) as staff,
                there.subscribed(STOCK, wanted) as counts,
                staff.subscribed(PLACED) as orders,
            ):
                assert (await told(counts, "stockChanged"))["quantityAvailable"] == units
                await told(orders, "orderPlaced")
                rocking = asyncio.create_task(rock(redis))
                placed: list[str] = []

                async def shopper() -> None:
                    async with place.at(0) as here:
                        for _ in range(units // 4):
                            number = await buy(here, variant)
                            placed.append(number)

                await asyncio.gather(*(shopper() for _ in range(4)))
                await rocking
                seen = [(await told(orders, "orderPlaced"))["order"]["number"] for _ in range(units)]
                left = units
                while left:
                    count = (await told(counts, "stockChanged"))["quantityAvailable"]
                    assert count <= left
                    left = count

            assert sorted(seen) == sorted(placed)
            assert len(set(placed)) == units
            level = (await stocks(place.database, variant))[variant, place.shop.main_id]
            assert (level.on_hand, level.reserved, level.committed) == (units, 0, units)
            await assert_books_balance(place.database)


async def rock(redis: OwnServer) -> None:
    """Flush Redis, throw its clients out, crash it and start it again, more than once."""
    for _ in range(2):
        async with Redis.from_url(redis.url) as admin:
            await admin.flushall()
            await admin.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.3)
        await asyncio.to_thread(redis.crash)
        await asyncio.sleep(0.7)
        await asyncio.to_thread(redis.start)
        await asyncio.sleep(0.3)
