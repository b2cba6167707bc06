"""What is a check of the books, and what does it find?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Select
from sqlalchemy.sql import CompoundSelect

from headless.platform import ids
from headless.platform.db import Record

Statement = Select[Any] | CompoundSelect[Any]


class Severity(StrEnum):
    """CRITICAL: stock, money or an order is wrong. WARNING: something waits far longer than it should."""

    CRITICAL = "CRITICAL"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Sample:
    """One violation: the public id of a record that it concerns, and what is wrong with it. Holds nothing private."""

    id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """A promise. `broken` selects, as of an instant, the rows that break it; their first column is `id`."""

    name: str
    description: str
    severity: Severity
    broken: Callable[[datetime], Statement]
    sample: Callable[[Record], Sample]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: how many rows break its promise, and the first few of them."""

    check: Check
    violations: int
    samples: list[Sample] = field(default_factory=list)
    took_seconds: float = 0.0


def shown(prefix: str, detail: str, **prefixes: str) -> Callable[[Record], Sample]:
    """Show a row by its public id and a sentence over its columns; `prefixes` make public ids of further columns."""

    def sample(row: Record) -> Sample:
        columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row's columns
        # PostgreSQL sums to numeric.
        values: dict[str, Any] = {
            name: int(value) if isinstance(value, Decimal) else value for name, value in columns.items()
        }
        values |= {name: ids.encode(kind, values[name]) for name, kind in prefixes.items() if values[name] is not None}
        return Sample(ids.encode(prefix, row.id), detail.format_map(values))

    return sample
