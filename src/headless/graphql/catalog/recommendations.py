"""What does a product page propose besides its product?"""

from typing import cast

import strawberry

from headless.catalog import queries
from headless.catalog.recommendations.queries import recommended
from headless.graphql.catalog.lists import prefetch
from headless.graphql.catalog.types import Product
from headless.graphql.context import Info
from headless.graphql.declare import PUBLIC, query
from headless.platform import ids
from headless.platform.errors import BadUserInput, NotFound

MOST = 50


@strawberry.type
class RecommendationQueries:
    @query(requires=PUBLIC)
    async def product_recommendations(
        self, info: Info, product_id: strawberry.ID, limit: int = 10
    ) -> list[Product] | None:
        """At most `limit` (50) products for who likes one: often bought together with it, then most alike."""
        if not 1 <= limit <= MOST:
            message = f"`limit` must be between 1 and {MOST}."
            raise BadUserInput(message)
        eye, wanted = await info.context.eye(), ids.decode("product", product_id)
        async with info.context.reading() as session:
            if await queries.product(session, eye, product_id=wanted) is None:
                raise NotFound
            found = await recommended(session, eye, wanted, limit)
        await prefetch(info, found)
        return cast("list[Product]", list(found))
