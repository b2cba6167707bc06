"""Whole titles are found by an index of their own."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was indexed before is written anew, in another form, by `headless migrate` and the worker.
    op.execute("DELETE FROM search_document")
    op.create_index("ix_search_document_title", "search_document", ["title", "id"])


def downgrade() -> None:
    op.execute("DELETE FROM search_document")
    op.drop_index("ix_search_document_title", table_name="search_document")
