"""The checklist before publishing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checklist_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("parameter", sa.Integer(), nullable=True),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('IMAGE_PRESENT', 'ALT_TEXTS', 'PRICE_IN_EVERY_CHANNEL', 'DESCRIPTION_LONGER_THAN', 'SEO_SET', "
            "'STOCK_TRACKED', 'MANUAL')",
            name=op.f("ck_checklist_item_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checklist_item")),
    )
    op.create_table(
        "checklist_tick",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("record_type", sa.String(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("ticked_by", sa.String(), nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["checklist_item.id"], name=op.f("fk_checklist_tick_item_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "record_type", "record_id", name=op.f("pk_checklist_tick")),
    )
    op.create_index("ix_checklist_tick_record", "checklist_tick", ["record_type", "record_id"])


def downgrade() -> None:
    op.drop_table("checklist_tick")
    op.drop_table("checklist_item")
