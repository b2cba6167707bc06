"""How do the shop and its channels look in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, given
from headless.graphql.declare import (
    PUBLIC,
    decoded,
    errors,
    field,
    id_of,
    input_type,
    mutation,
    payload,
    query,
    view,
)
from headless.graphql.errors import UserError
from headless.graphql.nodes import Node, finds
from headless.graphql.scalars import CountryCode, CurrencyCode, LanguageCode
from headless.inventory.allocation import AllocationStrategy
from headless.platform.db import Record
from headless.platform.errors import Unavailable
from headless.shop import models, queries, service

strawberry.enum(AllocationStrategy, description="In which order locations give their stock to orders.")


@view(models.Channel)
class Channel(Node):
    """A market: what is published there, in which currency, country and language."""

    id: strawberry.ID = id_of("channel")
    handle: str
    currency_code: CurrencyCode
    default_country: CountryCode
    default_language: LanguageCode

    @field(requires=Permission.READ_INVENTORY)
    async def allocation_strategy(self: models.Channel, info: Info) -> AllocationStrategy | None:
        """In which order locations give their stock to orders."""
        del info  # who may see it was asked before
        return AllocationStrategy(self.allocation_strategy)


@input_type
class ChannelUpdateInput:
    """What becomes of a channel: an omitted field stays."""

    id: strawberry.ID
    allocation_strategy: AllocationStrategy | None = UNSET


@payload
class ChannelUpdatePayload:
    """The channel as it is now."""

    channel: Channel | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@finds("channel", "Channel")
async def find_channel(info: Info, channel_id: UUID) -> Record | None:
    async with info.context.reading() as session:
        return next((row for row in await queries.all_channels(session) if row.id == channel_id), None)


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
class ShopMutations:
    @mutation(requires=Permission.WRITE_SETTINGS)
    async def channel_update(self, info: Info, input: ChannelUpdateInput) -> ChannelUpdatePayload | None:
        """Change how a channel works."""
        channel_id = decoded("channel", input.id, "id")
        changes = {name: value for name, value in given(allocation_strategy=input.allocation_strategy).items() if value}
        async with info.context.transaction() as session:
            channel = await service.update_channel(session, channel_id, changes)
        return ChannelUpdatePayload(channel=cast("Channel", channel))


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
