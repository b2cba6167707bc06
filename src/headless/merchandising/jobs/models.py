"""Which tables hold bulk jobs and what they were sent?"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index
from sqlmodel import Field, SQLModel

from headless.platform import columns


class JobKind(StrEnum):
    """Which way the products go."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"


class JobFormat(StrEnum):
    """CSV: Shopify's product format. JSONL: one input of `productSet` a line."""

    CSV = "CSV"
    JSONL = "JSONL"


class JobStatus(StrEnum):
    """How far a job is. FAILED: it could not go on; rows that are refused don't make it fail."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class BulkUpload(SQLModel, table=True):
    """A file that was sent and waits for an import."""

    __tablename__ = "bulk_upload"
    __table_args__ = (Index("ix_bulk_upload_created_at", "created_at"),)

    id: UUID = Field(primary_key=True)
    key: str
    size: int = Field(sa_type=columns.Sequence)
    created_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)


class BulkJob(SQLModel, table=True):
    """An import or an export. Whoever's `holder` it is works on it until the lease ends.

    `position` and `cursor` say where the next step begins, `steps` how many files of results it has left.
    """

    __tablename__ = "bulk_job"
    __table_args__ = (
        CheckConstraint("kind IN ('IMPORT', 'EXPORT')", name="kind"),
        CheckConstraint("format IN ('CSV', 'JSONL')", name="format"),
        CheckConstraint("status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')", name="status"),
        CheckConstraint("(kind = 'IMPORT') = (upload_key IS NOT NULL)", name="upload"),
        Index("ix_bulk_job_status", "status", "id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str
    format: str
    status: str
    channel_id: UUID = Field(foreign_key="channel.id", ondelete="CASCADE")
    upload_key: str | None = None
    is_dry_run: bool = False
    with_stock: bool = False
    query: str | None = None
    position: int = Field(default=0, sa_type=columns.Sequence)
    cursor: str | None = None
    steps: int = 0
    rows_done: int = Field(default=0, sa_type=columns.Sequence)
    rows_total: int | None = Field(default=None, sa_type=columns.Sequence)
    counts: dict[str, Any] = Field(sa_column=Column(columns.Json, nullable=False))
    error_count: int = Field(default=0, sa_type=columns.Sequence)
    message: str | None = None
    attempts: int = 0
    holder: UUID | None = None
    leased_until: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    created_by: str
    created_at: datetime = Field(sa_type=columns.UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=columns.UtcDateTime)


bulk_uploads = columns.table_of(BulkUpload)
bulk_jobs = columns.table_of(BulkJob)
