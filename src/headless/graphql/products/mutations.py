"""How do staff make and change products in the API?"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import gallery, queries
from headless.catalog.gallery import Addresses
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ProductDraft
from headless.graphql.catalog.measures import dimension_columns, weight_columns
from headless.graphql.catalog.types import Product, ProductVariant
from headless.graphql.context import Context, Info, given, plain, sent
from headless.graphql.declare import check, decoded, mutation
from headless.graphql.products.inputs import (
    ProductCreateInput,
    ProductCreatePayload,
    ProductOptionInput,
    ProductPublishInput,
    ProductPublishPayload,
    ProductUnpublishInput,
    ProductUnpublishPayload,
    ProductUpdateInput,
    ProductUpdatePayload,
    ProductVariantBundleUpdateInput,
    ProductVariantBundleUpdatePayload,
    ProductVariantInput,
    ProductVariantsCreateInput,
    ProductVariantsCreatePayload,
    ProductVariantsUpdateInput,
    ProductVariantsUpdatePayload,
    ProductVariantUpdateInput,
    VariantTermsInput,
)
from headless.inventory import bundles
from headless.merchandising import belongings, repricing, service, set_lines
from headless.merchandising.repricing import VariantChange
from headless.merchandising.service import NewVariant
from headless.platform.errors import InvalidInput, NotFound
from headless.shop import queries as shop_queries

MOST_VARIANTS = 250


@strawberry.type
class ProductMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_create(self, info: Info, input: ProductCreateInput) -> ProductCreatePayload | None:
        """Make a product with all that belongs to it, hidden until it is published."""
        context = info.context
        channel = await context.channel()
        seo = sent(input.seo)
        draft = ProductDraft(
            title=input.title,
            handle=sent(input.handle),
            description_html=sent(input.description_html) or "",
            vendor=sent(input.vendor) or "",
            product_type=sent(input.product_type) or "",
            tags=sent(input.tags) or (),
            status=sent(input.status) or ProductStatus.DRAFT,
            seo_title=sent(seo.title) if seo else None,
            seo_description=sent(seo.description) if seo else None,
            options=_options(sent(input.options) or []),
            external_reference=sent(input.external_reference) or None,
            category_id=_category_id(sent(input.category_id)),
        )
        drafts = new_variants(sent(input.variants) or [])
        sent_besides = given(media=input.media, metafields=input.metafields, translations=input.translations)
        besides = set_lines.belongings_of({name: plain(value) for name, value in sent_besides.items()})
        actor = context.actor.name
        async with context.transaction() as session:
            product_id = await service.create_product(session, draft, drafts, channel=channel, actor=actor)
            await belongings.give(session, product_id, besides, addresses=addresses(context), actor=actor)
        return ProductCreatePayload(product=await _product(context, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_update(self, info: Info, input: ProductUpdateInput) -> ProductUpdatePayload | None:
        """Change a product, if it is still the version that you saw."""
        context = info.context
        product_id = decoded("product", input.id, "id")
        changes = changed_columns(input)
        async with context.transaction() as session:
            await service.update_product(
                session,
                product_id,
                expected_version=input.expected_version,
                changes=changes,
                actor=context.actor.name,
            )
        return ProductUpdatePayload(product=await _product(context, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_publish(self, info: Info, input: ProductPublishInput) -> ProductPublishPayload | None:
        """Show a product in a channel, now or from an instant on, for good or until another; a draft becomes active.

        The input says all of it: publishing again without an instant drops the one that was set before. It is refused
        while the product lacks what the checklist requires, also for an instant to come.
        """
        context = info.context
        if input.force:
            check(context, Permission.WRITE_SETTINGS)
        product_id = decoded("product", input.id, "id")
        async with context.transaction() as session:
            channel = await shop_queries.channel(session, sent(input.channel))
            await service.publish(
                session,
                product_id,
                channel_id=channel.id,
                at=sent(input.publish_at),
                until=sent(input.unpublish_at),
                actor=context.actor.name,
                is_forced=input.force,
            )
        return ProductPublishPayload(product=await _product(context, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_unpublish(self, info: Info, input: ProductUnpublishInput) -> ProductUnpublishPayload | None:
        """Hide a product in a channel and forget its schedule there."""
        context = info.context
        product_id = decoded("product", input.id, "id")
        async with context.transaction() as session:
            channel = await shop_queries.channel(session, sent(input.channel))
            await service.unpublish(session, product_id, channel_id=channel.id)
        return ProductUnpublishPayload(product=await _product(context, product_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_variants_create(
        self, info: Info, input: ProductVariantsCreateInput
    ) -> ProductVariantsCreatePayload | None:
        """Add variants to a product, all or none."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        drafts = new_variants(input.variants)
        channel = await context.channel()
        async with named_product_id(), context.transaction() as session:
            made = await service.create_variants(session, product_id, drafts, channel=channel, actor=context.actor.name)
        return ProductVariantsCreatePayload(**await _with_variants(context, product_id, made))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_variants_update(
        self, info: Info, input: ProductVariantsUpdateInput
    ) -> ProductVariantsUpdatePayload | None:
        """Change variants of a product, all or none, each if it is still the version that you saw."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        changes = [_change(variant, index) for index, variant in enumerate(bounded(input.variants))]
        channel = await context.channel()
        pictures = {
            index: change.columns["image_id"] for index, change in enumerate(changes) if change.columns.get("image_id")
        }
        async with named_product_id(), context.transaction() as session:
            await gallery.check_pictures(session, product_id, pictures)
            await service.update_variants(session, product_id, changes, channel=channel, actor=context.actor.name)
        return ProductVariantsUpdatePayload(
            **await _with_variants(context, product_id, [change.id for change in changes])
        )

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_variant_bundle_update(
        self, info: Info, input: ProductVariantBundleUpdateInput
    ) -> ProductVariantBundleUpdatePayload | None:
        """Make a variant a bundle of others: it sells as long as they do, from their stock."""
        context = info.context
        variant_id = decoded("variant", input.variant_id, "variantId")
        parts: dict[UUID, int] = {}
        for index, part in enumerate(input.parts):
            part_id = decoded("variant", part.variant_id, "parts", index, "variantId")
            parts[part_id] = parts.get(part_id, 0) + part.quantity
        async with context.transaction() as session:
            await bundles.set_parts(
                session, variant_id, parts, expected_version=input.expected_version, actor=context.actor.name
            )
        found = await context.load(queries.variants_by_id, variant_id, await _own_eye(context))
        return ProductVariantBundleUpdatePayload(variant=cast("ProductVariant", found))


def addresses(context: Context) -> Addresses:
    """What addresses of pictures mean here."""
    settings = context.server.settings
    return Addresses(f"{settings.base_url}/media/", fetches=settings.fetch_media)


@asynccontextmanager
async def named_product_id() -> AsyncIterator[None]:
    """Tell a product that isn't there by the name that these inputs give its id."""
    try:
        yield
    except NotFound as refusal:
        raise refusal.at("productId") if refusal.field == ("id",) else refusal from None


def changed_columns(input: ProductUpdateInput) -> Mapping[str, Any]:
    changes: dict[str, Any] = dict(
        given(
            title=input.title,
            handle=input.handle,
            description_html=input.description_html,
            vendor=input.vendor,
            product_type=input.product_type,
            tags=input.tags,
            external_reference=input.external_reference,
        )
    )
    if input.category_id is not UNSET:
        changes["category_id"] = _category_id(input.category_id)
    for name in ("title", "handle"):
        if name in changes and changes[name] is None:
            message = f"A product always has a {name}: leave the field out to keep it."
            raise InvalidInput(message, field=(name,))
    for name in ("description_html", "vendor", "product_type"):
        if name in changes:
            changes[name] = changes[name] or ""
    if "tags" in changes:
        changes["tags"] = changes["tags"] or []
    if input.status is not UNSET and input.status is not None:
        changes["status"] = input.status
    if input.options is not UNSET:
        changes["options"] = _options(input.options or [])
    if input.seo is not UNSET:
        seo = given(seo_title=input.seo.title, seo_description=input.seo.description) if input.seo else None
        changes |= seo if seo is not None else {"seo_title": None, "seo_description": None}
    return changes


def _category_id(category_id: str | None) -> UUID | None:
    return None if category_id is None else cast("UUID", decoded("category", category_id, "categoryId"))


def _change(variant: ProductVariantUpdateInput, index: int) -> VariantChange:
    columns = dict(given(sku=variant.sku, barcode=variant.barcode))
    columns = {name: value or None for name, value in columns.items()}
    if sent(variant.tracked) is not None:
        columns["is_tracked"] = variant.tracked
    if variant.media_id is not UNSET:
        media_id = variant.media_id
        columns["image_id"] = decoded("media", media_id, "variants", index, "mediaId") if media_id else None
    columns |= _terms(variant, index)
    if sent(variant.selected_options) is not None:
        columns["selected_options"] = tuple((pair.name, pair.value) for pair in variant.selected_options or ())
    if variant.price is None:
        message = "A variant always has a price: leave the field out to keep it."
        raise InvalidInput(message, field=("variants", index, "price"))
    return VariantChange(
        id=decoded("variant", variant.id, "variants", index, "id"),
        expected_version=variant.expected_version,
        columns=columns,
        price=repricing.UNSET if variant.price is UNSET else variant.price,
        compare_at_price=repricing.UNSET if variant.compare_at_price is UNSET else variant.compare_at_price,
    )


def new_variants(variants: list[ProductVariantInput]) -> list[NewVariant]:
    return [
        NewVariant(
            sku=sent(variant.sku) or None,
            barcode=sent(variant.barcode) or None,
            price=variant.price,
            compare_at_price=sent(variant.compare_at_price),
            selected_options=tuple((pair.name, pair.value) for pair in sent(variant.selected_options) or ()),
            is_tracked=variant.tracked,
            **_terms(variant, index),
        )
        for index, variant in enumerate(bounded(variants))
    ]


def _terms(variant: ProductVariantInput | ProductVariantUpdateInput, index: int) -> dict[str, Any]:
    """What it is like, and on which terms it is sold; what isn't sent stays."""
    terms = dict(
        given(
            backorder_limit=variant.backorder_limit,
            is_preorder=variant.preorder,
            expected_at=variant.expected_at,
            max_per_order=variant.max_per_order,
            max_per_customer=variant.max_per_customer,
        )
    )
    cleared = {"backorder_limit": 0, "is_preorder": False}
    columns = {name: cleared.get(name) if value is None else value for name, value in terms.items()}
    codes = given(tax_code=variant.tax_code, external_reference=variant.external_reference)
    columns |= {name: value or None for name, value in codes.items()}
    return columns | measure_columns(variant, index)


def measure_columns(variant: VariantTermsInput, index: int) -> dict[str, Any]:
    """What a variant's row has of the weight and the dimensions that were sent."""
    columns: dict[str, Any] = {}
    if variant.weight is not UNSET:
        columns |= weight_columns(variant.weight, "variants", index)
    if variant.dimensions is not UNSET:
        columns |= dimension_columns(variant.dimensions, "variants", index)
    return columns


def bounded(variants: list[Any]) -> list[Any]:
    if len(variants) > MOST_VARIANTS:
        message = f"A call carries at most {MOST_VARIANTS} variants."
        raise InvalidInput(message, field=("variants",))
    return variants


def _options(options: list[ProductOptionInput]) -> tuple[Option, ...]:
    return tuple(Option(option.name, tuple(option.values)) for option in options)


async def _product(context: Context, product_id: UUID) -> Product:
    """The product for the member of staff who wrote it, published or not."""
    return cast("Product", await context.load(queries.products_by_id, product_id, await _own_eye(context)))


async def _with_variants(context: Context, product_id: UUID, variant_ids: list[UUID]) -> dict[str, Any]:
    eye = await _own_eye(context)
    async with context.reading() as session:
        found = await queries.variants_by_id(session, variant_ids, eye)
    return {
        "product": await context.load(queries.products_by_id, product_id, eye),
        "variants": [found[variant_id] for variant_id in variant_ids],
    }


async def _own_eye(context: Context) -> queries.Eye:
    return await context.eye(sees_hidden=True)
