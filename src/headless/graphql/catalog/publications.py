"""How do staff see where and when a product is published?"""

from datetime import datetime
from typing import cast

import strawberry

from headless.catalog import models, publication
from headless.graphql.context import Info
from headless.graphql.declare import field
from headless.graphql.shop import Channel
from headless.platform.db import Record
from headless.shop import queries as shop_queries


@strawberry.type(description="A product's publication in a channel.")
class ProductPublication:
    @field
    async def channel(self: models.Listing, info: Info) -> Channel:
        return cast("Channel", await info.context.load(shop_queries.channels_by_id, self.channel_id))

    @field
    def is_published(self: models.Listing, info: Info) -> bool:
        """Whether it is in force now; a draft or archived product stays hidden all the same."""
        return publication.in_force(cast("Record", self), info.context.at)

    @field
    def publish_at(self: models.Listing) -> datetime | None:
        """Since when it is in force, or from when it will be; null: it isn't published there."""
        return self.published_at

    @field
    def unpublish_at(self: models.Listing) -> datetime | None:
        """When it ends, or has ended; null: not by itself."""
        return self.unpublish_at
