"""What do the mutations of pictures and videos take and give?"""

import strawberry
from strawberry import UNSET

from headless.catalog.kinds import MediaKind
from headless.graphql.catalog.types import Product
from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError
from headless.graphql.media.types import Media
from headless.graphql.scalars import URL


@input_type
class MediaInput:
    """What to show: an upload, or what lies at an address."""

    upload_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="What `POST /media/uploads` answered for a picture."
    )
    url: URL | None = strawberry.field(
        default=UNSET, description="A picture to fetch, a video file, or a video on YouTube or Vimeo to link."
    )
    alt_text: str | None = UNSET
    kind: MediaKind | None = strawberry.field(default=UNSET, description="By default what the url looks like.")


@input_type
class ProductMediaAddInput:
    product_id: strawberry.ID
    expected_version: int
    media: list[MediaInput]


@input_type
class MediaUpdateInput:
    """What becomes of a picture or a video: an omitted field stays, null clears."""

    id: strawberry.ID
    alt_text: str | None = UNSET


@input_type
class ProductMediaUpdateInput:
    product_id: strawberry.ID
    expected_version: int
    media: list[MediaUpdateInput]


@input_type
class ProductMediaRemoveInput:
    product_id: strawberry.ID
    expected_version: int
    media_ids: list[strawberry.ID]


@input_type
class ProductMediaReorderInput:
    product_id: strawberry.ID
    expected_version: int
    media_ids: list[strawberry.ID] = strawberry.field(description="All of the product's media, each once, in order.")


@payload
class ProductMediaAddPayload:
    """The product, and what it shows in addition."""

    product: Product | None = None
    media: list[Media] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductMediaUpdatePayload:
    """The product, and what was changed."""

    product: Product | None = None
    media: list[Media] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductMediaRemovePayload:
    """The product without them."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductMediaReorderPayload:
    """The product in its new order."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
