"""What do the tests of payments have? A till at a provider whose calls go wrong as they ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headless.payments.service import Providers
from headless.platform.db import Database
from tests import builders
from tests.builders import Form, Shop, make_product
from tests.payments.fault_provider import NAME, FaultProvider
from tests.payments.tills import Till


@pytest.fixture
async def till(database: Database, shop: Shop, tmp_path: Path) -> AsyncIterator[Till]:
    async with database.transaction() as session:
        _, (goods,) = await make_product(session, shop.channel_id, "Goods", Form(1500))
        await builders.stock(session, shop.main_id, {goods: 10})
    provider = FaultProvider(tmp_path / "ledger.db")
    yield Till(database, shop, provider, Providers({NAME: provider}, timeout_seconds=0.25), goods)
    provider.ledger.close()
