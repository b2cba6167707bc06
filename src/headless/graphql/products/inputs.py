"""What do the mutations of products take and give?"""

from datetime import datetime
from decimal import Decimal

import strawberry
from strawberry import UNSET

from headless.catalog.models import ProductStatus
from headless.graphql.catalog.measures import DimensionsInput, WeightInput
from headless.graphql.catalog.translations import TranslationInput
from headless.graphql.catalog.types import Product, ProductVariant
from headless.graphql.catalog.values import SelectedOptionInput
from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError
from headless.graphql.media.inputs import MediaInput
from headless.graphql.metafields.inputs import MetafieldInput


@input_type
class ProductOptionInput:
    """A way in which variants differ."""

    name: str
    values: list[str]


@input_type
class SeoInput:
    """What search engines show."""

    title: str | None = UNSET
    description: str | None = UNSET


@input_type
class VariantTermsInput:
    """What a variant is like, and on which terms it is sold: an omitted field stays, null clears."""

    weight: WeightInput | None = UNSET
    dimensions: DimensionsInput | None = UNSET
    tax_code: str | None = UNSET
    external_reference: str | None = strawberry.field(
        default=UNSET, description="What another system calls it; no two variants are called the same."
    )

    backorder_limit: int | None = strawberry.field(
        default=UNSET, description="Units that may be sold beyond what is in stock; 0 or null: none."
    )
    preorder: bool | None = strawberry.field(default=UNSET, description="Whether it isn't out yet.")
    expected_at: datetime | None = strawberry.field(
        default=UNSET, description="When units sold beyond the stock are expected."
    )
    max_per_order: int | None = UNSET
    max_per_customer: int | None = strawberry.field(
        default=UNSET, description="Units that one customer, known by e-mail, may buy in all."
    )


@input_type
class ProductVariantInput(VariantTermsInput):
    """A new variant."""

    sku: str | None = UNSET
    barcode: str | None = UNSET
    price: Decimal
    compare_at_price: Decimal | None = UNSET
    selected_options: list[SelectedOptionInput] | None = UNSET
    tracked: bool = True


@input_type
class ProductCreateInput:
    """A new product; without variants it gets one default variant."""

    title: str
    handle: str | None = UNSET
    description_html: str | None = UNSET
    vendor: str | None = UNSET
    product_type: str | None = UNSET
    tags: list[str] | None = UNSET
    status: ProductStatus | None = UNSET
    seo: SeoInput | None = UNSET
    options: list[ProductOptionInput] | None = UNSET
    variants: list[ProductVariantInput] | None = UNSET
    external_reference: str | None = UNSET
    category_id: strawberry.ID | None = UNSET
    media: list[MediaInput] | None = strawberry.field(
        default=UNSET, description="Pictures and videos, at most 250, in this order."
    )
    metafields: list[MetafieldInput] | None = UNSET
    translations: list[TranslationInput] | None = strawberry.field(
        default=UNSET, description="Its texts, by their keys, in other languages."
    )


@input_type
class ProductUpdateInput:
    """What becomes of a product: an omitted field stays, null clears."""

    id: strawberry.ID
    expected_version: int
    title: str | None = UNSET
    handle: str | None = UNSET
    description_html: str | None = UNSET
    vendor: str | None = UNSET
    product_type: str | None = UNSET
    tags: list[str] | None = UNSET
    status: ProductStatus | None = UNSET
    seo: SeoInput | None = UNSET
    options: list[ProductOptionInput] | None = UNSET
    external_reference: str | None = UNSET
    category_id: strawberry.ID | None = UNSET


@input_type
class ProductVariantsCreateInput:
    product_id: strawberry.ID
    variants: list[ProductVariantInput]


@input_type
class ProductVariantUpdateInput(VariantTermsInput):
    """What becomes of a variant: an omitted field stays, null clears."""

    id: strawberry.ID
    expected_version: int
    sku: str | None = UNSET
    barcode: str | None = UNSET
    price: Decimal | None = UNSET
    compare_at_price: Decimal | None = UNSET
    selected_options: list[SelectedOptionInput] | None = UNSET
    tracked: bool | None = UNSET
    media_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="The product's picture that it shows; null: the product's first."
    )


@input_type
class ProductVariantsUpdateInput:
    product_id: strawberry.ID
    variants: list[ProductVariantUpdateInput]


@input_type
class ProductPublishInput:
    id: strawberry.ID
    channel: str | None = strawberry.field(default=UNSET, description="A channel's handle; by default the shop's own.")
    publish_at: datetime | None = strawberry.field(
        default=UNSET, description="From when it is shown; an instant that is past, or none: now."
    )
    unpublish_at: datetime | None = strawberry.field(
        default=UNSET, description="When it is hidden again; none: not by itself."
    )
    force: bool = strawberry.field(
        default=False, description="Whatever the checklist says. Needs WRITE_SETTINGS, and the history will tell."
    )


@input_type
class ProductUnpublishInput:
    id: strawberry.ID
    channel: str | None = strawberry.field(default=UNSET, description="A channel's handle; by default the shop's own.")


@input_type
class BundlePartInput:
    """Units of a variant in one bundle."""

    variant_id: strawberry.ID
    quantity: int = 1


@input_type
class ProductVariantBundleUpdateInput:
    """What a bundle is made of; without parts it is an ordinary variant again."""

    variant_id: strawberry.ID
    expected_version: int
    parts: list[BundlePartInput]


@payload
class ProductVariantBundleUpdatePayload:
    """The variant with its parts."""

    variant: ProductVariant | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductCreatePayload:
    """The new product."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductUpdatePayload:
    """The product as it is now."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductPublishPayload:
    """The product, shown in the channel now or when its time comes."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductUnpublishPayload:
    """The product, hidden in the channel."""

    product: Product | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductVariantsCreatePayload:
    """The product with its new variants."""

    product: Product | None = None
    variants: list[ProductVariant] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class ProductVariantsUpdatePayload:
    """The product with its changed variants."""

    product: Product | None = None
    variants: list[ProductVariant] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
