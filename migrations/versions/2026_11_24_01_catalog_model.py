"""The catalog's model: metafields, the tree of categories, collections by rules, and what an ERP knows of variants."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

VARIANT_RULES = {
    "weight_grams": "weight_grams >= 0",
    "dimensions": "length_mm > 0 AND width_mm > 0 AND height_mm > 0",
}


def upgrade() -> None:
    op.create_table(
        "category",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("external_reference", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["category.id"], name=op.f("fk_category_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
        sa.UniqueConstraint("external_reference", name=op.f("uq_category_external_reference")),
        sa.UniqueConstraint("handle", name=op.f("uq_category_handle")),
        sa.UniqueConstraint("path", name=op.f("uq_category_path")),
    )
    with op.batch_alter_table("category", schema=None) as batch_op:
        batch_op.create_index("ix_category_place", ["parent_id", "position", "id"], unique=False)

    op.create_table(
        "consumer",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_consumer")),
    )
    op.create_table(
        "metafield",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_type", sa.String(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("is_list", sa.Boolean(), nullable=False),
        sa.Column(
            "value",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column("filter_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("owner_type IN ('product', 'variant', 'collection')", name=op.f("ck_metafield_owner_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metafield")),
        sa.UniqueConstraint("owner_id", "namespace", "key", name=op.f("uq_metafield_owner_id_namespace_key")),
    )
    with op.batch_alter_table("metafield", schema=None) as batch_op:
        batch_op.create_index(
            "ix_metafield_filter", ["owner_type", "namespace", "key", "filter_key", "owner_id"], unique=False
        )

    op.create_table(
        "metafield_definition",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_type", sa.String(), nullable=False),
        sa.Column("namespace", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("is_list", sa.Boolean(), nullable=False),
        sa.Column("is_filterable", sa.Boolean(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column(
            "validations",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "owner_type IN ('product', 'variant', 'collection')", name=op.f("ck_metafield_definition_owner_type")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metafield_definition")),
        sa.UniqueConstraint(
            "owner_type", "namespace", "key", name=op.f("uq_metafield_definition_owner_type_namespace_key")
        ),
    )
    op.create_table(
        "collection_rebuild",
        sa.Column("collection_id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("after", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collection.id"], name=op.f("fk_collection_rebuild_collection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_collection_rebuild")),
    )
    with op.batch_alter_table("collection", schema=None) as batch_op:
        batch_op.add_column(sa.Column("external_reference", sa.String(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "rules",
                sa.JSON(none_as_null=True).with_variant(
                    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
                ),
                nullable=True,
            )
        )
        batch_op.add_column(sa.Column("changed_by", sa.String(), nullable=False, server_default=""))
        batch_op.create_unique_constraint(batch_op.f("uq_collection_external_reference"), ["external_reference"])

    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.add_column(sa.Column("category_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_product_category_id"), ["category_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_product_category_id"), "category", ["category_id"], ["id"], ondelete="SET NULL"
        )

    _make_barcodes_unique()
    with op.batch_alter_table("variant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("external_reference", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("length_mm", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("width_mm", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("height_mm", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("tax_code", sa.String(), nullable=True))
        for name, rule in VARIANT_RULES.items():
            batch_op.create_check_constraint(op.f(f"ck_variant_{name}"), rule)
        batch_op.create_unique_constraint(batch_op.f("uq_variant_barcode"), ["barcode"])
        batch_op.create_unique_constraint(batch_op.f("uq_variant_external_reference"), ["external_reference"])


def downgrade() -> None:
    with op.batch_alter_table("variant", schema=None) as batch_op:
        for name in VARIANT_RULES:
            batch_op.drop_constraint(op.f(f"ck_variant_{name}"), type_="check")
        batch_op.drop_constraint(batch_op.f("uq_variant_external_reference"), type_="unique")
        batch_op.drop_constraint(batch_op.f("uq_variant_barcode"), type_="unique")
        batch_op.drop_column("tax_code")
        batch_op.drop_column("height_mm")
        batch_op.drop_column("width_mm")
        batch_op.drop_column("length_mm")
        batch_op.drop_column("external_reference")

    with op.batch_alter_table("product", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_product_category_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_product_category_id"))
        batch_op.drop_column("category_id")

    with op.batch_alter_table("collection", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_collection_external_reference"), type_="unique")
        batch_op.drop_column("changed_by")
        batch_op.drop_column("rules")
        batch_op.drop_column("external_reference")

    op.drop_table("collection_rebuild")
    op.drop_table("metafield_definition")
    with op.batch_alter_table("metafield", schema=None) as batch_op:
        batch_op.drop_index("ix_metafield_filter")

    op.drop_table("metafield")
    op.drop_table("consumer")
    with op.batch_alter_table("category", schema=None) as batch_op:
        batch_op.drop_index("ix_category_place")

    op.drop_table("category")


def _make_barcodes_unique() -> None:
    """Leave each barcode to the oldest variant that has it; the others keep theirs as the metafield `migrated.barcode`.

    What a merchant typed isn't thrown away: he finds it there and decides which variant the code is printed on.
    """
    connection = op.get_bind()
    variant = sa.table(
        "variant", sa.column("id", sa.Uuid()), sa.column("barcode", sa.String()), sa.column("created_at", sa.DateTime())
    )
    fields = sa.table(
        "metafield",
        *(sa.column(name, sa.Uuid()) for name in ("id", "owner_id")),
        *(sa.column(name, sa.String()) for name in ("owner_type", "namespace", "key", "type")),
        sa.column("value", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
        sa.column("is_list", sa.Boolean()),
        *(sa.column(name, sa.DateTime(timezone=True)) for name in ("created_at", "updated_at")),
    )
    op.execute(sa.update(variant).where(sa.func.trim(variant.c.barcode) == "").values(barcode=None))
    nth = sa.func.row_number().over(partition_by=variant.c.barcode, order_by=(variant.c.created_at, variant.c.id))
    ranked = (
        sa.select(variant.c.id, variant.c.barcode, nth.label("nth")).where(variant.c.barcode.is_not(None)).subquery()
    )
    for row in connection.execute(sa.select(ranked.c.id, ranked.c.barcode).where(ranked.c.nth > 1)).all():
        connection.execute(
            sa.insert(fields).values(
                id=uuid.uuid4(),
                owner_type="variant",
                owner_id=row.id,
                namespace="migrated",
                key="barcode",
                type="text",
                is_list=False,
                value=row.barcode,
                created_at=sa.func.current_timestamp(),
                updated_at=sa.func.current_timestamp(),
            )
        )
        connection.execute(sa.update(variant).where(variant.c.id == row.id).values(barcode=None))
