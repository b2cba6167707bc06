"""How does the tree of categories grow and change its shape, without ever closing into a ring?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, literal, select, text, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import rules
from headless.catalog.categories.models import categories
from headless.catalog.categories.queries import below
from headless.catalog.errors import CategoryHasChildren, CategoryWithinItself
from headless.catalog.events import CategoryDeleted, CategoryUpdated
from headless.catalog.models import products
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Taken
from headless.teamwork import revisions
from headless.teamwork.rules import differences

RECORD_TYPE = "category"
MAX_DEPTH = 20
MAX_POSITION = 1_000_000


@dataclass(frozen=True, slots=True)
class CategoryDraft:
    """What a new category is; without a position it comes last among its siblings."""

    title: str
    handle: str | None = None
    parent_id: UUID | None = None
    position: int | None = None
    external_reference: str | None = None


@dataclass(frozen=True, slots=True)
class CategoryName:
    """Which category is meant, by exactly one of these."""

    id: UUID | None = None
    handle: str | None = None
    external_reference: str | None = None


async def create(session: Session, draft: CategoryDraft, *, actor: str) -> UUID:
    """Make a category; raises `NotFound`, `Taken` or `InvalidInput`."""
    await _lock_tree(session)
    title = rules.checked_title(draft.title)
    handle = rules.checked_handle(draft.handle) if draft.handle else await _free_handle(session, title)
    parent = await _parent(session, draft.parent_id)
    category_id, at = ids.new(), clock.now()
    path = _path(category_id, parent)
    _check_depth(path)
    values = {
        "id": category_id,
        "parent_id": draft.parent_id,
        "handle": handle,
        "title": title,
        "position": await _position(session, draft.parent_id, draft.position),
        "path": path,
        "external_reference": _reference(draft.external_reference),
        "version": 1,
        "changed_by": actor,
        "created_at": at,
        "updated_at": at,
    }
    try:
        await session.execute(insert(categories).values(values))
    except IntegrityError as error:
        raise _taken(error) from None
    revisions.record(session, RECORD_TYPE, category_id, version=1, actor=actor)
    outbox.record(session, CategoryUpdated(category_id))
    return category_id


async def change(
    session: Session, category_id: UUID, *, expected_version: int, changes: Mapping[str, Any], actor: str
) -> None:
    """Change what a category is called; raises `NotFound`, `StaleObject`, `Taken` or `InvalidInput`."""
    current = await _locked(session, category_id)
    if current.version != expected_version:
        raise await revisions.stale(session, RECORD_TYPE, current, expected_version)
    values = dict(changes)
    if "title" in values:
        values["title"] = rules.checked_title(values["title"])
    if "handle" in values:
        values["handle"] = rules.checked_handle(values["handle"])
    if "external_reference" in values:
        values["external_reference"] = _reference(values["external_reference"])
    await _write(session, current, values, actor=actor)


async def move(
    session: Session, category_id: UUID, *, parent_id: UUID | None, position: int | None = None, actor: str
) -> None:
    """Put a category with all below it under another one, or to the top; without a position it comes last there.

    Raises `NotFound`, `CategoryWithinItself` or `InvalidInput`.
    """
    await _lock_tree(session)
    current = await _locked(session, category_id)
    parent = await _parent(session, parent_id)
    if parent is not None and parent.path.startswith(current.path):
        raise CategoryWithinItself(field=("parentId",))
    path = _path(category_id, parent)
    if path != current.path:
        c = categories.c
        deepest = await session.scalar(select(func.max(func.length(c.path))).where(below(current.path)))
        _check_depth(path + "x" * (int(deepest or 0) - len(current.path)))
        await session.execute(
            update(categories)
            .where(below(current.path))
            .values(path=literal(path).concat(func.substr(c.path, len(current.path) + 1)))
        )
    place = await _position(session, parent_id, position)
    await _write(session, current, {"parent_id": parent_id, "position": place}, actor=actor)


async def remove(session: Session, category_id: UUID) -> None:
    """Delete a category that has none below it; its products go up to the one above. Raises `CategoryHasChildren`."""
    await _lock_tree(session)
    current = await _locked(session, category_id)
    c = categories.c
    if (await session.execute(select(c.id).where(c.parent_id == category_id).limit(1))).first() is not None:
        raise CategoryHasChildren(field=("id",))
    await session.execute(
        update(products).where(products.c.category_id == category_id).values(category_id=current.parent_id)
    )
    await session.execute(delete(categories).where(c.id == category_id))
    outbox.record(session, CategoryDeleted(category_id))


async def named(session: Session, name: CategoryName) -> UUID:
    """Find a category, which nobody can delete until the end of the transaction; raises `NotFound`, `InvalidInput`."""
    given = {key: value for key, value in asdict(name).items() if value is not None}
    if len(given) != 1:
        raise InvalidInput("Name the category by exactly one of id, handle and externalReference.", field=("category",))
    ((column, value),) = given.items()
    shown = "externalReference" if column == "external_reference" else column
    if column != "id":
        rules.checked_label(value, "category", shown)
    wanted = select(categories.c.id).where(categories.c[column] == value)
    found: UUID | None = await session.scalar(wanted.with_for_update(read=True, key_share=True))
    if found is None:
        message = (
            "There is no such category. Make it first, or leave the field out to keep the one that the product has."
        )
        raise NotFound(message, field=("category", shown))
    return found


async def check_exists(session: Session, category_id: UUID | None) -> None:
    """Refuse a product's category that isn't there."""
    if category_id is None:
        return
    wanted = select(categories.c.id).where(categories.c.id == category_id)
    if (await session.execute(wanted.with_for_update(read=True, key_share=True))).first() is None:
        raise NotFound(field=("categoryId",))


async def _write(session: Session, current: Record, values: Mapping[str, Any], *, actor: str) -> None:
    try:
        await session.execute(
            update(categories)
            .where(categories.c.id == current.id)
            .values(**values, version=categories.c.version + 1, updated_at=clock.now(), changed_by=actor)
        )
    except IntegrityError as error:
        raise _taken(error) from None
    changed = differences(current, values)
    revisions.record(session, RECORD_TYPE, current.id, version=current.version + 1, actor=actor, changes=changed)
    outbox.record(session, CategoryUpdated(current.id))


async def _lock_tree(session: Session) -> None:
    """Let one at a time change the tree's shape: two moves that are harmless alone could close a ring together."""
    if session.get_bind().dialect.name == "postgresql":
        # Neither readers wait for it nor products that name a category. SQLite has one writer anyway.
        await session.execute(text("LOCK TABLE category IN SHARE ROW EXCLUSIVE MODE"))


async def _locked(session: Session, category_id: UUID) -> Record:
    wanted = select(categories).where(categories.c.id == category_id).with_for_update(key_share=True)
    row: Record | None = (await session.execute(wanted)).first()
    if row is None:
        raise NotFound(field=("id",))
    return row


async def _parent(session: Session, parent_id: UUID | None) -> Record | None:
    if parent_id is None:
        return None
    row: Record | None = (await session.execute(select(categories).where(categories.c.id == parent_id))).first()
    if row is None:
        raise NotFound(field=("parentId",))
    return row


async def _position(session: Session, parent_id: UUID | None, wanted: int | None) -> int:
    if wanted is None:
        c = categories.c
        of_parent = c.parent_id == parent_id if parent_id is not None else c.parent_id.is_(None)
        return int(await session.scalar(select(func.max(c.position)).where(of_parent)) or 0) + 1
    if not 0 <= wanted <= MAX_POSITION:
        raise InvalidInput(f"A position is a number between 0 and {MAX_POSITION}.", field=("position",))
    return wanted


async def _free_handle(session: Session, title: str) -> str:
    base = rules.slug(title)
    c = categories.c
    taken = set(await session.scalars(select(c.handle).where(c.handle.startswith(base, autoescape=True))))
    candidates = (base, *(f"{base}-{nth}" for nth in range(1, len(taken) + 2)))
    return next(handle for handle in candidates if handle not in taken)


def _path(category_id: UUID, parent: Record | None) -> str:
    return f"{'/' if parent is None else parent.path}{category_id.hex}/"


def _check_depth(path: str) -> None:
    if len(path) > MAX_DEPTH * (len("/") + len(ids.new().hex)) + 1:
        raise InvalidInput(f"Categories are nested at most {MAX_DEPTH} deep.", field=("parentId",))


def _reference(text: str | None) -> str | None:
    return rules.checked_label(text, "externalReference") if text else None


def _taken(error: IntegrityError) -> Taken:
    name = "externalReference" if "external_reference" in str(error.orig) else "handle"
    return Taken(f"Another category has this {name}. Choose a different one.", field=(name,))
