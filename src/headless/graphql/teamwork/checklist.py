"""How do staff say in the API what a product needs before it is published, and what it still lacks?"""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import queries
from headless.graphql.catalog.types import Product
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import (
    decoded,
    decoded_all,
    errors,
    id_of,
    input_type,
    mutation,
    payload,
    query,
    view,
)
from headless.graphql.errors import UserError
from headless.platform import ids
from headless.platform.errors import InvalidInput, NotFound
from headless.teamwork import checklist, models
from headless.teamwork.rules import ChecklistItemKind


@view(models.ChecklistItem)
class ChecklistItem:
    """What the shop wants of a product before it is published."""

    id: strawberry.ID = id_of("checklist_item")
    kind: ChecklistItemKind
    title: str
    parameter: int | None = strawberry.field(description="Of DESCRIPTION_LONGER_THAN: how many characters.")
    is_required: bool = strawberry.field(description="Whether nothing is published without it, unless by force.")
    position: int


@strawberry.type(description="What the shop wants of a product before it is published.")
class Checklist:
    items: list[ChecklistItem]


@input_type
class ChecklistItemCreateInput:
    kind: ChecklistItemKind
    title: str | None = strawberry.field(default=UNSET, description="Needed for MANUAL: what a person has to do.")
    parameter: int | None = strawberry.field(
        default=UNSET, description="Needed for DESCRIPTION_LONGER_THAN: how many characters."
    )
    is_required: bool = True


@input_type
class ChecklistItemUpdateInput:
    """What becomes of an item: an omitted field stays, a null title becomes the usual one."""

    id: strawberry.ID
    title: str | None = UNSET
    parameter: int | None = UNSET
    is_required: bool | None = UNSET


@input_type
class ChecklistItemDeleteInput:
    id: strawberry.ID


@input_type
class ChecklistItemReorderInput:
    item_ids: list[strawberry.ID] = strawberry.field(description="All items in their new order.")


@input_type
class ChecklistItemTickInput:
    item_id: strawberry.ID = strawberry.field(description="A MANUAL item.")
    subject_id: strawberry.ID = strawberry.field(description="The product for which it is done.")


@input_type
class ChecklistItemUntickInput:
    item_id: strawberry.ID = strawberry.field(description="A MANUAL item.")
    subject_id: strawberry.ID = strawberry.field(description="The product for which it isn't done.")


@payload
class ChecklistItemCreatePayload:
    """The new item, the last of the list."""

    item: ChecklistItem | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChecklistItemUpdatePayload:
    """The item as it is now."""

    item: ChecklistItem | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChecklistItemDeletePayload:
    """The id of the item that is gone."""

    deleted_item_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChecklistItemReorderPayload:
    """The checklist in its new order."""

    checklist: Checklist | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChecklistItemTickPayload:
    """The product, with what it still lacks."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChecklistItemUntickPayload:
    """The product, with what it lacks again."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class ChecklistQueries:
    @query(requires=Permission.READ_PRODUCTS)
    async def checklist(self, info: Info) -> Checklist | None:
        """What the shop wants of a product before it is published; a new shop wants nothing."""
        return await _whole(info)


@strawberry.type
class ChecklistMutations:
    @mutation(requires=Permission.WRITE_SETTINGS)
    async def checklist_item_create(
        self, info: Info, input: ChecklistItemCreateInput
    ) -> ChecklistItemCreatePayload | None:
        """Want one thing more of products."""
        async with info.context.transaction() as session:
            item = await checklist.create_item(
                session,
                kind=input.kind,
                title=sent(input.title),
                parameter=sent(input.parameter),
                is_required=input.is_required,
            )
        return ChecklistItemCreatePayload(item=cast("ChecklistItem", item))

    @mutation(requires=Permission.WRITE_SETTINGS)
    async def checklist_item_update(
        self, info: Info, input: ChecklistItemUpdateInput
    ) -> ChecklistItemUpdatePayload | None:
        """Change what is wanted."""
        item_id = decoded("checklist_item", input.id, "id")
        async with info.context.transaction() as session:
            item = await checklist.update_item(session, item_id, _columns(input))
        return ChecklistItemUpdatePayload(item=cast("ChecklistItem", item))

    @mutation(requires=Permission.WRITE_SETTINGS)
    async def checklist_item_delete(
        self, info: Info, input: ChecklistItemDeleteInput
    ) -> ChecklistItemDeletePayload | None:
        """Want it no longer; what was ticked is forgotten."""
        item_id = decoded("checklist_item", input.id, "id")
        async with info.context.transaction() as session:
            await checklist.delete_item(session, item_id)
        return ChecklistItemDeletePayload(deleted_item_id=strawberry.ID(ids.encode("checklist_item", item_id)))

    @mutation(requires=Permission.WRITE_SETTINGS)
    async def checklist_item_reorder(
        self, info: Info, input: ChecklistItemReorderInput
    ) -> ChecklistItemReorderPayload | None:
        """Bring the whole checklist into another order."""
        item_ids = decoded_all("checklist_item", input.item_ids, "itemIds")
        async with info.context.transaction() as session:
            await checklist.reorder(session, item_ids)
        return ChecklistItemReorderPayload(checklist=await _whole(info))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def checklist_item_tick(self, info: Info, input: ChecklistItemTickInput) -> ChecklistItemTickPayload | None:
        """Say that a manual item is done for a product; who did and when is kept."""
        item_id, product_id = await _named(info, input)
        async with info.context.transaction() as session:
            await checklist.tick(session, item_id, product_id, by=info.context.actor)
        return ChecklistItemTickPayload(product=await _product(info, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def checklist_item_untick(
        self, info: Info, input: ChecklistItemUntickInput
    ) -> ChecklistItemUntickPayload | None:
        """Take a tick back."""
        item_id, product_id = await _named(info, input)
        async with info.context.transaction() as session:
            await checklist.untick(session, item_id, product_id)
        return ChecklistItemUntickPayload(product=await _product(info, product_id))


def _columns(input: ChecklistItemUpdateInput) -> Mapping[str, object]:
    changes = dict(given(title=input.title, parameter=input.parameter, is_required=input.is_required))
    if "is_required" in changes and changes["is_required"] is None:
        message = "An item is required or it isn't: leave the field out to keep it."
        raise InvalidInput(message, field=("isRequired",))
    return changes


async def _whole(info: Info) -> Checklist:
    async with info.context.reading() as session:
        return Checklist(items=cast("list[ChecklistItem]", list(await checklist.all_items(session))))


async def _named(info: Info, input: ChecklistItemTickInput | ChecklistItemUntickInput) -> tuple[UUID, UUID]:
    item_id: UUID = decoded("checklist_item", input.item_id, "itemId")
    product_id: UUID = decoded("product", input.subject_id, "subjectId")
    if await _product(info, product_id) is None:
        raise NotFound(field=("subjectId",))
    return item_id, product_id


async def _product(info: Info, product_id: UUID) -> Product | None:
    found = await info.context.load(queries.products_by_id, product_id, await info.context.eye())
    return cast("Product | None", found)
