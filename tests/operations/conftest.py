"""What is in the shop whose books are checked? Everything has happened there once; each test gets a copy of it."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import URL

from headless.platform.db import Database
from tests.builders import Shop, make_shop
from tests.conftest import Templates, migrate
from tests.operations.journeys import Journey, travel


class TravelledTemplates(Templates):
    """Databases of shops that have seen everything."""

    made: dict[str, tuple[Shop, Journey]]

    async def prepare(self, url: URL) -> None:
        await migrate(url)
        database = Database(url)
        try:
            async with database.transaction() as session:
                shop = await make_shop(session)
            self.made[url.get_backend_name()] = (shop, await travel(database, shop))
        finally:
            await database.close()


@pytest.fixture(scope="session")
async def templates(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TravelledTemplates]:
    made = TravelledTemplates(tmp_path_factory.mktemp("travelled"))
    made.made = {}
    yield made
    await made.close()


@pytest.fixture
def shop(database: Database, templates: TravelledTemplates) -> Shop:
    return templates.made[database.url.get_backend_name()][0]


@pytest.fixture
def journey(database: Database, templates: TravelledTemplates) -> Journey:
    return templates.made[database.url.get_backend_name()][1]
