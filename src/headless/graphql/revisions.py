"""How does the history of a record look in the API?"""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from headless.graphql.scalars import JSON
from headless.platform import ids
from headless.teamwork.revisions import revised
from headless.teamwork.rules import Json, Revised, api_name

PREFIXES = {"image": "media"}
"""Id prefixes that differ from the name of the column."""


@strawberry.type(description="What became of a field.")
class FieldChange:
    field: str
    before: JSON | None
    after: JSON | None


@strawberry.type(description="How a record came to be a version: who changed what of it, and when.")
class Revision:
    version: int
    actor: str = strawberry.field(description="The name of the API token, or of the part of the shop, that did it.")
    changed_at: datetime
    changes: list[FieldChange] = strawberry.field(
        description="Field by field; empty in the first version and where a write changed nothing."
    )


def revision(of: Revised) -> Revision:
    return Revision(
        version=of.version,
        actor=of.actor,
        changed_at=of.changed_at,
        changes=[
            FieldChange(
                field=api_name(change.field),
                before=_outside(change.field, change.before),
                after=_outside(change.field, change.after),
            )
            for change in of.changes
        ],
    )


def revision_of_row(row: Any) -> Revision:
    return revision(revised(row))


def _outside(name: str, value: Json) -> JSON | None:
    if name.endswith("_id") and isinstance(value, str):
        kind = name.removesuffix("_id")
        return JSON(ids.encode(PREFIXES.get(kind, kind), UUID(value)))
    return None if value is None else JSON(value)
