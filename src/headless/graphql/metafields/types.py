"""How do metafields and their definitions look in the API?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog.metafields import models, queries, rules
from headless.catalog.metafields.rules import REFERENCES, Kind, MetafieldOwner, Shape
from headless.graphql.context import Context, Info, sent
from headless.graphql.declare import field, id_of, view
from headless.graphql.nodes import FINDERS, Node, find, finds
from headless.graphql.pages import Connection, in_memory
from headless.platform.db import Record
from headless.platform.errors import NotFound
from headless.platform.pages import window

strawberry.enum(MetafieldOwner, name="MetafieldOwnerType", description="What can have metafields.")


@strawberry.type(description="What a definition asks of values, each item of a list alone.")
class MetafieldValidations:
    min: str | None = strawberry.field(description="The least number or date, or the least length of a text.")
    max: str | None = strawberry.field(description="The largest number or date, or the greatest length of a text.")
    regex: str | None = strawberry.field(description="A pattern that the whole text matches.")
    choices: list[str] | None = strawberry.field(description="All values that there can be.")


@view(models.MetafieldDefinition)
class MetafieldDefinition(Node):
    """What all metafields of one namespace and key have in common."""

    id: strawberry.ID = id_of("metafield_definition")
    namespace: str
    key: str
    name: str
    description: str
    version: int
    created_at: datetime
    updated_at: datetime

    @field
    def owner_type(self: models.MetafieldDefinition) -> MetafieldOwner:
        return MetafieldOwner(self.owner_type)

    @field
    def type(self: models.MetafieldDefinition) -> str:
        """Such as `integer`, `list.color` or `product_reference`."""
        return _shape(self).name

    @field
    def filterable(self: models.MetafieldDefinition) -> bool:
        """Whether records are found by it."""
        return self.is_filterable

    @field
    def public(self: models.MetafieldDefinition) -> bool:
        """Whether shoppers see it."""
        return self.is_public

    @field
    def validations(self: models.MetafieldDefinition) -> MetafieldValidations:
        """What is asked of its values."""
        found = rules.validations_of(self.validations)
        return MetafieldValidations(
            min=found.min,
            max=found.max,
            regex=found.regex,
            choices=list(found.choices) if found.choices is not None else None,
        )


@view(models.Metafield)
class Metafield(Node):
    """A value that the shop adds to a record."""

    id: strawberry.ID = id_of("metafield")
    namespace: str
    key: str
    created_at: datetime
    updated_at: datetime

    @field
    def type(self: models.Metafield) -> str:
        """Such as `integer`, `list.color` or `product_reference`."""
        return _shape(self).name

    @field
    def value(self: models.Metafield) -> str:
        """The value as a text: a number in digits, a list or json as JSON, a reference as an id."""
        return rules.shown(_shape(self), self.value)

    @field
    async def reference(self: models.Metafield, info: Info) -> Node | None:
        """What a reference means; null while you may not see it."""
        if self.is_list or Kind(self.type) not in REFERENCES:
            return None
        return cast("Node | None", await _visible(info, self.value))

    @field
    async def references(
        self: models.Metafield,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[Node]:
        """What a list of references means, without what you may not see."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        texts = dict.fromkeys(self.value) if self.is_list and Kind(self.type) in REFERENCES else ()
        found = [await _visible(info, text) for text in texts]
        return cast("Connection[Node]", in_memory([row for row in found if row is not None], wanted))

    @field(requires=Permission.READ_PRODUCTS)
    async def definition(self: Any, info: Info) -> MetafieldDefinition | None:
        """Its definition, if there is one."""
        if self.definition_id is None:
            return None
        return cast(
            "MetafieldDefinition | None", await info.context.load(queries.definitions_by_id, self.definition_id)
        )


@strawberry.interface(description="What can have metafields.")
class HasMetafields:
    @field
    async def metafield(self: Any, info: Info, namespace: str, key: str) -> Metafield | None:
        """The value of a namespace and key; shoppers see what a definition makes public."""
        for row in await _metafields(info.context, self.id):
            if (row.namespace, row.key) == (namespace, key):
                return cast("Metafield", row)
        return None

    @field
    async def metafields(
        self: Any,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        namespace: str | None = UNSET,
    ) -> Connection[Metafield]:
        """Its values by namespace and key; shoppers see what a definition makes public."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        only = sent(namespace)
        rows = [row for row in await _metafields(info.context, self.id) if only is None or row.namespace == only]
        return cast("Connection[Metafield]", in_memory(rows, wanted))


@finds("metafield", "Metafield")
async def find_metafield(info: Info, metafield_id: UUID) -> Record | None:
    found = await info.context.load(queries.metafields_by_id, metafield_id, _sees_private(info.context))
    if found is None:
        return None
    _type_name, find_owner = FINDERS[found.owner_type]
    return found if await find_owner(info, found.owner_id) is not None else None


@finds("metafield_definition", "MetafieldDefinition")
async def find_definition(info: Info, definition_id: UUID) -> Record | None:
    if not _sees_private(info.context):
        return None
    return cast("Record | None", await info.context.load(queries.definitions_by_id, definition_id))


async def _visible(info: Info, node_id: str) -> Any:
    try:
        return await find(info, node_id)
    except NotFound:
        return None


async def _metafields(context: Context, owner_id: UUID) -> list[Record]:
    return await context.load(queries.metafields_by_owner, owner_id, _sees_private(context)) or []


def _sees_private(context: Context) -> bool:
    return context.actor.may(Permission.READ_PRODUCTS)


def _shape(row: models.Metafield | models.MetafieldDefinition) -> Shape:
    return Shape(Kind(row.type), row.is_list)
