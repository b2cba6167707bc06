"""How do pictures and videos look in the API?"""

from collections.abc import Sequence
from typing import cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import models
from headless.catalog.kinds import MediaKind, MediaStatus, is_foreign
from headless.graphql.context import Context, Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.media.thumbnails import Thumbnail
from headless.graphql.nodes import Node
from headless.graphql.scalars import URL
from headless.platform.db import Record
from headless.platform.images import ImageFormat

strawberry.enum(MediaKind, description="What is shown with a product.")
strawberry.enum(MediaStatus, description="Whether it can be shown, is being fetched, or could not be.")
strawberry.enum(ImageFormat, description="How a picture is written.")


@view(models.Media)
class Media(Node):
    """A picture or a video of a product."""

    id: strawberry.ID = id_of("media")
    kind: MediaKind
    status: MediaStatus = strawberry.field(description="What failed is shown to staff alone.")
    alt_text: str
    mime_type: str | None = strawberry.field(description="Such as image/jpeg; null where we don't know.")
    width: int | None
    height: int | None

    @field
    def url(
        self: models.Media,
        info: Info,
        width: int | None = UNSET,
        height: int | None = UNSET,
        format: ImageFormat | None = UNSET,
    ) -> URL:
        """Where it is.

        A picture of the shop's own fits into `width` and `height` and is never enlarged; it is made in that size and
        format when it is first asked for. Videos, drawings and pictures of other addresses come as they are.
        """
        server = info.context.server
        wanted = (sent(width), sent(height), sent(format))
        if self.file is None:
            return URL(self.url if is_foreign(self.url) else f"{server.settings.base_url}/media/{self.url}")
        if wanted == (None, None, None):
            return URL(f"{server.settings.base_url}/media/{self.file}")
        thumbnail = Thumbnail.of(self.file, width=wanted[0], height=wanted[1], format=wanted[2])
        return URL(f"{server.settings.base_url}/media/{thumbnail.path(server.signer)}")

    @field(requires=Permission.READ_PRODUCTS)
    async def error(self: models.Media, info: Info) -> str | None:
        """Why it could not be fetched, for people."""
        del info  # who may see it was asked before
        return self.error


def shown(rows: Sequence[Record] | None, context: Context) -> Sequence[Record]:
    """Those that the caller is to see: what failed is for staff to repair."""
    if context.actor.may(Permission.READ_PRODUCTS):
        return rows or ()
    return [row for row in rows or () if row.status != MediaStatus.FAILED]


def first_picture(rows: Sequence[Record] | None, context: Context) -> Media | None:
    return cast("Media | None", next((row for row in shown(rows, context) if row.kind == MediaKind.IMAGE), None))
