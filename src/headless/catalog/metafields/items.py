"""By which of its items is a list found?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert

from headless.catalog.metafields import rules
from headless.catalog.metafields.models import items
from headless.catalog.metafields.rules import Kind, Shape
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

CHUNK: Final = 1000


async def write(session: Session, definition: Record, values: Mapping[UUID, Any]) -> None:
    """Have metafields of a filterable list found by the items that they have now, and by no others."""
    await session.execute(delete(items).where(any_of(items.c.metafield_id, list(values))))
    shape = Shape(Kind(definition.type), is_list=True)
    rows = [
        {"metafield_id": metafield_id, "filter_key": key, "definition_id": definition.id, "value": item}
        for metafield_id, value in values.items()
        for key, item in rules.item_keys(shape, value).items()
    ]
    for start in range(0, len(rows), CHUNK):
        await session.execute(insert(items), rows[start : start + CHUNK])


async def forget(session: Session, definition_id: UUID) -> None:
    """Have nothing found by a definition any more."""
    await session.execute(delete(items).where(items.c.definition_id == definition_id))
