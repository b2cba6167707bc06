"""How are products set whole, and many at once, in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry

from headless.accounts.rules import Permission
from headless.catalog import queries
from headless.graphql.bulk.inputs import (
    BulkErrorPolicy,
    ProductsBulkUpdateInput,
    ProductsBulkUpdatePayload,
    ProductsBulkUpdateResult,
    ProductSetInput,
    ProductSetPayload,
    ProductVariantsBulkCreateInput,
    ProductVariantsBulkCreatePayload,
    ProductVariantsBulkCreateResult,
)
from headless.graphql.catalog.types import Product
from headless.graphql.context import Context, Info, plain, sent
from headless.graphql.declare import decoded, mutation
from headless.graphql.errors import UserError, user_error
from headless.graphql.products.inputs import ProductUpdateInput
from headless.graphql.products.mutations import (
    addresses,
    bounded,
    changed_columns,
    measure_columns,
    named_product_id,
    new_variants,
)
from headless.merchandising import rows, set_lines, setting
from headless.merchandising.rows import ProductRow
from headless.merchandising.setting import Hand, ProductWish, SetProduct
from headless.platform.db import Record
from headless.platform.errors import InvalidInput, Refusal, Refused, Taken

MOST_PRODUCTS = 250


@strawberry.type
class BulkMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_set(self, info: Info, input: ProductSetInput) -> ProductSetPayload | None:
        """Make a product, or bring the one that is there to what is sent; the same once more changes nothing.

        Variants that aren't named are deleted, unless units of them are reserved, committed or on their way; media,
        metafields and translations that aren't named go, where such a list is sent at all.
        """
        context = info.context
        wish = set_lines.wish_of(_line(input))
        bounded(list(wish.variants or ()))
        channel = await context.channel()
        try:
            made = await _put(context, wish, channel)
        except Taken:  # by someone who made the same product at the same time: now it is there
            made = await _put(context, wish, channel)
        product = cast("Product", await context.load(queries.products_by_id, made.id, await _own_eye(context)))
        return ProductSetPayload(product=product, outcome=made.outcome)

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def products_bulk_update(
        self, info: Info, input: ProductsBulkUpdateInput
    ) -> ProductsBulkUpdatePayload | None:
        """Change many products in one transaction: all or none, or those that can be."""
        context = info.context
        if len(input.products) > MOST_PRODUCTS:
            message = f"A call carries at most {MOST_PRODUCTS} products."
            raise InvalidInput(message, field=("products",))
        rejects_all = input.error_policy is BulkErrorPolicy.REJECT_ALL
        wanted, refused = _read(input.products)
        if refused and rejects_all:
            raise Refused([refusal for of_row in refused.values() for refusal in of_row])
        places = list(wanted)
        async with context.transaction() as session:
            failed = await rows.update_products(
                session, list(wanted.values()), rejects_all=rejects_all, actor=context.actor.name
            )
        for nth, refusals in failed.items():
            refused[places[nth]] = [_moved(refusal, places[nth]) for refusal in refusals]
        saved = [wanted[index].id for index in places if index not in refused]
        eye = await _own_eye(context)
        async with context.reading() as session:
            found = await queries.products_by_id(session, saved, eye)
        results = [
            ProductsBulkUpdateResult(
                index=index,
                product=None if index in refused else cast("Product | None", found.get(wanted[index].id)),
                user_errors=[user_error(refusal) for refusal in refused.get(index, [])],
            )
            for index in range(len(input.products))
        ]
        return ProductsBulkUpdatePayload(results=results, user_errors=_all_errors(refused))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_variants_bulk_create(
        self, info: Info, input: ProductVariantsBulkCreateInput
    ) -> ProductVariantsBulkCreatePayload | None:
        """Add many variants to a product in one transaction: all or none, or those that can be."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        drafts = new_variants(input.variants)
        channel = await context.channel()
        async with named_product_id(), context.transaction() as session:
            made, refused = await rows.create_variants(
                session,
                product_id,
                drafts,
                rejects_all=input.error_policy is BulkErrorPolicy.REJECT_ALL,
                channel=channel,
                actor=context.actor.name,
            )
        eye = await _own_eye(context)
        async with context.reading() as session:
            found = await queries.variants_by_id(session, list(made.values()), eye)
        results = [
            ProductVariantsBulkCreateResult(
                index=index,
                variant=cast("Any", found[made[index]]) if index in made else None,
                user_errors=[user_error(refusal) for refusal in refused.get(index, [])],
            )
            for index in range(len(drafts))
        ]
        product = cast("Product", await context.load(queries.products_by_id, product_id, eye))
        return ProductVariantsBulkCreatePayload(product=product, results=results, user_errors=_all_errors(refused))


def _line(input: ProductSetInput) -> dict[str, Any]:
    """What was sent, with weights and dimensions as they are kept, whatever unit they were given in."""
    line: dict[str, Any] = plain(input)
    for index, (variant, values) in enumerate(zip(sent(input.variants) or (), line.get("variants") or (), strict=True)):
        if values.pop("weight", None) is not None and "weight_grams" in values:
            message = "Send weight or weightGrams."
            raise InvalidInput(message, field=("variants", index, "weight"))
        values.pop("dimensions", None)
        values.update(measure_columns(variant, index))
    return line


async def _put(context: Context, wish: ProductWish, channel: Record) -> SetProduct:
    async with context.transaction() as session:
        return await setting.put(session, wish, Hand(context.actor.name, channel, addresses(context)))


def _read(inputs: list[ProductUpdateInput]) -> tuple[dict[int, ProductRow], dict[int, list[Refusal]]]:
    wanted: dict[int, ProductRow] = {}
    refused: dict[int, list[Refusal]] = {}
    for index, row in enumerate(inputs):
        try:
            product_id: UUID = decoded("product", row.id, "id")
            wanted[index] = ProductRow(product_id, row.expected_version, changed_columns(row))
        except Refusal as refusal:
            refused[index] = [refusal.at("products", index, *(refusal.field or ()))]
    return wanted, refused


def _moved(refusal: Refusal, place: int) -> Refusal:
    """Name a row by its place in the input."""
    _products, _index, *rest = refusal.field or ("", "")
    return refusal.at("products", place, *rest)


def _all_errors(refused: dict[int, list[Refusal]]) -> list[UserError]:
    return [user_error(refusal) for _index, of_row in sorted(refused.items()) for refusal in of_row]


async def _own_eye(context: Context) -> queries.Eye:
    return await context.eye(sees_hidden=True)
