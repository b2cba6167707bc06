"""Texts in other languages, and in which one a cart is filled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for owner in ("product", "collection"):
        table = f"{owner}_translation"
        op.create_table(
            table,
            sa.Column("locale", sa.String(), nullable=False),
            sa.Column("key", sa.String(), nullable=False),
            sa.Column("value", sa.String(), nullable=False),
            sa.Column("plain", sa.String(), nullable=True),
            sa.Column("digest", sa.String(), nullable=False),
            sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("owner_id", sa.Uuid(), nullable=False),
            sa.ForeignKeyConstraint(
                ["owner_id"], [f"{owner}.id"], name=op.f(f"fk_{table}_owner_id"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("owner_id", "locale", "key", name=op.f(f"pk_{table}")),
        )
    op.add_column("cart", sa.Column("language", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("cart", "language")
    for owner in ("collection", "product"):
        op.drop_table(f"{owner}_translation")
