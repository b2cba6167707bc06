"""What does a search box propose while somebody types?"""

from typing import cast

import strawberry

from headless.catalog.search import suggestions
from headless.graphql.catalog.filters import wish_of
from headless.graphql.catalog.lists import prefetch
from headless.graphql.catalog.types import Product
from headless.graphql.collections.types import Collection
from headless.graphql.context import Info
from headless.graphql.declare import PUBLIC, query
from headless.platform.errors import BadUserInput

MOST = 25


@strawberry.type(description="What a search box can propose.")
class PredictiveSearch:
    products: list[Product] = strawberry.field(description="The best hits.")
    collections: list[Collection] = strawberry.field(description="Those whose titles have all the words.")
    queries: list[str] = strawberry.field(description="What else could be searched for.")


@strawberry.type
class PredictiveQueries:
    @query(requires=PUBLIC)
    async def predictive_search(self, info: Info, query: str, limit: int = 10) -> PredictiveSearch | None:
        """Products, collections and search texts for what was typed so far; at most `limit` (25) of each."""
        if not 1 <= limit <= MOST:
            message = f"`limit` must be between 1 and {MOST}."
            raise BadUserInput(message)
        wish = await wish_of(info, query=query)
        async with info.context.reading() as session:
            found = await suggestions.propose(session, wish, query, limit)
        await prefetch(info, found.products)
        return PredictiveSearch(
            products=cast("list[Product]", list(found.products)),
            collections=cast("list[Collection]", list(found.collections)),
            queries=list(found.queries),
        )
