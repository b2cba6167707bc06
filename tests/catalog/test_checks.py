"""Is what the catalog keeps beside its products equal to a recomputation, whatever was done; and can it be made so?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, text, update

from headless.catalog.collections import service as collections
from headless.catalog.collections.rules import Rule, RuleColumn, RuleRelation, RuleSet
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.models import collection_products, listings, products
from headless.catalog.search import index
from headless.catalog.search.models import documents, product_facets, terms
from headless.merchandising import collecting, generated
from headless.operations.catalog import find_all, repair
from headless.platform import outbox
from headless.platform.db import Database, Session
from headless.platform.errors import Refusal, Refused
from tests.builders import Shop
from tests.catalog.deeds import KINDS, Deed, do
from tests.catalog.shelves import Item, fill, found

LAMP = Item("Lamp", "Acme", "Lamps", ("bright",), ("Red",))

BRIGHT = RuleSet(is_any=False, rules=(Rule(RuleColumn.TAG, RuleRelation.EQUALS, "bright"),))
DARK = RuleSet(is_any=False, rules=(Rule(RuleColumn.TAG, RuleRelation.EQUALS, "dark"),))


async def collect(database: Database) -> None:
    """Let the worker follow the log to its end."""
    async with database.transaction() as session:
        while len(await outbox.number(session)) == outbox.BATCH:
            pass
    await collecting.collect(database)


async def problems(database: Database) -> Mapping[str, int]:
    return {finding.check.name: len(finding.problems) for finding in await find_all(database) if finding.problems}


async def test_what_the_services_write_is_in_order(database: Database, shop: Shop) -> None:
    await fill(database, shop, LAMP, Item("Öl", text="Für Salate", is_available=False))

    assert await problems(database) == {}


async def _break_words(session: Session) -> None:
    await session.execute(update(documents).values(title="other words"))


async def _lose_documents(session: Session) -> None:
    await session.execute(delete(documents))


async def _break_facets(session: Session) -> None:
    await session.execute(delete(product_facets))


async def _break_spelling(session: Session) -> None:
    await session.execute(delete(terms))


async def _break_index(session: Session) -> None:
    if index.is_sqlite(session):
        await session.execute(text("INSERT INTO search_index (rowid, title) VALUES (4711, 'ghost')"))
    else:
        await session.execute(text("UPDATE search_document SET vector = NULL"))


async def _break_titles(session: Session) -> None:
    if index.is_sqlite(session):
        await session.execute(text("INSERT INTO search_index_titles (rowid, title) VALUES (4711, 'ghost')"))
    else:
        await session.execute(text("UPDATE search_document SET title_vector = NULL"))


async def _break_prices(session: Session) -> None:
    await session.execute(update(listings).values(min_amount=listings.c.min_amount + 1))


async def _break_availability(session: Session) -> None:
    await session.execute(update(listings).values(is_available=~listings.c.is_available))


async def _break_sales(session: Session) -> None:
    await session.execute(update(listings).values(units_sold=77))


async def _lose_members(session: Session) -> None:
    await session.execute(delete(collection_products))


async def _misplace_members(session: Session) -> None:
    dark = await collections.create(session, CollectionDraft("Dark", rule_set=DARK), actor="tester")
    lamp = await session.scalar(select(products.c.id).where(products.c.title == "Lamp"))
    await session.execute(insert(collection_products).values(collection_id=dark, product_id=lamp, position=1))


@pytest.mark.parametrize(
    ("harm", "names"),
    [
        (_break_words, {"documents"}),
        (_lose_documents, {"documents"}),
        (_break_facets, {"facets"}),
        (_break_spelling, {"spelling"}),
        (_break_index, {"words", "documents"}),
        (_break_titles, {"words", "documents"}),
        (_break_prices, {"prices"}),
        (_break_availability, {"availability"}),
        (_break_sales, {"sales"}),
        (_lose_members, {"collections"}),
        (_misplace_members, {"collections"}),
    ],
)
async def test_harm_is_found_and_repaired(
    database: Database, shop: Shop, harm: Callable[[Session], Awaitable[None]], names: set[str]
) -> None:
    await fill(database, shop, LAMP)
    async with database.transaction() as session:
        await collections.create(session, CollectionDraft("Bright", rule_set=BRIGHT), actor="tester")
    await collect(database)
    async with database.transaction() as session:
        await harm(session)

    broken = await find_all(database)
    assert {finding.check.name for finding in broken if finding.problems} <= names
    assert any(finding.problems for finding in broken)
    await repair(database, broken)

    assert await problems(database) == {}
    assert await found(database, shop, "lamp") == ["Lamp"]


DEEDS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 3),
        st.sampled_from(["Blue Lamp", "öl", "T-Shirt", "lamp", "Straße 東京"]),
        st.integers(0, 5),
    ),
    max_size=14,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS)
async def test_whatever_is_done_all_is_equal_to_a_recomputation(
    database: Database, shop: Shop, deeds: Sequence[Deed]
) -> None:
    labelled = RuleSet(is_any=False, rules=(Rule(RuleColumn.TAG, RuleRelation.EQUALS, "y"),))
    async with database.transaction() as session:
        await collections.create(session, CollectionDraft("Labelled", rule_set=labelled), actor="tester")
    for deed in deeds:
        try:
            async with database.transaction() as session:
                await do(session, shop, deed)
        except (Refusal, Refused):
            continue

    await collect(database)
    assert await problems(database) == {}


async def test_a_generated_catalog_grows_to_its_size_and_is_in_order(database: Database) -> None:
    seen: list[tuple[int, int]] = []

    made = [
        await generated.grow(database, total, on_progress=lambda now: seen.append((now.done, now.total)))
        for total in (3, 8, 5)
    ]

    assert made == [3, 5, 0]
    assert seen == [(0, 3), (3, 3), (3, 8), (8, 8), (8, 5)]
    assert await problems(database) == {}
    async with database.reading() as session:
        assert len((await session.execute(select(products.c.id))).all()) == 8
        assert await session.scalar(select(func.count()).where(outbox.facts.c.position.is_(None))) == 0


async def test_a_database_learns_how_much_there_is_while_a_catalog_is_generated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated, "CHUNK", 1)
    monkeypatch.setattr(generated, "TIDIED_FROM", 2)

    def fail_at_fifth(now: generated.Progress) -> None:
        if now.done == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await generated.grow(database, 100, on_progress=fail_at_fifth)

    known = (
        "SELECT substr(stat, 1, instr(stat, ' ') - 1) FROM sqlite_stat1 WHERE tbl = 'product'"
        if database.is_sqlite
        else "SELECT cast(reltuples AS integer)::text FROM pg_class WHERE relname = 'product'"
    )
    async with database.reading() as session:
        assert set(await session.scalars(text(known))) == {"4"}
