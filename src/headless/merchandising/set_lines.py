"""What does one line of JSON say a product is to be? The same as the input of `productSet`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from headless.catalog.categories.service import CategoryName
from headless.catalog.gallery import MediaWish, PictureName
from headless.catalog.kinds import MediaKind
from headless.catalog.metafields.service import Value
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.translations.service import Wish as Translation
from headless.catalog.variants import CODES, MEASURES
from headless.merchandising.belongings import Belongings
from headless.merchandising.repricing import UNSET
from headless.merchandising.set_variants import WishedVariant
from headless.merchandising.setting import Identifier, ProductWish
from headless.platform import ids
from headless.platform.errors import InvalidInput, NotFound

LEAST_NUMBER, MOST_NUMBER = -(2**31), 2**31 - 1
"""Whole numbers as the API takes them."""
YEARS = range(1000, 9000)


LineT = TypeVar("LineT", bound=BaseModel)


Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A text as the API takes it: without the character NUL."""
MESSAGES = {
    "model_type": "This is an object, in braces",
    "string_pattern_mismatch": "A text can't hold the character NUL",
}
"""What is said for people of some kinds of errors, by their types."""


class _Line(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="forbid", frozen=True
    )

    def given(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if name in self.model_fields_set}


class IdentifierLine(_Line):
    id: Text | None = None
    handle: Text | None = None
    external_reference: Text | None = None


class SelectedOptionLine(_Line):
    name: Text
    value: Text


class OptionLine(_Line):
    name: Text
    values: list[Text]


class SeoLine(_Line):
    title: Text | None = None
    description: Text | None = None


class CategoryLine(_Line):
    id: Text | None = None
    handle: Text | None = None
    external_reference: Text | None = None

    def name(self) -> CategoryName:
        return CategoryName(
            None if self.id is None else _decoded("category", self.id, "category", "id"),
            self.handle,
            self.external_reference,
        )


class PictureLine(_Line):
    id: Text | None = None
    url: Text | None = None

    def name(self, index: int) -> PictureName:
        return PictureName(
            None if self.id is None else _decoded("media", self.id, "variants", index, "media", "id"), self.url
        )


class VariantLine(_Line):
    id: Text | None = None
    sku: Text | None = None
    barcode: Text | None = None
    price: Decimal | None = None
    compare_at_price: Decimal | None = None
    selected_options: list[SelectedOptionLine] | None = None
    tracked: bool | None = None
    external_reference: Text | None = None
    tax_code: Text | None = None
    weight_grams: int | None = Field(default=None, ge=0, le=10**9)
    length_mm: int | None = Field(default=None, ge=0, le=MOST_NUMBER)
    width_mm: int | None = Field(default=None, ge=0, le=MOST_NUMBER)
    height_mm: int | None = Field(default=None, ge=0, le=MOST_NUMBER)
    backorder_limit: int | None = Field(default=None, ge=LEAST_NUMBER, le=MOST_NUMBER)
    preorder: bool | None = None
    expected_at: datetime | None = None
    max_per_order: int | None = Field(default=None, ge=LEAST_NUMBER, le=MOST_NUMBER)
    max_per_customer: int | None = Field(default=None, ge=LEAST_NUMBER, le=MOST_NUMBER)
    media: PictureLine | None = None

    def wish(self, index: int) -> WishedVariant:
        columns = self.given(*MEASURES, "expected_at", "max_per_order", "max_per_customer")
        columns |= {name: value or None for name, value in self.given(*CODES, "tax_code").items()}
        columns |= {name: value or 0 for name, value in self.given("backorder_limit").items()}
        if "preorder" in self.model_fields_set:
            columns["is_preorder"] = bool(self.preorder)
        if self.tracked is not None:
            columns["is_tracked"] = self.tracked
        if self.expected_at is not None and not _is_instant(self.expected_at):
            message = "A time needs its offset and a year from 1000 to 8999, such as 2030-01-31T12:00:00Z."
            raise InvalidInput(message, field=("variants", index, "expectedAt"))
        if "price" in self.model_fields_set and self.price is None:
            message = "A variant always has a price: leave the field out to keep it."
            raise InvalidInput(message, field=("variants", index, "price"))
        return WishedVariant(
            id=None if self.id is None else _decoded("variant", self.id, "variants", index, "id"),
            selected_options=None
            if self.selected_options is None
            else tuple((pair.name, pair.value) for pair in self.selected_options),
            columns=columns,
            price=UNSET if self.price is None else self.price,
            compare_at_price=self.compare_at_price if "compare_at_price" in self.model_fields_set else UNSET,
            picture=UNSET
            if "media" not in self.model_fields_set
            else None
            if self.media is None
            else self.media.name(index),
        )


class MediaLine(_Line):
    id: Text | None = None
    upload_id: Text | None = None
    url: Text | None = None
    alt_text: Text | None = None
    kind: MediaKind | None = None

    def wish(self, index: int) -> MediaWish:
        alt_text = self.alt_text or "" if "alt_text" in self.model_fields_set else None
        return MediaWish(
            id=None if self.id is None else _decoded("media", self.id, "media", index, "id"),
            upload_id=None
            if self.upload_id is None
            else _decoded("upload", self.upload_id, "media", index, "uploadId"),
            url=self.url,
            alt_text=alt_text,
            kind=self.kind,
        )


class MetafieldLine(_Line):
    namespace: Text
    key: Text
    value: Text
    type: Text | None = None


class TranslationLine(_Line):
    locale: Text
    key: Text
    value: Text


class BelongingsLine(_Line):
    """What belongs to a product, as `productCreate` and `productSet` take it."""

    media: list[MediaLine] | None = None
    metafields: list[MetafieldLine] | None = None
    translations: list[TranslationLine] | None = None

    def belongings(self) -> Belongings:
        """What it says of them; null means none. Raises `NotFound`."""
        sent = self.model_fields_set
        return Belongings(
            media=[one.wish(index) for index, one in enumerate(self.media or ())] if "media" in sent else None,
            metafields=[Value(one.namespace, one.key, one.value, one.type) for one in self.metafields or ()]
            if "metafields" in sent
            else None,
            translations=[Translation(one.locale, one.key, one.value) for one in self.translations or ()]
            if "translations" in sent
            else None,
        )


class ProductLine(BelongingsLine):
    """The input of `productSet`."""

    identifier: IdentifierLine
    expected_version: int | None = None
    title: Text | None = None
    handle: Text | None = None
    description_html: Text | None = None
    vendor: Text | None = None
    product_type: Text | None = None
    tags: list[Text] | None = None
    status: ProductStatus | None = None
    seo: SeoLine | None = None
    options: list[OptionLine] | None = None
    external_reference: Text | None = None
    category: CategoryLine | None = None
    variants: list[VariantLine] | None = None

    def wish(self) -> ProductWish:
        """What it says; raises `InvalidInput` and `NotFound` where it can't be."""
        columns = self.given("title", "handle")
        for name, value in columns.items():
            if value is None:
                message = f"A product always has a {name}: leave the field out to keep it."
                raise InvalidInput(message, field=(name,))
        columns |= {
            name: value or "" for name, value in self.given("description_html", "vendor", "product_type").items()
        }
        columns |= {name: value or [] for name, value in self.given("tags").items()}
        columns |= {name: value or None for name, value in self.given("external_reference").items()}
        if self.status is not None:
            columns["status"] = self.status
        if "options" in self.model_fields_set:
            columns["options"] = tuple(Option(each.name, tuple(each.values)) for each in self.options or ())
        if "seo" in self.model_fields_set:
            seo = self.seo or SeoLine(title=None, description=None)
            columns |= {f"seo_{name}": value or None for name, value in seo.given("title", "description").items()}
        named = self.identifier
        return ProductWish(
            identifier=Identifier(
                None if named.id is None else _decoded("product", named.id, "identifier", "id"),
                named.handle,
                named.external_reference,
            ),
            columns=columns,
            category=UNSET
            if "category" not in self.model_fields_set
            else None
            if self.category is None
            else self.category.name(),
            variants=None
            if self.variants is None
            else [variant.wish(index) for index, variant in enumerate(self.variants)],
            expected_version=self.expected_version,
            belongings=self.belongings(),
        )


def parsed(line: bytes) -> ProductWish:
    """Read one line; raises `InvalidInput` that says what is wrong with it, and `NotFound`."""
    try:
        sent = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        message = f"The line isn't JSON: {error}."
        raise InvalidInput(message) from None
    return wish_of(sent)


def wish_of(sent: object) -> ProductWish:
    """Read an input that was sent, by the API's names or ours; raises what `parsed` does."""
    return _validated(ProductLine, sent).wish()


def belongings_of(sent: object) -> Belongings:
    """Read what an input says of media, metafields and translations; raises what `parsed` does."""
    return _validated(BelongingsLine, sent).belongings()


def _validated(kind: type[LineT], sent: object) -> LineT:
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        message = f"{MESSAGES.get(first['type'], first['msg'])}."
        raise InvalidInput(message, field=[str(part) for part in first["loc"]]) from None


def _is_instant(at: datetime) -> bool:
    """Whether it is a time as the API takes it: at the ends of the calendar, offsets lead out of it."""
    return at.tzinfo is not None and at.year in YEARS and at.astimezone(UTC).year in YEARS


def _decoded(prefix: str, value: str, *path: str | int) -> Any:
    try:
        return ids.decode(prefix, value)
    except NotFound:
        raise NotFound(field=path) from None
