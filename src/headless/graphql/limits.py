"""How much may one document ask for? One walk, each fragment visited once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from headless.platform.pages import DEFAULT, MAXIMUM

MOST_TOKENS = 2_000
MOST_DEPTH = 20
MOST_FIELDS = 2_000
MOST_ALIASES = 100
MOST_ROOT_FIELDS = 50
MOST_DIRECTIVES = 50
MOST_COST = 100_000
PAGED = frozenset({"first", "last"})


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection amounts to with all fragments expanded. `cost` counts fields, times rows in lists."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0

    def __add__(self, other: "Size") -> "Size":
        return Size(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
        )


class _Walk:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._sizes: dict[str, Size] = {}

    def selection(self, selected: SelectionSetNode | None) -> Size:
        total = Size()
        for node in selected.selections if selected else ():
            directives = Size(directives=len(node.directives or ()))
            if isinstance(node, FieldNode):
                total += self._field(node) + directives
            elif isinstance(node, InlineFragmentNode):
                total += self.selection(node.selection_set) + directives
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value) + directives
        return total

    def _field(self, node: FieldNode) -> Size:
        inner = self.selection(node.selection_set)
        return Size(
            depth=inner.depth + 1,
            fields=inner.fields + 1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            cost=1 + inner.cost * self._rows(node),
        )

    def _fragment(self, name: str) -> Size:
        if name not in self._sizes:
            # A fragment that spreads itself counts as empty here; validation refuses it afterwards.
            self._sizes[name] = Size()
            fragment = self._fragments.get(name)
            self._sizes[name] = self.selection(fragment.selection_set) if fragment else Size()
        return self._sizes[name]

    def _rows(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in PAGED:
                value = argument.value
                if isinstance(value, IntValueNode):
                    return min(int(value.value), MAXIMUM) if len(value.value) < 10 else MAXIMUM  # noqa: PLR2004
                if isinstance(value, VariableNode):
                    given = self._variables.get(value.name.value)
                    return max(0, min(given, MAXIMUM)) if isinstance(given, int) else DEFAULT
        selections = node.selection_set.selections if node.selection_set else ()
        is_list = any(isinstance(one, FieldNode) and one.name.value in {"nodes", "edges"} for one in selections)
        return DEFAULT if is_list else 1


def check(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> GraphQLError | None:
    """Say what is too much about an operation, if anything is."""
    size = _Walk(document, variables).selection(operation.selection_set)
    for name, found, most in (
        ("levels deep", size.depth, MOST_DEPTH),
        ("fields", size.fields, MOST_FIELDS),
        ("aliases", size.aliases, MOST_ALIASES),
        ("directives", size.directives + len(operation.directives or ()), MOST_DIRECTIVES),
        ("fields at its root", len(operation.selection_set.selections), MOST_ROOT_FIELDS),
        ("points of cost", size.cost, MOST_COST),
    ):
        if found > most:
            message = f"This operation has {found} {name}; at most {most} are allowed. Ask for less at once."
            return GraphQLError(message, extensions={"code": "MAX_COST_EXCEEDED"})
    return None
