"""Stock in full: bundles, back-orders, purchase limits, transfers, requests; where channels take it from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIMITS = {
    "backorder_limit": "backorder_limit >= 0",
    "max_per_order": "max_per_order > 0",
    "max_per_customer": "max_per_customer > 0",
}


def upgrade() -> None:
    op.create_table(
        "transfer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("origin_id", sa.Uuid(), nullable=True),
        sa.Column("supplier", sa.String(), nullable=True),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("expected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('IN_TRANSIT', 'PARTIALLY_RECEIVED', 'RECEIVED', 'CANCELLED')", name=op.f("ck_transfer_status")
        ),
        sa.CheckConstraint("(origin_id IS NULL) <> (supplier IS NULL)", name=op.f("ck_transfer_source")),
        sa.CheckConstraint("origin_id <> destination_id", name=op.f("ck_transfer_elsewhere")),
        sa.ForeignKeyConstraint(["destination_id"], ["location.id"], name=op.f("fk_transfer_destination_id")),
        sa.ForeignKeyConstraint(["origin_id"], ["location.id"], name=op.f("fk_transfer_origin_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
    )
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.create_index("ix_transfer_status", ["status", "id"], unique=False)

    op.create_table(
        "bundle_part",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("part_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("bundle_id <> part_id", name=op.f("ck_bundle_part_not_itself")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_bundle_part_quantity")),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["variant.id"], name=op.f("fk_bundle_part_bundle_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["part_id"], ["variant.id"], name=op.f("fk_bundle_part_part_id")),
        sa.PrimaryKeyConstraint("bundle_id", "part_id", name=op.f("pk_bundle_part")),
    )
    with op.batch_alter_table("bundle_part", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_bundle_part_part_id"), ["part_id"], unique=False)

    op.create_table(
        "limited_purchase",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("buyer", sa.LargeBinary(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_limited_purchase_quantity")),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name=op.f("fk_limited_purchase_variant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "variant_id", name=op.f("pk_limited_purchase")),
    )
    with op.batch_alter_table("limited_purchase", schema=None) as batch_op:
        batch_op.create_index("ix_limited_purchase_buyer", ["variant_id", "buyer"], unique=False)

    op.create_table(
        "stock_request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('WAITING', 'SERVED', 'CANCELLED')", name=op.f("ck_stock_request_status")),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variant.id"], name=op.f("fk_stock_request_variant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_request")),
    )
    with op.batch_alter_table("stock_request", schema=None) as batch_op:
        batch_op.create_index("ix_stock_request_queue", ["variant_id", "status", "id"], unique=False)
        batch_op.create_index(
            "uq_stock_request_waiting",
            ["email", "variant_id"],
            unique=True,
            sqlite_where=sa.text("status = 'WAITING'"),
            postgresql_where=sa.text("status = 'WAITING'"),
        )

    op.create_table(
        "transfer_line",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("variant_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_transfer_line_quantity")),
        sa.CheckConstraint("received + rejected <= quantity", name=op.f("ck_transfer_line_no_more_than_sent")),
        sa.CheckConstraint("received >= 0 AND rejected >= 0", name=op.f("ck_transfer_line_arrived")),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["transfer.id"], name=op.f("fk_transfer_line_transfer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_transfer_line_variant_id")),
        sa.PrimaryKeyConstraint("transfer_id", "variant_id", name=op.f("pk_transfer_line")),
    )
    with op.batch_alter_table("channel", schema=None) as batch_op:
        batch_op.add_column(sa.Column("allocation_strategy", sa.String(), nullable=False, server_default="PRIORITY"))
        batch_op.create_check_constraint(
            op.f("ck_channel_allocation_strategy"), "allocation_strategy IN ('PRIORITY', 'FEWEST_SPLITS', 'NEAREST')"
        )

    with op.batch_alter_table("checkout", schema=None) as batch_op:
        batch_op.add_column(sa.Column("renewals", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("fulfillment_line", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "parts",
                sa.JSON(none_as_null=True).with_variant(
                    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
                ),
                nullable=True,
            )
        )

    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ships_orders", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("offers_pickup", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(
            sa.Column(
                "address",
                sa.JSON(none_as_null=True).with_variant(
                    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
                ),
                nullable=True,
            )
        )
        batch_op.add_column(sa.Column("country_code", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))

    with op.batch_alter_table("order_line", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "parts",
                sa.JSON(none_as_null=True).with_variant(
                    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
                ),
                nullable=True,
            )
        )

    with op.batch_alter_table("variant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_bundle", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("backorder_limit", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("is_preorder", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("expected_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("max_per_order", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("max_per_customer", sa.Integer(), nullable=True))
        for name, rule in LIMITS.items():
            batch_op.create_check_constraint(op.f(f"ck_variant_{name}"), rule)
    with op.batch_alter_table("allocation", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("pk_allocation"), type_="primary")
        batch_op.create_primary_key(op.f("pk_allocation"), ["line_id", "variant_id", "location_id"])


def downgrade() -> None:
    with op.batch_alter_table("allocation", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("pk_allocation"), type_="primary")
        batch_op.create_primary_key(op.f("pk_allocation"), ["line_id", "location_id"])
    with op.batch_alter_table("variant", schema=None) as batch_op:
        for name in LIMITS:
            batch_op.drop_constraint(op.f(f"ck_variant_{name}"), type_="check")
        batch_op.drop_column("max_per_customer")
        batch_op.drop_column("max_per_order")
        batch_op.drop_column("expected_at")
        batch_op.drop_column("is_preorder")
        batch_op.drop_column("backorder_limit")
        batch_op.drop_column("is_bundle")

    with op.batch_alter_table("order_line", schema=None) as batch_op:
        batch_op.drop_column("parts")

    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.drop_column("version")
        batch_op.drop_column("country_code")
        batch_op.drop_column("address")
        batch_op.drop_column("offers_pickup")
        batch_op.drop_column("ships_orders")

    with op.batch_alter_table("fulfillment_line", schema=None) as batch_op:
        batch_op.drop_column("parts")

    with op.batch_alter_table("checkout", schema=None) as batch_op:
        batch_op.drop_column("renewals")

    with op.batch_alter_table("channel", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_channel_allocation_strategy"), type_="check")
        batch_op.drop_column("allocation_strategy")

    op.drop_table("transfer_line")
    with op.batch_alter_table("stock_request", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_stock_request_waiting",
            sqlite_where=sa.text("status = 'WAITING'"),
            postgresql_where=sa.text("status = 'WAITING'"),
        )
        batch_op.drop_index("ix_stock_request_queue")

    op.drop_table("stock_request")
    with op.batch_alter_table("limited_purchase", schema=None) as batch_op:
        batch_op.drop_index("ix_limited_purchase_buyer")

    op.drop_table("limited_purchase")
    with op.batch_alter_table("bundle_part", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_bundle_part_part_id"))

    op.drop_table("bundle_part")
    with op.batch_alter_table("transfer", schema=None) as batch_op:
        batch_op.drop_index("ix_transfer_status")

    op.drop_table("transfer")
