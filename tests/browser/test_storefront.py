"""Does the example storefront sell, and does it move by itself: stock, prices, carts and orders?"""

import asyncio
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from sqlalchemy import make_url

from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform import ids
from headless.platform.db import Database
from tests import builders
from tests.browser.browsing import CHROMIUM_FLAGS, PATIENCE, quiet_page
from tests.conftest import Templates
from tests.plugin_servers import needs_chromium, needs_node, needs_npm, needs_storefront
from tests.serving import HOST, Client, Json, Served, cart_with, free_port, new_key, paid, serving

START_SECONDS = 60.0
STEPS = "[data-step]"
REFUSED = "userErrors { code message }"


@dataclass(slots=True)
class Street:
    """A shop behind two servers, and a storefront that speaks to the first; staff is on the second."""

    url: str
    served: Served
    shop: builders.Shop
    staff: Client
    browser: Browser
    complaints: list[list[str]] = field(default_factory=list)

    @asynccontextmanager
    async def shopper(self) -> AsyncIterator[BrowserContext]:
        """Somebody with a browser of his own."""
        context = await self.browser.new_context(locale="en-IE", viewport={"width": 1200, "height": 850})
        context.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield context
        await context.close()

    async def window(self, context: BrowserContext, path: str = "") -> Page:
        """One more window of a shopper, where the page has come and is live."""
        page, complaints = await quiet_page(context, self.url, self.served.urls[0])
        self.complaints.append(complaints)
        await page.goto(f"{self.url}/#/{path}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        return page

    async def order(self) -> Json:
        """Somebody buys a voucher, elsewhere."""
        cart = await cart_with(self.staff, {ids.encode("variant", self.shop.voucher): 1})
        bought: Json = (await paid(self.staff, cart["id"]))["order"]
        return bought

    async def deed(self, name: str, payload: str, **given: Any) -> Json:
        """Let staff do something; answer the payload."""
        kind = f"{name[0].upper()}{name[1:]}Input!"
        document = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ {payload} {REFUSED} }} }}"
        done: Json = (await self.staff.execute(document, {"input": given}))[name]
        assert done["userErrors"] == []
        return done

    async def count(self, variant: Any, quantity: int) -> None:
        change = {
            "variantId": ids.encode("variant", variant),
            "locationId": ids.encode("location", self.shop.main_id),
            "quantity": quantity,
            "changeFromQuantity": None,
        }
        await self.deed("inventorySet", "", reason="count", idempotencyKey=new_key(), changes=[change])

    async def ship(self, order: Json, *, at_once: bool) -> str:
        """Pack an order, or send it too; answer the parcel's id."""
        lines = [{"orderLineId": line["id"], "quantity": line["quantity"]} for line in order["lines"]["nodes"]]
        given = {"orderId": order["id"], "lines": lines, "shipped": at_once, "idempotencyKey": new_key()}
        done = await self.deed("fulfillmentCreate", "fulfillment { id }", **given)
        parcel_id: str = done["fulfillment"]["id"]
        return parcel_id


@pytest.fixture(scope="module")
async def street(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    chromium = needs_chromium()
    folder = tmp_path_factory.mktemp("storefront")
    needs_storefront()
    async with templates.sqlite() as database_url:
        database = Database(make_url(database_url))
        async with database.transaction() as session:
            shop = await builders.make_shop(session)
            token = await accounts.create_token(session, name="staff", permissions=list(Permission))
        await database.close()
        async with (
            serving(database_url, folder, servers=2) as served,
            Client(served.urls[1:], token=token) as staff,
            async_playwright() as p,
        ):
            with vite(served.urls[0], folder) as url:
                await answering(url)
                browser = await p.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
                yield Street(url, served, shop, staff, browser)
                await browser.close()


@contextmanager
def vite(shop_url: str, folder: Path) -> Iterator[str]:
    """Run the storefront as `make storefront` does."""
    node, storefront = needs_node(), needs_storefront()
    settings = {"HEADLESS_URL": shop_url, "HEADLESS_STOREFRONT_CACHE": str(folder / "vite")}
    environment = {**os.environ, **settings}
    subprocess.run([node, "codegen.mjs"], cwd=storefront, check=True, env=environment)  # noqa: S603 - ours
    port = free_port()
    with (folder / "vite.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - what package.json names
            [node, "node_modules/vite/bin/vite.js", "--port", str(port), "--strictPort"],
            cwd=storefront,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://{HOST}:{port}"
        finally:
            process.terminate()
            process.wait()


async def answering(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    async with httpx2.AsyncClient(trust_env=False) as http:
        while time.monotonic() < deadline:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
    raise AssertionError("the storefront did not start in time")


@pytest.fixture
def complaints(street: Street) -> list[list[str]]:
    """What the windows of this test complain of."""
    street.complaints.clear()
    return street.complaints


async def test_buying_in_one_window_moves_the_count_in_the_other(street: Street, complaints: list[list[str]]) -> None:
    async with street.shopper() as ada, street.shopper() as marie:
        watching, buying = await street.window(marie), await street.window(ada)
        mug = watching.locator('[data-product="mug"]')
        await expect(mug.locator(".stock")).to_have_text("10 in stock")
        await watching.evaluate("window.isTheSamePage = true")

        await buying.get_by_role("link", name="Mug").click()
        await expect(buying.locator(".stock")).to_have_text("10 in stock")
        await buying.get_by_role("button", name="Add to cart").click()
        await buying.get_by_role("link", name="Cart (1)").click()
        await buying.get_by_label("Quantity of Mug").fill("3")
        await buying.get_by_label("Quantity of Mug").press("Tab")
        await expect(buying.get_by_role("link", name="Cart (3)")).to_be_visible()
        await expect(mug.locator(".stock")).to_have_text("10 in stock")

        await buying.get_by_role("link", name="Go to checkout").click()
        await write_address(buying)
        await expect(buying.get_by_label("Parcel")).to_be_checked()
        await buying.get_by_label("A card that is declined").check()
        pay = buying.get_by_role("button", name="Pay €43.60")
        await pay.click()
        await expect(buying.get_by_role("alert")).to_have_text("The card was declined. Try another one.")
        await buying.get_by_label("3-D Secure").check()
        await pay.click()
        await expect(buying.get_by_role("link", name="Go to your bank")).to_have_attribute(
            "href", re.compile("sandbox")
        )
        await buying.get_by_role("button", name="I have confirmed it").click()
        await expect(buying.locator(".status")).to_have_text("Confirmed")
        await expect(buying.get_by_role("link", name="Cart", exact=True)).to_be_visible()

        await expect(mug.locator(".stock")).to_have_text("7 in stock")
        await street.count(street.shop.mug, 0)
        await expect(mug.locator(".stock")).to_have_text("Sold out")
        assert await watching.evaluate("window.isTheSamePage") is True
    assert complaints == [[], []]


async def test_a_new_price_shows_by_itself_and_before_it_is_paid(street: Street, complaints: list[list[str]]) -> None:
    async with street.shopper() as ada:
        watching, buying = await street.window(ada, "products/shirt"), await street.window(ada, "products/shirt")
        await expect(watching.locator(".prices")).to_contain_text("€24.00")
        await buying.get_by_role("button", name="Add to cart").click()
        # Two windows of one browser have one cart.
        await expect(watching.get_by_role("link", name="Cart (1)")).to_be_visible()
        await buying.get_by_role("link", name="Cart (1)").click()
        await buying.get_by_role("link", name="Go to checkout").click()
        await write_address(buying)
        await expect(buying.get_by_role("button", name="Pay €28.90")).to_be_enabled()

        product_id = ids.encode("product", street.shop.shirt_product)
        change = {"id": ids.encode("variant", street.shop.shirt_small), "expectedVersion": 1, "price": "25.50"}
        await street.deed("productVariantsUpdate", "", productId=product_id, variants=[change])
        await expect(watching.locator(".prices")).to_contain_text("€25.50")

        await buying.get_by_role("button", name=re.compile("^Pay €")).click()
        await buying.get_by_role("button", name="Pay the new price").click()
        await expect(buying.locator(".status")).to_have_text("Confirmed")
        await expect(buying.get_by_text("€30.40")).to_be_visible()
    assert complaints == [[], []]


async def test_an_order_advances_while_it_is_watched_and_its_history_outlives_a_reload(
    street: Street, complaints: list[list[str]]
) -> None:
    order = await street.order()
    async with street.shopper() as ada:
        page = await street.window(ada, f"orders/{order['id']}/{order['accessToken']}")
        status, steps = page.locator(".status"), page.locator(STEPS)
        await expect(status).to_have_text("Confirmed")
        await expect(steps).to_have_count(1)

        parcel_id = await street.ship(order, at_once=False)
        await expect(status).to_have_text("Being packed")
        tracking = {"company": "DHL", "number": "JJD1", "url": "https://parcels.example/JJD1"}
        await street.deed("fulfillmentShip", "", fulfillmentId=parcel_id, tracking=tracking, idempotencyKey=new_key())
        await expect(status).to_have_text("On its way")
        await expect(page.get_by_role("link", name="DHL JJD1")).to_be_visible()

        await page.reload()
        await expect(steps).to_have_count(3)
        await street.deed("fulfillmentMarkDelivered", "", fulfillmentId=parcel_id)
        await expect(status).to_have_text("Delivered")
        await expect(steps).to_have_count(4)
        assert await told(page) == ["CONFIRMED", "PROCESSING", "SHIPPED", "DELIVERED"]
    assert complaints == [[]]


async def test_nothing_is_missed_while_the_server_is_away(street: Street, complaints: list[list[str]]) -> None:
    order = await street.order()
    await street.count(street.shop.poster, 9)
    async with street.shopper() as ada:
        listing = await street.window(ada)
        page = await street.window(ada, f"orders/{order['id']}/{order['accessToken']}")
        poster = listing.locator('[data-product="poster"] .stock')
        await expect(poster).to_have_text("9 in stock")
        await expect(page.locator(STEPS)).to_have_count(1)

        await street.served.servers[0].stop()
        for window in (listing, page):
            await expect(window.locator("#connection")).to_have_text("Connection lost, trying again…")
        parcel_id = await street.ship(order, at_once=True)
        await street.deed("fulfillmentMarkDelivered", "", fulfillmentId=parcel_id)
        await street.count(street.shop.poster, 4)
        await listing.get_by_role("link", name="Poster").click()
        await expect(listing.get_by_role("alert")).to_contain_text("The shop can't be reached.")
        await listing.go_back()
        await expect(listing.get_by_role("alert")).to_be_visible()

        await street.served.start(0)
        await expect(page.locator("#connection")).to_have_text("Live")
        await expect(page.locator(".status")).to_have_text("Delivered")
        # The first event that was missed shows the order as it is by now, before the last one is told.
        await expect(page.locator(STEPS)).to_have_count(3)
        assert await told(page) == ["CONFIRMED", "SHIPPED", "DELIVERED"]
        await listing.get_by_role("button", name="Try again").click()
        await expect(poster).to_have_text("4 in stock")
    # The browser itself complains that nobody answers.
    foreseen = ("WebSocket connection to", "Failed to load resource: net::ERR_CONNECTION_REFUSED")
    rest = [text for texts in complaints for text in texts if not text.startswith(foreseen)]
    assert rest == []


def test_the_storefront_is_typed_by_the_schema_and_can_be_built(tmp_path: Path) -> None:
    npm, storefront = needs_npm(), needs_storefront()
    built = subprocess.run(  # noqa: S603 - our own build
        [npm, "run", "build", "--", "--outDir", tmp_path / "dist"],
        cwd=storefront,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "dist" / "index.html").exists()


async def write_address(page: Page) -> None:
    """Fill in the first step of the checkout."""
    written = {
        "E-mail": "ada@example.com",
        "First name": "Ada",
        "Last name": "Lovelace",
        "Street and number": "Unter den Linden 1",
        "Postal code": "10117",
        "City": "Berlin",
    }
    for label, text in written.items():
        await page.get_by_label(label).fill(text)
    await page.get_by_role("button", name="Save address").click()


async def told(page: Page) -> list[str]:
    """The statuses in the order's history."""
    steps = await page.locator(STEPS).evaluate_all("steps => steps.map((step) => step.dataset.step)")
    return [str(step) for step in steps]
