"""Does the playground work in a real browser: a query, and stock that moves while it is watched?"""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from sqlalchemy import make_url

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests import builders
from tests.browser.browsing import CHROMIUM_FLAGS, PATIENCE, quiet_page
from tests.conftest import Templates
from tests.plugin_servers import needs_chromium, needs_playground
from tests.serving import Client, new_key, serving

WATCH = (
    'subscription Watched { stockChanged(variantIds: ["%s"]) { availableForSale quantityAvailable variant { title } } }'
)


@dataclass(frozen=True, slots=True)
class Browsed:
    """A served shop, and a browser's page that shows nothing yet."""

    url: str
    staff: Client
    shop: builders.Shop
    page: Page
    complaints: list[str]

    async def count(self, quantity: int) -> None:
        """Set the stock of the mug to what was counted."""
        change = {
            "variantId": ids.encode("variant", self.shop.mug),
            "locationId": ids.encode("location", self.shop.main_id),
            "quantity": quantity,
            "changeFromQuantity": None,
        }
        document = "mutation ($i: InventorySetInput!) { inventorySet(input: $i) { userErrors { code } } }"
        answer = await self.staff.execute(
            document, {"i": {"reason": "count", "idempotencyKey": new_key(), "changes": [change]}}
        )
        assert answer["inventorySet"] == {"userErrors": []}


@pytest.fixture
async def browsed(templates: Templates, tmp_path: Path) -> AsyncIterator[Browsed]:
    chromium = needs_chromium()
    async with templates.sqlite() as database_url:
        database = Database(make_url(database_url))
        async with database.transaction() as session:
            shop = await builders.make_shop(session)
            token = await accounts.create_token(session, name="staff", permissions=list(Permission))
        await database.close()
        async with serving(database_url, tmp_path) as served, served.client(token) as staff, async_playwright() as p:
            browser = await p.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
            context = await browser.new_context(viewport={"width": 1400, "height": 850})
            page, complaints = await quiet_page(context, served.urls[0])
            yield Browsed(served.urls[0], staff, shop, page, complaints)
            await browser.close()


async def test_the_full_playground_runs_a_query_and_shows_stock_that_moves(browsed: Browsed) -> None:
    needs_playground()
    page = browsed.page

    await page.goto(f"{browsed.url}/graphql")
    editor = page.locator(".graphiql-query-editor .monaco-editor").first
    await expect(editor).to_be_visible(timeout=PATIENCE)
    await expect(page.locator(".graphiql-tab-button")).to_have_count(4)
    await _write(page, "query Named { shop { name } }", tab="Named")
    await page.locator(".graphiql-execute-button").click()
    result = page.locator(".graphiql-response")
    await expect(result).to_contain_text('"name"', timeout=PATIENCE)

    await _write(page, WATCH % ids.encode("variant", browsed.shop.mug), tab="Watched")
    await page.get_by_label("Prettify").first.click()
    await page.locator(".graphiql-query-editor .monaco-editor").first.click()
    await page.keyboard.press("Control+Home")
    await page.locator(".graphiql-execute-button").click()
    await expect(result).to_contain_text('"quantityAvailable"', timeout=PATIENCE)
    await browsed.count(7)
    await expect(result).to_contain_text("7", timeout=PATIENCE)
    if keep := os.environ.get("HEADLESS_KEEP_SCREENSHOT"):
        await page.screenshot(path=keep)

    assert browsed.complaints == []


async def test_the_small_playground_does_the_same_without_a_build(browsed: Browsed) -> None:
    page = browsed.page

    await page.goto(f"{browsed.url}/playground/fallback.html")
    await page.locator("#query").fill("{ shop { name } }")
    await page.locator("#run").click()
    result = page.locator("#result")
    await expect(result).to_contain_text('"name"', timeout=PATIENCE)

    await page.locator("#query").fill(WATCH % ids.encode("variant", browsed.shop.mug))
    await page.locator("#run").click()
    await expect(result).to_contain_text('"quantityAvailable"', timeout=PATIENCE)
    await browsed.count(7)
    await expect(result).to_contain_text('"quantityAvailable": 7', timeout=PATIENCE)

    assert browsed.complaints == []


async def _write(page: Page, document: str, *, tab: str) -> None:
    """Write a document and wait until the page has read its operation's name into the tab's title."""
    await page.locator(".graphiql-query-editor .monaco-editor").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(document)
    await expect(page.locator(".graphiql-tab-button").first).to_contain_text(tab, timeout=PATIENCE)
