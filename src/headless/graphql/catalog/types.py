"""How do products and variants look in the API?"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import models, publication, queries
from headless.catalog.categories.queries import categories_by_id
from headless.catalog.measures import LengthUnit, WeightUnit
from headless.catalog.models import ProductStatus
from headless.catalog.queries import ProductSortKey
from headless.catalog.translations import rules as translations
from headless.graphql.catalog.measures import Dimensions, Weight, dimensions, weight
from headless.graphql.catalog.selling import is_for_sale, price_range_of, priced, stocked
from headless.graphql.catalog.translations import text, texts, translations_of
from headless.graphql.catalog.values import ProductOption, SelectedOption, SelectedOptionInput, Seo
from headless.graphql.catalog.visibility import ProductVisibility, visibility_of
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.media.types import Media, first_picture, shown
from headless.graphql.metafields.types import HasMetafields
from headless.graphql.money import Money, PriceRange, amount, amount_or_none
from headless.graphql.nodes import Node, finds
from headless.graphql.pages import Connection, in_memory
from headless.graphql.teamwork.comments import comments_on
from headless.graphql.teamwork.histories import history_of
from headless.graphql.teamwork.readiness import readiness_of_product
from headless.inventory import queries as inventory_queries
from headless.platform.db import Record
from headless.platform.loaders import is_pending, then
from headless.platform.pages import window

if TYPE_CHECKING:
    from headless.graphql.catalog.publications import ProductPublication
    from headless.graphql.categories.types import Category
    from headless.graphql.collections.types import Collection
    from headless.graphql.inventory.types import InventoryLevel

strawberry.enum(ProductStatus, description="Where a product stands.")
strawberry.enum(ProductSortKey, description="What a list of products is sorted by.")


@strawberry.type(description="A variant within a bundle.")
class BundlePart:
    quantity: int = strawberry.field(description="Units in one bundle.")

    @field
    async def variant(self: Any, info: Info) -> "ProductVariant | None":
        """The part; null while it isn't published."""
        return cast("ProductVariant | None", await find_variant(info, self.part_id))


@view(models.Variant)
class ProductVariant(Node, HasMetafields):
    """One buyable form of a product."""

    id: strawberry.ID = id_of("variant")
    sku: str | None
    barcode: str | None
    expected_at: datetime | None = strawberry.field(
        description="When units sold beyond the stock, or before it is out, are expected."
    )
    max_per_order: int | None
    max_per_customer: int | None
    version: int
    created_at: datetime
    updated_at: datetime
    revisions = history_of("variant")
    comments = comments_on("variant")

    @field
    def title(self: models.Variant, info: Info) -> str:
        """The values of its options."""
        if info.context.is_spoken_as_written:
            return self.title
        named = partial(translations.variant_title, title=self.title, options=self.selected_options)
        return cast("str", texts(info.context, "product", self.product_id, named))

    @field
    def price(self: models.Variant, info: Info) -> Money | None:
        """The price in the channel; null while it has none there."""

        def show(found: Record | None, channel: Record) -> Money | None:
            return amount(found.amount, channel.currency_code) if found else None

        return cast("Money | None", priced(self, info.context, show))

    @field
    def compare_at_price(self: models.Variant, info: Info) -> Money | None:
        """The price that is struck through."""

        def show(found: Record | None, channel: Record) -> Money | None:
            return amount_or_none(found.compare_at_amount, channel.currency_code) if found else None

        return cast("Money | None", priced(self, info.context, show))

    @field
    def available_for_sale(self: models.Variant, info: Info) -> bool:
        """Whether a checkout would grant at least one unit now."""
        return cast("bool", is_for_sale(self, info.context))

    @field
    def quantity_available(self: models.Variant, info: Info) -> int | None:
        """How many units a checkout would grant now; null when stock isn't tracked."""
        return cast(
            "int | None", stocked(self.id, info.context, lambda stock: stock.quantity if stock.is_tracked else None)
        )

    @field
    def currently_not_in_stock(self: models.Variant, info: Info) -> bool:
        """Whether stock is tracked and nothing of it is there: what is sold now is sold ahead, if at all."""
        return cast("bool", stocked(self.id, info.context, lambda stock: stock.is_tracked and stock.on_shelf < 1))

    @field
    def preorder(self: models.Variant) -> bool:
        """Whether it isn't out yet."""
        return self.is_preorder

    @field
    def weight(self: models.Variant, unit: WeightUnit = WeightUnit.GRAMS) -> Weight | None:
        """What one unit weighs."""
        return weight(self.weight_grams, unit)

    @field
    def dimensions(self: models.Variant, unit: LengthUnit = LengthUnit.MILLIMETERS) -> Dimensions | None:
        """How much room one unit takes; null when nothing is known of it."""
        return dimensions((self.length_mm, self.width_mm, self.height_mm), unit)

    @field(requires=Permission.READ_PRODUCTS)
    async def tax_code(self: models.Variant, info: Info) -> str | None:
        """As what it is taxed."""
        del info  # who may see it was asked before
        return self.tax_code

    @field(requires=Permission.READ_PRODUCTS)
    async def external_reference(self: models.Variant, info: Info) -> str | None:
        """What another system calls it."""
        del info  # who may see it was asked before
        return self.external_reference

    @field(requires=Permission.READ_INVENTORY)
    async def backorder_limit(self: models.Variant, info: Info) -> int | None:
        """Units that may be sold beyond what is in stock."""
        del info  # who may see it was asked before
        return self.backorder_limit

    @field
    async def bundle_parts(self: models.Variant, info: Info) -> list[BundlePart]:
        """What one unit is made of; empty unless it is a bundle."""
        parts = await info.context.load(inventory_queries.parts_by_bundle, self.id) if self.is_bundle else None
        return [cast("BundlePart", part) for part in parts or ()]

    @field
    def selected_options(self: models.Variant, info: Info) -> list[SelectedOption]:
        """The value of each option of the product."""

        def show(texts: Mapping[str, str]) -> list[SelectedOption]:
            named = translations.selected(texts, self.selected_options)
            return [SelectedOption(name=name, value=value) for name, value in named]

        return cast("list[SelectedOption]", texts(info.context, "product", self.product_id, show))

    @field
    def image(self: models.Variant, info: Info) -> Media | None:
        """The variant's own picture, else the product's first."""

        def own(rows: list[Record] | None) -> Media | None:
            found = [row for row in shown(rows, info.context) if row.id == self.image_id]
            return first_picture(found or rows, info.context)

        return cast("Media | None", then(info.context.loaders.load(queries.media_by_product, self.product_id), own))

    @field
    async def product(self: models.Variant, info: Info) -> "Product":
        """The product that this is a form of."""
        context = info.context
        return cast("Product", await context.load(queries.products_by_id, self.product_id, await context.eye()))

    @field(requires=Permission.READ_INVENTORY)
    async def inventory_levels(
        self: models.Variant, info: Info
    ) -> list[Annotated["InventoryLevel", strawberry.lazy("headless.graphql.inventory.types")]] | None:
        """Stock by location."""
        return await info.context.load(inventory_queries.stocks_by_variant, self.id) or []


@view(models.Product)
class Product(Node, HasMetafields):
    """A thing for sale, in one or more variants."""

    id: strawberry.ID = id_of("product")
    handle: str
    vendor: str
    product_type: str
    tags: list[str]
    status: ProductStatus
    version: int
    created_at: datetime
    updated_at: datetime
    revisions = history_of("product")
    comments = comments_on("product")
    readiness = readiness_of_product()
    translations = translations_of("product")

    @field
    def title(self: models.Product, info: Info) -> str:
        return cast("str", text(info.context, "product", self, "title", self.title))

    @field
    def description(self: models.Product, info: Info) -> str:
        """The words of its description."""
        return cast("str", text(info.context, "product", self, "description", self.description))

    @field
    def description_html(self: models.Product, info: Info) -> str:
        return cast("str", text(info.context, "product", self, "descriptionHtml", self.description_html))

    @field
    def published_at(self: Any, info: Info) -> datetime | None:
        """Since when it is published in the channel."""
        return cast("datetime | None", self.published_at if publication.in_force(self, info.context.at) else None)

    @field(requires=Permission.READ_PRODUCTS)
    async def publications(
        self: models.Product, info: Info
    ) -> list[Annotated["ProductPublication", strawberry.lazy("headless.graphql.catalog.publications")]] | None:
        """Where and when it is published, channel by channel."""
        return await info.context.load(publication.publications_by_product, self.id) or []

    @field(requires=Permission.READ_PRODUCTS)
    async def external_reference(self: models.Product, info: Info) -> str | None:
        """What another system calls it."""
        del info  # who may see it was asked before
        return self.external_reference

    @field
    async def category(
        self: models.Product, info: Info
    ) -> Annotated["Category", strawberry.lazy("headless.graphql.categories.types")] | None:
        """What kind of thing it is."""
        if self.category_id is None:
            return None
        return cast("Category | None", await info.context.load(categories_by_id, self.category_id))

    @field(requires=Permission.READ_PRODUCTS)
    async def visibility(self: models.Product, info: Info, channel: str | None = UNSET) -> ProductVisibility | None:
        """Why shoppers don't see it, or can't buy it, in a channel (by handle), by default the operation's."""
        return cast("ProductVisibility", await visibility_of(info.context, self.id, sent(channel)))

    @field
    def seo(self: models.Product, info: Info) -> Seo:
        """What search engines show."""

        def show(texts: Mapping[str, str]) -> Seo:
            title, description = (
                texts.get("seoTitle", self.seo_title),
                texts.get("seoDescription", self.seo_description),
            )
            return Seo(title=title, description=description)

        return cast("Seo", texts(info.context, "product", self.id, show))

    @field
    def options(self: models.Product, info: Info) -> list[ProductOption]:
        """How its variants differ."""

        def show(texts: Mapping[str, str]) -> list[ProductOption]:
            named = translations.options(texts, self.options)
            return [ProductOption(name=name, values=values) for name, values in named]

        return cast("list[ProductOption]", texts(info.context, "product", self.id, show))

    @field
    def variants(
        self: models.Product,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[ProductVariant]:
        """Its variants in their order."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        rows = info.context.loaders.load(queries.variants_by_product, self.id)
        return cast("Connection[ProductVariant]", then(rows, lambda rows: in_memory(rows, wanted)))

    @field
    async def variant_by_selected_options(
        self: models.Product, info: Info, selected_options: list[SelectedOptionInput]
    ) -> ProductVariant | None:
        """The variant with exactly these option values, as they were written or as they are shown."""
        wanted = {option.name: option.value for option in selected_options}
        rows = await info.context.load(queries.variants_by_product, self.id) or []
        shown = texts(info.context, "product", self.id, lambda texts: texts)
        here = await shown if is_pending(shown) else shown
        spoken: list[Mapping[str, str]] = [{}, here]
        for named in spoken:
            for row in rows:
                if dict(translations.selected(named, row.selected_options)) == wanted:
                    return cast("ProductVariant", row)
        return None

    @field
    def price_range(self: Any, info: Info) -> PriceRange:
        """The lowest and highest price in the channel."""
        return cast("PriceRange", info.context.with_channel(price_range_of(self.min_amount, self.max_amount)))

    @field
    def compare_at_price_range(self: Any, info: Info) -> PriceRange | None:
        """The lowest and highest price that is struck through; null when none is."""
        if self.min_compare_at_amount is None:
            return None
        use = price_range_of(self.min_compare_at_amount, self.max_compare_at_amount)
        return cast("PriceRange", info.context.with_channel(use))

    @field
    def available_for_sale(self: Any, info: Info) -> bool:
        """Whether any of its variants can be bought now."""
        return bool(self.is_available and publication.shows(self, info.context.at))

    @field
    async def total_inventory(self: models.Product, info: Info) -> int:
        """Units that can be sold, summed over variants whose stock is tracked."""
        rows = await info.context.load(queries.variants_by_product, self.id) or []
        load = info.context.loaders.load
        asked: list[Any] = [load(inventory_queries.sellable_by_variant, row.id) for row in rows]
        stocks = [await stock if is_pending(stock) else stock for stock in asked]
        return sum(stock.quantity for stock in stocks if stock is not None and stock.is_tracked)

    @field
    def featured_media(self: models.Product, info: Info) -> Media | None:
        """The first picture."""
        pictures = info.context.loaders.load(queries.media_by_product, self.id)
        return cast("Media | None", then(pictures, lambda rows: first_picture(rows, info.context)))

    @field
    def media(
        self: models.Product, info: Info, first: int | None = UNSET, after: str | None = UNSET
    ) -> Connection[Media]:
        """Its pictures and videos in their order."""
        wanted = window(sent(first), sent(after), None, None)
        pictures = info.context.loaders.load(queries.media_by_product, self.id)
        return cast("Connection[Media]", then(pictures, lambda rows: in_memory(shown(rows, info.context), wanted)))

    @field
    async def collections(
        self: models.Product, info: Info, first: int | None = UNSET, after: str | None = UNSET
    ) -> Connection[Annotated["Collection", strawberry.lazy("headless.graphql.collections.types")]]:
        """The collections that show it."""
        wanted = window(sent(first), sent(after), None, None)
        rows = await info.context.load(queries.collections_by_product, self.id) or []
        return cast("Connection[Collection]", in_memory(rows, wanted))


@finds("variant", "ProductVariant")
async def find_variant(info: Info, variant_id: UUID) -> Record | None:
    return cast("Record | None", await info.context.load(queries.variants_by_id, variant_id, await info.context.eye()))
