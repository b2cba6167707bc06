"""How do shoppers ask to be told when something is back, and staff end that?"""

from typing import cast
from uuid import UUID

import strawberry

from headless.accounts.rules import Permission
from headless.cart import rules as cart_rules
from headless.graphql.catalog.types import ProductVariant, find_variant
from headless.graphql.context import Info
from headless.graphql.declare import PUBLIC, decoded, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.graphql.inventory.types import StockRequest
from headless.inventory import lists, waiting
from headless.platform.errors import InvalidInput, NotFound


@input_type
class BackInStockNotifyInput:
    """Who wants to be told when a variant can be bought again."""

    variant_id: strawberry.ID
    email: str


@input_type
class StockRequestCancelInput:
    id: strawberry.ID


@payload
class BackInStockNotifyPayload:
    """The variant; nothing tells whether the address was known."""

    variant: ProductVariant | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class StockRequestCancelPayload:
    """The request, which waits no longer."""

    stock_request: StockRequest | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class WaitingMutations:
    @mutation(requires=PUBLIC)
    async def back_in_stock_notify(self, info: Info, input: BackInStockNotifyInput) -> BackInStockNotifyPayload | None:
        """Ask to be told when a variant can be bought again, in the order of asking; asking again changes nothing.

        At most 50 requests of an e-mail address wait at a time; further ones are passed over.
        """
        context = info.context
        variant_id: UUID = decoded("variant", input.variant_id, "variantId")
        try:
            email = cart_rules.checked_email(input.email)
        except InvalidInput as refusal:
            raise refusal.at("email") from None
        if await find_variant(info, variant_id) is None:
            raise NotFound(field=("variantId",))
        async with context.transaction() as session:
            await waiting.ask(session, variant_id, email)
        return BackInStockNotifyPayload(variant=cast("ProductVariant", await find_variant(info, variant_id)))

    @mutation(requires=Permission.WRITE_INVENTORY)
    async def stock_request_cancel(
        self, info: Info, input: StockRequestCancelInput
    ) -> StockRequestCancelPayload | None:
        """Take a request out of the queue; one that was served stays as it is."""
        request_id: UUID = decoded("stock_request", input.id, "id")
        async with info.context.transaction() as session:
            await waiting.cancel(session, request_id)
        found = await info.context.load(lists.requests_by_id, request_id)
        return StockRequestCancelPayload(stock_request=cast("StockRequest", found))
