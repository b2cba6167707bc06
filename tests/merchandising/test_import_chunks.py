"""Does it matter where a long file is cut, and what happens where it is broken off?"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from headless.catalog.models import products, variants
from headless.merchandising import imported, importing, repricing
from headless.merchandising.imported import Terms
from headless.merchandising.importing import ImportReport, chunks, import_products
from headless.merchandising.repricing import VariantChange
from headless.merchandising.shopify_csv import ImportedProduct, RowProblem
from headless.platform import outbox
from headless.platform.db import Database, Session, Tally, tally
from headless.pricing import queries as pricing_queries
from headless.pricing.events import PriceChanged
from headless.teamwork import revisions
from tests.builders import Shop, assert_books_balance
from tests.merchandising.test_importing import available_at, product, product_of, variant, variants_of

MANY = 60


class Killed(BaseException):
    """The process ends in the middle of a file."""


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 20)


def items(count: int = MANY) -> list[ImportedProduct | RowProblem]:
    return [
        product(f"thing-{nth}", replace(variant(2 + nth, sku=f"THING-{nth}"), quantity=nth % 3)) for nth in range(count)
    ]


async def counts(database: Database) -> tuple[int, int]:
    async with database.reading() as session:
        made = products.c.handle.startswith("thing-")
        skus = variants.c.sku.startswith("THING-")
        return (
            await session.scalar(select(func.count()).select_from(products).where(made)) or 0,
            await session.scalar(select(func.count()).select_from(variants).where(skus)) or 0,
        )


def test_chunks_are_short_and_no_handle_comes_twice_in_one() -> None:
    twice: list[ImportedProduct | RowProblem] = [
        product("a", variant(2)),
        product("b", variant(3)),
        product("a", variant(4)),
    ]

    found = list(chunks([*twice, RowProblem(5, None, "bad"), *items(1000)]))

    assert [item for chunk in found for item in chunk] == [*twice, RowProblem(5, None, "bad"), *items(1000)]
    assert len(found[0]) == 2
    assert max(len(chunk) for chunk in found) <= importing.CHUNK
    assert len(found) == 4


async def test_import_goes_on_where_it_was_broken_off(database: Database, shop: Shop, small_chunks: None) -> None:
    def broken() -> Iterator[ImportedProduct | RowProblem]:
        yield from items()[:35]
        raise Killed

    with pytest.raises(Killed):
        await import_products(database, broken())
    kept = (await counts(database))[0]
    report = await import_products(database, items())

    assert 0 < kept < 35
    assert report == ImportReport(created=MANY - kept, unchanged=kept, rows=MANY)
    assert await counts(database) == (MANY, MANY)
    await assert_books_balance(database)


async def test_bad_products_of_a_chunk_are_told_and_the_others_are_made(
    database: Database, shop: Shop, small_chunks: None
) -> None:
    good = items()
    bad = [
        product("Bad_Handle", variant(500)),
        product("thief", variant(501, sku="MUG")),
        product("costly", variant(502, "1.999")),
        product("heavy", replace(variant(503), weight_grams=2 * 10**9)),
    ]
    mixed = [*good[:3], bad[0], *good[3:5], bad[1], *good[5:30], bad[2], bad[3], *good[30:]]

    report = await import_products(database, mixed)

    assert (report.created, report.refused) == (MANY, 4)
    assert [problem.line for problem in report.problems] == [500, 501, 502, 503]
    assert await counts(database) == (MANY, MANY)
    (third,) = await variants_of(database, "thing-2")
    assert await available_at(database, third.id) == {shop.main_id: 2}


async def test_two_imports_of_one_file_at_once_make_each_product_once(
    database: Database, shop: Shop, small_chunks: None
) -> None:
    one, other = await asyncio.gather(*(import_products(database, items()) for _run in range(2)))

    assert one.created + other.created == MANY
    assert one.unchanged + other.unchanged == MANY
    assert one.problems + other.problems == []
    assert await counts(database) == (MANY, MANY)
    await assert_books_balance(database)


async def test_dry_run_of_many_keeps_nothing(database: Database, shop: Shop, small_chunks: None) -> None:
    report = await import_products(database, items(), is_dry_run=True)

    assert report == ImportReport(created=MANY, rows=MANY)
    assert await counts(database) == (0, 0)


def changed(count: int) -> list[ImportedProduct]:
    """The same things, dearer and with other titles; number 5 wants the SKU of number 4, number 7 a price too high."""
    found = [
        replace(
            product(f"thing-{nth}", replace(variant(2 + nth, "12", sku=f"THING-{nth}"), quantity=9)), title=f"New {nth}"
        )
        for nth in range(count)
    ]
    wrongs: list[tuple[int, dict[str, Any]]] = [(5, {"sku": "MUG"}), (7, {"price": Decimal(10) ** 15})]
    for nth, wrong in wrongs:
        if nth >= count:
            continue
        (one,) = found[nth].variants
        found[nth] = replace(found[nth], variants=(replace(one, **wrong),))
    return found


async def state(database: Database, shop: Shop) -> list[tuple[str, dict[UUID, int], int]]:
    """Each thing's title, stock and price."""
    found = []
    for nth in range(12):
        (one,) = await variants_of(database, f"thing-{nth}")
        async with database.reading() as session:
            (price,) = (await pricing_queries.prices_by_variant(session, [one.id], shop.channel_id)).values()
        title = (await product_of(database, f"thing-{nth}")).title
        stock = {place: units for place, units in (await available_at(database, one.id)).items() if units}
        found.append((title, stock, price.amount))
    return found


@pytest.mark.parametrize("with_stock", [False, True])
async def test_changes_end_the_same_in_batches_and_one_by_one(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, with_stock: bool
) -> None:
    outcomes = []
    for most in (100, 0):
        monkeypatch.setattr(importing, "UPDATES", most)
        await import_products(database, items(12), with_stock=True)
        before = await state(database, shop)
        report = await import_products(database, changed(12), with_stock=with_stock)
        outcomes.append((before, report, await state(database, shop)))

    together, alone = outcomes
    assert together == alone
    before, report, after = together
    assert (report.updated, report.unchanged, report.refused) == (10, 0, 2)
    assert [problem.line for problem in report.problems] == [7, 9]
    for nth in range(12):
        stock = {shop.main_id: 9} if with_stock else before[nth][1]
        assert after[nth] == (before[nth] if nth in {5, 7} else (f"New {nth}", stock, 1200))
    await assert_books_balance(database)


async def test_changes_of_many_take_fewer_statements_than_one_by_one(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    for most, title in ((100, "A"), (0, "B")):
        monkeypatch.setattr(importing, "UPDATES", most)
        await import_products(database, items(10))
        renamed = [replace(one, title=title) for one in items(10) if isinstance(one, ImportedProduct)]
        token = tally.set(Tally())
        report = await import_products(database, renamed)
        count = tally.get()
        tally.reset(token)
        assert report.updated == 10
        assert count is not None
        counts.append(count.statements)

    assert counts[0] < counts[1] / 2


async def test_prices_of_many_are_changed_in_statements_for_all_and_told_of_each(
    database: Database, shop: Shop
) -> None:
    def priced(amount: int) -> list[ImportedProduct]:
        return [
            replace(one, variants=(replace(one.variants[0], price=Decimal(amount)),))
            for one in items(10)
            if isinstance(one, ImportedProduct)
        ]

    await import_products(database, priced(10))
    async with database.transaction() as session:
        await outbox.number(session)
        last = await outbox.position(session)
    statements = []
    for few in (priced(20)[:5], priced(30)):
        token = tally.set(Tally())
        report = await import_products(database, few)
        count = tally.get()
        tally.reset(token)
        assert (report.updated, report.refused) == (len(few), 0)
        assert count is not None
        statements.append(count.statements)

    assert statements[0] == statements[1]
    async with database.transaction() as session:
        await outbox.number(session)
        entries = await outbox.read_after(session, last)
    for nth in range(10):
        (variant,) = await variants_of(database, f"thing-{nth}")
        async with database.reading() as session:
            (price,) = (await pricing_queries.prices_by_variant(session, [variant.id], shop.channel_id)).values()
            history = await revisions.since(session, "variant", variant.id, 1)
        told = [entry.payload for entry in entries if entry.topic == PriceChanged.topic and entry.key == variant.id]
        times = 2 if nth < 5 else 1
        assert (price.amount, variant.version, len(told)) == (3000, 1 + times, times)
        before = "20.00" if nth < 5 else "10.00"
        assert [(change.before, change.after) for change in history[-1].changes] == [(before, "30.00")]


async def test_variant_that_someone_changed_just_now_is_not_repriced_with_the_others(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await import_products(database, items(4))
    dear = [
        replace(one, variants=(replace(one.variants[0], price=Decimal(99)),))
        for one in items(4)
        if isinstance(one, ImportedProduct)
    ]
    (variant,) = await variants_of(database, "thing-2")
    original, calls = repricing.change_prices, []

    async def late(session: Session, of_products: Mapping[UUID, Sequence[VariantChange]], **others: Any) -> None:
        calls.append(len(of_products))
        if len(calls) == 1:
            await session.execute(update(variants).where(variants.c.id == variant.id).values(version=7))
        await original(session, of_products, **others)

    monkeypatch.setattr(repricing, "change_prices", late)
    report = await import_products(database, dear)

    assert (report.updated, report.refused) == (4, 0)
    assert calls == [4, 3]
    assert [(await variants_of(database, f"thing-{nth}"))[0].version for nth in range(4)] == [2, 2, 2, 2]


@pytest.mark.parametrize("are_there", [False, True])
async def test_a_product_that_the_server_fails_at_is_named_and_stops_no_other(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, are_there: bool
) -> None:
    wanted = [one for one in items(5) if isinstance(one, ImportedProduct)]
    if are_there:
        await import_products(database, wanted)
        wanted = [replace(one, title="New") for one in wanted]
    create, bring = imported.create, imported.bring

    async def fail_to_create(session: Session, some: Sequence[ImportedProduct], terms: Terms) -> Any:
        made = await create(session, some, terms)
        if any(one.handle == "thing-2" for one in some):
            raise ZeroDivisionError
        return made

    async def fail_to_bring(session: Session, known: Any, item: ImportedProduct, terms: Terms, **others: Any) -> bool:
        has_changed = await bring(session, known, item, terms, **others)
        if item.handle == "thing-2":
            raise ZeroDivisionError
        return has_changed

    monkeypatch.setattr(imported, "create", fail_to_create)
    monkeypatch.setattr(imported, "bring", fail_to_bring)
    report = await import_products(database, wanted)

    assert (report.created, report.updated, report.refused) == ((0, 4, 1) if are_there else (4, 0, 1))
    assert [(problem.line, problem.code) for problem in report.problems] == [(4, "INTERNAL_SERVER_ERROR")]
    assert (await counts(database))[0] == (5 if are_there else 4)
    if are_there:
        titles = [(await product_of(database, f"thing-{nth}")).title for nth in range(5)]
        assert [title == "New" for title in titles] == [True, True, False, True, True]


async def test_two_files_in_opposite_orders_both_come_to_their_end(database: Database, shop: Shop) -> None:
    await import_products(database, items(30))
    dear = [
        replace(one, variants=(replace(one.variants[0], price=Decimal(99)),)) for one in changed(4) + changed(30)[8:]
    ]
    cheap = [
        replace(one, title="Cheap", variants=(replace(one.variants[0], price=Decimal(3)),)) for one in reversed(dear)
    ]

    first, second = await asyncio.gather(
        import_products(database, dear, with_stock=True), import_products(database, cheap, with_stock=True)
    )

    assert (first.refused, second.refused) == (0, 0)
    assert first.updated == len(dear)
    assert second.updated == len(dear)
    await assert_books_balance(database)
