"""How do staff define and write metafields in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog.metafields import defining, queries, rules, service
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner, Validations
from headless.catalog.metafields.service import Place, Wish
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import decoded, mutation, query
from headless.graphql.metafields.inputs import (
    MetafieldDefinitionCreateInput,
    MetafieldDefinitionCreatePayload,
    MetafieldDefinitionDeleteInput,
    MetafieldDefinitionDeletePayload,
    MetafieldDefinitionUpdateInput,
    MetafieldDefinitionUpdatePayload,
    MetafieldIdentifier,
    MetafieldIdentifierInput,
    MetafieldsDeleteInput,
    MetafieldsDeletePayload,
    MetafieldsSetInput,
    MetafieldsSetItemInput,
    MetafieldsSetPayload,
    MetafieldValidationsInput,
)
from headless.graphql.metafields.types import MetafieldDefinition
from headless.graphql.pages import Connection, page
from headless.platform import ids
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.pages import window

PREFIX = "metafield_definition"


@strawberry.type
class MetafieldQueries:
    @query(requires=Permission.READ_PRODUCTS)
    async def metafield_definitions(
        self,
        info: Info,
        owner_type: MetafieldOwner,
        namespace: str | None = UNSET,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[MetafieldDefinition] | None:
        """Definitions for a kind of record, the oldest first."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            found = await queries.definition_page(session, wanted, owner=owner_type, namespace=sent(namespace))
        return cast("Connection[MetafieldDefinition]", page(found))


@strawberry.type
class MetafieldMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def metafields_set(self, info: Info, input: MetafieldsSetInput) -> MetafieldsSetPayload | None:
        """Write metafields of products, variants and collections, all or none."""
        wishes = [Wish(_place(item, index), item.value, sent(item.type)) for index, item in enumerate(input.metafields)]
        async with info.context.transaction() as session:
            written = await service.set_metafields(session, wishes)
        async with info.context.reading() as session:
            # Who may write them sees what was written.
            found: Any = await queries.metafields_by_id(session, written, sees_private=True)
        return MetafieldsSetPayload(metafields=[found[metafield_id] for metafield_id in written])

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def metafields_delete(self, info: Info, input: MetafieldsDeleteInput) -> MetafieldsDeletePayload | None:
        """Delete metafields."""
        places = [_place(item, index) for index, item in enumerate(input.metafields)]
        async with info.context.transaction() as session:
            gone = await service.delete_metafields(session, places)
        return MetafieldsDeletePayload(
            deleted_metafields=[
                MetafieldIdentifier(
                    owner_id=strawberry.ID(ids.encode(place.owner.value, place.owner_id)),
                    namespace=place.namespace,
                    key=place.key,
                )
                for place in gone
            ]
        )

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def metafield_definition_create(
        self, info: Info, input: MetafieldDefinitionCreateInput
    ) -> MetafieldDefinitionCreatePayload | None:
        """Define metafields: their type, what is asked of them, who sees them, and whether they are found by them."""
        draft = DefinitionDraft(
            owner=input.owner_type,
            namespace=input.namespace,
            key=input.key,
            name=input.name,
            type=input.type,
            description=sent(input.description) or "",
            is_filterable=input.filterable,
            is_public=input.public,
            validations=_validations(sent(input.validations)),
        )
        async with info.context.transaction() as session:
            definition_id = await defining.create(session, draft, actor=info.context.actor.name)
        return MetafieldDefinitionCreatePayload(metafield_definition=await _definition(info, definition_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def metafield_definition_update(
        self, info: Info, input: MetafieldDefinitionUpdateInput
    ) -> MetafieldDefinitionUpdatePayload | None:
        """Change a definition, if it is still the version that you saw."""
        definition_id = decoded(PREFIX, input.id, "id")
        changes = _changes(input)
        async with info.context.transaction() as session:
            await defining.change(
                session,
                definition_id,
                expected_version=input.expected_version,
                changes=changes,
                actor=info.context.actor.name,
            )
        return MetafieldDefinitionUpdatePayload(metafield_definition=await _definition(info, definition_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def metafield_definition_delete(
        self, info: Info, input: MetafieldDefinitionDeleteInput
    ) -> MetafieldDefinitionDeletePayload | None:
        """Take a definition back."""
        definition_id = decoded(PREFIX, input.id, "id")
        async with info.context.transaction() as session:
            await defining.remove(session, definition_id, with_metafields=input.delete_all_associated_metafields)
        return MetafieldDefinitionDeletePayload(deleted_metafield_definition_id=input.id)


def _place(item: MetafieldsSetItemInput | MetafieldIdentifierInput, index: int) -> Place:
    path = ("metafields", index, "ownerId")
    try:
        prefix, owner_id = ids.split(item.owner_id)
        return Place(MetafieldOwner(prefix), owner_id, item.namespace, item.key)
    except (NotFound, ValueError):
        raise NotFound(field=path) from None


def _validations(given_ones: MetafieldValidationsInput | None) -> Validations:
    if given_ones is None:
        return rules.NO_VALIDATIONS
    choices = sent(given_ones.choices)
    return Validations(
        sent(given_ones.min),
        sent(given_ones.max),
        sent(given_ones.regex),
        tuple(choices) if choices is not None else None,
    )


def _changes(input: MetafieldDefinitionUpdateInput) -> dict[str, Any]:
    changes = dict(given(name=input.name, is_filterable=input.filterable, is_public=input.public))
    for column, name in (("name", "name"), ("is_filterable", "filterable"), ("is_public", "public")):
        if column in changes and changes[column] is None:
            raise InvalidInput("A definition always has this: leave the field out to keep it.", field=(name,))
    if input.description is not UNSET:
        changes["description"] = input.description or ""
    if input.validations is not UNSET:
        changes["validations"] = _validations(input.validations)
    return changes


async def _definition(info: Info, definition_id: UUID) -> MetafieldDefinition:
    return cast("MetafieldDefinition", await info.context.load(queries.definitions_by_id, definition_id))
