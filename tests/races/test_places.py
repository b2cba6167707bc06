"""Do the books stay right when stock is moved, sent, received and its places closed while others buy it?"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from sqlalchemy import select

from headless.inventory import models, moving, places, queries, service, transfers
from headless.inventory.errors import LocationInUse
from headless.inventory.moving import Relocation, Spot
from headless.inventory.rules import Demand
from headless.inventory.service import Request
from headless.inventory.transfers import Receipt, Shipment
from headless.platform import ids
from headless.platform.db import Database, SerializationFailure
from headless.platform.errors import Refusal, Refused
from tests.builders import WHY, Shop, assert_levels_balance, persistently, sellable, stock, stocks


@pytest.fixture
async def pools(database: Database) -> Any:
    """The same database through two pools, as two server processes have it."""
    second = Database(database.url)
    yield [database, second]
    await second.close()


async def codes(*attempts: Awaitable[Any]) -> list[str]:
    """Do everything at once; answer the codes of what was refused, and OK for what was not."""
    found = []
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, Refused):
            found.append(outcome.refusals[0].code)
        elif isinstance(outcome, Refusal):
            found.append(outcome.code)
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            found.append("OK")
    return sorted(found)


async def in_transaction(database: Database, write: Any, *arguments: Any, **rest: Any) -> Any:
    async def once() -> Any:
        async with database.transaction() as session:
            return await write(session, *arguments, **rest)

    return await persistently(once)


def buying(shop: Shop, variant: str = "mug") -> Request:
    return Request(ids.new(), [Demand(ids.new(), getattr(shop, variant), 1)], WHY)


async def test_units_that_arrive_twice_at_once_are_counted_once(pools: list[Database], shop: Shop) -> None:
    sent = await in_transaction(
        pools[0], transfers.send, Shipment(shop.outlet_id, [(shop.mug, 6)], origin_id=shop.main_id), actor="a"
    )

    found = await codes(
        *(in_transaction(pool, transfers.receive, sent, [Receipt(shop.mug, 6)], actor="a") for pool in pools * 4)
    )

    assert found == ["OK", *["TRANSFER_CLOSED"] * 7]
    level = (await stocks(pools[0], shop.mug))[shop.mug, shop.outlet_id]
    assert (level.on_hand, level.incoming) == (6, 0)
    await assert_levels_balance(pools[0])


async def test_units_arrive_in_parts_at_once_until_all_are_there(pools: list[Database], shop: Shop) -> None:
    sent = await in_transaction(
        pools[0], transfers.send, Shipment(shop.outlet_id, [(shop.mug, 5)], origin_id=shop.main_id), actor="a"
    )

    found = await codes(
        *(in_transaction(pool, transfers.receive, sent, [Receipt(shop.mug, 1)], actor="a") for pool in pools * 4)
    )

    assert found == [*["OK"] * 5, *["TRANSFER_CLOSED"] * 3]
    assert (await stocks(pools[0], shop.mug))[shop.mug, shop.outlet_id].on_hand == 5
    await assert_levels_balance(pools[0])


async def test_units_either_arrive_or_are_called_back(pools: list[Database], shop: Shop) -> None:
    for _ in range(4):
        sent = await in_transaction(
            pools[0], transfers.send, Shipment(shop.outlet_id, [(shop.mug, 2)], origin_id=shop.main_id), actor="a"
        )

        found = await codes(
            in_transaction(pools[0], transfers.receive, sent, [Receipt(shop.mug, 2)], actor="a"),
            in_transaction(pools[1], transfers.cancel, sent, actor="a"),
        )

        assert found == ["OK", "TRANSFER_CLOSED"]
    levels = await stocks(pools[0], shop.mug)
    assert sum(level.on_hand for level in levels.values()) == 10
    assert sum(level.incoming for level in levels.values()) == 0
    await assert_levels_balance(pools[0])


async def test_no_unit_is_sent_twice(pools: list[Database], shop: Shop) -> None:
    wanted = Shipment(shop.outlet_id, [(shop.mug, 3)], origin_id=shop.main_id)

    found = await codes(*(in_transaction(pool, transfers.send, wanted, actor="a") for pool in pools * 4))

    assert found == [*["OK"] * 3, *["OUT_OF_STOCK"] * 5]
    levels = await stocks(pools[0], shop.mug)
    assert (levels[shop.mug, shop.main_id].on_hand, levels[shop.mug, shop.outlet_id].incoming) == (1, 9)
    await assert_levels_balance(pools[0])


async def test_units_that_are_moved_while_they_are_bought_are_sold_once(pools: list[Database], shop: Shop) -> None:
    async with pools[0].transaction() as session:
        await stock(session, shop.outlet_id, {shop.mug: 5})
        await stock(session, shop.main_id, {shop.mug: 5})
    main, outlet = Spot(shop.main_id, "available"), Spot(shop.outlet_id, "available")
    moves = [[Relocation(shop.mug, 1, *sides)] for sides in ((main, outlet), (outlet, main)) * 6]

    bought, _moved = await asyncio.gather(
        codes(*(in_transaction(pools[nth % 2], service.reserve, buying(shop)) for nth in range(16))),
        codes(*(in_transaction(pools[nth % 2], moving.relocate, move, WHY) for nth, move in enumerate(moves))),
    )

    assert bought == [*["OK"] * 10, *["OUT_OF_STOCK"] * 6]
    assert await sellable(pools[0], shop.mug) == 0
    levels = await stocks(pools[0], shop.mug)
    assert sum(level.on_hand for level in levels.values()) == sum(level.reserved for level in levels.values()) == 10
    await assert_levels_balance(pools[0])


async def test_closed_location_has_nothing_promised_however_close_the_race(pools: list[Database], shop: Shop) -> None:
    for _ in range(8):
        requests = [buying(shop) for _ in range(4)]
        buyers = [in_transaction(pools[nth % 2], service.reserve, request) for nth, request in enumerate(requests)]

        found = await asyncio.gather(
            codes(*buyers[:2]), codes(in_transaction(pools[1], places.deactivate, shop.main_id)), codes(*buyers[2:])
        )

        level = (await stocks(pools[0], shop.mug))[shop.mug, shop.main_id]
        async with pools[0].reading() as session:
            is_active = (await queries.locations_by_id(session, [shop.main_id]))[shop.main_id].is_active
        assert found[1] == (["LOCATION_IN_USE"] if is_active else ["OK"])
        assert is_active == (level.reserved > 0)
        for request in requests:
            await in_transaction(pools[0], service.release, request.owner_id, WHY)
        await in_transaction(pools[0], places.activate, shop.main_id)
    await assert_levels_balance(pools[0])


async def test_nothing_is_on_its_way_to_a_closed_location(pools: list[Database], shop: Shop) -> None:
    for _ in range(6):
        sending = in_transaction(
            pools[0], transfers.send, Shipment(shop.outlet_id, [(shop.poster, 1)], supplier="Mill"), actor="a"
        )
        closing = in_transaction(pools[1], places.deactivate, shop.outlet_id)

        sent, closed = await asyncio.gather(codes(sending), codes(closing))

        incoming = (await stocks(pools[0], shop.poster)).get((shop.poster, shop.outlet_id))
        if closed == ["OK"]:
            assert sent == ["LOCATION_INACTIVE"]
            assert incoming is None or incoming.incoming == 0
            await in_transaction(pools[0], places.activate, shop.outlet_id)
        else:
            assert (sent, closed) == (["OK"], ["LOCATION_IN_USE"])
            async with pools[0].reading() as session:
                rows = (await session.execute(select(models.transfers))).all()
            for row in rows:
                if row.status == "IN_TRANSIT":
                    await in_transaction(pools[0], transfers.cancel, row.id, actor="a")
    await assert_levels_balance(pools[0])


async def test_new_levels_and_closing_at_once_never_deadlock(pools: list[Database], shop: Shop) -> None:
    async def count(nth: int) -> None:
        change = service.Change(shop.poster, (shop.main_id, shop.outlet_id)[nth % 2], "on_hand", delta=1)
        await in_transaction(pools[nth % 2], service.change, [change], WHY)

    async def close_and_open(place: Any) -> None:
        try:
            await in_transaction(pools[1], places.deactivate, place)
        except LocationInUse:
            return
        await in_transaction(pools[1], places.activate, place)

    outcomes = await asyncio.gather(
        *(count(nth) for nth in range(12)),
        *(close_and_open(place) for place in (shop.main_id, shop.outlet_id) * 3),
        return_exceptions=True,
    )

    assert not [outcome for outcome in outcomes if isinstance(outcome, SerializationFailure)]
    # A count that came while its place was closed is refused, and nothing else goes wrong.
    assert {type(outcome) for outcome in outcomes} <= {type(None), Refused}
    await assert_levels_balance(pools[0])
