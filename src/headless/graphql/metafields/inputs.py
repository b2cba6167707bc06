"""What do the mutations of metafields take and give?"""

import strawberry
from strawberry import UNSET

from headless.catalog.metafields.rules import MetafieldOwner
from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError
from headless.graphql.metafields.types import Metafield, MetafieldDefinition


@input_type
class MetafieldInput:
    """A metafield of the record that is written; its value as a text, as `metafieldsSet` takes it."""

    namespace: str
    key: str
    value: str
    type: str | None = strawberry.field(
        default=UNSET, description="Such as `integer` or `list.color`; needed where no definition tells it."
    )


@input_type
class MetafieldsSetItemInput:
    """A value, as a text: a number in digits, a list or json as JSON, a reference as an id."""

    owner_id: strawberry.ID = strawberry.field(description="A product, variant or collection.")
    namespace: str
    key: str
    value: str
    type: str | None = strawberry.field(
        default=UNSET, description="Such as `integer` or `list.color`; needed where no definition tells it."
    )


@input_type
class MetafieldsSetInput:
    """At most 25 values, written all or none."""

    metafields: list[MetafieldsSetItemInput]


@input_type
class MetafieldIdentifierInput:
    owner_id: strawberry.ID
    namespace: str
    key: str


@input_type
class MetafieldsDeleteInput:
    """At most 25 metafields; those that aren't there are passed over."""

    metafields: list[MetafieldIdentifierInput]


@input_type
class MetafieldValidationsInput:
    """What is asked of values, each item of a list alone."""

    min: str | None = strawberry.field(
        default=UNSET, description="The least number or date, or the least length of a text."
    )
    max: str | None = strawberry.field(
        default=UNSET, description="The largest number or date, or the greatest length of a text."
    )
    regex: str | None = strawberry.field(
        default=UNSET, description="A pattern that the whole text matches, without back-references and look-around."
    )
    choices: list[str] | None = strawberry.field(default=UNSET, description="All values that there can be.")


@input_type
class MetafieldDefinitionCreateInput:
    """What the metafields of a namespace and key are."""

    owner_type: MetafieldOwner
    namespace: str
    key: str
    name: str
    type: str = strawberry.field(
        description="text, integer, decimal, boolean, date, url, color, json, product_reference, variant_reference, "
        "collection_reference, or a list of one, such as list.text."
    )
    description: str | None = UNSET
    filterable: bool = False
    public: bool = False
    validations: MetafieldValidationsInput | None = UNSET


@input_type
class MetafieldDefinitionUpdateInput:
    """What becomes of a definition: an omitted field stays, null clears. Values that are there aren't checked again."""

    id: strawberry.ID
    expected_version: int
    name: str | None = UNSET
    description: str | None = UNSET
    filterable: bool | None = UNSET
    public: bool | None = UNSET
    validations: MetafieldValidationsInput | None = UNSET


@input_type
class MetafieldDefinitionDeleteInput:
    id: strawberry.ID
    delete_all_associated_metafields: bool = strawberry.field(
        default=False, description="Whether the values go, too; else only staff see them, and nothing finds by them."
    )


@strawberry.type(description="Whose a metafield was, and its name.")
class MetafieldIdentifier:
    owner_id: strawberry.ID
    namespace: str
    key: str


@payload
class MetafieldsSetPayload:
    """The values in the order of the input."""

    metafields: list[Metafield] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class MetafieldsDeletePayload:
    """Those that there were."""

    deleted_metafields: list[MetafieldIdentifier] | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class MetafieldDefinitionCreatePayload:
    """The new definition."""

    metafield_definition: MetafieldDefinition | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class MetafieldDefinitionUpdatePayload:
    """The definition as it is now."""

    metafield_definition: MetafieldDefinition | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class MetafieldDefinitionDeletePayload:
    """The id of what was."""

    deleted_metafield_definition_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
