"""How do staff delete products and variants in the API?"""

from typing import cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import queries
from headless.catalog.queries import Eye
from headless.graphql.catalog.types import Product
from headless.graphql.context import Info, sent
from headless.graphql.declare import decoded, decoded_all, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.merchandising import deleting
from headless.platform.errors import NotFound


@input_type
class ProductDeleteInput:
    id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuse it if the product has changed since."
    )


@input_type
class ProductVariantsDeleteInput:
    """At most 250 variants of one product; at least one stays."""

    product_id: strawberry.ID
    variant_ids: list[strawberry.ID]


@payload
class ProductDeletePayload:
    """The id of what was."""

    deleted_product_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductVariantsDeletePayload:
    """The product without the variants."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class ProductDeletions:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_delete(self, info: Info, input: ProductDeleteInput) -> ProductDeletePayload | None:
        """Delete a product with its variants, unless units of them are reserved, committed or on their way.

        Orders keep what they were sold; lines of carts can't be checked out any more.
        """
        product_id = decoded("product", input.id, "id")
        async with info.context.transaction() as session:
            await deleting.delete_product(
                session,
                product_id,
                expected_version=sent(input.expected_version),
                actor=info.context.actor.name,
            )
        return ProductDeletePayload(deleted_product_id=input.id)

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_variants_delete(
        self, info: Info, input: ProductVariantsDeleteInput
    ) -> ProductVariantsDeletePayload | None:
        """Delete variants of a product, all or none, unless units of them are reserved, committed or on their way."""
        context = info.context
        product_id = decoded("product", input.product_id, "productId")
        variant_ids = decoded_all("variant", input.variant_ids, "variantIds")
        try:
            async with context.transaction() as session:
                await deleting.delete_variants(session, product_id, variant_ids, actor=context.actor.name)
        except NotFound as refusal:
            raise refusal.at("productId") if refusal.field == ("id",) else refusal from None
        eye = Eye((await context.channel()).id, sees_hidden=True)
        return ProductVariantsDeletePayload(
            product=cast("Product", await context.load(queries.products_by_id, product_id, eye))
        )
