"""What can happen in the catalog?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from headless.platform.outbox import Fact


@dataclass(frozen=True, slots=True)
class _ProductFact(Fact):
    product_id: UUID

    @property
    def key(self) -> UUID:
        return self.product_id


@dataclass(frozen=True, slots=True)
class ProductCreated(_ProductFact):
    """A product was made."""

    topic: ClassVar[str] = "product.created"


@dataclass(frozen=True, slots=True)
class ProductUpdated(_ProductFact):
    """A product or one of its variants was changed."""

    topic: ClassVar[str] = "product.updated"


@dataclass(frozen=True, slots=True)
class ProductDeleted(_ProductFact):
    """A product is no more."""

    topic: ClassVar[str] = "product.deleted"


@dataclass(frozen=True, slots=True)
class ProductReindexed(_ProductFact):
    """What a product is searched by was written from scratch: it may have another number there."""

    topic: ClassVar[str] = "product.reindexed"


@dataclass(frozen=True, slots=True)
class ProductPublished(_ProductFact):
    """A product became visible in a channel."""

    topic: ClassVar[str] = "product.published"

    channel_id: UUID


@dataclass(frozen=True, slots=True)
class ProductUnpublished(_ProductFact):
    """A product was hidden in a channel."""

    topic: ClassVar[str] = "product.unpublished"

    channel_id: UUID


@dataclass(frozen=True, slots=True)
class _CollectionFact(Fact):
    collection_id: UUID

    @property
    def key(self) -> UUID:
        return self.collection_id


@dataclass(frozen=True, slots=True)
class CollectionUpdated(_CollectionFact):
    """A collection was made or changed, or the products that it holds."""

    topic: ClassVar[str] = "collection.updated"


@dataclass(frozen=True, slots=True)
class CollectionDeleted(_CollectionFact):
    """A collection is no more."""

    topic: ClassVar[str] = "collection.deleted"


@dataclass(frozen=True, slots=True)
class MetafieldDefinitionChanged(Fact):
    """What products are filtered by was defined, or is defined otherwise or no more."""

    topic: ClassVar[str] = "metafield_definition.changed"

    definition_id: UUID

    @property
    def key(self) -> UUID:
        return self.definition_id


@dataclass(frozen=True, slots=True)
class _CategoryFact(Fact):
    category_id: UUID

    @property
    def key(self) -> UUID:
        return self.category_id


@dataclass(frozen=True, slots=True)
class CategoryUpdated(_CategoryFact):
    """A category was made, changed or moved, with all below it."""

    topic: ClassVar[str] = "category.updated"


@dataclass(frozen=True, slots=True)
class CategoryDeleted(_CategoryFact):
    """A category is no more; its products went up to the one above."""

    topic: ClassVar[str] = "category.deleted"
