"""What can happen to comments and checklists?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class _CommentFact(Fact):
    comment_id: UUID
    record_type: str
    record_id: UUID

    @property
    def key(self) -> UUID:
        return self.record_id


@dataclass(frozen=True, slots=True)
class CommentAdded(_CommentFact):
    """Somebody commented on a record."""

    topic: ClassVar[str] = "comment.added"


@dataclass(frozen=True, slots=True)
class CommentChanged(_CommentFact):
    """A comment was rewritten, resolved, reopened or deleted."""

    topic: ClassVar[str] = "comment.changed"


@dataclass(frozen=True, slots=True)
class ChecklistItemChanged(Fact):
    """An item of the checklist before publishing was made, changed, moved or deleted."""

    topic: ClassVar[str] = "checklist_item.changed"

    item_id: UUID

    @property
    def key(self) -> UUID:
        return self.item_id


@dataclass(frozen=True, slots=True)
class ChecklistItemTicked(Fact):
    """Somebody ticked a manual item for a product, or took the tick back."""

    topic: ClassVar[str] = "checklist_item.ticked"

    item_id: UUID
    product_id: UUID
    is_ticked: bool

    @property
    def key(self) -> UUID:
        return self.product_id
