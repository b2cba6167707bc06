"""How do staff open and change channels in the API?"""

from decimal import Decimal
from typing import Any, cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import decoded, errors, input_type, mutation, payload
from headless.graphql.errors import UserError
from headless.graphql.scalars import CountryCode, CurrencyCode, LanguageCode
from headless.graphql.shop import Channel
from headless.inventory.allocation import AllocationStrategy
from headless.merchandising import channels
from headless.merchandising.channels import DeliveryRate
from headless.platform.errors import InvalidInput
from headless.shop.service import ChannelDraft


@input_type
class DeliveryRateInput:
    """What delivery costs in a channel, in its currency."""

    title: str
    amount: Decimal
    countries: list[CountryCode] = strawberry.field(
        default_factory=list, description="Where to; empty: to all countries that no other rate names."
    )


@input_type
class ChannelCreateInput:
    """A new channel: a market with its own publication, prices and delivery."""

    handle: str
    name: str | None = strawberry.field(default=UNSET, description="For people; by default the handle.")
    currency_code: CurrencyCode
    default_country: CountryCode
    default_language: LanguageCode
    allocation_strategy: AllocationStrategy | None = UNSET
    delivery_rates: list[DeliveryRateInput] | None = strawberry.field(
        default=UNSET, description="By default those of the default channel, if it has the same currency; else none."
    )


@input_type
class ChannelUpdateInput:
    """What becomes of a channel: an omitted field stays."""

    id: strawberry.ID
    handle: str | None = UNSET
    name: str | None = UNSET
    currency_code: CurrencyCode | None = strawberry.field(
        default=UNSET, description="Can change only as long as there are no prices, rates, carts or orders in it."
    )
    default_country: CountryCode | None = UNSET
    default_language: LanguageCode | None = UNSET
    allocation_strategy: AllocationStrategy | None = UNSET
    delivery_rates: list[DeliveryRateInput] | None = strawberry.field(
        default=UNSET, description="All of them: carts that chose one that is gone choose again."
    )


@payload
class ChannelCreatePayload:
    """The new channel."""

    channel: Channel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ChannelUpdatePayload:
    """The channel as it is now."""

    channel: Channel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class ChannelMutations:
    @mutation(requires=Permission.WRITE_SETTINGS)
    async def channel_create(self, info: Info, input: ChannelCreateInput) -> ChannelCreatePayload | None:
        """Open a channel. Every product is listed there, hidden and without a price until it gets both."""
        strategy = sent(input.allocation_strategy) or AllocationStrategy.PRIORITY
        draft = ChannelDraft(
            handle=input.handle,
            name=sent(input.name),
            currency=input.currency_code,
            country=input.default_country,
            language=input.default_language,
            allocation_strategy=strategy,
        )
        async with info.context.transaction() as session:
            channel = await channels.create_channel(session, draft, delivery_rates=_rates(input.delivery_rates))
        return ChannelCreatePayload(channel=cast("Channel", channel))

    @mutation(requires=Permission.WRITE_SETTINGS)
    async def channel_update(self, info: Info, input: ChannelUpdateInput) -> ChannelUpdatePayload | None:
        """Change what a channel is, or how it works."""
        channel_id = decoded("channel", input.id, "id")
        wanted = given(
            handle=input.handle,
            name=input.name,
            currency_code=input.currency_code,
            default_country=input.default_country,
            default_language=input.default_language,
            allocation_strategy=input.allocation_strategy,
        )
        changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        async with info.context.transaction() as session:
            channel = await channels.update_channel(
                session, channel_id, changes, delivery_rates=_rates(input.delivery_rates)
            )
        info.context.server.channels.forget()
        return ChannelUpdatePayload(channel=cast("Channel", channel))


def _rates(rates: Any) -> list[DeliveryRate] | None:
    if sent(rates) is None:
        return None
    for index, rate in enumerate(rates):
        if len(set(rate.countries)) < len(rate.countries):
            message = "A country stands twice."
            raise InvalidInput(message, field=("deliveryRates", index, "countries"))
    return [DeliveryRate(title=rate.title, amount=rate.amount, countries=rate.countries) for rate in rates]
