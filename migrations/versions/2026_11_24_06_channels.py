"""What people call a channel, and whether it lists every product yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channel", sa.Column("name", sa.String(), server_default="", nullable=False))
    op.add_column("channel", sa.Column("unlisted_after", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("channel", "unlisted_after")
    op.drop_column("channel", "name")
