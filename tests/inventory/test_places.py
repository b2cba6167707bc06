"""Do locations open, close and stop shipping so that what can be sold is right at once?"""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.catalog.models import listings
from headless.inventory import bundles, places, queries, service, transfers
from headless.inventory.errors import LocationInUse
from headless.inventory.places import Place
from headless.inventory.rules import Demand
from headless.inventory.service import Request
from headless.inventory.transfers import Shipment
from headless.platform import db, ids
from headless.platform.db import Database, Record, Tally
from headless.platform.errors import InvalidInput, NotFound, StaleObject, Taken
from tests.builders import (
    WHY,
    Form,
    Shop,
    assert_levels_balance,
    make_product,
    recording,
    sellable,
    stock,
)


async def location(database: Database, location_id: UUID) -> Record:
    async with database.reading() as session:
        return (await queries.locations_by_id(session, [location_id]))[location_id]


async def create(database: Database, **rest: Any) -> UUID:
    async with database.transaction() as session:
        return await places.create(session, Place(**{"name": "Third", **rest}))


async def change(database: Database, location_id: UUID, version: int = 1, **changes: Any) -> None:
    async with database.transaction() as session:
        await places.change(session, location_id, expected_version=version, changes=changes)


async def deactivate(database: Database, location_id: UUID) -> None:
    async with database.transaction() as session:
        await places.deactivate(session, location_id)


async def activate(database: Database, location_id: UUID) -> None:
    async with database.transaction() as session:
        await places.activate(session, location_id)


async def is_available(database: Database, product_id: UUID) -> bool:
    async with database.reading() as session:
        return bool(await session.scalar(select(listings.c.is_available).where(listings.c.product_id == product_id)))


async def test_new_location_comes_last_under_a_handle_of_its_name(database: Database, shop: Shop) -> None:
    made = await location(database, await create(database, name=" Lager Süd "))

    assert (made.name, made.handle, made.position) == ("Lager Süd", "lager-sud", 3)
    assert (made.is_active, made.ships_orders, made.offers_pickup, made.address, made.version) == (
        True, True, False, None, 1,
    )  # fmt: skip


async def test_name_without_latin_letters_makes_a_handle_all_the_same(database: Database, shop: Shop) -> None:
    assert (await location(database, await create(database, name="倉庫"))).handle == "location"


async def test_country_is_that_of_the_address(database: Database, shop: Shop) -> None:
    made = await create(database, address={"country_code": "AT", "city": "Wien"})

    await change(database, shop.main_id, address={"country_code": "CH"})
    await change(database, made, address=None)

    assert (await location(database, shop.main_id)).country_code == "CH"
    assert (await location(database, made)).country_code is None


async def test_handle_is_given_once(database: Database, shop: Shop) -> None:
    with pytest.raises(Taken):
        await create(database, handle="main")
    with pytest.raises(Taken) as caught:
        await change(database, shop.outlet_id, handle="main")

    assert caught.value.field == ("handle",)
    assert (await location(database, shop.outlet_id)).handle == "outlet"


@pytest.mark.parametrize(
    ("field", "value"), [("name", " "), ("name", "x" * 256), ("handle", "No Handle"), ("position", -1)]
)
async def test_malformed_location_is_refused(database: Database, shop: Shop, field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as made:
        await create(database, **{field: value})
    with pytest.raises(InvalidInput) as changed:
        await change(database, shop.main_id, **{field: value})

    assert made.value.field == changed.value.field == (field,)
    assert (await location(database, shop.main_id)).version == 1


async def test_only_the_version_that_was_seen_is_changed(database: Database, shop: Shop) -> None:
    await change(database, shop.main_id, name="One")

    with pytest.raises(StaleObject):
        await change(database, shop.main_id, name="Two")
    with pytest.raises(NotFound):
        await change(database, ids.new(), name="Two")

    assert ((await location(database, shop.main_id)).name, (await location(database, shop.main_id)).version) == (
        "One",
        2,
    )


@pytest.mark.parametrize("way", ["inactive", "not shipping"])
async def test_location_that_gives_nothing_is_not_counted_and_lists_know_at_once(
    database: Database, shop: Shop, way: str
) -> None:
    async with recording(database) as facts:
        if way == "inactive":
            await deactivate(database, shop.outlet_id)
        else:
            await change(database, shop.outlet_id, ships_orders=False)

    assert (await sellable(database, shop.shirt_small), await sellable(database, shop.shirt_large)) == (3, 0)
    assert await is_available(database, shop.shirt_product)  # the small one is in the other location, too
    assert sorted(fact["variant_id"] for fact in facts.of("stock.changed")) == sorted(
        [str(shop.shirt_small), str(shop.shirt_large)]
    )

    if way == "inactive":
        await activate(database, shop.outlet_id)
    else:
        await change(database, shop.outlet_id, 2, ships_orders=True)

    assert (await sellable(database, shop.shirt_small), await sellable(database, shop.shirt_large)) == (8, 2)
    await assert_levels_balance(database)


async def test_product_of_one_location_goes_with_it_and_comes_back(database: Database, shop: Shop) -> None:
    await deactivate(database, shop.main_id)
    gone = await is_available(database, shop.mug_product)
    await activate(database, shop.main_id)

    assert (gone, await is_available(database, shop.mug_product)) == (False, True)


async def test_bundle_of_what_goes_is_told_of_too(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        _, (bundle,) = await make_product(session, shop.channel_id, "Set", Form(3000, sku="SET"))
        await bundles.set_parts(session, bundle, {shop.mug: 2}, expected_version=1, actor="tester")

    async with recording(database) as facts:
        await deactivate(database, shop.main_id)

    assert str(bundle) in {fact["variant_id"] for fact in facts.of("stock.changed")}
    assert await sellable(database, bundle) == 0


async def test_what_changes_nothing_tells_nobody(database: Database, shop: Shop) -> None:
    await deactivate(database, shop.outlet_id)

    async with recording(database) as facts:
        await deactivate(database, shop.outlet_id)
        await change(database, shop.outlet_id, 2, ships_orders=False, name="Still closed")
        await activate(database, shop.main_id)

    assert facts.found == []
    assert (await location(database, shop.main_id)).version == 1


async def test_location_with_units_that_are_needed_stays_open(database: Database, shop: Shop) -> None:
    kept, owed = ids.new(), ids.new()
    async with database.transaction() as session:
        await service.reserve(session, Request(kept, [Demand(ids.new(), shop.mug, 2)], WHY))
        await service.reserve(session, Request(owed, [Demand(ids.new(), shop.mug, 3)], WHY))
        await service.commit(session, owed, WHY)
        await transfers.send(session, Shipment(shop.main_id, [(shop.poster, 7)], supplier="Mill"), actor="tester")

    with pytest.raises(LocationInUse) as caught:
        await deactivate(database, shop.main_id)

    assert caught.value.field == ("id",)
    assert "2 reserved" in caught.value.message
    assert "3 committed" in caught.value.message
    assert "7 incoming" in caught.value.message
    assert (await location(database, shop.main_id)).is_active
    assert await sellable(database, shop.mug) == 5


async def test_closing_takes_as_many_statements_for_many_variants_as_for_few(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        _, boxes = await make_product(session, shop.channel_id, "Box", *(Form(value=str(nth)) for nth in range(60)))
    counts = []

    for _ in range(2):
        tally = Tally()
        token = db.tally.set(tally)
        await deactivate(database, shop.outlet_id)
        db.tally.reset(token)
        counts.append(tally.statements)
        await activate(database, shop.outlet_id)
        async with database.transaction() as session:
            await stock(session, shop.outlet_id, dict.fromkeys(boxes, 1))

    assert counts[0] == counts[1]
