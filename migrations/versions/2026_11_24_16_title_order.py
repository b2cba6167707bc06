"""Titles are sorted alike by both databases, so that those that begin alike are a range."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _sort_by('"C"')


def downgrade() -> None:
    _sort_by('"default"')


def _sort_by(collation: str) -> None:
    # SQLite compares bytes already; a change of the column there would cost the index's triggers.
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE search_document ALTER COLUMN title TYPE VARCHAR COLLATE {collation}")
