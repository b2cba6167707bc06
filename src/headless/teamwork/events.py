"""What can happen to comments?"""

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
