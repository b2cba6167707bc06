"""How do staff talk with each other about records in the API?"""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from functools import partial
from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.graphql import nodes
from headless.graphql.context import Info, sent
from headless.graphql.declare import (
    STAFF,
    check,
    decoded,
    errors,
    field,
    id_of,
    input_type,
    mutation,
    payload,
    query,
    subscription,
)
from headless.graphql.errors import UserError
from headless.graphql.live.streams import Happening, Stream, about, logged
from headless.graphql.live.types import Event
from headless.graphql.pages import Connection
from headless.graphql.teamwork.comments import READING, Comment, find_comment, readable_kinds, thread_page, writing
from headless.platform import ids
from headless.platform.errors import Forbidden, NotFound
from headless.platform.outbox import Entry
from headless.teamwork import comments
from headless.teamwork.events import CommentAdded as Added


@input_type
class CommentAddInput:
    subject_id: strawberry.ID = strawberry.field(description="A product, variant, collection or order.")
    body: str = strawberry.field(description="Plain text.")
    parent_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The comment that it answers: the first of its thread."
    )
    mentions: list[str] | None = strawberry.field(
        default=UNSET, description="The names of the API tokens whom it concerns."
    )


@input_type
class CommentUpdateInput:
    id: strawberry.ID
    body: str
    mentions: list[str] | None = strawberry.field(default=UNSET, description="Nobody, when omitted.")


@input_type
class CommentResolveInput:
    id: strawberry.ID = strawberry.field(description="The first comment of the thread.")


@input_type
class CommentReopenInput:
    id: strawberry.ID = strawberry.field(description="The first comment of the thread.")


@input_type
class CommentDeleteInput:
    id: strawberry.ID


@payload
class CommentAddPayload:
    """The new comment."""

    comment: Comment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CommentUpdatePayload:
    """The comment as it is now."""

    comment: Comment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CommentResolvePayload:
    """The thread, closed."""

    comment: Comment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CommentReopenPayload:
    """The thread, open."""

    comment: Comment | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CommentDeletePayload:
    """The id of what was taken back."""

    deleted_comment_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type(description="Somebody commented on a record.")
class CommentAdded(Event):
    id: strawberry.ID = id_of("event")

    @field
    async def comment(self: Happening, info: Info) -> Comment | None:
        """The comment as it is now; null in the first message, which only brings a cursor, and once it is gone."""
        if self.is_marker:
            return None
        return cast("Comment | None", await find_comment(info, UUID(self.payload["comment_id"])))


@strawberry.type
class CommentQueries:
    @query(requires=STAFF)
    async def comments(
        self,
        info: Info,
        subject_id: strawberry.ID,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        resolved: bool | None = UNSET,
    ) -> Connection[Comment] | None:
        """What staff say of a record, thread by thread, the oldest first; only those that are resolved, or aren't."""
        record_type, record_id = await _subject(info, subject_id)
        return await thread_page(info, record_type, record_id, (first, after, last, before), resolved)


@strawberry.type
class CommentMutations:
    @mutation(requires=STAFF)
    async def comment_add(self, info: Info, input: CommentAddInput) -> CommentAddPayload | None:
        """Say something of a record, or answer to it. Needs the permission to write that kind of record."""
        context = info.context
        record_type, record_id = await _subject(info, input.subject_id, writes=True)
        answered = sent(input.parent_id)
        parent_id = None if answered is None else decoded("comment", answered, "parentId")
        async with context.transaction() as session:
            comment_id = await comments.add(
                session,
                record_type,
                record_id,
                body=input.body,
                mentions=sent(input.mentions) or (),
                parent_id=parent_id,
                author=context.actor,
            )
        return CommentAddPayload(comment=await _comment(info, comment_id))

    @mutation(requires=STAFF)
    async def comment_update(self, info: Info, input: CommentUpdateInput) -> CommentUpdatePayload | None:
        """Say it in other words, as its author."""
        comment_id = await _writable(info, input.id)
        async with info.context.transaction() as session:
            await comments.rewrite(
                session,
                comment_id,
                body=input.body,
                mentions=sent(input.mentions) or (),
                author=info.context.actor,
            )
        return CommentUpdatePayload(comment=await _comment(info, comment_id))

    @mutation(requires=STAFF)
    async def comment_resolve(self, info: Info, input: CommentResolveInput) -> CommentResolvePayload | None:
        """Close a thread."""
        comment_id = await _writable(info, input.id)
        async with info.context.transaction() as session:
            await comments.resolve(session, comment_id, by=info.context.actor)
        return CommentResolvePayload(comment=await _comment(info, comment_id))

    @mutation(requires=STAFF)
    async def comment_reopen(self, info: Info, input: CommentReopenInput) -> CommentReopenPayload | None:
        """Open a closed thread again."""
        comment_id = await _writable(info, input.id)
        async with info.context.transaction() as session:
            await comments.reopen(session, comment_id, by=info.context.actor)
        return CommentReopenPayload(comment=await _comment(info, comment_id))

    @mutation(requires=STAFF)
    async def comment_delete(self, info: Info, input: CommentDeleteInput) -> CommentDeletePayload | None:
        """Take a comment back, as its author. While there are answers to it, its place stays, empty."""
        comment_id = await _writable(info, input.id)
        async with info.context.transaction() as session:
            await comments.remove(session, comment_id, author=info.context.actor)
        return CommentDeletePayload(deleted_comment_id=strawberry.ID(ids.encode("comment", comment_id)))


@strawberry.type
class CommentSubscription:
    @subscription(requires=STAFF)
    async def comment_added(
        self, info: Info, subject_id: strawberry.ID | None = UNSET, after: str | None = UNSET
    ) -> AsyncGenerator[CommentAdded | None, None]:
        """Every new comment on a record, or on all that the caller may read: a marker with a cursor first."""
        context = info.context
        wanted = sent(subject_id)
        kinds, key = readable_kinds(context.actor), None
        if wanted is not None:
            record_type, key = await _subject(info, wanted)
            kinds = frozenset({record_type})
        if not kinds:
            message = "This needs the permission READ_PRODUCTS or READ_ORDERS."
            raise Forbidden(message)
        interest = about(Added.topic, None if key is None else [key])
        stream = Stream("commentAdded", "CommentAdded", interest, ["all" if key is None else key.hex, *sorted(kinds)])
        place = stream.place(context.server.signer, sent(after))
        wants = partial(_is_about, kinds)
        async with aclosing(logged(context, stream, place, wants=wants)) as happenings:
            async for happening in happenings:
                yield cast("CommentAdded", happening)


def _is_about(kinds: Collection[str], entry: Entry) -> bool:
    return entry.payload["record_type"] in kinds


async def _subject(info: Info, subject_id: str, *, writes: bool = False) -> tuple[str, UUID]:
    """The kind and the id of a record that is there, for who may read or write what is said of it."""
    try:
        record_type, record_id = ids.split(subject_id)
        if record_type not in READING:
            raise NotFound
        check(info.context, writing(record_type) if writes else READING[record_type])
        await nodes.find(info, subject_id)
    except NotFound:
        raise NotFound(field=("subjectId",)) from None
    return record_type, record_id


async def _writable(info: Info, comment_id: str) -> UUID:
    """The id of a comment that is there, for who may write what is said of its record."""
    found: UUID = decoded("comment", comment_id, "id")
    row = await find_comment(info, found)
    if row is None:
        raise NotFound(field=("id",))
    check(info.context, writing(row.record_type))
    return found


async def _comment(info: Info, comment_id: UUID) -> Comment:
    return cast("Comment", await info.context.load(comments.comments_by_id, comment_id))
