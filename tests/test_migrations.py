"""Do the migrations lead to the tables of the code, and back, on both databases?"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, inspect, make_url, pool, select
from sqlalchemy.ext.asyncio import create_async_engine

from headless.catalog.metafields.models import metafields
from headless.catalog.models import products, variants
from tests.conftest import ROOT

AT = datetime(2026, 1, 1, tzinfo=UTC)


async def test_the_migrations_lead_to_the_tables_of_the_code_and_back(database_url: str) -> None:
    engine = create_async_engine(make_url(database_url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_check)
            await connection.run_sync(_downgrade)
            left = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
            await connection.run_sync(_upgrade)
            await connection.run_sync(_check)
            await connection.commit()
    finally:
        await engine.dispose()

    assert left == {"alembic_version"}


def _check(connection: Connection) -> None:
    command.check(_config(connection))


def _downgrade(connection: Connection) -> None:
    command.downgrade(_config(connection), "base")


def _upgrade(connection: Connection) -> None:
    command.upgrade(_config(connection), "head")


def _config(connection: Connection) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.attributes["connection"] = connection
    return config


async def test_barcodes_become_unique_and_none_is_thrown_away(database_url: str) -> None:
    engine = create_async_engine(make_url(database_url), poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: command.downgrade(_config(sync), "0003"))
            await connection.execute(insert(products).values(_product()))
            for nth, barcode in enumerate(("7", "8", "7", "", " ", None), start=1):
                await connection.execute(insert(variants).values(_variant(nth, barcode)))
            await connection.commit()
            await connection.run_sync(_upgrade)
            barcodes = (await connection.scalars(select(variants.c.barcode).order_by(variants.c.position))).all()
            kept = await connection.execute(select(metafields.c.owner_id, metafields.c.value))
            found = [(row.owner_id.int, row.value) for row in kept]
    finally:
        await engine.dispose()

    assert barcodes == ["7", "8", None, None, None, None]
    assert found == [(3, "7")]


def _product() -> dict[str, Any]:
    texts = ("title", "description_html", "description", "vendor", "product_type", "title_key")
    return {
        "id": UUID(int=1),
        "handle": "p",
        "status": "DRAFT",
        "tags": [],
        "options": [],
        **dict.fromkeys((*texts, "vendor_key", "type_key", "changed_by"), ""),
        "version": 1,
        "created_at": AT,
        "updated_at": AT,
    }


def _variant(nth: int, barcode: str | None) -> dict[str, Any]:
    return {
        "id": UUID(int=nth),
        "product_id": UUID(int=1),
        "position": nth,
        "title": "V",
        "barcode": barcode,
        "selected_options": [],
        "options_key": str(nth),
        "is_tracked": True,
        "version": 1,
        "changed_by": "",
        "created_at": AT,
        "updated_at": AT,
    }
