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
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
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
ROWS = frozenset({"nodes", "edges"})
LONGEST_INT = 10


@dataclass(frozen=True, slots=True)
class Size:
    """What a selection amounts to with all fragments expanded. `cost` counts fields, times rows in lists."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0
    is_list: bool = False
    """Whether it selects the rows of a connection."""

    def __add__(self, other: "Size") -> "Size":
        return Size(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.cost + other.cost,
            self.is_list or other.is_list,
        )


class _Walk:
    def __init__(
        self, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
    ) -> None:
        defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        self._variables = None if variables is None else {**defaults, **variables}
        self._fragments = _fragments(document)
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
            cost=1 + inner.cost * self._rows(node, inner),
            is_list=node.name.value in ROWS,
        )

    def _fragment(self, name: str) -> Size:
        if name not in self._sizes:
            # A fragment that spreads itself counts as empty here; validation refuses it afterwards.
            self._sizes[name] = Size()
            fragment = self._fragments.get(name)
            self._sizes[name] = self.selection(fragment.selection_set) if fragment else Size()
        return self._sizes[name]

    def _rows(self, node: FieldNode, inner: Size) -> int:
        asked = [self._count(one.value) for one in node.arguments or () if one.name.value in PAGED]
        named = [self._length(one.value) for one in node.arguments or () if one.name.value == "ids"]
        counts = [count for count in (*asked, *named) if count is not None]
        return max(counts) if counts else DEFAULT if inner.is_list else 1

    def _count(self, value: ValueNode | None) -> int | None:
        """Rows that `first` or `last` asks for; None when it says nothing."""
        given = self._given(value)
        if isinstance(given, IntValueNode):
            given = int(given.value) if len(given.value) < LONGEST_INT else MAXIMUM
        # The specification takes 250.0 for an Int, too.
        return max(0, int(min(given, MAXIMUM))) if isinstance(given, int | float) else None

    def _length(self, value: ValueNode | None) -> int | None:
        given = self._given(value)
        given = given.values if isinstance(given, ListValueNode) else given
        return min(len(given), MAXIMUM) if isinstance(given, list | tuple) else None

    def _given(self, value: ValueNode | None) -> Any:
        """What an argument is: a node of the document or a variable's value; as long as nobody knows it, the least."""
        if not isinstance(value, VariableNode):
            return value
        return 1 if self._variables is None else self._variables.get(value.name.value)


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> list[FieldNode]:
    """The fields at an operation's root, those inside fragments too."""
    fragments, visited = _fragments(document), set[str]()
    found: list[FieldNode] = []
    pending = [operation.selection_set]
    while pending:
        for node in pending.pop().selections:
            if isinstance(node, FieldNode):
                found.append(node)
            elif isinstance(node, InlineFragmentNode):
                pending.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                visited.add(node.name.value)
                pending += [fragments[node.name.value].selection_set] if node.name.value in fragments else []
    return found


def _fragments(document: DocumentNode) -> Mapping[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def check(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any] | None
) -> GraphQLError | None:
    """Say what is too much about an operation, if anything is. `variables` None: they aren't known yet."""
    size = _Walk(document, operation, variables).selection(operation.selection_set)
    for name, found, most in (
        ("levels deep", size.depth, MOST_DEPTH),
        ("fields", size.fields, MOST_FIELDS),
        ("aliases", size.aliases, MOST_ALIASES),
        ("directives", size.directives + len(operation.directives or ()), MOST_DIRECTIVES),
        ("fields at its root", len(root_fields(document, operation)), MOST_ROOT_FIELDS),
        ("points of cost", size.cost, MOST_COST),
    ):
        if found > most:
            message = f"This operation has {found} {name}; at most {most} are allowed. Ask for less at once."
            return GraphQLError(message, extensions={"code": "MAX_COST_EXCEEDED"})
    return None
