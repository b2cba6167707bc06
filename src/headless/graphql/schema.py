"""What is the API, whole? The SDL is printed from here."""

from collections.abc import Callable
from inspect import signature
from operator import attrgetter
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.tools import merge_types

from headless.graphql.bulk.jobs import BulkJobMutations, BulkJobQueries
from headless.graphql.bulk.mutations import BulkMutations
from headless.graphql.cart.mutations import CartMutations, CartQueries
from headless.graphql.catalog.predictive import PredictiveQueries
from headless.graphql.catalog.queries import CatalogQueries
from headless.graphql.catalog.recommendations import RecommendationQueries
from headless.graphql.catalog.translations import TranslationMutations
from headless.graphql.categories.mutations import CategoryMutations, CategoryQueries
from headless.graphql.channels import ChannelMutations
from headless.graphql.checkout import CheckoutMutations
from headless.graphql.collections.mutations import CollectionMutations
from headless.graphql.inventory.mutations import StockMutations
from headless.graphql.inventory.places import LocationMutations
from headless.graphql.inventory.queries import InventoryQueries
from headless.graphql.inventory.transfers import TransferMutations
from headless.graphql.inventory.waiting import WaitingMutations
from headless.graphql.live.subscriptions import Subscription
from headless.graphql.live.types import EVENTS
from headless.graphql.media.mutations import MediaMutations
from headless.graphql.metafields.mutations import MetafieldMutations, MetafieldQueries
from headless.graphql.nodes import NodeQueries
from headless.graphql.operations import OperationsQueries
from headless.graphql.orders.mutations import OrderMutations, OrderQueries
from headless.graphql.products.deletions import ProductDeletions
from headless.graphql.products.mutations import ProductMutations
from headless.graphql.scalars import SCALARS, CountryCode, LanguageCode, parse_text, parse_text_literal
from headless.graphql.shop import ShopQueries
from headless.graphql.teamwork.checklist import ChecklistMutations, ChecklistQueries
from headless.graphql.teamwork.commenting import CommentAdded, CommentMutations, CommentQueries, CommentSubscription
from headless.graphql.teamwork.reverting import RevisionMutations

Resolver = Callable[[Any, Any], Any]


@strawberry.directive(
    locations=[DirectiveLocation.QUERY, DirectiveLocation.MUTATION, DirectiveLocation.SUBSCRIPTION],
    name="inContext",
    description="The market to answer for: its publication, prices and language.",
)
def in_context(
    value: DirectiveValue[Any],
    channel: str | None = strawberry.UNSET,
    country: CountryCode | None = strawberry.UNSET,
    language: LanguageCode | None = strawberry.UNSET,
) -> Any:
    del channel, country, language
    return value


class _Schema(strawberry.Schema):
    """Directives are read per operation by the executor: strawberry's extension would visit every field."""

    def get_extensions(self, sync: bool = False) -> list[SchemaExtension]:
        del sync
        return []


Query = merge_types(
    "Query",
    (
        ShopQueries,
        CatalogQueries,
        PredictiveQueries,
        RecommendationQueries,
        BulkJobQueries,
        CartQueries,
        OrderQueries,
        InventoryQueries,
        OperationsQueries,
        CommentQueries,
        MetafieldQueries,
        ChecklistQueries,
        CategoryQueries,
        NodeQueries,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        CartMutations,
        CheckoutMutations,
        OrderMutations,
        ProductMutations,
        ProductDeletions,
        MetafieldMutations,
        CategoryMutations,
        CollectionMutations,
        BulkMutations,
        MediaMutations,
        BulkJobMutations,
        StockMutations,
        LocationMutations,
        TransferMutations,
        WaitingMutations,
        RevisionMutations,
        CommentMutations,
        ChannelMutations,
        ChecklistMutations,
        TranslationMutations,
    ),
)

strawberry_schema = _Schema(
    query=Query,
    mutation=Mutation,
    subscription=merge_types("Subscription", (Subscription, CommentSubscription)),
    types=[*EVENTS, CommentAdded],
    directives=[in_context],
    config=StrawberryConfig(scalar_map=SCALARS, info_class=strawberry.Info),
)


def _open_to_rows(made: GraphQLSchema) -> GraphQLSchema:
    """Let resolvers return rows, not instances: abstract types are told apart by their own `resolve_type` alone."""
    text: Any = made.type_map["String"]
    text.parse_value = text.coerce_input_value = parse_text
    text.coerce_input_literal = parse_text_literal
    for kind in made.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            kind.is_type_of = None
            for field in kind.fields.values():
                field.resolve = _direct(field) or field.resolve
    return made


def _direct(field: GraphQLField) -> Resolver | None:
    """Call the resolver of a field without arguments itself; strawberry's way there costs more than most fields."""
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if definition is None or definition.is_subscription or definition.arguments or definition.extensions:
        return None
    if definition.base_resolver is None:
        read = attrgetter(definition.python_name)
        return lambda row, _info: read(row)
    function = definition.base_resolver.wrapped_func
    if "info" in signature(function).parameters:
        return lambda row, info: function(row, info=info)
    return lambda row, _info: function(row)


schema: GraphQLSchema = _open_to_rows(strawberry_schema._schema)  # noqa: SLF001 - executed by graphql-core itself


def sdl() -> str:
    """The schema definition language text of the API."""
    return strawberry_schema.as_str() + "\n"
