"""What does a test of the API get? A running server over the small shop, on each database."""

from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from headless.graphql import errors
from headless.graphql.server import connections, sockets, streaming, subscribing
from headless.platform import jobs, outbox
from headless.platform.db import Database
from headless.settings import Settings
from tests.builders import Shop
from tests.graphql.client import Api, running


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """What the server of a test is told; tests that want something else override single values."""
    return Settings(
        database_url=database_url,
        database_pool_size=5,
        data_dir=tmp_path,
        port=0,
        public_url="http://shop.test",
        secret_key="a secret of the tests",
        server_timing=True,
        log_level="error",
    )


@pytest.fixture
async def api(
    settings: Settings, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """A server over the small shop that `tests.builders.Shop` describes; what opened the shop is no news any more."""
    async with database.transaction() as session:
        await outbox.number(session)
    async with running(settings, monkeypatch) as api:
        yield api


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[MutableMapping[str, Any]]:
    """What the API logs, instead of writing it out."""
    capture = LogCapture()
    for module in (errors, connections, sockets, streaming, subscribing, jobs):
        monkeypatch.setattr(module, "log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries
