"""From when until when a product is published, and whether it has a price in its channel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("listing", sa.Column("unpublish_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("listing", sa.Column("turns_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("listing", sa.Column("is_priced", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_index(
        "ix_listing_turns_at",
        "listing",
        ["turns_at"],
        unique=False,
        sqlite_where=sa.text("turns_at IS NOT NULL"),
        postgresql_where=sa.text("turns_at IS NOT NULL"),
    )
    op.execute(
        "UPDATE listing SET is_priced = (1 = 0) WHERE NOT EXISTS (SELECT 1 FROM variant "
        "JOIN price ON price.variant_id = variant.id AND price.channel_id = listing.channel_id "
        "WHERE variant.product_id = listing.product_id)"
    )


def downgrade() -> None:
    op.drop_index("ix_listing_turns_at", table_name="listing")
    op.drop_column("listing", "is_priced")
    op.drop_column("listing", "turns_at")
    op.drop_column("listing", "unpublish_at")
