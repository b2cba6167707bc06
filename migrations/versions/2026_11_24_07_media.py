"""Pictures that were sent or are fetched, and the files they are kept in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("media") as batch:
        batch.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="IMAGE"))
        batch.add_column(sa.Column("status", sa.String(), nullable=False, server_default="READY"))
        batch.add_column(sa.Column("file", sa.String(), nullable=True))
        batch.add_column(sa.Column("mime_type", sa.String(), nullable=True))
        batch.add_column(sa.Column("error", sa.String(), nullable=True))
        batch.add_column(sa.Column("fetch_at", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"))
        batch.create_check_constraint(op.f("ck_media_kind"), "kind IN ('IMAGE', 'VIDEO', 'EXTERNAL_VIDEO')")
        batch.create_check_constraint(op.f("ck_media_status"), "status IN ('READY', 'PROCESSING', 'FAILED')")
    op.create_index("ix_media_file", "media", ["file"])
    op.create_index(
        "ix_media_fetch_at",
        "media",
        ["fetch_at"],
        sqlite_where=sa.text("fetch_at IS NOT NULL"),
        postgresql_where=sa.text("fetch_at IS NOT NULL"),
    )
    op.create_table(
        "upload",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("mime_type", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
    )
    op.create_index(op.f("ix_upload_key"), "upload", ["key"])
    op.create_index(op.f("ix_upload_created_at"), "upload", ["created_at"])
    op.create_table(
        "stored_file",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("condemned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_stored_file")),
    )
    op.create_index(op.f("ix_stored_file_kept_until"), "stored_file", ["kept_until"])


def downgrade() -> None:
    op.drop_table("stored_file")
    op.drop_table("upload")
    op.drop_index("ix_media_fetch_at", "media")
    op.drop_index("ix_media_file", "media")
    with op.batch_alter_table("media") as batch:
        batch.drop_constraint(op.f("ck_media_status"), type_="check")
        batch.drop_constraint(op.f("ck_media_kind"), type_="check")
        for name in ("attempts", "fetch_at", "error", "mime_type", "file", "status", "kind"):
            batch.drop_column(name)
