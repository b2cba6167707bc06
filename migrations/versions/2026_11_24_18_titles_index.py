"""Titles have a full-text index of their own on SQLite."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TITLES = (
    "CREATE VIRTUAL TABLE search_index_titles USING fts5("
    "title, content='search_document', content_rowid='id', tokenize='ascii', prefix='1 2 3')"
)
REMOVED = "INSERT INTO search_index_titles(search_index_titles, rowid, title) VALUES ('delete', old.id, old.title);"
ADDED = "INSERT INTO search_index_titles(rowid, title) VALUES (new.id, new.title);"
TRIGGERS = {"INSERT": ADDED, "DELETE": REMOVED, "UPDATE OF title": f"{REMOVED} {ADDED}"}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # What it knew of titles was lost when they got another order.
        op.execute("ANALYZE search_document")
        return
    op.execute(TITLES)
    op.execute("INSERT INTO search_index_titles(search_index_titles) VALUES ('rebuild')")
    for event, does in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER {_name(event)} AFTER {event} ON search_document BEGIN {does} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for event in TRIGGERS:
            op.execute(f"DROP TRIGGER {_name(event)}")
        op.execute("DROP TABLE search_index_titles")


def _name(event: str) -> str:
    return f"search_title_{event.split(maxsplit=1)[0].lower()}"
