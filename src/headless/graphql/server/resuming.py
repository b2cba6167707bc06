"""How does a subscription's document say where to go on, and how is it told to go on elsewhere?"""

from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    NameNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)

from headless.graphql.limits import root_fields

AFTER = "after"


def variable_of(document: DocumentNode, operation: OperationDefinitionNode) -> str | None:
    """The variable that is the root field's `after` and is used nowhere else in the document, if there is one."""
    given = [
        argument.value.name.value
        for field in root_fields(document, operation)
        for argument in field.arguments or ()
        if argument.name.value == AFTER and isinstance(argument.value, VariableNode)
    ]
    if len(given) != 1:
        return None
    uses = _Uses(given[0])
    visit(document, uses)
    return given[0] if uses.count == 1 else None


def resumed_after(document: DocumentNode, operation: OperationDefinitionNode, cursor: str) -> DocumentNode:
    """The same document with the root field's `after` being this cursor, whatever it was."""
    changed: DocumentNode = visit(document, _Replacement(root_fields(document, operation), cursor))
    return changed


class _Uses(Visitor):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.count = 0

    def enter_variable(self, node: VariableNode, _key: object, parent: object, *_rest: Any) -> None:
        if node.name.value == self._name and not isinstance(parent, VariableDefinitionNode):
            self.count += 1


class _Replacement(Visitor):
    def __init__(self, fields: list[FieldNode], cursor: str) -> None:
        super().__init__()
        self._fields = fields
        self._after = ArgumentNode(name=NameNode(value=AFTER), value=StringValueNode(value=cursor))

    def leave_field(self, node: FieldNode, *_rest: Any) -> FieldNode | None:
        if not any(node is field for field in self._fields):
            return None
        kept = tuple(one for one in node.arguments or () if one.name.value != AFTER)
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=(*kept, self._after),
            directives=node.directives,
            selection_set=node.selection_set,
            loc=node.loc,
        )
