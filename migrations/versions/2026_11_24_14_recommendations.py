"""Which products are bought together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bought_together",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_bought_together_product_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["product.id"], name=op.f("fk_bought_together_other_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", "other_id", name=op.f("pk_bought_together")),
    )
    op.create_index(op.f("ix_bought_together_other_id"), "bought_together", ["other_id"])
    op.create_index("ix_bought_together_most", "bought_together", ["product_id", "orders", "other_id"])
    op.create_table(
        "paired_order",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_paired_order_order_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_paired_order")),
    )
    op.create_table(
        "pairing_backlog",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairing_backlog")),
    )


def downgrade() -> None:
    op.drop_table("pairing_backlog")
    op.drop_table("paired_order")
    op.drop_table("bought_together")
