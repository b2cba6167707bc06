"""Are those who wait told in the order of asking, as many as there are units, and nobody twice?"""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select, update

from headless.catalog import publishing
from headless.inventory import waiting
from headless.inventory.errors import InStock
from headless.inventory.models import stock_requests
from headless.platform import clock, ids
from headless.platform.db import Database
from headless.platform.errors import NotFound
from tests.builders import Shop, recording, stock


async def ask(database: Database, variant_id: UUID, *emails: str) -> None:
    for email in emails:
        async with database.transaction() as session:
            await waiting.ask(session, variant_id, email)


async def restock(database: Database, shop: Shop, units: int) -> None:
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.poster: units})


async def queue(database: Database, status: str = "WAITING") -> list[str]:
    """The addresses with requests of a status, in the order of asking."""
    c = stock_requests.c
    async with database.reading() as session:
        return list((await session.execute(select(c.email).where(c.status == status).order_by(c.id))).scalars())


async def pass_an_hour(database: Database) -> None:
    async with database.transaction() as session:
        c = stock_requests.c
        await session.execute(
            update(stock_requests).where(c.status == "SERVED").values(served_at=clock.now() - waiting.HEAD_START)
        )


async def test_asking_twice_is_asking_once(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, "a@shop.test", "A@Shop.test", "b@shop.test", "a@shop.test")

    assert await queue(database) == ["a@shop.test", "b@shop.test"]


async def test_what_can_be_bought_is_not_waited_for(database: Database, shop: Shop) -> None:
    for variant_id in (shop.mug, shop.voucher):
        with pytest.raises(InStock) as caught:
            await ask(database, variant_id, "a@shop.test")
        assert caught.value.field == ("variantId",)
    with pytest.raises(NotFound):
        await ask(database, ids.new(), "a@shop.test")

    assert await queue(database) == []


async def test_one_address_waits_for_so_many_and_no_more_in_silence(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_PER_EMAIL", 1)
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 0})

    await ask(database, shop.poster, "a@shop.test")
    await ask(database, shop.mug, "a@shop.test", "b@shop.test")

    assert await queue(database) == ["a@shop.test", "b@shop.test"]


async def test_as_many_are_told_as_there_are_units_the_first_ones_first(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, "a@shop.test", "b@shop.test", "c@shop.test")

    assert await waiting.serve_all(database) == 0
    await restock(database, shop, 2)
    async with recording(database) as facts:
        assert await waiting.serve_all(database) == 2
        assert await waiting.serve_all(database) == 0  # the two units are those two's for a while

    assert (await queue(database, "SERVED"), await queue(database)) == (["a@shop.test", "b@shop.test"], ["c@shop.test"])
    served = facts.of("stock_request.served")
    assert [fact["variant_id"] for fact in served] == [str(shop.poster)] * 2
    assert "shop.test" not in str(facts.found)


async def test_more_units_and_time_let_the_next_ones_know(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, *(f"{nth}@shop.test" for nth in range(5)))
    await restock(database, shop, 1)
    await waiting.serve_all(database)

    await restock(database, shop, 3)
    assert await waiting.serve_all(database) == 2
    await pass_an_hour(database)
    assert await waiting.serve_all(database) == 2

    assert await queue(database) == []


async def test_who_was_told_may_ask_again(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, "a@shop.test")
    await restock(database, shop, 1)
    await waiting.serve_all(database)
    await restock(database, shop, 0)

    await ask(database, shop.poster, "a@shop.test")

    assert await queue(database) == ["a@shop.test"]


async def test_nobody_is_sent_to_what_is_hidden(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, "a@shop.test")
    await restock(database, shop, 1)
    async with database.transaction() as session:
        await publishing.unpublish(session, shop.poster_product, channel_id=shop.channel_id)

    assert await waiting.serve_all(database) == 0

    async with database.transaction() as session:
        await publishing.publish(session, shop.poster_product, channel_id=shop.channel_id)
    assert await waiting.serve_all(database) == 1


async def test_cancelled_request_is_passed_over_and_a_served_one_stays(database: Database, shop: Shop) -> None:
    await ask(database, shop.poster, "a@shop.test", "b@shop.test")
    async with database.reading() as session:
        first = (await session.execute(select(stock_requests.c.id).order_by(stock_requests.c.id))).scalars().all()

    async with database.transaction() as session:
        await waiting.cancel(session, first[0])
    await restock(database, shop, 2)
    await waiting.serve_all(database)
    async with database.transaction() as session:
        await waiting.cancel(session, first[1])
    with pytest.raises(NotFound):
        async with database.transaction() as session:
            await waiting.cancel(session, ids.new())

    assert (await queue(database, "CANCELLED"), await queue(database, "SERVED")) == (["a@shop.test"], ["b@shop.test"])


async def test_several_workers_tell_nobody_twice_and_no_more_than_there_are_units(
    database: Database, shop: Shop
) -> None:
    second = Database(database.url)
    await ask(database, shop.poster, *(f"{nth}@shop.test" for nth in range(8)))
    await restock(database, shop, 5)

    async with recording(database) as facts:
        counts = await asyncio.gather(*(waiting.serve_all(one) for one in (database, second) * 3))
    await second.close()

    assert sum(counts) == 5
    assert await queue(database, "SERVED") == [f"{nth}@shop.test" for nth in range(5)]
    assert len({fact["request_id"] for fact in facts.of("stock_request.served")}) == 5


async def test_queues_of_many_variants_are_served_in_parts(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", 1)
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 0})
    await ask(database, shop.poster, "a@shop.test")
    await ask(database, shop.mug, "a@shop.test", "b@shop.test")
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 9, shop.poster: 9})

    counts = [await waiting.serve_all(database) for _ in range(3)]

    assert counts == [2, 1, 0]
    assert await queue(database) == []
