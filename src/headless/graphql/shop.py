"""How do the shop and its channels look in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry

from headless.accounts.rules import Permission
from headless.fulfillment import rates as delivery
from headless.graphql.context import Info
from headless.graphql.declare import PUBLIC, field, id_of, query, view
from headless.graphql.money import Money, amount
from headless.graphql.nodes import Node, finds
from headless.graphql.scalars import CountryCode, CurrencyCode, LanguageCode
from headless.inventory.allocation import AllocationStrategy
from headless.merchandising import channels
from headless.platform.db import Record
from headless.platform.errors import Unavailable
from headless.shop import models, queries

strawberry.enum(AllocationStrategy, description="In which order locations give their stock to orders.")


@strawberry.type(description="What delivery costs in a channel.")
class DeliveryRate:
    title: str
    amount: Money
    countries: list[CountryCode] = strawberry.field(description="Where to; empty: to all that no other rate names.")


@strawberry.type(description="Something that keeps a channel from selling.")
class ChannelProblem:
    code: str
    message: str


@view(models.Channel)
class Channel(Node):
    """A market: what is published there, in which currency, country and language."""

    id: strawberry.ID = id_of("channel")
    handle: str
    currency_code: CurrencyCode
    default_country: CountryCode
    default_language: LanguageCode

    @field
    def name(self: models.Channel) -> str:
        """What people call it."""
        return self.name or self.handle

    @field(requires=Permission.READ_INVENTORY)
    async def allocation_strategy(self: models.Channel, info: Info) -> AllocationStrategy | None:
        """In which order locations give their stock to orders."""
        del info  # who may see it was asked before
        return AllocationStrategy(self.allocation_strategy)

    @field(requires=Permission.READ_SETTINGS)
    async def delivery_rates(self: models.Channel, info: Info) -> list[DeliveryRate] | None:
        """What delivery costs from here."""
        found = await info.context.load(delivery.rates_by_channel, self.id) or []
        return [
            DeliveryRate(
                title=row.title,
                amount=amount(row.amount, self.currency_code),
                countries=[CountryCode(country) for country in row.countries],
            )
            for row in found
        ]

    @field(requires=Permission.READ_SETTINGS)
    async def problems(self: models.Channel, info: Info) -> list[ChannelProblem] | None:
        """What keeps it from selling; empty when nothing does."""
        async with info.context.reading() as session:
            found = await channels.problems(session, cast("Record", self))
        return [ChannelProblem(code=problem.code, message=problem.message) for problem in found]


@finds("channel", "Channel")
async def find_channel(info: Info, channel_id: UUID) -> Record | None:
    return cast("Record | None", await info.context.load(queries.channels_by_id, channel_id))


@view(models.Shop)
class Shop:
    """The shop."""

    name: str

    @field
    async def default_channel(self, info: Info) -> Channel:
        """The channel of operations without `@inContext(channel:)`."""
        async with info.context.reading() as session:
            return await queries.channel(session)  # type: ignore[return-value]

    @field
    async def channels(self, info: Info) -> list[Channel]:
        async with info.context.reading() as session:
            return list(await queries.all_channels(session))  # type: ignore[arg-type]


@strawberry.type(description="A signed-in integration.")
class Staff:
    name: str


@strawberry.type(description="Who is asking.")
class Viewer:
    staff: Staff | None = strawberry.field(description="The API token's name; null for shoppers.")
    permissions: list[str] = strawberry.field(description="What the caller may read and change.")


@strawberry.type
class ShopQueries:
    @query(requires=PUBLIC)
    async def shop(self, info: Info) -> Shop:
        """The shop and its channels."""
        async with info.context.reading() as session:
            found: Any = await queries.shop(session)
        if found is None:
            message = "There is no shop in this database yet: run `headless seed` or `headless import`."
            raise Unavailable(message)
        return found  # type: ignore[no-any-return]

    @query(requires=PUBLIC)
    async def viewer(self, info: Info) -> Viewer:
        """Who the caller is and what he may do."""
        actor = info.context.actor
        return Viewer(
            staff=None if actor.is_anonymous else Staff(name=actor.name),
            permissions=[permission.value for permission in Permission if permission in actor.permissions],
        )
