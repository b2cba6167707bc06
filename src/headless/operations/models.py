"""Which table keeps what the last checks of the books found?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from headless.platform import columns


class BookCheck(SQLModel, table=True):
    """The last result of one check. `since`: when violations were first seen; null while there are none."""

    __tablename__ = "book_check"

    name: str = Field(primary_key=True)
    violations: int = Field(sa_type=columns.Sequence)
    samples: list[dict[str, Any]] = Field(sa_column=Column(columns.Json, nullable=False))
    took_seconds: float
    checked_at: datetime = Field(sa_type=columns.UtcDateTime)
    since: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


book_checks = columns.table_of(BookCheck)
