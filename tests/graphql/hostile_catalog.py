"""What good inputs have the mutations of the catalog's model?"""

from typing import Any
from uuid import UUID

from headless.catalog.categories import service as categories
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.collections import service as collections
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.metafields import defining
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner
from headless.platform import ids
from headless.platform.db import Database
from tests.builders import Shop


async def inputs(database: Database, shop: Shop) -> dict[str, Any]:
    """Inputs by mutation, about records that are there."""
    async with database.transaction() as session:
        collection_id = await collections.create(
            session, CollectionDraft("Hostile", product_ids=[shop.poster_product]), actor="tester"
        )
        definition = DefinitionDraft(MetafieldOwner.PRODUCT, "specs", "size", "Size", "text", is_filterable=True)
        definition_id = await defining.create(session, definition, actor="tester")
        category_id = await categories.create(session, CategoryDraft("Hostile"), actor="tester")

    def of(prefix: str, record_id: UUID) -> str:
        return ids.encode(prefix, record_id)

    collection, poster = of("collection", collection_id), of("product", shop.poster_product)
    named = {"namespace": "specs", "key": "size"}
    rule = {"column": "METAFIELD", "relation": "EQUALS", "condition": "x", "metafield": named}
    texts = {"title": "New", "handle": "made-#", "descriptionHtml": "<p>x</p>", "externalReference": "c#"}
    rule_set = {"appliedDisjunctively": True, "rules": [rule]}
    checks = {"min": "1", "max": "9", "regex": "[a-z]+", "choices": ["a"]}
    category = of("category", category_id)
    return {
        "productDelete": {"id": poster, "expectedVersion": 99},
        "productVariantsDelete": {
            "productId": of("product", shop.shirt_product), "variantIds": [of("variant", shop.mug)],
        },
        "categoryCreate": {
            "title": "New", "handle": "kind-#", "parentId": category, "position": 1, "externalReference": "k#",
        },
        "categoryUpdate": {
            "id": category, "expectedVersion": 1, "title": "New", "handle": "kind-#", "externalReference": "k#",
        },
        "categoryMove": {"id": category, "parentId": None, "position": 1},
        "categoryDelete": {"id": of("category", shop.mug)},
        "collectionCreate": {**texts, "ruleSet": rule_set, "productIds": []},
        "collectionUpdate": {"id": collection, "expectedVersion": 1, **texts, "ruleSet": None},
        "collectionDelete": {"id": collection, "expectedVersion": 99},
        "collectionAddProducts": {"id": collection, "productIds": [poster]},
        "collectionRemoveProducts": {"id": collection, "productIds": [poster]},
        "collectionReorderProducts": {"id": collection, "moves": [{"id": poster, "newPosition": 0}]},
        "metafieldsSet": {"metafields": [{"ownerId": poster, **named, "value": "abc", "type": "text"}]},
        "metafieldsDelete": {"metafields": [{"ownerId": poster, **named}]},
        "metafieldDefinitionCreate": {
            "ownerType": "PRODUCT", "namespace": "specs", "key": "key#", "name": "n", "type": "text", "description": "d",
            "filterable": True, "public": True, "validations": checks,
        },
        "metafieldDefinitionUpdate": {
            "id": of("metafield_definition", definition_id), "expectedVersion": 1, "name": "n", "description": "d",
            "filterable": True, "public": True, "validations": checks,
        },
        "metafieldDefinitionDelete": {
            "id": of("metafield_definition", definition_id), "deleteAllAssociatedMetafields": True,
        },
    }  # fmt: skip
