"""What is a check of the catalog, and what does it find?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import ColumnElement

from headless.platform import ids
from headless.platform.db import Session

Broken = Callable[[Session, Sequence[UUID]], Awaitable[Mapping[UUID, str]]]
"""Recompute records from scratch; answer those that differ, with what differs."""
Repair = Callable[[Session, Sequence[UUID]], Awaitable[None]]
"""Make records what the recomputation says."""
WHOLE = UUID(int=0)
"""Stands for everything at once, where a check isn't of single records."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something kept beside records: those in the column `of`, with ids of a prefix; without it, one thing alone."""

    name: str
    description: str
    prefix: str
    of: ColumnElement[UUID] | None
    broken: Broken
    repair: Repair


@dataclass(frozen=True, slots=True)
class Problem:
    """A record, and what is kept wrongly of it."""

    id: UUID
    detail: str


@dataclass(slots=True)
class Finding:
    """What a check found."""

    check: Check
    problems: list[Problem] = field(default_factory=list)

    def shown(self, problem: Problem) -> str:
        """A problem's public id and detail."""
        if problem.id == WHOLE:
            return problem.detail
        return f"{ids.encode(self.check.prefix, problem.id)} {problem.detail}"
