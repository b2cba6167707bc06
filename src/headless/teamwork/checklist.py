"""What does the shop want of a product before it is published, and who said that it is done?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from headless.accounts.rules import Actor
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound
from headless.teamwork import rules
from headless.teamwork.events import ChecklistItemChanged, ChecklistItemTicked
from headless.teamwork.models import checklist_items, checklist_ticks
from headless.teamwork.rules import ChecklistItemKind, Item, Tick

MOST_ITEMS = 50
PRODUCT = "product"
"""The only kind of record that has a checklist."""


async def all_items(session: Session) -> Sequence[Record]:
    c = checklist_items.c
    return (await session.execute(select(checklist_items).order_by(c.position, c.id))).all()


def item_of(row: Record) -> Item:
    return Item(ChecklistItemKind(row.kind), row.title, row.parameter, is_required=row.is_required, id=row.id)


async def ticks_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Mapping[UUID, Tick]]:
    """The ticks of products, each by its item."""
    c = checklist_ticks.c
    found: defaultdict[UUID, dict[UUID, Tick]] = defaultdict(dict)
    for row in await session.execute(
        select(checklist_ticks).where(c.record_type == PRODUCT, any_of(c.record_id, keys))
    ):
        found[row.record_id][row.item_id] = Tick(row.ticked_by, row.ticked_at)
    return found


async def create_item(
    session: Session, *, kind: ChecklistItemKind, title: str | None, parameter: int | None, is_required: bool
) -> Record:
    """Ask for one thing more, at the end; raises `InvalidInput` or `CardNumberRefused`."""
    words, number = rules.checked_item(kind, title, parameter)
    c = checklist_items.c
    count, last = (await session.execute(select(func.count(), func.max(c.position)))).one()
    if count >= MOST_ITEMS:
        message = f"A checklist has at most {MOST_ITEMS} items. Nobody reads more."
        raise InvalidInput(message)
    at = clock.now()
    made = await session.execute(
        insert(checklist_items)
        .values(
            id=ids.new(),
            kind=kind,
            title=words,
            parameter=number,
            is_required=is_required,
            position=(last or 0) + 1,
            created_at=at,
            updated_at=at,
        )
        .returning(checklist_items)
    )
    row: Record = made.one()
    outbox.record(session, ChecklistItemChanged(row.id))
    return row


async def update_item(session: Session, item_id: UUID, changes: Mapping[str, object]) -> Record:
    """Change the title, parameter or necessity of an item; raises `NotFound`, `InvalidInput` or `CardNumberRefused`."""
    row = await _locked(session, item_id, "id")
    title, parameter = changes.get("title", row.title), changes.get("parameter", row.parameter)
    words, number = rules.checked_item(
        ChecklistItemKind(row.kind),
        title if isinstance(title, str) else None,
        parameter if isinstance(parameter, int) else None,
    )
    values = {
        "title": words,
        "parameter": number,
        "is_required": changes.get("is_required", row.is_required),
        "updated_at": clock.now(),
    }
    c = checklist_items.c
    changed = await session.execute(
        update(checklist_items).where(c.id == item_id).values(values).returning(checklist_items)
    )
    outbox.record(session, ChecklistItemChanged(item_id))
    found: Record = changed.one()
    return found


async def delete_item(session: Session, item_id: UUID) -> None:
    """Ask for it no longer; its ticks go, too. Raises `NotFound`."""
    c = checklist_items.c
    gone = await session.execute(delete(checklist_items).where(c.id == item_id).returning(c.id))
    if gone.first() is None:
        raise NotFound(field=("id",))
    outbox.record(session, ChecklistItemChanged(item_id))


async def reorder(session: Session, item_ids: Sequence[UUID]) -> None:
    """Bring all items into this order; raises `InvalidInput` unless each is named once."""
    c = checklist_items.c
    rows = (await session.execute(select(c.id, c.position).order_by(c.id).with_for_update())).all()
    if sorted(item_ids) != [row.id for row in rows]:
        message = "Name each item of the checklist once: read it again, somebody may have changed it."
        raise InvalidInput(message, field=("itemIds",))
    places = {row.id: row.position for row in rows}
    for position, item_id in enumerate(item_ids, start=1):
        if places[item_id] != position:
            await session.execute(
                update(checklist_items).where(c.id == item_id).values(position=position, updated_at=clock.now())
            )
            outbox.record(session, ChecklistItemChanged(item_id))


async def tick(session: Session, item_id: UUID, product_id: UUID, *, by: Actor) -> None:
    """Say that a manual item is done for a product; whoever said it first stays. Raises `NotFound`, `InvalidInput`."""
    await _manual(session, item_id)
    writing = insert_into(session, checklist_ticks).values(
        item_id=item_id, record_type=PRODUCT, record_id=product_id, ticked_by=by.name, ticked_at=clock.now()
    )
    made = await session.execute(writing.on_conflict_do_nothing().returning(checklist_ticks.c.item_id))
    if made.first() is not None:
        outbox.record(session, ChecklistItemTicked(item_id, product_id, is_ticked=True))


async def untick(session: Session, item_id: UUID, product_id: UUID) -> None:
    """Take a tick back. Raises `NotFound` or `InvalidInput`."""
    await _manual(session, item_id)
    c = checklist_ticks.c
    gone = await session.execute(
        delete(checklist_ticks)
        .where(c.item_id == item_id, c.record_type == PRODUCT, c.record_id == product_id)
        .returning(c.item_id)
    )
    if gone.first() is not None:
        outbox.record(session, ChecklistItemTicked(item_id, product_id, is_ticked=False))


async def _manual(session: Session, item_id: UUID) -> None:
    row = await _locked(session, item_id, "itemId")
    if row.kind != ChecklistItemKind.MANUAL:
        message = "The shop sees by itself whether this is done. Only MANUAL items are ticked."
        raise InvalidInput(message, field=("itemId",))


async def _locked(session: Session, item_id: UUID, field: str) -> Record:
    wanted = select(checklist_items).where(checklist_items.c.id == item_id)
    row = (await session.execute(wanted.with_for_update(key_share=True))).first()
    if row is None:
        raise NotFound(field=(field,))
    return row
