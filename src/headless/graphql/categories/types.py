"""How do categories look in the API?"""

from dataclasses import replace
from datetime import datetime
from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog.categories import models, queries
from headless.catalog.queries import ProductSortKey
from headless.graphql.catalog.filters import ProductFilter, wish_of
from headless.graphql.catalog.lists import ProductConnection, product_page
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.nodes import Node, finds
from headless.graphql.pages import Connection, page
from headless.platform.db import Record
from headless.platform.pages import window


@view(models.Category)
class Category(Node):
    """A kind of products, in a tree."""

    id: strawberry.ID = id_of("category")
    handle: str
    title: str
    position: int
    version: int
    updated_at: datetime

    @field(requires=Permission.READ_PRODUCTS)
    async def external_reference(self: models.Category, info: Info) -> str | None:
        """What another system calls it."""
        del info  # who may see it was asked before
        return self.external_reference

    @field
    async def parent(self: models.Category, info: Info) -> "Category | None":
        """The category above it; null at the top."""
        if self.parent_id is None:
            return None
        return cast("Category | None", await info.context.load(queries.categories_by_id, self.parent_id))

    @field
    async def ancestors(self: models.Category, info: Info) -> list["Category"]:
        """The categories above it, the topmost first."""
        found = [await info.context.load(queries.categories_by_id, above) for above in queries.ancestor_ids(self.path)]
        return [row for row in found if row is not None]

    @field
    async def children(
        self: models.Category,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection["Category"]:
        """The categories right below it, in their order."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            found = await queries.category_page(session, wanted, parent_id=self.id)
        return cast("Connection[Category]", page(found))

    @field
    async def products(
        self: models.Category,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        filters: list[ProductFilter] | None = UNSET,
        sort_key: ProductSortKey | None = UNSET,
        reverse: bool = False,
    ) -> ProductConnection:
        """The visible products of it and of all categories below it."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        wish = replace(await wish_of(info, filters=sent(filters)), category_path=self.path)
        return await product_page(info, wish, wanted, sort=sent(sort_key) or ProductSortKey.ID, is_reversed=reverse)


@finds("category", "Category")
async def find_category(info: Info, category_id: UUID) -> Record | None:
    return cast("Record | None", await info.context.load(queries.categories_by_id, category_id))
