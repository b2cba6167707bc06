"""Which products meet a collection's rules?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any

from headless.catalog.rules import MAX_TITLE, fold
from headless.platform.errors import InvalidInput

MAX_RULES = 60


class RuleColumn(StrEnum):
    """What a rule looks at."""

    TAG = "TAG"
    TITLE = "TITLE"
    TYPE = "TYPE"
    VENDOR = "VENDOR"
    PRICE = "PRICE"
    AVAILABILITY = "AVAILABILITY"
    METAFIELD = "METAFIELD"


class RuleRelation(StrEnum):
    """How what a rule looks at stands to its condition."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    CONTAINS = "CONTAINS"
    NOT_CONTAINS = "NOT_CONTAINS"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    GREATER_THAN = "GREATER_THAN"
    LESS_THAN = "LESS_THAN"
    IS_SET = "IS_SET"
    IS_NOT_SET = "IS_NOT_SET"


_SAME = frozenset({RuleRelation.EQUALS, RuleRelation.NOT_EQUALS})
_SIZES = frozenset({RuleRelation.GREATER_THAN, RuleRelation.LESS_THAN})
ONLY_SET = frozenset({RuleRelation.IS_SET, RuleRelation.IS_NOT_SET})
"""What needs no condition."""
_PARTS = frozenset({RuleRelation.CONTAINS, RuleRelation.NOT_CONTAINS, RuleRelation.STARTS_WITH, RuleRelation.ENDS_WITH})
RELATIONS: Mapping[RuleColumn, frozenset[RuleRelation]] = {
    RuleColumn.TAG: _SAME,
    RuleColumn.TITLE: _SAME | _PARTS,
    RuleColumn.TYPE: _SAME | _PARTS,
    RuleColumn.VENDOR: _SAME | _PARTS,
    RuleColumn.PRICE: _SAME | _SIZES,
    RuleColumn.AVAILABILITY: frozenset({RuleRelation.EQUALS}),
    RuleColumn.METAFIELD: _SAME | _SIZES | ONLY_SET,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition. `filter_key` is what the condition on a metafield is compared by, as its definition says now."""

    column: RuleColumn
    relation: RuleRelation
    condition: str = ""
    namespace: str | None = None
    key: str | None = None
    filter_key: str | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Conditions of which a product meets any, or all."""

    is_any: bool
    rules: tuple[Rule, ...]

    @property
    def metafields(self) -> frozenset[tuple[str, str]]:
        return frozenset((rule.namespace, rule.key) for rule in self.rules if rule.namespace and rule.key)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What of a product rules look at; texts are folded, the price is the lowest in the shop's own channel."""

    title: str
    product_type: str
    vendor: str
    tags: frozenset[str]
    price: Decimal | None
    is_available: bool
    metafields: Mapping[tuple[str, str], Collection[str]]
    """What each is compared by; of a list every item."""


def checked(wanted: RuleSet) -> RuleSet:
    """Refuse what can't be asked; metafields are looked up elsewhere."""
    if not 0 < len(wanted.rules) <= MAX_RULES:
        raise InvalidInput(f"A collection has 1 to {MAX_RULES} rules.", field=("ruleSet", "rules"))
    for index, rule in enumerate(wanted.rules):
        path = ("ruleSet", "rules", index)
        if rule.relation not in RELATIONS[rule.column]:
            legal = ", ".join(sorted(RELATIONS[rule.column]))
            raise InvalidInput(f"{rule.column} is compared by {legal}.", field=(*path, "relation"))
        _check_condition(rule, path)
        if (rule.column is RuleColumn.METAFIELD) != bool(rule.namespace and rule.key):
            message = "A rule about METAFIELD names the metafield, others don't."
            raise InvalidInput(message, field=(*path, "metafield"))
    return wanted


def _check_condition(rule: Rule, path: Sequence[str | int]) -> None:
    text = rule.condition
    if len(text) > MAX_TITLE or "\0" in text:
        raise InvalidInput(f"A condition has at most {MAX_TITLE} characters.", field=(*path, "condition"))
    if rule.relation in ONLY_SET:
        return
    if rule.column is RuleColumn.PRICE and price_of(text) is None:
        raise InvalidInput("A price is written like 12.50.", field=(*path, "condition"))
    if rule.column is RuleColumn.AVAILABILITY and text not in {"true", "false"}:
        raise InvalidInput("Availability is true or false.", field=(*path, "condition"))
    if rule.column not in {RuleColumn.PRICE, RuleColumn.AVAILABILITY} and not fold(text):
        raise InvalidInput("Say what it is compared with.", field=(*path, "condition"))


def price_of(text: str) -> Decimal | None:
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 <= price < 10**15 else None


def row_of(rule_set: RuleSet) -> dict[str, Any]:
    """Rules as a collection keeps them."""
    return {
        "is_any": rule_set.is_any,
        "rules": [
            {
                "column": rule.column.value,
                "relation": rule.relation.value,
                "condition": rule.condition,
                **({"namespace": rule.namespace, "key": rule.key} if rule.key else {}),
            }
            for rule in rule_set.rules
        ],
    }


def rule_set_of(row: Mapping[str, Any]) -> RuleSet:
    return RuleSet(
        row["is_any"],
        tuple(
            Rule(
                RuleColumn(rule["column"]),
                RuleRelation(rule["relation"]),
                rule["condition"],
                rule.get("namespace"),
                rule.get("key"),
            )
            for rule in row["rules"]
        ),
    )


def matches(rule_set: RuleSet, product: Candidate) -> bool:
    """Whether a product belongs into a collection of these rules."""
    met = (_meets(rule, product) for rule in rule_set.rules)
    return any(met) if rule_set.is_any else all(met)


def _meets(rule: Rule, product: Candidate) -> bool:
    match rule.column:
        case RuleColumn.TAG:
            return (_folded(rule.condition) in product.tags) == (rule.relation is RuleRelation.EQUALS)
        case RuleColumn.TITLE | RuleColumn.TYPE | RuleColumn.VENDOR:
            texts = {
                RuleColumn.TITLE: product.title,
                RuleColumn.TYPE: product.product_type,
                RuleColumn.VENDOR: product.vendor,
            }
            return _compares(rule.relation, texts[rule.column], _folded(rule.condition))
        case RuleColumn.AVAILABILITY:
            return product.is_available == (rule.condition == "true")
        case RuleColumn.PRICE:
            price = price_of(rule.condition)
            return product.price is not None and price is not None and _compares(rule.relation, product.price, price)
        case RuleColumn.METAFIELD:
            found = product.metafields.get((rule.namespace or "", rule.key or ""), ())
            return _meets_any(rule, found)


def _meets_any(rule: Rule, found: Collection[str]) -> bool:
    """Whether a metafield, or any item of a list, is as wished; NOT_EQUALS: whether none is."""
    if rule.relation in ONLY_SET:
        return bool(found) == (rule.relation is RuleRelation.IS_SET)
    if not found:
        return rule.relation is RuleRelation.NOT_EQUALS
    if rule.filter_key is None:
        return False
    if rule.relation is RuleRelation.NOT_EQUALS:
        return rule.filter_key not in found
    return any(_compares(rule.relation, value, rule.filter_key) for value in found)


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    return fold(text)


def _compares(relation: RuleRelation, value: Any, condition: Any) -> bool:
    return bool(_COMPARE[relation](value, condition))


_COMPARE: Mapping[RuleRelation, Any] = {
    RuleRelation.EQUALS: lambda value, condition: value == condition,
    RuleRelation.NOT_EQUALS: lambda value, condition: value != condition,
    RuleRelation.CONTAINS: lambda value, condition: condition in value,
    RuleRelation.NOT_CONTAINS: lambda value, condition: condition not in value,
    RuleRelation.STARTS_WITH: lambda value, condition: value.startswith(condition),
    RuleRelation.ENDS_WITH: lambda value, condition: value.endswith(condition),
    RuleRelation.GREATER_THAN: lambda value, condition: value > condition,
    RuleRelation.LESS_THAN: lambda value, condition: value < condition,
}
