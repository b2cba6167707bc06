"""How are staff told why a product isn't seen or bought?"""

from datetime import datetime
from uuid import UUID

import strawberry

from headless.graphql.context import Context
from headless.graphql.declare import field
from headless.merchandising import visibility
from headless.merchandising.visibility import VisibilityCode
from headless.platform.errors import NotFound
from headless.shop import queries as shop_queries

strawberry.enum(
    VisibilityCode,
    name="ProductVisibilityCode",
    description="What keeps a product, or variants of it, from being seen or bought.",
)


@strawberry.type(description="Something that keeps a product, or variants of it, from being seen or bought.")
class ProductVisibilityReason:
    code: VisibilityCode
    message: str = strawberry.field(description="What it is and what to do, for people.")
    at: datetime | None = strawberry.field(description="When that began, or is to end.")


@strawberry.type(description="How a product stands in a channel: what shoppers would be told now, and why.")
class ProductVisibility:
    @field
    def visible(self: visibility.Visibility) -> bool:
        """Whether lists, pages and carts show it."""
        return self.is_visible

    @field
    def purchasable(self: visibility.Visibility) -> bool:
        """Whether a checkout of at least one of its variants could come to an end."""
        return self.is_purchasable

    @field
    def reasons(self: visibility.Visibility) -> list[ProductVisibilityReason]:
        """What stands against it, or against some of its variants."""
        return list(self.reasons)  # type: ignore[arg-type]


async def visibility_of(context: Context, product_id: UUID, channel: str | None) -> visibility.Visibility:
    """How a product stands in a channel, by default the operation's; raises `BadUserInput` for an unknown one."""
    if channel is None:
        here = await context.channel()
    else:
        async with context.reading() as session:
            here = await shop_queries.channel(session, channel)
    load = visibility.visibility_by_product
    found: visibility.Visibility | None = await context.load(load, product_id, here.id, here.currency_code, context.at)
    if found is None:
        raise NotFound
    return found
