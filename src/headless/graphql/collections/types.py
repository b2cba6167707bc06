"""How do collections and their rules look in the API?"""

from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import models
from headless.catalog.collections import rules
from headless.catalog.collections.rules import RuleColumn, RuleRelation
from headless.catalog.queries import ProductSortKey
from headless.graphql.catalog.filters import ProductFilter, wish_of
from headless.graphql.catalog.lists import ProductConnection, product_page
from headless.graphql.catalog.translations import text, translations_of
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.metafields.types import HasMetafields
from headless.graphql.nodes import Node
from headless.graphql.teamwork.comments import comments_on
from headless.graphql.teamwork.histories import history_of
from headless.platform.pages import window

strawberry.enum(RuleColumn, name="CollectionRuleColumn", description="What a rule looks at.")
strawberry.enum(
    RuleRelation, name="CollectionRuleRelation", description="How what a rule looks at stands to its condition."
)


@strawberry.type(description="A metafield of products, which a definition makes filterable.")
class CollectionRuleMetafield:
    namespace: str
    key: str


@strawberry.type(description="One condition on products.")
class CollectionRule:
    column: RuleColumn
    relation: RuleRelation
    condition: str
    metafield: CollectionRuleMetafield | None


@strawberry.type(description="What products of a collection have in common.")
class CollectionRuleSet:
    applied_disjunctively: bool = strawberry.field(description="Whether one rule that is met is enough.")
    rules: list[CollectionRule]


@view(models.Collection)
class Collection(Node, HasMetafields):
    """Products shown together."""

    id: strawberry.ID = id_of("collection")
    handle: str
    version: int
    updated_at: datetime
    revisions = history_of("collection")
    comments = comments_on("collection")
    translations = translations_of("collection")

    @field
    def title(self: models.Collection, info: Info) -> str:
        return cast("str", text(info.context, "collection", self, "title", self.title))

    @field
    def description(self: models.Collection, info: Info) -> str:
        """The words of its description."""
        return cast("str", text(info.context, "collection", self, "description", self.description))

    @field
    def description_html(self: models.Collection, info: Info) -> str:
        return cast("str", text(info.context, "collection", self, "descriptionHtml", self.description_html))

    @field(requires=Permission.READ_PRODUCTS)
    async def external_reference(self: models.Collection, info: Info) -> str | None:
        """What another system calls it."""
        del info  # who may see it was asked before
        return self.external_reference

    @field(requires=Permission.READ_PRODUCTS)
    async def rule_set(self: models.Collection, info: Info) -> CollectionRuleSet | None:
        """What products that it holds have in common; null when people choose them."""
        del info  # who may see it was asked before
        return rule_set(self.rules)

    @field
    async def products(
        self: models.Collection,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        filters: list[ProductFilter] | None = UNSET,
        sort_key: ProductSortKey | None = UNSET,
        reverse: bool = False,
    ) -> ProductConnection:
        """Its visible products; without a sort key in the collection's own order."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        wish = await wish_of(info, filters=sent(filters), collection_id=self.id)
        return await product_page(info, wish, wanted, sort=sent(sort_key), is_reversed=reverse)


def rule_set(row: Any) -> CollectionRuleSet | None:
    """The rules that a collection's row keeps."""
    if row is None:
        return None
    found = rules.rule_set_of(row)
    return CollectionRuleSet(
        applied_disjunctively=found.is_any,
        rules=[
            CollectionRule(
                column=rule.column,
                relation=rule.relation,
                condition=rule.condition,
                metafield=CollectionRuleMetafield(namespace=rule.namespace, key=rule.key)
                if rule.namespace and rule.key
                else None,
            )
            for rule in found.rules
        ],
    )
