"""Does a publication begin and end when it is to, and is everyone told once?"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
import time_machine

from headless.cart import queries as cart_queries
from headless.catalog import publication, queries
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus
from headless.catalog.queries import Eye
from headless.merchandising import schedules, service
from headless.platform import clock
from headless.platform.db import Database
from headless.platform.errors import InvalidInput
from tests.builders import Shop, recording

HOUR = timedelta(hours=1)
TOLD = ["product.published", "stock.changed", "price.changed"]


async def publish(database: Database, shop: Shop, at: datetime | None = None, until: datetime | None = None) -> None:
    async with database.transaction() as session:
        await service.publish(session, shop.mug_product, channel_id=shop.channel_id, at=at, until=until)


async def unpublish(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await service.unpublish(session, shop.mug_product, channel_id=shop.channel_id)


async def is_seen(database: Database, shop: Shop, at: datetime) -> bool:
    """Whether shoppers find the product, by every way that there is."""
    async with database.reading() as session:
        found = await queries.products_by_id(session, [shop.mug_product], Eye(shop.channel_id, at=at))
        variants = await queries.variants_by_id(session, [shop.mug], Eye(shop.channel_id, at=at))
        hidden = await queries.product(session, Eye(shop.channel_id, sees_hidden=True), product_id=shop.mug_product)
    with time_machine.travel(at, tick=True):
        async with database.reading() as session:
            offers = await cart_queries.offers_by_variant(session, [shop.mug], shop.channel_id)
    assert hidden is not None
    (answer,) = {bool(found), bool(variants), bool(offers), publication.shows(hidden, at)}
    return answer


async def told(database: Database, at: datetime) -> Sequence[str]:
    async with recording(database) as facts:
        with time_machine.travel(at, tick=True):
            await schedules.tell_of_turns(database)
    return facts.topics


@pytest.mark.parametrize("has_worker", [False, True])
async def test_product_is_seen_from_the_instant_on_until_the_other(
    database: Database, shop: Shop, has_worker: bool
) -> None:
    begin, end = clock.now() + HOUR, clock.now() + 2 * HOUR
    await publish(database, shop, begin, end)
    moment = timedelta(microseconds=1)

    seen = []
    for at in (clock.now(), begin - moment, begin, end - moment, end, end + HOUR):
        seen.append(await is_seen(database, shop, at))
        if has_worker:
            await told(database, at)
            assert await is_seen(database, shop, at) is seen[-1]

    assert seen == [False, False, True, True, False, False]


async def test_begin_and_end_are_told_once_each_when_they_come(database: Database, shop: Shop) -> None:
    begin, end = clock.now() + HOUR, clock.now() + 2 * HOUR
    async with recording(database) as facts:
        await publish(database, shop, begin, end)

    assert facts.topics == ["product.unpublished", "stock.changed", "price.changed"]
    assert await told(database, begin - HOUR) == []
    assert await told(database, begin) == TOLD
    assert await told(database, begin) == []
    assert await told(database, end) == ["product.unpublished", *TOLD[1:]]
    assert await told(database, end + HOUR) == []


async def test_what_passed_while_no_worker_ran_is_told_in_order(database: Database, shop: Shop) -> None:
    begin, end = clock.now() + HOUR, clock.now() + 2 * HOUR
    await publish(database, shop, begin, end)

    topics = [topic for topic in await told(database, end + HOUR) if topic.startswith("product")]

    assert topics == ["product.published", "product.unpublished"]


async def test_several_workers_tell_of_each_turn_once(database: Database, shop: Shop) -> None:
    second, begin = Database(database.url), clock.now() + HOUR
    products = [shop.mug_product, shop.shirt_product, shop.poster_product, shop.secret_product, shop.voucher_product]
    for product in products:
        async with database.transaction() as session:
            await service.publish(session, product, channel_id=shop.channel_id, at=begin)

    async with recording(database) as facts:
        with time_machine.travel(begin, tick=True):
            counts = await asyncio.gather(*(schedules.tell_of_turns(one) for one in (database, second) * 3))
    await second.close()

    assert sum(counts) == len(products)
    assert sorted(fact["product_id"] for fact in facts.of("product.published")) == sorted(map(str, products))
    assert len(facts.of("stock.changed")) == len(facts.of("price.changed")) == len(products) + 1


async def test_many_turns_are_told_in_parts(database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "AT_ONCE", 1)
    begin = clock.now() + HOUR
    for product in (shop.mug_product, shop.poster_product, shop.secret_product):
        async with database.transaction() as session:
            await service.publish(session, product, channel_id=shop.channel_id, at=begin)

    assert await told(database, begin) == TOLD * 3


async def test_publishing_at_the_very_turn_tells_once(database: Database, shop: Shop) -> None:
    begin = clock.now() + HOUR
    await publish(database, shop, begin)

    async with recording(database) as facts:
        with time_machine.travel(begin + timedelta(seconds=5), tick=True):
            await asyncio.gather(publish(database, shop), schedules.tell_of_turns(database))
            await schedules.tell_of_turns(database)

    assert facts.topics == TOLD


@pytest.mark.parametrize("status", [ProductStatus.DRAFT, ProductStatus.ARCHIVED])
async def test_turn_of_a_product_that_is_put_away_is_told_to_nobody(
    database: Database, shop: Shop, status: ProductStatus
) -> None:
    begin = clock.now() + HOUR
    await publish(database, shop, begin)
    async with database.transaction() as session:
        await catalog.update_product(
            session, shop.mug_product, expected_version=2, changes={"status": status}, actor="tester"
        )

    assert await told(database, begin) == []
    assert await is_seen(database, shop, begin) is False


async def test_publishing_again_replaces_the_schedule(database: Database, shop: Shop) -> None:
    begin = clock.now() + HOUR
    await publish(database, shop, begin, begin + HOUR)
    async with recording(database) as facts:
        await publish(database, shop)

    assert facts.topics == TOLD
    assert await told(database, begin + HOUR) == []
    assert await is_seen(database, shop, begin + 2 * HOUR)


async def test_end_alone_is_set_and_told_to_integrators_only(database: Database, shop: Shop) -> None:
    end = clock.now() + HOUR
    async with recording(database) as facts:
        await publish(database, shop, until=end)
        await publish(database, shop, until=end)

    assert facts.topics == ["product.updated"]
    assert await is_seen(database, shop, clock.now())
    assert not await is_seen(database, shop, end)


async def test_hiding_forgets_the_schedule(database: Database, shop: Shop) -> None:
    begin = clock.now() + HOUR
    await publish(database, shop, begin)
    async with recording(database) as facts:
        await unpublish(database, shop)
        await unpublish(database, shop)

    assert facts.topics == ["product.updated"]
    assert await told(database, begin) == []
    assert not await is_seen(database, shop, begin + HOUR)


async def test_past_instant_is_now_and_keeps_since_when_it_was_shown(database: Database, shop: Shop) -> None:
    async def since() -> datetime:
        async with database.reading() as session:
            (found,) = (await publication.publications_by_product(session, [shop.mug_product]))[shop.mug_product]
        at: datetime = found.published_at
        return at

    shown = await since()
    async with recording(database) as facts:
        await publish(database, shop, clock.now() - HOUR)
        kept = await since()
        await unpublish(database, shop)
        await publish(database, shop, clock.now() - HOUR)

    assert kept == shown
    assert await since() > shown
    assert facts.topics == ["product.unpublished", *TOLD[1:], *TOLD]


@pytest.mark.parametrize(("begin", "end"), [(2, 1), (1, 1), (None, -1), (-2, -1)])
async def test_end_before_the_beginning_is_refused_and_changes_nothing(
    database: Database, shop: Shop, begin: int | None, end: int
) -> None:
    at = clock.now()
    async with recording(database) as facts:
        with pytest.raises(InvalidInput) as refusal:
            await publish(database, shop, None if begin is None else at + begin * HOUR, at + end * HOUR)

    assert refusal.value.field == ("unpublishAt",)
    assert facts.topics == []
    assert await is_seen(database, shop, at + 9 * HOUR)


async def test_draft_that_is_published_later_becomes_active_and_stays_hidden(database: Database, shop: Shop) -> None:
    begin = clock.now() + HOUR
    await unpublish(database, shop)
    async with database.transaction() as session:
        changes = {"status": ProductStatus.DRAFT}
        await catalog.update_product(session, shop.mug_product, expected_version=2, changes=changes, actor="tester")
    async with recording(database) as facts:
        await publish(database, shop, begin)

    assert facts.of("product.updated") == [{"product_id": str(shop.mug_product)}]
    assert "product.published" not in facts.topics
    assert not await is_seen(database, shop, clock.now())
    assert await is_seen(database, shop, begin)
