"""How does a test fill a shop with products that differ in what lists are searched and narrowed by?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from headless.catalog import publishing, service
from headless.catalog import variants as variant_service
from headless.catalog.queries import Eye
from headless.catalog.rules import Option
from headless.catalog.search import lists
from headless.catalog.search.filters import Filter
from headless.catalog.search.lists import Page
from headless.catalog.search.parsing import parse
from headless.catalog.search.wishes import Wish
from headless.catalog.service import ProductDraft
from headless.catalog.variants import VariantDraft
from headless.inventory import ledger
from headless.platform.db import Database, Session
from headless.platform.pages import Window
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop


@dataclass(frozen=True, slots=True)
class Item:
    """A product to put on the shelf: a variant per color, all for the same price, all available."""

    title: str
    vendor: str = ""
    product_type: str = ""
    tags: Sequence[str] = ()
    colors: Sequence[str] = ()
    price: int = 1000
    text: str = ""
    skus: Sequence[str] = ()
    is_available: bool = True
    is_published: bool = True


async def put(session: Session, shop: Shop, item: Item) -> UUID:
    """Make a product through the services; answer its id."""
    draft = ProductDraft(
        title=item.title, vendor=item.vendor, product_type=item.product_type, tags=item.tags,
        description_html=item.text, options=[Option("Color", tuple(item.colors))] if item.colors else [],
    )  # fmt: skip
    product_id = await service.create_product(session, draft, channel_ids=[shop.channel_id], actor="tester")
    chosen: Sequence[Any] = [(("Color", color),) for color in item.colors] or [()]
    drafts = [
        VariantDraft(
            selected_options=selected,
            sku=item.skus[nth] if nth < len(item.skus) else None,
            is_tracked=not item.is_available,
        )
        for nth, selected in enumerate(chosen)
    ]
    variant_ids = await variant_service.create_variants(session, product_id, drafts, actor="tester")
    await pricing.set_prices(session, shop.channel_id, {variant_id: NewPrice(item.price) for variant_id in variant_ids})
    await ledger.refresh_availability(session, [product_id])
    if item.is_published:
        await publishing.publish(session, product_id, channel_id=shop.channel_id)
    return product_id


async def fill(database: Database, shop: Shop, *items: Item) -> Mapping[str, UUID]:
    """Put products on the shelf; answer their ids by title."""
    async with database.transaction() as session:
        return {item.title: await put(session, shop, item) for item in items}


def wish(shop: Shop, query: str = "", *filters: Filter, sees_hidden: bool = False) -> Wish:
    return Wish(Eye(shop.channel_id, sees_hidden), "EUR", query=parse(query), filters=filters)


async def found(
    database: Database, shop: Shop, query: str = "", *filters: Filter, sees_hidden: bool = False, **arguments: Any
) -> list[str]:
    """The titles of a list's first page."""
    return [
        row.title
        for row in (await page(database, wish(shop, query, *filters, sees_hidden=sees_hidden), **arguments)).slice.rows
    ]


async def page(database: Database, asked: Wish, window: Window | None = None, **arguments: Any) -> Page:
    async with database.reading() as session:
        return await lists.page(session, asked, window or Window(limit=100), **arguments)
