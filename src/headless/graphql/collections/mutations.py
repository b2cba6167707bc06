"""How do staff make, fill and change collections in the API?"""

from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.catalog import queries
from headless.catalog.collections import service
from headless.catalog.collections.rules import Rule, RuleSet
from headless.catalog.collections.service import CollectionDraft, Move
from headless.graphql.collections.inputs import (
    CollectionAddProductsInput,
    CollectionAddProductsPayload,
    CollectionCreateInput,
    CollectionCreatePayload,
    CollectionDeleteInput,
    CollectionDeletePayload,
    CollectionRemoveProductsInput,
    CollectionRemoveProductsPayload,
    CollectionReorderProductsInput,
    CollectionReorderProductsPayload,
    CollectionRuleSetInput,
    CollectionUpdateInput,
    CollectionUpdatePayload,
)
from headless.graphql.collections.types import Collection
from headless.graphql.context import Info, given, sent
from headless.graphql.declare import decoded, decoded_all, mutation
from headless.platform.errors import InvalidInput


@strawberry.type
class CollectionMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_create(self, info: Info, input: CollectionCreateInput) -> CollectionCreatePayload | None:
        """Make a collection."""
        draft = CollectionDraft(
            title=input.title,
            handle=sent(input.handle),
            description_html=sent(input.description_html) or "",
            external_reference=sent(input.external_reference) or None,
            rule_set=_rule_set(sent(input.rule_set)),
            product_ids=decoded_all("product", sent(input.product_ids) or [], "productIds"),
        )
        async with info.context.transaction() as session:
            collection_id = await service.create(session, draft, actor=info.context.actor.name)
        return CollectionCreatePayload(collection=await _collection(info, collection_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_update(self, info: Info, input: CollectionUpdateInput) -> CollectionUpdatePayload | None:
        """Change a collection, if it is still the version that you saw."""
        collection_id = decoded("collection", input.id, "id")
        changes = _changes(input)
        async with info.context.transaction() as session:
            await service.change(
                session,
                collection_id,
                expected_version=input.expected_version,
                changes=changes,
                actor=info.context.actor.name,
            )
        return CollectionUpdatePayload(collection=await _collection(info, collection_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_delete(self, info: Info, input: CollectionDeleteInput) -> CollectionDeletePayload | None:
        """Delete a collection; its products stay."""
        collection_id = decoded("collection", input.id, "id")
        async with info.context.transaction() as session:
            await service.remove(session, collection_id, expected_version=sent(input.expected_version))
        return CollectionDeletePayload(deleted_collection_id=input.id)

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_add_products(
        self, info: Info, input: CollectionAddProductsInput
    ) -> CollectionAddProductsPayload | None:
        """Put products at the end of a collection that has no rules."""
        collection_id = decoded("collection", input.id, "id")
        product_ids = decoded_all("product", input.product_ids, "productIds")
        async with info.context.transaction() as session:
            await service.add_products(session, collection_id, product_ids)
        return CollectionAddProductsPayload(collection=await _collection(info, collection_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_remove_products(
        self, info: Info, input: CollectionRemoveProductsInput
    ) -> CollectionRemoveProductsPayload | None:
        """Take products out of a collection that has no rules."""
        collection_id = decoded("collection", input.id, "id")
        product_ids = decoded_all("product", input.product_ids, "productIds")
        async with info.context.transaction() as session:
            await service.remove_products(session, collection_id, product_ids)
        return CollectionRemoveProductsPayload(collection=await _collection(info, collection_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def collection_reorder_products(
        self, info: Info, input: CollectionReorderProductsInput
    ) -> CollectionReorderProductsPayload | None:
        """Move products within a collection that has no rules."""
        collection_id = decoded("collection", input.id, "id")
        moves = [
            Move(decoded("product", move.id, "moves", index, "id"), move.new_position)
            for index, move in enumerate(input.moves)
        ]
        async with info.context.transaction() as session:
            await service.reorder_products(session, collection_id, moves)
        return CollectionReorderProductsPayload(collection=await _collection(info, collection_id))


def _rule_set(wanted: CollectionRuleSetInput | None) -> RuleSet | None:
    if wanted is None:
        return None
    return RuleSet(
        wanted.applied_disjunctively,
        tuple(
            Rule(
                rule.column,
                rule.relation,
                rule.condition,
                rule.metafield.namespace if sent(rule.metafield) and rule.metafield else None,
                rule.metafield.key if sent(rule.metafield) and rule.metafield else None,
            )
            for rule in wanted.rules
        ),
    )


def _changes(input: CollectionUpdateInput) -> dict[str, Any]:
    changes = dict(given(title=input.title, handle=input.handle, external_reference=input.external_reference))
    for name in ("title", "handle"):
        if name in changes and changes[name] is None:
            raise InvalidInput(f"A collection always has a {name}: leave the field out to keep it.", field=(name,))
    if input.description_html is not UNSET:
        changes["description_html"] = input.description_html or ""
    if input.rule_set is not UNSET:
        changes["rule_set"] = _rule_set(input.rule_set)
    return changes


async def _collection(info: Info, collection_id: UUID) -> Collection:
    async with info.context.reading() as session:
        return cast("Collection", await queries.collection(session, collection_id=collection_id))
