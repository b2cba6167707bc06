"""How do people talk about a record? In threads of one level: a comment, and answers to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update

from headless.accounts import queries as account_queries
from headless.accounts.rules import Actor
from headless.platform import clock, ids, outbox, pages
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.texts import checked_text
from headless.teamwork.errors import NotYourComment
from headless.teamwork.events import CommentAdded, CommentChanged
from headless.teamwork.models import comments

MOST_MENTIONS = 20


async def add(
    session: Session,
    record_type: str,
    record_id: UUID,
    *,
    body: str,
    mentions: Sequence[str],
    parent_id: UUID | None,
    author: Actor,
) -> UUID:
    """Comment on a record, or answer a comment on it; raises `NotFound`, `InvalidInput` or `CardNumberRefused`."""
    values = await _checked(session, body, mentions)
    if parent_id is not None:
        # Its lock keeps who wants to delete it waiting until there is an answer to keep.
        parent = await _locked(session, parent_id, "parentId")
        if (parent.record_type, parent.record_id) != (record_type, record_id):
            raise NotFound(field=("parentId",))
        if parent.parent_id is not None or parent.deleted_at is not None:
            message = "Answer the comment that began the thread."
            raise InvalidInput(message, field=("parentId",))
    comment_id = ids.new()
    await session.execute(
        insert(comments).values(
            id=comment_id,
            record_type=record_type,
            record_id=record_id,
            parent_id=parent_id,
            author_id=author.token_id,
            author=author.name,
            created_at=clock.now(),
            **values,
        )
    )
    outbox.record(session, CommentAdded(comment_id, record_type, record_id))
    return comment_id


async def rewrite(session: Session, comment_id: UUID, *, body: str, mentions: Sequence[str], author: Actor) -> None:
    """Say it in other words, as its author; raises what `add` does, and `NotYourComment`."""
    values = await _checked(session, body, mentions)
    row = await _own(session, comment_id, author)
    await session.execute(update(comments).where(comments.c.id == comment_id).values(**values, edited_at=clock.now()))
    outbox.record(session, CommentChanged(comment_id, row.record_type, row.record_id))


async def remove(session: Session, comment_id: UUID, *, author: Actor) -> None:
    """Take a comment back, as its author; while there are answers, its place stays, without its words.

    Raises `NotFound` or `NotYourComment`.
    """
    row = await _own(session, comment_id, author)
    c = comments.c
    gone = await session.execute(delete(comments).where(c.id == comment_id, ~_answers_of(comment_id)).returning(c.id))
    if gone.first() is None:
        emptied = {"body": "", "mentions": [], "deleted_at": clock.now()}
        await session.execute(update(comments).where(c.id == comment_id).values(emptied))
    outbox.record(session, CommentChanged(comment_id, row.record_type, row.record_id))


async def resolve(session: Session, comment_id: UUID, *, by: Actor) -> None:
    """Close a thread; one that is closed stays as it is. Raises `NotFound` or `InvalidInput`."""
    await _turn(session, comment_id, is_resolved=True, by=by)


async def reopen(session: Session, comment_id: UUID, *, by: Actor) -> None:
    """Open a closed thread again. Raises `NotFound` or `InvalidInput`."""
    await _turn(session, comment_id, is_resolved=False, by=by)


async def page(
    session: Session, record_type: str, record_id: UUID, window: pages.Window, *, is_resolved: bool | None = None
) -> pages.Slice:
    """One page of the comments that began a thread on a record, the oldest first."""
    c = comments.c
    wanted = [c.record_type == record_type, c.record_id == record_id, c.parent_id.is_(None)]
    if is_resolved is not None:
        wanted.append(c.resolved_at.is_not(None) if is_resolved else c.resolved_at.is_(None))

    async def count(session: Session) -> int:
        return int(await session.scalar(select(func.count()).select_from(comments).where(*wanted)) or 0)

    order = pages.Order("COMMENTS", (c.id,))
    return await pages.fetch(session, select(comments).where(*wanted), order=order, window=window, count=count)


async def comments_by_id(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Record]:
    rows = await session.execute(select(comments).where(any_of(comments.c.id, keys)))
    return {row.id: row for row in rows}


async def replies_by_comment(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Record]]:
    """The answers to comments, the oldest first."""
    c = comments.c
    found: defaultdict[UUID, list[Record]] = defaultdict(list)
    for row in await session.execute(select(comments).where(any_of(c.parent_id, keys)).order_by(c.id)):
        found[row.parent_id].append(row)
    return found


async def _turn(session: Session, comment_id: UUID, *, is_resolved: bool, by: Actor) -> None:
    row = await _locked(session, comment_id, "id")
    if row.parent_id is not None:
        message = "A thread is resolved as a whole: name the comment that began it."
        raise InvalidInput(message, field=("id",))
    if (row.resolved_at is not None) == is_resolved:
        return
    values = {
        "resolved_at": clock.now() if is_resolved else None,
        "resolved_by": by.name if is_resolved else None,
    }
    await session.execute(update(comments).where(comments.c.id == comment_id).values(values))
    outbox.record(session, CommentChanged(comment_id, row.record_type, row.record_id))


async def _checked(session: Session, body: str, mentions: Sequence[str]) -> dict[str, object]:
    words = checked_text(body.strip(), "body")
    if not words:
        message = "Write something."
        raise InvalidInput(message, field=("body",))
    names = list(dict.fromkeys(mentions))
    if len(names) > MOST_MENTIONS:
        message = f"A comment mentions at most {MOST_MENTIONS} people."
        raise InvalidInput(message, field=("mentions",))
    known = await account_queries.known_names(session, names) if names else frozenset()
    for index, name in enumerate(mentions):
        if name not in known:
            message = f"Nobody here is called {name[:100]!r}. Use the name of an API token."
            raise InvalidInput(message, field=("mentions", index))
    return {"body": words, "mentions": names}


async def _own(session: Session, comment_id: UUID, author: Actor) -> Record:
    row = await _locked(session, comment_id, "id")
    if row.author_id != author.token_id:
        raise NotYourComment(field=("id",))
    return row


async def _locked(session: Session, comment_id: UUID, *field: str) -> Record:
    c = comments.c
    row = (await session.execute(select(comments).where(c.id == comment_id).with_for_update())).first()
    if row is None or (row.deleted_at is not None and field == ("id",)):
        raise NotFound(field=field)
    return row


def _answers_of(comment_id: UUID) -> ColumnElement[bool]:
    answers = comments.alias()
    return exists().where(answers.c.parent_id == comment_id)
