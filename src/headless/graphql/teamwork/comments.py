"""How do comments on records look in the API, and who may read and write them?"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Actor, Permission
from headless.graphql import nodes
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.nodes import Node, finds
from headless.graphql.pages import Connection, in_memory, page
from headless.platform import ids
from headless.platform.db import Record
from headless.platform.errors import NotFound
from headless.platform.pages import window
from headless.teamwork import comments, models

READING: Mapping[str, Permission] = {
    "product": Permission.READ_PRODUCTS,
    "variant": Permission.READ_PRODUCTS,
    "collection": Permission.READ_PRODUCTS,
    "order": Permission.READ_ORDERS,
}
"""What can be commented on, by id prefix, and what one must be allowed to read to read what is said of it."""


def writing(record_type: str) -> Permission:
    """What one must be allowed to write to comment on a kind of record."""
    return Permission(READING[record_type].replace("READ_", "WRITE_"))


def readable_kinds(actor: Actor) -> frozenset[str]:
    """The kinds of records whose comments an actor may read."""
    return frozenset(kind for kind, permission in READING.items() if actor.may(permission))


@view(models.Comment)
class Comment(Node):
    """What somebody said of a record, or answered to that. Only staff see it."""

    id: strawberry.ID = id_of("comment")
    body: str
    author: str = strawberry.field(description="The name of the API token.")
    mentions: list[str] = strawberry.field(description="The names of those whom it concerns.")
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None = strawberry.field(
        description="Since when it is empty: its author took it back, and the answers stay."
    )
    resolved_at: datetime | None
    resolved_by: str | None

    @field
    async def subject(self: models.Comment, info: Info) -> Node | None:
        """The record that it is about; null once that is gone."""
        try:
            return cast("Node", await nodes.find(info, ids.encode(self.record_type, self.record_id)))
        except NotFound:
            return None

    @field
    async def parent(self: models.Comment, info: Info) -> "Comment | None":
        """The comment that it answers; null for the first of a thread."""
        if self.parent_id is None:
            return None
        return cast("Comment", await info.context.load(comments.comments_by_id, self.parent_id))

    @field
    async def replies(
        self: models.Comment, info: Info, first: int | None = UNSET, after: str | None = UNSET
    ) -> Connection["Comment"]:
        """The answers to it, the oldest first."""
        wanted = window(sent(first), sent(after), None, None)
        rows = await info.context.load(comments.replies_by_comment, self.id) or []
        return cast("Connection[Comment]", in_memory(rows, wanted))


@finds("comment", "Comment")
async def find_comment(info: Info, comment_id: UUID) -> Record | None:
    """Only for whoever may read the record."""
    kinds = readable_kinds(info.context.actor)
    row = await info.context.load(comments.comments_by_id, comment_id) if kinds else None
    return cast("Record", row) if row is not None and row.record_type in kinds else None


async def thread_page(
    info: Info, record_type: str, record_id: UUID, paging: tuple[Any, Any, Any, Any], resolved: bool | None
) -> Connection[Comment]:
    wanted = window(*(sent(one) for one in paging))
    async with info.context.reading() as session:
        found = await comments.page(session, record_type, record_id, wanted, is_resolved=sent(resolved))
    return cast("Connection[Comment]", page(found))


def comments_on(record_type: str) -> Any:
    """The field `comments` of a kind of record."""

    async def read(
        self: Any,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        resolved: bool | None = UNSET,
    ) -> Connection[Comment] | None:
        """What staff say of it, thread by thread, the oldest first; only those that are resolved, or aren't."""
        return await thread_page(info, record_type, UUID(str(self.id)), (first, after, last, before), resolved)

    return field(requires=READING[record_type])(read)
