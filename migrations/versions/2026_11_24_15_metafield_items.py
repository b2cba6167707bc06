"""Items by which lists among metafields are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metafield_item",
        sa.Column("metafield_id", sa.Uuid(), nullable=False),
        sa.Column("filter_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("definition_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["metafield_id"], ["metafield.id"], name=op.f("fk_metafield_item_metafield_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["metafield_definition.id"],
            name=op.f("fk_metafield_item_definition_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("metafield_id", "filter_key", name=op.f("pk_metafield_item")),
    )
    op.create_index("ix_metafield_item_found", "metafield_item", ["definition_id", "filter_key", "metafield_id"])


def downgrade() -> None:
    op.drop_table("metafield_item")
