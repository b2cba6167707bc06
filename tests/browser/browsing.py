"""How does a test drive the system's Chromium, and what must a page never do?"""

from typing import Final

from playwright.async_api import BrowserContext, Page

CHROMIUM_FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE: Final = 30_000
"""Milliseconds."""


async def quiet_page(context: BrowserContext, *urls: str) -> tuple[Page, list[str]]:
    """A page that writes down errors of its scripts, of its security policy, and whoever it talks to besides `urls`."""
    complaints: list[str] = []
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)

    def note(address: str) -> None:
        if not address.startswith((*urls, "data:", "blob:")):
            complaints.append(f"asked {address}")

    page.on("request", lambda request: note(request.url))
    return page, complaints
