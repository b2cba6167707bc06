"""Bulk jobs and the files that they were sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql")
COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bulk_upload",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("size", COUNT, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_upload")),
    )
    op.create_index("ix_bulk_upload_created_at", "bulk_upload", ["created_at"])
    op.create_table(
        "bulk_job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("upload_key", sa.String(), nullable=True),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("with_stock", sa.Boolean(), nullable=False),
        sa.Column("query", sa.String(), nullable=True),
        sa.Column("position", COUNT, nullable=False),
        sa.Column("cursor", sa.String(), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("rows_done", COUNT, nullable=False),
        sa.Column("rows_total", COUNT, nullable=True),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("error_count", COUNT, nullable=False),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('IMPORT', 'EXPORT')", name=op.f("ck_bulk_job_kind")),
        sa.CheckConstraint("format IN ('CSV', 'JSONL')", name=op.f("ck_bulk_job_format")),
        sa.CheckConstraint(
            "status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')", name=op.f("ck_bulk_job_status")
        ),
        sa.CheckConstraint("(kind = 'IMPORT') = (upload_key IS NOT NULL)", name=op.f("ck_bulk_job_upload")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channel.id"], name=op.f("fk_bulk_job_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_job")),
    )
    op.create_index("ix_bulk_job_status", "bulk_job", ["status", "id"])


def downgrade() -> None:
    op.drop_table("bulk_job")
    op.drop_table("bulk_upload")
