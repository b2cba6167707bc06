"""Does the tree of categories stay a tree, whoever moves what at the same time?"""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select

from headless.catalog.categories import queries, service
from headless.catalog.categories.models import categories
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.errors import CategoryHasChildren, CategoryWithinItself
from headless.catalog.models import products
from headless.merchandising import service as merchandising
from headless.platform import ids
from headless.platform.db import Database
from headless.platform.errors import InvalidInput, NotFound, Refusal, Taken
from tests.builders import Shop, recording


async def make(database: Database, title: str, parent_id: UUID | None = None) -> UUID:
    async with database.transaction() as session:
        return await service.create(session, CategoryDraft(title, parent_id=parent_id), actor="tester")


async def move(database: Database, category_id: UUID, parent_id: UUID | None) -> None:
    async with database.transaction() as session:
        await service.move(session, category_id, parent_id=parent_id, actor="tester")


async def assert_paths_follow_parents(database: Database) -> dict[str, str]:
    """Check every path against the parents; answer the titles of each category's way from the top."""
    async with database.reading() as session:
        rows = {row.id: row for row in await session.execute(select(categories))}
    ways = {}
    for row in rows.values():
        way = [row]
        while way[0].parent_id is not None:
            assert len(way) <= len(rows), "a ring"
            way.insert(0, rows[way[0].parent_id])
        assert row.path == "/" + "".join(f"{one.id.hex}/" for one in way)
        assert queries.ancestor_ids(row.path) == [one.id for one in way[:-1]]
        ways[row.title] = " > ".join(one.title for one in way)
    return ways


async def test_what_moves_takes_along_what_is_below(database: Database) -> None:
    home, garden = await make(database, "Home"), await make(database, "Garden")
    kitchen = await make(database, "Kitchen", home)
    await make(database, "Cups", kitchen)

    async with recording(database) as facts:
        await move(database, kitchen, garden)
    ways = await assert_paths_follow_parents(database)
    assert ways["Cups"] == "Garden > Kitchen > Cups"
    assert facts.topics == ["category.updated"]

    await move(database, kitchen, None)
    ways = await assert_paths_follow_parents(database)
    assert ways["Cups"] == "Kitchen > Cups"


async def test_moves_that_would_close_a_ring_together_do_not(database: Database) -> None:
    left, right = await make(database, "Left"), await make(database, "Right")
    left_child, right_child = await make(database, "L", left), await make(database, "R", right)

    done = await asyncio.gather(
        move(database, left, right_child), move(database, right, left_child), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in done) == ["CategoryWithinItself", "NoneType"]
    await assert_paths_follow_parents(database)


async def test_what_does_not_fit_is_refused(database: Database, shop: Shop) -> None:
    home = await make(database, "Home")
    kitchen = await make(database, "Kitchen", home)

    async def refused(kind: type[Refusal], draft: CategoryDraft) -> None:
        with pytest.raises(kind):
            async with database.transaction() as session:
                await service.create(session, draft, actor="t")

    for category_id, parent_id in ((home, home), (home, kitchen)):
        with pytest.raises(CategoryWithinItself):
            await move(database, category_id, parent_id)
    with pytest.raises(NotFound):
        await move(database, home, ids.new())
    await refused(Taken, CategoryDraft("Home", handle="home"))
    await refused(NotFound, CategoryDraft("Home", parent_id=ids.new()))
    await refused(InvalidInput, CategoryDraft(" "))
    with pytest.raises(CategoryHasChildren):
        async with database.transaction() as session:
            await service.remove(session, home)
    with pytest.raises(NotFound) as refusal:
        async with database.transaction() as session:
            await merchandising.update_product(
                session, shop.mug_product, expected_version=2, changes={"category_id": ids.new()}, actor="t"
            )
    assert refusal.value.field == ("categoryId",)
    assert await assert_paths_follow_parents(database) == {"Home": "Home", "Kitchen": "Home > Kitchen"}


async def test_categories_are_nested_twenty_deep(database: Database) -> None:
    parent = None
    for nth in range(service.MAX_DEPTH):
        parent = await make(database, f"C{nth}", parent)
    with pytest.raises(InvalidInput):
        await make(database, "Deeper", parent)
    other = await make(database, "Other")
    top = (await assert_paths_follow_parents(database))["C19"].split(" > ")[0]
    async with database.reading() as session:
        first = await session.scalar(select(categories.c.id).where(categories.c.title == top))
    with pytest.raises(InvalidInput):
        await move(database, UUID(str(first)), other)


async def test_products_of_a_deleted_category_go_up(database: Database, shop: Shop) -> None:
    home = await make(database, "Home")
    cups = await make(database, "Cups", home)
    async with database.transaction() as session:
        version = await session.scalar(select(products.c.version).where(products.c.id == shop.mug_product))
        await merchandising.update_product(
            session, shop.mug_product, expected_version=int(version or 0), changes={"category_id": cups}, actor="t"
        )

    async with database.transaction() as session:
        await service.remove(session, cups)

    async with database.reading() as session:
        assert await session.scalar(select(products.c.category_id).where(products.c.id == shop.mug_product)) == home
