"""Orders that were cancelled are no longer counted among what is bought together."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The worker looks through all orders once more, piece by piece: those that are counted rightly stay so.
    op.execute("DELETE FROM pairing_backlog WHERE EXISTS (SELECT 1 FROM paired_order)")
    op.execute("INSERT INTO pairing_backlog (id, after) SELECT 1, NULL WHERE EXISTS (SELECT 1 FROM paired_order)")


def downgrade() -> None:
    pass
