"""What do the mutations of collections take and give?"""

import strawberry
from strawberry import UNSET

from headless.catalog.collections.rules import RuleColumn, RuleRelation
from headless.graphql.collections.types import Collection
from headless.graphql.declare import errors, input_type, payload
from headless.graphql.errors import UserError


@input_type
class CollectionRuleMetafieldInput:
    """A metafield of products, which a definition makes filterable."""

    namespace: str
    key: str


@input_type
class CollectionRuleInput:
    """One condition. Prices are the lowest of a product in the shop's own channel; texts are compared without case."""

    column: RuleColumn
    relation: RuleRelation
    condition: str = strawberry.field(
        default="", description="A text, a price such as 12.50, true or false; nothing for IS_SET and IS_NOT_SET."
    )
    metafield: CollectionRuleMetafieldInput | None = UNSET


@input_type
class CollectionRuleSetInput:
    """What products of a collection have in common."""

    applied_disjunctively: bool = strawberry.field(default=False, description="Whether one rule that is met is enough.")
    rules: list[CollectionRuleInput]


@input_type
class CollectionCreateInput:
    """A new collection: of products in an order, or of those that meet rules."""

    title: str
    handle: str | None = UNSET
    description_html: str | None = UNSET
    external_reference: str | None = UNSET
    rule_set: CollectionRuleSetInput | None = UNSET
    product_ids: list[strawberry.ID] | None = UNSET


@input_type
class CollectionUpdateInput:
    """What becomes of a collection: an omitted field stays, null clears. Without rules it keeps its products."""

    id: strawberry.ID
    expected_version: int
    title: str | None = UNSET
    handle: str | None = UNSET
    description_html: str | None = UNSET
    external_reference: str | None = UNSET
    rule_set: CollectionRuleSetInput | None = UNSET


@input_type
class CollectionDeleteInput:
    id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=UNSET, description="Refuse it if the collection has changed since."
    )


@input_type
class CollectionAddProductsInput:
    """At most 250 products, put at the end."""

    id: strawberry.ID
    product_ids: list[strawberry.ID]


@input_type
class CollectionRemoveProductsInput:
    """At most 250 products; those that aren't in it are passed over."""

    id: strawberry.ID
    product_ids: list[strawberry.ID]


@input_type
class CollectionMoveInput:
    """A product and its new place, counted from 0; a place beyond the last means the end."""

    id: strawberry.ID
    new_position: int


@input_type
class CollectionReorderProductsInput:
    """At most 250 moves, made one after the other."""

    id: strawberry.ID
    moves: list[CollectionMoveInput]


@payload
class CollectionCreatePayload:
    """The new collection; what meets its rules comes a moment later."""

    collection: Collection | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CollectionUpdatePayload:
    """The collection as it is now; what meets new rules comes a moment later."""

    collection: Collection | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CollectionDeletePayload:
    """The id of what was."""

    deleted_collection_id: strawberry.ID | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CollectionAddProductsPayload:
    """The collection with the products."""

    collection: Collection | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CollectionRemoveProductsPayload:
    """The collection without the products."""

    collection: Collection | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class CollectionReorderProductsPayload:
    """The collection in its new order."""

    collection: Collection | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)
