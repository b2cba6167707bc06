"""What is in the shop whose books are checked? Everything has happened there once; each test gets a copy of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from headless.platform.db import Database
from tests.conftest import ShopTemplates
from tests.operations.journeys import Journey, travel


class TravelledTemplates(ShopTemplates):
    """Databases of shops that have seen everything."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.travelled: dict[str, Journey] = {}

    async def prepare(self, url: URL) -> None:
        await super().prepare(url)
        kind = url.get_backend_name()
        database = Database(url)
        try:
            self.travelled[kind] = await travel(database, self.made[kind])
        finally:
            await database.close()


@pytest.fixture(scope="session")
async def templates(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TravelledTemplates]:
    made = TravelledTemplates(tmp_path_factory.mktemp("travelled"))
    yield made
    await made.close()


@pytest.fixture(scope="session")
def shop_templates(templates: TravelledTemplates) -> TravelledTemplates:
    return templates


@pytest.fixture
def journey(database: Database, templates: TravelledTemplates) -> Journey:
    return templates.travelled[database.url.get_backend_name()]
