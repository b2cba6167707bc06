"""Carts' lines and what transfers brought outlive a deleted variant, as order lines and the ledger do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FREED = {"cart_line": "CASCADE", "transfer_line": None}


def upgrade() -> None:
    for table in FREED:
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_constraint(op.f(f"fk_{table}_variant_id"), type_="foreignkey")


def downgrade() -> None:
    for table, rule in FREED.items():
        lines, variants = sa.table(table, sa.column("variant_id")), sa.table("variant", sa.column("id"))
        op.execute(sa.delete(lines).where(lines.c.variant_id.not_in(sa.select(variants.c.id))))
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_foreign_key(
                op.f(f"fk_{table}_variant_id"), "variant", ["variant_id"], ["id"], ondelete=rule
            )
