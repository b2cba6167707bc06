"""How do people find their way through categories, and how do staff shape the tree in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog.categories import queries, service
from headless.catalog.categories.service import CategoryDraft
from headless.graphql.categories.types import Category
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import PUBLIC, decoded, errors, input_type, mutation, payload, query
from headless.graphql.errors import UserError
from headless.graphql.pages import Connection, page
from headless.platform import ids
from headless.platform.errors import BadUserInput, InvalidInput, NotFound
from headless.platform.pages import window


@input_type
class CategoryCreateInput:
    """A new category; without a position it comes last among its siblings."""

    title: str
    handle: str | None = UNSET
    parent_id: strawberry.ID | None = UNSET
    position: int | None = UNSET
    external_reference: str | None = UNSET


@input_type
class CategoryUpdateInput:
    """What becomes of a category: an omitted field stays, null clears."""

    id: strawberry.ID
    expected_version: int
    title: str | None = UNSET
    handle: str | None = UNSET
    external_reference: str | None = UNSET


@input_type
class CategoryMoveInput:
    """Where a category goes, with all below it; without a parent to the top."""

    id: strawberry.ID
    parent_id: strawberry.ID | None = UNSET
    position: int | None = strawberry.field(
        default=UNSET,
        description="Its place among its siblings, which are in the order of their positions; by default the last.",
    )


@input_type
class CategoryDeleteInput:
    id: strawberry.ID


@payload
class CategoryCreatePayload:
    """The new category."""

    category: Category | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CategoryUpdatePayload:
    """The category as it is now."""

    category: Category | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CategoryMovePayload:
    """The category at its new place."""

    category: Category | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CategoryDeletePayload:
    """The id of what was."""

    deleted_category_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class CategoryQueries:
    @query(requires=PUBLIC)
    async def category(
        self, info: Info, id: strawberry.ID | None = UNSET, handle: str | None = UNSET
    ) -> Category | None:
        """A category by id or handle."""
        if (sent(id) is None) == (sent(handle) is None):
            raise BadUserInput("Give exactly one of id and handle.")
        category_id = ids.decode("category", id) if id else None
        async with info.context.reading() as session:
            found = await queries.category(session, category_id=category_id, handle=sent(handle))
        if found is None:
            raise NotFound
        return cast("Category", found)

    @query(requires=PUBLIC)
    async def categories(
        self,
        info: Info,
        parent_id: strawberry.ID | None = UNSET,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Category]:
        """The categories right below another one, by default those at the top, in their order."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        parent = sent(parent_id)
        above = ids.decode("category", parent) if parent is not None else None
        async with info.context.reading() as session:
            return cast("Connection[Category]", page(await queries.category_page(session, wanted, parent_id=above)))


@strawberry.type
class CategoryMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def category_create(self, info: Info, input: CategoryCreateInput) -> CategoryCreatePayload | None:
        """Make a category."""
        draft = CategoryDraft(
            title=input.title,
            handle=sent(input.handle),
            parent_id=_parent(sent(input.parent_id)),
            position=sent(input.position),
            external_reference=sent(input.external_reference) or None,
        )
        async with info.context.transaction() as session:
            category_id = await service.create(session, draft, actor=info.context.actor.name)
        return CategoryCreatePayload(category=await _category(info, category_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def category_update(self, info: Info, input: CategoryUpdateInput) -> CategoryUpdatePayload | None:
        """Change what a category is called, if it is still the version that you saw."""
        category_id = decoded("category", input.id, "id")
        changes: dict[str, Any] = dict(
            given(title=input.title, handle=input.handle, external_reference=input.external_reference)
        )
        for name in ("title", "handle"):
            if name in changes and changes[name] is None:
                raise InvalidInput(f"A category always has a {name}: leave the field out to keep it.", field=(name,))
        async with info.context.transaction() as session:
            await service.change(
                session,
                category_id,
                expected_version=input.expected_version,
                changes=changes,
                actor=info.context.actor.name,
            )
        return CategoryUpdatePayload(category=await _category(info, category_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def category_move(self, info: Info, input: CategoryMoveInput) -> CategoryMovePayload | None:
        """Put a category, with all below it, under another one or to the top."""
        category_id = decoded("category", input.id, "id")
        async with info.context.transaction() as session:
            await service.move(
                session,
                category_id,
                parent_id=_parent(sent(input.parent_id)),
                position=sent(input.position),
                actor=info.context.actor.name,
            )
        return CategoryMovePayload(category=await _category(info, category_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def category_delete(self, info: Info, input: CategoryDeleteInput) -> CategoryDeletePayload | None:
        """Delete a category that has none below it; its products go up to the one above."""
        category_id = decoded("category", input.id, "id")
        async with info.context.transaction() as session:
            await service.remove(session, category_id)
        return CategoryDeletePayload(deleted_category_id=input.id)


def _parent(parent_id: str | None) -> UUID | None:
    return None if parent_id is None else cast("UUID", decoded("category", parent_id, "parentId"))


async def _category(info: Info, category_id: UUID) -> Category:
    return cast("Category", await info.context.load(queries.categories_by_id, category_id))
