"""Where does a shopper begin to look at the catalog?"""

from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.catalog import queries
from headless.catalog.queries import ProductSortKey
from headless.graphql.catalog.filters import ProductFilter, wish_of
from headless.graphql.catalog.lists import ProductConnection, product_page
from headless.graphql.catalog.types import Product, ProductVariant, find_variant
from headless.graphql.collections.types import Collection
from headless.graphql.context import Info, sent
from headless.graphql.declare import PUBLIC, query
from headless.graphql.media.types import shown
from headless.graphql.nodes import finds
from headless.graphql.pages import Connection, page
from headless.platform import ids
from headless.platform.db import Record
from headless.platform.errors import BadUserInput, NotFound
from headless.platform.pages import window


@strawberry.type
class CatalogQueries:
    @query(requires=PUBLIC)
    async def product(self, info: Info, id: strawberry.ID | None = UNSET, handle: str | None = UNSET) -> Product | None:
        """A product by id or handle."""
        eye = await info.context.eye()
        product_id = ids.decode("product", id) if _one_of(id=sent(id), handle=sent(handle)) == "id" and id else None
        async with info.context.reading() as session:
            return cast(
                "Product", _seen(await queries.product(session, eye, product_id=product_id, handle=sent(handle)))
            )

    @query(requires=PUBLIC)
    async def products(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        query: str | None = UNSET,
        filters: list[ProductFilter] | None = UNSET,
        sort_key: ProductSortKey | None = UNSET,
        reverse: bool = False,
    ) -> ProductConnection:
        """Products, by default by id; with a `query` the best hits first.

        `query` finds products with all its words, begun ones too, and forgives slips where nothing else is found:
        `shirt`, `"summer dress"`, `-wool`, `cotton OR linen`, `vendor:acme price:<20 tag:'summer sale'`. Fields are
        `vendor product_type tag title sku barcode handle price available status created_at updated_at`.
        """
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        wish = await wish_of(info, query=sent(query), filters=sent(filters))
        return await product_page(info, wish, wanted, sort=sent(sort_key), is_reversed=reverse)

    @query(requires=PUBLIC)
    async def collection(
        self, info: Info, id: strawberry.ID | None = UNSET, handle: str | None = UNSET
    ) -> Collection | None:
        """A collection by id or handle."""
        collection_id = (
            ids.decode("collection", id) if _one_of(id=sent(id), handle=sent(handle)) == "id" and id else None
        )
        async with info.context.reading() as session:
            found = await queries.collection(session, collection_id=collection_id, handle=sent(handle))
        return cast("Collection", _seen(found))

    @query(requires=PUBLIC)
    async def collections(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        reverse: bool = False,
    ) -> Connection[Collection]:
        """Collections by title."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            return cast(
                "Connection[Collection]", page(await queries.collection_page(session, wanted, is_reversed=reverse))
            )

    @query(requires=PUBLIC)
    async def variant(
        self, info: Info, id: strawberry.ID | None = UNSET, sku: str | None = UNSET
    ) -> ProductVariant | None:
        """A variant by id or SKU."""
        by_id = _one_of(id=sent(id), sku=sent(sku)) == "id"
        if by_id:
            return cast("ProductVariant", _seen(await find_variant(info, ids.decode("variant", str(id)))))
        eye = await info.context.eye()
        async with info.context.reading() as session:
            return cast("ProductVariant", _seen(await queries.variant_by_sku(session, eye, str(sku))))


@finds("product", "Product")
async def find_product(info: Info, product_id: UUID) -> Record | None:
    return cast("Record | None", await info.context.load(queries.products_by_id, product_id, await info.context.eye()))


@finds("media", "Media")
async def find_media(info: Info, media_id: UUID) -> Record | None:
    found = await info.context.load(queries.media_by_id, media_id, await info.context.eye())
    return next(iter(shown([found] if found else [], info.context)), None)


@finds("collection", "Collection")
async def find_collection(info: Info, collection_id: UUID) -> Record | None:
    async with info.context.reading() as session:
        return await queries.collection(session, collection_id=collection_id)


def _one_of(**values: object) -> str:
    names = [name for name, value in values.items() if value is not None]
    if len(names) != 1:
        message = f"Give exactly one of {' and '.join(values)}."
        raise BadUserInput(message)
    return names[0]


def _seen(row: Record | None) -> Record:
    if row is None:
        raise NotFound
    return row
