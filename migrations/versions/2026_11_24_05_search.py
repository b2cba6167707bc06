"""An index of words and of facets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
VECTOR = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")
REMOVED = (
    "INSERT INTO search_index(search_index, rowid, title, labels, body) "
    "VALUES ('delete', old.id, old.title, old.labels, old.body);"
)
ADDED = "INSERT INTO search_index(rowid, title, labels, body) VALUES (new.id, new.title, new.labels, new.body);"
# Words are folded and parted already: every sign but a space belongs to a word.
WORDS = (
    "CREATE VIRTUAL TABLE search_index USING fts5("
    "title, labels, body, content='search_document', content_rowid='id', tokenize='ascii')"
)
TRIGGERS = {"INSERT": ADDED, "DELETE": REMOVED, "UPDATE": f"{REMOVED} {ADDED}"}


def upgrade() -> None:
    op.create_table(
        "search_document",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("title_vector", VECTOR, nullable=True),
        sa.Column("vector", VECTOR, nullable=True),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_search_document_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_document")),
        sa.UniqueConstraint("product_id", name=op.f("uq_search_document_product_id")),
    )
    op.create_index("ix_search_document_title_vector", "search_document", ["title_vector"], postgresql_using="gin")
    op.create_index("ix_search_document_vector", "search_document", ["vector"], postgresql_using="gin")
    op.create_table(
        "search_term",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("term", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", "term", name=op.f("pk_search_term")),
    )
    op.create_table(
        "facet",
        sa.Column("id", BIG, autoincrement=False, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facet")),
    )
    op.create_index("ix_facet_key", "facet", ["key", "value"])
    op.create_table(
        "product_facet",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("facet_id", BIG, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["product.id"], name=op.f("fk_product_facet_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", "facet_id", name=op.f("pk_product_facet")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_product_facet_products", "product_facet", ["facet_id", "product_id"])
    op.create_index("ix_listing_units_sold", "listing", ["channel_id", "units_sold", "product_id"])
    op.execute("ALTER TABLE product DROP COLUMN search_text")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(WORDS)
        for event, does in TRIGGERS.items():
            name = f"search_document_{event.lower()}"
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON search_document BEGIN {does} END")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.add_column("product", sa.Column("search_text", sa.String(), nullable=False, server_default=""))
    op.drop_index("ix_listing_units_sold", table_name="listing")
    op.drop_table("product_facet")
    op.drop_table("facet")
    op.drop_table("search_term")
    op.drop_table("search_document")
