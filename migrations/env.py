"""How are migrations run on SQLite and on PostgreSQL?"""

from __future__ import annotations

import asyncio
from typing import Literal

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from headless.accounts import models as _accounts
from headless.cart import models as _cart
from headless.catalog import models as _catalog
from headless.catalog.categories import models as _categories
from headless.catalog.collections import models as _collections
from headless.catalog.metafields import models as _metafields
from headless.catalog.recommendations import models as _recommendations
from headless.catalog.search import models as _search
from headless.catalog.translations import models as _translations
from headless.checkout import models as _checkout
from headless.fulfillment import models as _fulfillment
from headless.inventory import models as _inventory
from headless.merchandising.jobs import models as _bulk_jobs
from headless.operations import models as _operations
from headless.orders import models as _orders
from headless.orders import pairing as _pairing
from headless.payments import models as _payments
from headless.payments.providers import sandbox as _sandbox
from headless.platform import consumers as _consumers
from headless.platform import idempotency as _idempotency
from headless.platform import outbox as _outbox
from headless.platform.columns import UtcDateTime
from headless.pricing import models as _pricing
from headless.settings import Settings
from headless.shop import models as _shop
from headless.teamwork import models as _teamwork

TABLES = (
    _accounts, _cart, _catalog, _categories, _checkout, _collections, _consumers, _fulfillment, _idempotency,
    _inventory, _metafields, _operations, _orders, _outbox, _payments, _pricing, _sandbox, _search, _shop,
    _teamwork, _translations,
    _bulk_jobs, _pairing, _recommendations,
)  # fmt: skip


def migrate(connection: Connection) -> None:
    """Bring one connection's database to the wanted revision, in one transaction."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        # Batch mode rebuilds tables: with foreign keys on, dropping the old one would delete its children.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        transactional_ddl=True,
        compare_type=True,
        render_item=_rendered,
        include_name=_is_ours,
    )
    with context.begin_transaction():
        context.run_migrations()
    if is_sqlite:
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            message = f"the migration left rows without their parents: {broken[:5]}"
            raise RuntimeError(message)
        connection.commit()
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the tables alone that SQLite's full-text index keeps for itself."""
    return kind != "table" or not (name or "").startswith("search_index")


def _rendered(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types as what they are in the database: migrations outlive our classes."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, AutoString):
        return "sa.String()"
    return False


async def migrate_by_url() -> None:
    engine = create_async_engine(Settings().database, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_by_url())
