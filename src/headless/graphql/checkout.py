"""How do checkouts look in the API, and how does a cart become an order?"""

from datetime import datetime
from typing import cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.cart import queries as cart_queries
from headless.checkout import completion, models, queries, rules, service
from headless.checkout.completion import Wish
from headless.checkout.rules import CheckoutStatus
from headless.graphql.cart.types import Cart, CartWarning
from headless.graphql.context import Context, Info
from headless.graphql.costs import Cost, cost
from headless.graphql.declare import PUBLIC, decoded, errors, field, id_of, input_type, mutation, payload, view
from headless.graphql.errors import UserError, user_error
from headless.graphql.nodes import Node, finds
from headless.graphql.orders.types import Order
from headless.graphql.scalars import URL
from headless.orders import queries as order_queries
from headless.payments import queries as payment_queries
from headless.platform import failpoints, idempotency
from headless.platform.db import Record
from headless.platform.errors import Fault, InvalidInput, Refusal, Refused
from headless.platform.idempotency import Claim
from headless.platform.texts import checked_text

strawberry.enum(CheckoutStatus, description="Where a checkout stands.")
LONGEST_TOKEN = 500


@strawberry.type(description="What the buyer has to do before the payment can go on.")
class NextAction:
    type: str = strawberry.field(description="REDIRECT: send the buyer to the url, then complete the checkout again.")
    url: URL
    client_secret: str


@view(models.Checkout)
class Checkout(Node):
    """One attempt to buy a cart: its prices are frozen and its stock is held until it expires."""

    id: strawberry.ID = id_of("checkout")
    status: CheckoutStatus
    expires_at: datetime

    @field
    def cost(self: models.Checkout) -> Cost:
        """What will be charged."""
        quote = rules.load(self.quote)
        return cost(quote.totals, quote.currency)

    @field
    async def next_action(self: models.Checkout, info: Info) -> NextAction | None:
        """What the payment waits for, while the status is ACTION_REQUIRED."""
        if self.status != CheckoutStatus.ACTION_REQUIRED or self.payment_id is None:
            return None
        async with info.context.reading() as session:
            payment = await payment_queries.payment(session, self.payment_id)
        if payment.next_action is None:
            return None
        wanted = payment.next_action
        return NextAction(type=wanted["type"], url=URL(wanted["url"]), client_secret=wanted["client_secret"])

    @field
    async def order(self: models.Checkout, info: Info) -> Order | None:
        """The order that it ended in."""
        if self.order_id is None:
            return None
        return cast("Order", await info.context.load(order_queries.orders_by_id, self.order_id))


@input_type
class CheckoutStartInput:
    cart_id: strawberry.ID
    accept_price_changes: bool = False
    idempotency_key: str | None = UNSET


@input_type
class CheckoutPaymentInput:
    """How it is paid; never a card number, always a provider's token."""

    provider: str
    token: str


@input_type
class CheckoutCompleteInput:
    cart_id: strawberry.ID
    payment: CheckoutPaymentInput
    accept_price_changes: bool = False
    idempotency_key: str | None = UNSET


@input_type
class CheckoutCancelInput:
    cart_id: strawberry.ID
    idempotency_key: str | None = UNSET


@payload
class _CheckoutPayload:
    cart_id: strawberry.Private[UUID | None] = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
    warnings: list[CartWarning] = strawberry.field(default_factory=list)

    @field
    async def checkout(self, info: Info) -> Checkout | None:
        """The cart's newest checkout."""
        if self.cart_id is None:
            return None
        return cast("Checkout | None", await info.context.load(queries.checkouts_by_cart, self.cart_id))

    @field
    async def cart(self, info: Info) -> Cart | None:
        """The cart as it is now."""
        if self.cart_id is None:
            return None
        return cast("Cart | None", await info.context.load(cart_queries.carts_by_id, self.cart_id))

    @field
    async def order(self, info: Info) -> Order | None:
        """The order that the cart became."""
        if self.cart_id is None:
            return None
        return cast("Order | None", await info.context.load(order_queries.orders_by_cart, self.cart_id))


@payload
class CheckoutStartPayload(_CheckoutPayload):
    """The checkout, holding stock until it expires."""


@payload
class CheckoutCompletePayload(_CheckoutPayload):
    """The order, or what the payment waits for."""


@payload
class CheckoutCancelPayload(_CheckoutPayload):
    """The cancelled checkout."""


@strawberry.type
class CheckoutMutations:
    @mutation(requires=PUBLIC)
    async def checkout_start(self, info: Info, input: CheckoutStartInput) -> CheckoutStartPayload | None:
        """Check the cart, freeze its prices and hold its stock; again on the same cart renews that."""
        context = info.context
        cart_id = decoded("cart", input.cart_id, "cartId")
        claim = context.claim("checkoutStart", input, guest=cart_id)
        await context.close()
        earlier = None
        if claim.is_wanted:
            async with context.server.database.transaction() as session:
                earlier = await idempotency.begin(session, claim)
        context.is_replayed = earlier is not None
        if earlier is None:
            await _start(context, cart_id, claim, accept_price_changes=input.accept_price_changes)
        return CheckoutStartPayload(cart_id=cart_id)

    @mutation(requires=PUBLIC)
    async def checkout_complete(self, info: Info, input: CheckoutCompleteInput) -> CheckoutCompletePayload | None:
        """Pay and place the order, exactly once per cart; starts the checkout if it isn't started."""
        context = info.context
        cart_id = decoded("cart", input.cart_id, "cartId")
        if not 1 <= len(input.payment.token) <= LONGEST_TOKEN:
            message = f"A payment token has 1 to {LONGEST_TOKEN} characters."
            raise InvalidInput(message, field=("payment", "token"))
        checked_text(input.payment.token, "payment", "token", longest=LONGEST_TOKEN)
        wish = Wish(
            cart_id=cart_id,
            provider=input.payment.provider,
            token=input.payment.token,
            accept_price_changes=input.accept_price_changes,
            claim=context.claim("checkoutComplete", input, guest=cart_id, required=True),
            language=context.market.language,
        )
        await context.close()
        server = context.server
        result = await completion.complete(server.desk, server.providers, wish, server.rules)
        failpoints.reach("checkout.after_commit")
        context.written()
        context.is_replayed = result.is_replayed
        if result.placed is not None:
            checkout, order = result.placed
            context.loaders.prime(queries.checkouts_by_cart, cart_id, checkout)
            context.loaders.prime(order_queries.orders_by_cart, cart_id, order)
            context.loaders.prime(order_queries.orders_by_id, order.id, order)
        return CheckoutCompletePayload(
            cart_id=cart_id, user_errors=[user_error(refusal) for refusal in result.refusals]
        )

    @mutation(requires=PUBLIC)
    async def checkout_cancel(self, info: Info, input: CheckoutCancelInput) -> CheckoutCancelPayload | None:
        """Give the held stock back; the cart stays."""
        context = info.context
        cart_id = decoded("cart", input.cart_id, "cartId")
        claim = context.claim("checkoutCancel", input, guest=cart_id)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                ended = await service.cancel(session, cart_id)
                await idempotency.finish(session, claim, {"checkout": str(ended.id)})
            context.is_replayed = earlier is not None
        return CheckoutCancelPayload(cart_id=cart_id)


async def _start(context: Context, cart_id: UUID, claim: Claim, *, accept_price_changes: bool) -> None:
    server = context.server
    try:
        started = await server.desk.start(
            cart_id, accept_price_changes=accept_price_changes, language=context.market.language
        )
    except (Refusal, Refused, Fault):
        await idempotency.give_up(server.database, claim)
        raise
    if claim.is_wanted:
        async with server.database.transaction() as session:
            await idempotency.finish(session, claim, {"checkout": str(started.id)})
    context.written()


@finds("checkout", "Checkout")
async def find_checkout(info: Info, checkout_id: UUID) -> Record | None:
    """Only staff: a checkout's id is no secret, unlike its cart's."""
    if not info.context.actor.may(Permission.READ_ORDERS):
        return None
    return cast("Record | None", await info.context.load(queries.checkouts_by_id, checkout_id))
