"""Do the migrations lead to the tables of the code, and back, on both databases?"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, make_url, pool
from sqlalchemy.ext.asyncio import create_async_engine

from tests.conftest import ROOT


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
