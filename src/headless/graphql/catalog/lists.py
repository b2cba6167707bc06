"""How does a list of products look in the API, and what is read for a page of it at once?"""

from collections.abc import Sequence

import strawberry

from headless.catalog import queries
from headless.catalog.queries import ProductSortKey
from headless.catalog.search import lists
from headless.catalog.search.wishes import Wish
from headless.graphql.catalog.filters import Facet, facets_of
from headless.graphql.catalog.translations import prefetch_texts
from headless.graphql.catalog.types import Product
from headless.graphql.context import Info
from headless.graphql.declare import field
from headless.graphql.pages import Connection, selected_names
from headless.inventory import queries as inventory_queries
from headless.platform.db import Record
from headless.platform.pages import Window
from headless.pricing import queries as pricing_queries


@strawberry.type(description="A page of a list.")
class ProductConnection(Connection[Product]):
    wish: strawberry.Private[Wish]

    @field
    async def filters(self, info: Info) -> list[Facet]:
        """What the list can be narrowed to; counted only when asked for."""
        return await facets_of(info, self.wish)


async def prefetch(info: Info, rows: Sequence[Record]) -> None:
    """Read what a list's selection needs of its products in a few statements, before its fields ask one by one."""
    selected = selected_names(info)
    keys = [row.id for row in rows]
    context = info.context
    await prefetch_texts(context, "product", keys)
    if selected & {"media", "featuredMedia", "image"}:
        await context.loaders.fetch(queries.media_by_product, keys)
    if selected & {"variants", "totalInventory"}:
        found = await context.loaders.fetch(queries.variants_by_product, keys)
        variants = [variant.id for key in keys for variant in found[key] or ()]
        if selected & {"price", "compareAtPrice", "availableForSale"}:
            channel = await context.channel()
            await context.loaders.fetch(pricing_queries.prices_by_variant, variants, channel.id)
        if selected & {"availableForSale", "quantityAvailable", "currentlyNotInStock", "totalInventory"}:
            await context.loaders.fetch(inventory_queries.sellable_by_variant, variants)


async def product_page(
    info: Info, wish: Wish, wanted: Window, *, sort: ProductSortKey | None, is_reversed: bool
) -> ProductConnection:
    async with info.context.reading() as session:
        found = await lists.page(
            session, wish, wanted, sort=sort, is_reversed=is_reversed, mirror=info.context.server.mirror
        )
    await prefetch(info, found.slice.rows)
    return ProductConnection(slice=found.slice, wish=found.wish)
