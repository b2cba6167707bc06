"""What do the mutations of many products take and give?"""

from decimal import Decimal
from enum import Enum

import strawberry
from strawberry import UNSET

from headless.catalog.kinds import MediaKind
from headless.catalog.models import ProductStatus
from headless.graphql.catalog.translations import TranslationInput
from headless.graphql.catalog.types import Product, ProductVariant
from headless.graphql.catalog.values import SelectedOptionInput
from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError
from headless.graphql.metafields.inputs import MetafieldInput
from headless.graphql.products.inputs import (
    ProductOptionInput,
    ProductUpdateInput,
    ProductVariantInput,
    SeoInput,
    VariantTermsInput,
)
from headless.graphql.scalars import URL
from headless.merchandising.setting import Outcome


@strawberry.enum(description="What a row that is refused does to the others.")
class BulkErrorPolicy(Enum):
    REJECT_ALL = "REJECT_ALL"
    REJECT_FAILED = "REJECT_FAILED"


strawberry.enum(Outcome, name="ProductSetOutcome", description="What became of a product that was set.")


@input_type
class ProductSetIdentifierInput:
    """Which product is meant, by exactly one of these."""

    id: strawberry.ID | None = UNSET
    handle: str | None = UNSET
    external_reference: str | None = UNSET


@input_type
class ProductSetCategoryInput:
    """Which category is meant, by exactly one of these."""

    id: strawberry.ID | None = UNSET
    handle: str | None = UNSET
    external_reference: str | None = UNSET


@input_type
class ProductSetVariantMediaInput:
    """Which of the product's pictures is meant, by its id or its url."""

    id: strawberry.ID | None = UNSET
    url: URL | None = UNSET


@input_type
class ProductSetVariantInput(VariantTermsInput):
    """A variant as it is to be: known by its id, else by its option values, else by its SKU; else it is new."""

    id: strawberry.ID | None = UNSET
    sku: str | None = UNSET
    barcode: str | None = UNSET
    price: Decimal | None = strawberry.field(default=UNSET, description="A new variant needs one.")
    compare_at_price: Decimal | None = UNSET
    selected_options: list[SelectedOptionInput] | None = UNSET
    tracked: bool | None = UNSET
    external_reference: str | None = UNSET
    tax_code: str | None = UNSET
    weight_grams: int | None = UNSET
    media: ProductSetVariantMediaInput | None = strawberry.field(
        default=UNSET, description="Its own picture, one of the product's; null: it shows the product's first."
    )


@input_type
class ProductSetMediaInput:
    """A picture or video as it is to be: what is shown already is known by its id or url; else it is new."""

    id: strawberry.ID | None = UNSET
    upload_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="What `POST /media/uploads` answered for a picture."
    )
    url: URL | None = UNSET
    alt_text: str | None = UNSET
    kind: MediaKind | None = strawberry.field(default=UNSET, description="By default what the url looks like.")


@input_type
class ProductSetInput:
    """A product as it is to be, made if it isn't there: an omitted field stays, null clears."""

    identifier: ProductSetIdentifierInput
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuse when the product isn't there or isn't this version."
    )
    title: str | None = strawberry.field(default=UNSET, description="A new product needs one.")
    handle: str | None = UNSET
    description_html: str | None = UNSET
    vendor: str | None = UNSET
    product_type: str | None = UNSET
    tags: list[str] | None = UNSET
    status: ProductStatus | None = UNSET
    seo: SeoInput | None = UNSET
    options: list[ProductOptionInput] | None = UNSET
    external_reference: str | None = UNSET
    category: ProductSetCategoryInput | None = UNSET
    variants: list[ProductSetVariantInput] | None = strawberry.field(
        default=UNSET, description="All of its variants, at most 250; omitted: they stay."
    )
    media: list[ProductSetMediaInput] | None = strawberry.field(
        default=UNSET, description="All of its pictures and videos, in this order; omitted: they stay."
    )
    metafields: list[MetafieldInput] | None = strawberry.field(
        default=UNSET, description="All of its metafields; omitted: they stay."
    )
    translations: list[TranslationInput] | None = strawberry.field(
        default=UNSET, description="All translations of its texts; omitted: they stay."
    )


@payload
class ProductSetPayload:
    """The product as it is now, and what became of it."""

    product: Product | None = None
    outcome: Outcome | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@input_type
class ProductsBulkUpdateInput:
    """Changes of at most 250 products, each if it is still the version that you saw."""

    products: list[ProductUpdateInput]
    error_policy: BulkErrorPolicy = BulkErrorPolicy.REJECT_ALL


@strawberry.type(description="What became of one of the products.")
class ProductsBulkUpdateResult:
    index: int = strawberry.field(description="Its place in the input, from 0 on.")
    product: Product | None = strawberry.field(description="The product as it is now; null when it was refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused.")


@payload
class ProductsBulkUpdatePayload:
    """What became of each product; empty when all were rejected."""

    results: list[ProductsBulkUpdateResult] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@input_type
class ProductVariantsBulkCreateInput:
    """At most 250 new variants of one product."""

    product_id: strawberry.ID
    variants: list[ProductVariantInput]
    error_policy: BulkErrorPolicy = BulkErrorPolicy.REJECT_ALL


@strawberry.type(description="What became of one of the variants.")
class ProductVariantsBulkCreateResult:
    index: int = strawberry.field(description="Its place in the input, from 0 on.")
    variant: ProductVariant | None = strawberry.field(description="The new variant; null when it was refused.")
    user_errors: list[UserError] = strawberry.field(description="Why it was refused.")


@payload
class ProductVariantsBulkCreatePayload:
    """The product, and what became of each variant; empty when all were rejected."""

    product: Product | None = None
    results: list[ProductVariantsBulkCreateResult] = strawberry.field(default_factory=list)
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
