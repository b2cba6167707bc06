"""Does a stock file become the shop's stock, whole or not at all, and a second time without a trace?"""

import io
from typing import Any

import pytest
from sqlalchemy import func, select

from headless.inventory import bundles, places, service
from headless.inventory.models import movements
from headless.inventory.places import Place
from headless.inventory.rules import Demand
from headless.inventory.service import Request
from headless.merchandising import stock_csv, stock_importing
from headless.merchandising.stock_csv import CountedStock, RowProblem
from headless.merchandising.stock_importing import StockReport, import_stock
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import WHY, Form, Shop, assert_levels_balance, make_product, recording, sellable, stocks

SHOPIFY = """\
Handle,Title,Option1 Name,Option1 Value,SKU,HS Code,COO,Location,Bin name,Incoming (not editable),\
Unavailable (not editable),Committed (not editable),Available (not editable),On hand (current),On hand (new)
mug,Mug,Title,Default Title,MUG,,,Main,,0,0,0,4,4,
shirt,Shirt,Size,S,SHIRT-S,,,Outlet,,0,0,0,9,9,7
shirt,Shirt,Size,L,SHIRT-L,,,Main,,,,,not stocked,not stocked,
"""
WIDE = """\
Handle,Title,Option1 Name,Option1 Value,SKU,HS Code,COO,Main,outlet
mug,Mug,Title,Default Title,MUG,,,8,not stocked
shirt,Shirt,Size,S,SHIRT-S,,,,6
"""


def read(text: str) -> list[CountedStock | RowProblem]:
    return list(stock_csv.read(io.StringIO(text, newline="")))


def problems(report: StockReport) -> list[tuple[int, str | None]]:
    return [(problem.line, problem.column) for problem in report.problems]


async def bring_in(database: Database, text: str, **rest: Any) -> StockReport:
    return await import_stock(database, stock_csv.read(io.StringIO(text, newline="")), **rest)


async def ledger(database: Database) -> list[tuple[str, int, str, str]]:
    c = movements.c
    async with database.reading() as session:
        rows = await session.execute(
            select(c.name, c.delta, c.reason, c.actor).where(c.actor == stock_importing.ACTOR).order_by(c.id)
        )
        return [tuple(row) for row in rows]


async def entries(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(movements)) or 0)


def test_file_says_what_is_where() -> None:
    assert read("sku,LOCATION,On hand,Reason\nMUG,main, 4 ,count\n,,,\nPOSTER,,2.0,\n") == [
        CountedStock(2, "On hand", "MUG", "main", "on_hand", 4, "count"),
        CountedStock(4, "On hand", "POSTER", None, "on_hand", 2),
    ]
    assert read("\ufeffSKU,Available\nMUG,3\n") == [CountedStock(2, "Available", "MUG", None, "available", 3)]


def test_export_of_shopify_is_read_with_a_row_or_a_column_per_location() -> None:
    assert read(SHOPIFY) == [
        CountedStock(2, "On hand (current)", "MUG", "Main", "on_hand", 4),
        CountedStock(3, "On hand (new)", "SHIRT-S", "Outlet", "on_hand", 7),
    ]
    assert read(WIDE) == [
        CountedStock(2, "Main", "MUG", "Main", "available", 8),
        CountedStock(3, "outlet", "SHIRT-S", "outlet", "available", 6),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n", "Available\n3\n", "SKU\nMUG\n", "SKU,Location\nMUG,main\n", "SKU,Title,HS Code\nMUG,Mug,1\n"]
)
def test_file_without_its_columns_is_told_so_once(text: str) -> None:
    (problem,) = read(text)

    assert isinstance(problem, RowProblem)
    assert problem.line == 1
    assert "missing" in problem.message


@pytest.mark.parametrize("cell", ["-1", "1.5", "1,000", "many", "1e3", "1000000001", "٣", "9" * 30, ""])
def test_cell_that_is_no_quantity_is_named(cell: str) -> None:
    (problem,) = read(f'SKU,On hand\nMUG,"{cell}"\n')

    assert isinstance(problem, RowProblem)
    assert (problem.line, problem.column) == (2, "On hand")


def test_row_without_sku_or_with_a_long_reason_is_named() -> None:
    found = read(f"SKU,On hand,Reason\n,3,\nMUG,3,{'x' * 256}\n")

    assert [(problem.line, getattr(problem, "column", None)) for problem in found] == [(2, "SKU"), (3, "Reason")]


async def test_stock_becomes_what_the_file_says_and_the_ledger_says_why(database: Database, shop: Shop) -> None:
    text = "SKU,Location,On hand,Reason\nMUG,main,4,\nPOSTER,Outlet,6,found\nSHIRT-S,outlet,5,\n"

    report = await bring_in(database, text)

    assert (report.changed, report.unchanged, report.problems) == (2, 1, [])
    assert (await sellable(database, shop.mug), await sellable(database, shop.poster)) == (4, 6)
    assert sorted(await ledger(database)) == [
        ("on_hand", -6, "stock_import", "import"),
        ("on_hand", 6, "found", "import"),
    ]
    await assert_levels_balance(database)


async def test_second_run_changes_nothing(database: Database, shop: Shop) -> None:
    await bring_in(database, SHOPIFY)
    before = await entries(database)

    async with recording(database) as facts:
        report = await bring_in(database, SHOPIFY)

    assert (report.changed, report.unchanged, report.problems) == (0, 2, [])
    assert await entries(database) == before
    assert facts.found == []


async def test_columns_of_locations_hold_what_is_available(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await service.reserve(session, Request(ids.new(), [Demand(ids.new(), shop.mug, 3)], WHY))

    report = await bring_in(database, WIDE)

    level = (await stocks(database, shop.mug))[shop.mug, shop.main_id]
    assert (report.changed, report.problems) == (2, [])
    assert (level.available, level.on_hand) == (8, 11)


async def test_rows_that_name_no_location_are_of_the_given_one(database: Database, shop: Shop) -> None:
    nowhere = await bring_in(database, "SKU,On hand\nPOSTER,3\n")
    there = await bring_in(database, "SKU,On hand\nPOSTER,3\n", location="outlet")
    async with database.transaction() as session:
        await places.deactivate(session, shop.outlet_id)
    only = await bring_in(database, "SKU,On hand\nMUG,3\n")

    assert problems(nowhere) == [(2, "Location")]
    assert (there.changed, only.changed) == (1, 1)
    assert (await stocks(database, shop.poster))[shop.poster, shop.outlet_id].on_hand == 3
    assert (await stocks(database, shop.mug))[shop.mug, shop.main_id].on_hand == 3


BAD = """\
SKU,Location,On hand
MUG,main,1
NOTHING,main,1
MUG,nowhere,1
POSTER,main,x
MUG,Main,2
POSTER,closed,2
POSTER,Twin,2
"""


async def bad_places(database: Database) -> None:
    async with database.transaction() as session:
        closed = await places.create(session, Place("Closed"))
        await places.deactivate(session, closed)
        for handle in ("twin-1", "twin-2"):
            await places.create(session, Place("Twin", handle=handle))


async def test_one_problem_stops_it_all_and_every_one_is_named(database: Database, shop: Shop) -> None:
    await bad_places(database)

    report = await bring_in(database, BAD)

    assert problems(report) == [
        (3, "SKU"), (4, "Location"), (5, "On hand"), (6, "On hand"), (7, "Location"), (8, "Location"),
    ]  # fmt: skip
    assert report.changed == 0
    assert await ledger(database) == []


async def test_the_rest_is_written_where_that_is_asked_for(database: Database, shop: Shop) -> None:
    await bad_places(database)

    report = await bring_in(database, BAD, skips_errors=True)

    assert (report.changed, len(report.problems)) == (1, 6)
    assert await sellable(database, shop.mug) == 1


async def test_count_that_cannot_be_is_a_problem(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        change = service.Change(shop.mug, shop.main_id, "damaged", quantity=10)
        await service.change(session, [change], WHY)

    report = await bring_in(database, f"SKU,Location,Available\nMUG,main,{10**9}\n")

    assert problems(report) == [(2, "Available")]


@pytest.mark.parametrize("text", [SHOPIFY, BAD])
async def test_dry_run_keeps_nothing(database: Database, shop: Shop, text: str) -> None:
    await bad_places(database)
    before = await entries(database)

    dry = await bring_in(database, text, is_dry_run=True, skips_errors=True)

    assert await entries(database) == before
    real = await bring_in(database, text, skips_errors=True)
    assert (dry.changed, dry.unchanged, dry.problems) == (real.changed, real.unchanged, real.problems)


async def test_large_file_is_written_in_parts(database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_importing, "CHUNK", 2)
    text = "SKU,Location,On hand\nMUG,main,1\nPOSTER,main,2\nSHIRT-S,main,9\nSHIRT-L,main,4\nMUG,outlet,5\n"
    seen: list[int] = []

    report = await bring_in(database, text, on_progress=lambda report: seen.append(report.changed))

    assert (seen, report.changed) == ([2, 4, 5], 5)
    assert (await sellable(database, shop.mug), await sellable(database, shop.shirt_large)) == (6, 6)
    await assert_levels_balance(database)


@pytest.mark.parametrize("skips", [False, True])
async def test_location_closed_after_the_check_is_told_of(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, skips: bool
) -> None:
    monkeypatch.setattr(stock_importing, "CHUNK", 2)

    async def close(_report: StockReport) -> None:
        async with database.transaction() as session:
            await places.deactivate(session, shop.outlet_id)

    checked = stock_importing._differing

    async def then_closed(*arguments: Any) -> Any:
        found = await checked(*arguments)
        await close(arguments[2])
        return found

    monkeypatch.setattr(stock_importing, "_differing", then_closed)
    text = "SKU,Location,On hand\nPOSTER,outlet,2\nMUG,main,1\nSHIRT-S,main,9\n"

    report = await bring_in(database, text, skips_errors=skips)

    assert problems(report) == [(2, "On hand")]
    assert report.changed == (2 if skips else 0)
    assert await sellable(database, shop.mug) == (1 if skips else 10)


async def test_bundle_is_counted_by_its_parts(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        _, (bundle,) = await make_product(session, shop.channel_id, "Set", Form(3000, sku="SET"))
        await bundles.set_parts(session, bundle, {shop.mug: 2}, expected_version=1, actor="tester")

    report = await bring_in(database, "SKU,Location,On hand\nMUG,main,1\nSET,main,1\n")

    assert (problems(report), report.changed) == ([(3, "SKU")], 0)
