"""Which streets are there? One on each database, shared by all races of a test session."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Templates
from tests.plugin_servers import needs_postgres
from tests.races.street import Street, opened


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
async def street(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Street]:
    """A shop served by two processes."""
    copies = templates.sqlite() if request.param == "sqlite" else templates.postgres(needs_postgres())
    async with copies as url, opened(url, tmp_path_factory.mktemp("served")) as street:
        yield street
