"""How do staff arrange a product's pictures and videos?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import gallery, queries
from headless.catalog.gallery import MOST_MEDIA, MediaDraft
from headless.graphql.catalog.types import Product
from headless.graphql.context import Context, Info, sent
from headless.graphql.declare import decoded, decoded_all, mutation
from headless.graphql.media.inputs import (
    MediaInput,
    ProductMediaAddInput,
    ProductMediaAddPayload,
    ProductMediaRemoveInput,
    ProductMediaRemovePayload,
    ProductMediaReorderInput,
    ProductMediaReorderPayload,
    ProductMediaUpdateInput,
    ProductMediaUpdatePayload,
)
from headless.platform.errors import InvalidInput


@strawberry.type
class MediaMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_media_add(self, info: Info, input: ProductMediaAddInput) -> ProductMediaAddPayload | None:
        """Show more pictures and videos with a product, after those that it shows."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        drafts = [_draft(wished, index) for index, wished in enumerate(_bounded(input.media, "media"))]
        async with context.transaction() as session:
            made = await gallery.add(
                session,
                product_id,
                drafts,
                expected_version=input.expected_version,
                fetches=context.server.settings.fetch_media,
                actor=context.actor.name,
            )
        return ProductMediaAddPayload(**await _with_media(context, product_id, made))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_media_update(
        self, info: Info, input: ProductMediaUpdateInput
    ) -> ProductMediaUpdatePayload | None:
        """Change the alternative texts of a product's pictures and videos."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        changes = {
            decoded("media", wished.id, "media", index, "id"): wished.alt_text
            for index, wished in enumerate(_bounded(input.media, "media"))
        }
        if len(changes) < len(input.media):
            raise InvalidInput("Each of them can be changed once.", field=("media",))
        texts = {media_id: text or "" for media_id, text in changes.items() if text is not UNSET}
        async with context.transaction() as session:
            await gallery.describe(
                session, product_id, texts, expected_version=input.expected_version, actor=context.actor.name
            )
        return ProductMediaUpdatePayload(**await _with_media(context, product_id, list(changes)))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_media_remove(
        self, info: Info, input: ProductMediaRemoveInput
    ) -> ProductMediaRemovePayload | None:
        """Show pictures and videos of a product no longer."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        media_ids = decoded_all("media", _bounded(input.media_ids, "mediaIds"), "mediaIds")
        async with context.transaction() as session:
            await gallery.remove(
                session, product_id, media_ids, expected_version=input.expected_version, actor=context.actor.name
            )
        return ProductMediaRemovePayload(product=await _product(context, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_media_reorder(
        self, info: Info, input: ProductMediaReorderInput
    ) -> ProductMediaReorderPayload | None:
        """Show a product's pictures and videos in another order; the first picture is its face."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        media_ids = decoded_all("media", _bounded(input.media_ids, "mediaIds"), "mediaIds")
        async with context.transaction() as session:
            await gallery.reorder(
                session, product_id, media_ids, expected_version=input.expected_version, actor=context.actor.name
            )
        return ProductMediaReorderPayload(product=await _product(context, product_id))


def _draft(wished: MediaInput, index: int) -> MediaDraft:
    upload = sent(wished.upload_id)
    return MediaDraft(
        upload_id=None if upload is None else decoded("upload", upload, "media", index, "uploadId"),
        url=sent(wished.url),
        alt_text=sent(wished.alt_text) or "",
        kind=sent(wished.kind),
    )


def _bounded(values: list[Any], name: str) -> list[Any]:
    if len(values) > MOST_MEDIA:
        raise InvalidInput(f"A call carries at most {MOST_MEDIA} media.", field=(name,))
    return values


async def _with_media(context: Context, product_id: UUID, media_ids: list[UUID]) -> dict[str, Any]:
    product = await _product(context, product_id)
    known = {row.id: row for row in await context.load(queries.media_by_product, product_id) or ()}
    return {"product": product, "media": [known[media_id] for media_id in media_ids if media_id in known]}


async def _product(context: Context, product_id: UUID) -> Product:
    """The product for the member of staff who wrote it, published or not."""
    eye = queries.Eye((await context.channel()).id, sees_hidden=True)
    return cast("Product", await context.load(queries.products_by_id, product_id, eye))
