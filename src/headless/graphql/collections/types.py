"""How do a collection's rules look in the API?"""

from typing import Any

import strawberry

from headless.catalog.collections import rules
from headless.catalog.collections.rules import RuleColumn, RuleRelation

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
