"""A shop that is served, and what its staff does there; everything through the public API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform.db import Database
from tests import builders
from tests.conftest import Templates
from tests.plugin_servers import needs_postgres
from tests.serving import REFUSED, Client, Json, Served, new_key, serving


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody with a token for everything."""

    client: Client
    location_id: str

    async def do(self, mutation: str, answer: str, **given: Any) -> Json:
        """Run a mutation that is not refused; answer its payload."""
        kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
        document = f"mutation ($input: {kind}) {{ {mutation}(input: $input) {{ {answer} {REFUSED} }} }}"
        payload = (await self.client.execute(document, {"input": given}))[mutation]
        assert payload["userErrors"] == [], payload
        return cast("Json", payload)

    async def offer(self, title: str, *, price: str = "12.90", units: int = 10) -> "Offered":
        """Bring a product with one variant into the shop, published and stocked."""
        answer = "product { id version variants(first: 1) { nodes { id version } } }"
        made = (await self.do("productCreate", answer, title=title, variants=[{"price": price}]))["product"]
        variant_id = made["variants"]["nodes"][0]["id"]
        await self.do("productPublish", "product { id }", id=made["id"])
        count = {"variantId": variant_id, "locationId": self.location_id, "quantity": units, "changeFromQuantity": None}
        await self.do("inventorySet", "levels { location { id } }", reason="count", changes=[count],
                      idempotencyKey=new_key())  # fmt: skip
        return Offered(made["id"], variant_id)

    async def reprice(self, offered: "Offered", price: str) -> None:
        found = await self.client.execute("query ($id: ID!) { variant(id: $id) { version } }", {"id": offered.variant})
        change = {"id": offered.variant, "expectedVersion": found["variant"]["version"], "price": price}
        await self.do("productVariantsUpdate", "product { id }", productId=offered.product, variants=[change])

    async def levels(self, variant_id: str) -> dict[str, int]:
        """Counted quantities at the shop's first location."""
        found = await self.client.execute(
            "query ($id: ID!) { variant(id: $id) { inventoryLevels { quantities { name quantity } } } }",
            {"id": variant_id},
        )
        (level,) = found["variant"]["inventoryLevels"]
        return {entry["name"]: entry["quantity"] for entry in level["quantities"]}


@dataclass(frozen=True, slots=True)
class Offered:
    """A product on sale and its only variant."""

    product: str
    variant: str


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def served(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Served, str]]:
    """One server process with the worker inside, and a token of its staff."""
    copies = templates.sqlite() if request.param == "sqlite" else templates.postgres(needs_postgres())
    async with copies as url:
        database = Database(url)
        async with database.transaction() as session:
            await builders.make_shop(session)
            token = await accounts.create_token(session, name="Journeys", permissions=Permission)
        await database.close()
        folder: Path = tmp_path_factory.mktemp("served")
        async with serving(url, folder) as shop:
            yield shop, token


@pytest.fixture
async def guest(served: tuple[Served, str]) -> AsyncIterator[Client]:
    """A shopper without an account."""
    async with served[0].client() as client:
        yield client


@pytest.fixture
async def staff(served: tuple[Served, str]) -> AsyncIterator[Staff]:
    async with served[0].client(served[1]) as client:
        found = await client.execute("{ locations(first: 1) { nodes { id } } }")
        yield Staff(client, found["locations"]["nodes"][0]["id"])
