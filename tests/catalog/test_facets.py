"""Are lists narrowed as asked, and do facets count what would be left?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import delete, select

from headless.cart.events import CartChanged
from headless.catalog import publishing, service
from headless.catalog import variants as variant_service
from headless.catalog.events import ProductUpdated
from headless.catalog.search import facets, lists
from headless.catalog.search import memory as memories
from headless.catalog.search import models as rows
from headless.catalog.search.facets import Facets
from headless.catalog.search.filters import Available, Filter, Has, Price
from headless.catalog.search.memory import Memory
from headless.catalog.search.wishes import Wish
from headless.catalog.variants import VariantDraft
from headless.platform import clock, outbox
from headless.platform.db import Database, Session
from headless.platform.errors import Unavailable
from tests.builders import Shop
from tests.catalog.shelves import Item, fill, found, page, wish

ITEMS = (
    Item("Tee", "Acme", "Shirt", ("summer", "Cotton"), ("Red", "Blue"), 2000),
    Item("Polo", "acme", "Shirt", ("Summer",), ("red",), 3000),
    Item("Jeans", "Zed", "Trousers", ("cotton",), ("Blue",), 5000, is_available=False),
    Item("Coat", "Zed", "Coat", ("winter",), (), 9000),
    Item("Ghost", "Acme", "Shirt", ("summer",), ("Red",), 2000, is_published=False),
)
VENDOR, SUMMER, RED = Has("vendor", "acme"), Has("tag", "summer"), Has("option.color", "red")


@pytest.fixture
async def stocked(database: Database, shop: Shop) -> Shop:
    """The small shop without its products, but with these."""
    for product in (shop.mug_product, shop.shirt_product, shop.voucher_product, shop.poster_product):
        async with database.transaction() as session:
            await publishing.unpublish(session, product, channel_id=shop.channel_id)
    await fill(database, shop, *ITEMS)
    return shop


async def counted(database: Database, asked: Wish) -> Facets:
    async with database.reading() as session:
        return await facets.of(session, asked)


async def test_counts_of_a_wide_list_are_remembered_for_that_list_alone(
    database: Database, stocked: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "WIDE", 0)
    memory = Memory()
    everything = wish(stocked)
    async with database.reading() as session:
        whole = await facets.of(session, everything, memory)
        nowhere = await facets.of(session, replace(everything, category_path="/none/"), memory)
        again = await facets.of(session, everything, memory)

    assert told(again) == told(whole) != {}
    assert told(nowhere) == told(await counted(database, replace(everything, category_path="/none/"))) != told(whole)


async def _tamper(database: Database, value: str) -> None:
    """Take a value from all products behind the services' backs."""
    async with database.transaction() as session:
        of = select(rows.facets.c.id).where(rows.facets.c.value == value)
        await session.execute(delete(rows.product_facets).where(rows.product_facets.c.facet_id.in_(of)))


async def _asked(database: Database, asked: Wish, memory: Memory) -> tuple[Facets, int]:
    async with database.reading() as session:
        return await facets.of(session, asked, memory), await lists.count(session, asked, memory)


async def test_counts_are_kept_until_a_fact_may_have_changed_them(database: Database, stocked: Shop) -> None:
    memory, asked = Memory(besides=[CartChanged.topic]), wish(stocked, "", VENDOR)
    async with database.transaction() as session:
        await outbox.number(session)
    before, _ = await _asked(database, asked, memory)
    await _tamper(database, "summer")

    async with database.transaction() as session:
        outbox.record(session, CartChanged(stocked.mug_product))
    after_a_cart, _ = await _asked(database, asked, memory)
    async with database.transaction() as session:
        await outbox.number(session)
    after_numbering, _ = await _asked(database, asked, memory)
    async with database.transaction() as session:
        outbox.record(session, ProductUpdated(stocked.mug_product))
    after_a_change, _ = await _asked(database, asked, memory)

    assert told(after_a_cart) == told(after_numbering) == told(before)
    assert told(before)["tag"] == {"summer": 2, "cotton": 1}
    assert told(after_a_change)["tag"] == {"cotton": 1}


async def test_kept_counts_follow_every_change_numbered_or_not(database: Database, stocked: Shop) -> None:
    memory, everything = Memory(), wish(stocked)
    sizes = [(await _asked(database, everything, memory))[1]]

    for nth in range(3):
        await fill(database, stocked, Item(f"New {nth}", "Acme"))
        found, size = await _asked(database, everything, memory)
        sizes.append(size)
        assert told(found)["vendor"]["Acme"] == 3 + nth
        async with database.transaction() as session:
            await outbox.number(session)
        assert (await _asked(database, everything, memory))[1] == size
    async with database.transaction() as session:
        await session.execute(delete(outbox.facts))
    await _asked(database, everything, memory)
    await fill(database, stocked, Item("Last", "Acme"))
    async with database.transaction() as session:
        await outbox.number(session)
        await session.execute(delete(outbox.facts))
    sizes.append((await _asked(database, everything, memory))[1])

    assert sizes == [4, 5, 6, 7, 8]


async def test_a_reader_of_an_older_state_neither_takes_nor_leaves_newer_counts(
    database: Database, stocked: Shop
) -> None:
    memory, everything = Memory(), wish(stocked)
    async with database.reading() as older:
        before = await lists.count(older, everything)
        await fill(database, stocked, Item("New", "Acme"))
        async with database.transaction() as session:
            await outbox.number(session)
        _, newer = await _asked(database, everything, memory)
        seen = await lists.count(older, everything, memory)
    _, after = await _asked(database, everything, memory)

    assert (before, newer, seen, after) == (4, 5, 4, 5)


async def test_kept_counts_follow_publications_that_begin_and_end_by_themselves(
    database: Database, stocked: Shop
) -> None:
    memory = Memory()
    item = (await fill(database, stocked, Item("Soon", "Acme", is_published=False)))["Soon"]
    at = clock.now()
    async with database.transaction() as session:
        await publishing.publish(session, item, channel_id=stocked.channel_id, at=at + timedelta(hours=1))
    sizes = []
    for hours in (0, 2):
        with time_machine.travel(at + timedelta(hours=hours), tick=False):
            _, size = await _asked(database, wish(stocked), memory)
            sizes.append(size)

    assert sizes == [4, 5]


async def test_of_a_wide_list_shoppers_may_be_told_what_was_right_a_moment_ago_and_staff_never(
    database: Database, stocked: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories, "WIDE", 3)
    monkeypatch.setattr(memories, "PATIENCE", 1e9)
    memory = Memory()
    shopper, staff, narrow = wish(stocked), wish(stocked, sees_hidden=True), wish(stocked, "", VENDOR)
    for asked in (shopper, staff, narrow):
        await _asked(database, asked, memory)
    await fill(database, stocked, Item("New", "Acme"))

    counted = [await _asked(database, asked, memory) for asked in (shopper, staff, narrow)]

    assert [size for _, size in counted] == [4, 11, 3]
    assert [sum(found.available.values()) for found, _ in counted] == [4, 11, 3]


@pytest.fixture
async def memory(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Memory]:
    """It thinks that four products are many, and counts anew in the background whenever it is asked."""
    monkeypatch.setattr(memories, "WIDE", 3)
    monkeypatch.setattr(memories, "PATIENCE", 0)
    memory = Memory(database=database)
    yield memory
    await memory.close()


async def settled(memory: Memory) -> None:
    """Wait until nothing is being counted in the background."""
    async with asyncio.timeout(20):
        while memory._counting:
            await asyncio.sleep(0)


async def test_a_wide_list_that_changed_is_counted_once_behind_the_shoppers_backs(
    database: Database, stocked: Shop, memory: Memory
) -> None:
    shopper = wish(stocked)
    assert await _asked(database, shopper, memory) == (await counted(database, shopper), 4)
    await fill(database, stocked, Item("New", "Acme"))

    before = [await _asked(database, shopper, memory) for _ in range(3)]
    tasks = len(memory._counting)
    await settled(memory)
    after, size = await _asked(database, shopper, memory)

    assert [(size, sum(found.available.values())) for found, size in before] == [(4, 4)] * 3
    assert tasks == 2, "one for the facets, one for the size"
    assert (after, size) == (await counted(database, shopper), 5)


async def test_a_wide_list_that_did_not_change_is_told_on_without_being_counted(
    database: Database, stocked: Shop, memory: Memory
) -> None:
    shopper = wish(stocked)
    first = await _asked(database, shopper, memory)
    kept = memory.recall(shopper.key)
    await _asked(database, shopper, memory)
    await settled(memory)
    renewed = memory.recall(shopper.key)

    assert kept is not None
    assert renewed is not None
    assert (renewed.state, renewed.size) == (kept.state, kept.size)
    assert renewed.at > kept.at
    assert await _asked(database, shopper, memory) == first


async def test_what_can_not_be_counted_in_the_background_is_told_for_a_minute_at_most(
    database: Database, stocked: Shop, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shopper = wish(stocked)
    await _asked(database, shopper, memory)
    await fill(database, stocked, Item("New", "Acme"))

    def refuse() -> None:
        raise Unavailable

    with monkeypatch.context() as busy:
        busy.setattr(database, "reading", refuse)
        async with database.transaction() as session:
            told_size = await lists.count(session, shopper, memory)
            told_facets = await facets.of(session, shopper, memory)
        await settled(memory)
    monkeypatch.setattr(memories, "PATIENCE_SECONDS", 0.0)
    found, size = await _asked(database, shopper, memory)

    assert (told_size, sum(told_facets.available.values())) == (4, 4)
    assert (size, sum(found.available.values())) == (5, 5)


async def test_counting_in_the_background_ends_with_the_process(memory: Memory) -> None:
    began = asyncio.Event()

    async def go_on(_session: Session) -> None:
        began.set()
        await asyncio.Event().wait()

    assert not Memory().count_later("list", go_on)
    assert memory.count_later("list", go_on)
    await began.wait()
    await memory.close()
    assert not memory._counting


def told(found: Facets) -> dict[str, dict[str, int]]:
    return {facet.name: {value.label: value.count for value in facet.values} for facet in found.others}


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ((), ["Tee", "Polo", "Jeans", "Coat"]),
        ((VENDOR,), ["Tee", "Polo"]),
        ((VENDOR, Has("vendor", "zed")), ["Tee", "Polo", "Jeans", "Coat"]),
        ((VENDOR, Has("option.color", "blue")), ["Tee"]),
        ((RED, Has("option.color", "blue")), ["Tee", "Polo", "Jeans"]),
        ((SUMMER, Has("productType", "trousers")), []),
        ((Available(is_available=True),), ["Tee", "Polo", "Coat"]),
        ((Available(is_available=False),), ["Jeans"]),
        ((Available(is_available=True), Available(is_available=False)), ["Tee", "Polo", "Jeans", "Coat"]),
        ((Price(2000, 3000),), ["Tee", "Polo"]),
        ((Price(2001, None),), ["Polo", "Jeans", "Coat"]),
        ((Price(None, 2000), Price(9000, None)), ["Tee", "Coat"]),
        ((Price(None, None),), ["Tee", "Polo", "Jeans", "Coat"]),
        ((Has("tag", "nobody"),), []),
        ((Has("option.size", "red"),), []),
    ],
)
async def test_different_keys_all_hold_and_of_the_same_key_one(
    database: Database, stocked: Shop, filters: tuple[Filter, ...], titles: list[str]
) -> None:
    assert await found(database, stocked, "", *filters) == titles
    listed = await page(database, wish(stocked, "", *filters))
    async with database.reading() as session:
        assert await listed.slice.count(session) == len(titles)


async def test_facets_count_visible_products_alike_however_values_are_written(
    database: Database, stocked: Shop
) -> None:
    shown = await counted(database, wish(stocked))
    staff = await counted(database, wish(stocked, sees_hidden=True))

    assert shown.available == {True: 3, False: 1}
    assert (shown.price_range, shown.priced) == ((2000, 9000), 4)
    assert told(shown) == {
        "productType": {"Shirt": 2, "Coat": 1, "Trousers": 1},
        "vendor": {"Acme": 2, "Zed": 2},
        "tag": {"cotton": 2, "summer": 2, "winter": 1},
        "option.Color": {"Blue": 2, "Red": 2},
    }
    assert told(staff)["vendor"] == {"Acme": 3, "Zed": 2}


async def test_a_facet_leaves_its_own_filters_aside(database: Database, stocked: Shop) -> None:
    one = await counted(database, wish(stocked, "", VENDOR))
    two = await counted(database, wish(stocked, "", VENDOR, RED, Price(None, 2500)))

    assert told(one)["vendor"] == {"Acme": 2, "Zed": 2}
    assert told(one)["productType"] == {"Shirt": 2}
    assert {value.value: value.is_selected for value in one.others[1].values} == {"acme": True, "zed": False}
    assert told(two)["vendor"] == {"Acme": 1}
    assert told(two)["option.Color"] == {"Blue": 1, "Red": 1}
    assert (two.price_range, two.priced) == ((2000, 3000), 2)
    assert two.available == {True: 1}


async def test_facets_follow_the_product(database: Database, stocked: Shop) -> None:
    ids = await fill(database, stocked, Item("Sock", "Acme", "Sock", ("warm",), ("Red",)))
    async with database.transaction() as session:
        await service.update_product(
            session, ids["Sock"], expected_version=2, actor="anna", changes={"vendor": "Söckchen", "tags": ["Cozy"]}
        )
    async with database.transaction() as session:
        await variant_service.create_variants(
            session, ids["Sock"], [VariantDraft(selected_options=(("Color", "Grün"),), is_tracked=False)], actor="anna"
        )

    after = told(await counted(database, wish(stocked, "", Has("productType", "sock"))))

    assert after == {
        "productType": {"Coat": 1, "Shirt": 2, "Sock": 1, "Trousers": 1},
        "vendor": {"Söckchen": 1},
        "tag": {"Cozy": 1},
        "option.Color": {"Grün": 1, "Red": 1},
    }
    assert await found(database, stocked, "", Has("vendor", "sockchen")) == ["Sock"]
    assert await found(database, stocked, "", Has("tag", "warm")) == []


class Regret(Exception):
    pass


async def test_what_a_transaction_takes_back_is_not_indexed(database: Database, stocked: Shop) -> None:
    async def regretted(product_id: UUID) -> None:
        async with database.transaction() as session:
            changes = {"vendor": "New"}
            await service.update_product(session, product_id, expected_version=2, changes=changes, actor="anna")
            raise Regret

    with pytest.raises(Regret):
        await regretted((await page(database, wish(stocked, "tee"))).slice.rows[0].id)

    assert await found(database, stocked, "", Has("vendor", "new")) == []
    assert await found(database, stocked, "", VENDOR) == ["Tee", "Polo"]
