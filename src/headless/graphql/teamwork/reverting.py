"""How do staff undo changes in the API?"""

from typing import cast

import strawberry

from headless.accounts.rules import Permission
from headless.catalog import queries
from headless.graphql.catalog.types import Product
from headless.graphql.context import Info
from headless.graphql.declare import decoded, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.merchandising import reverting


@input_type
class ProductRevertInput:
    id: strawberry.ID
    expected_version: int
    to_version: int = strawberry.field(description="The version whose fields are wanted again.")


@payload
class ProductRevertPayload:
    """The product in its new version."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class RevisionMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def product_revert(self, info: Info, input: ProductRevertInput) -> ProductRevertPayload | None:
        """Give a product's own fields the values of an earlier version, in a new version.

        The order and the alt texts of pictures that are still there come back, too. Its variants, their prices and
        stock, its metafields, its translations, and where it is published stay as they are.
        """
        context = info.context
        product_id = decoded("product", input.id, "id")
        async with context.transaction() as session:
            await reverting.revert_product(
                session,
                product_id,
                expected_version=input.expected_version,
                to_version=input.to_version,
                actor=context.actor.name,
            )
        found = await context.load(queries.products_by_id, product_id, await context.eye())
        return ProductRevertPayload(product=cast("Product", found))
