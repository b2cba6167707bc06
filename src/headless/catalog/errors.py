"""What can the catalog refuse?"""

from __future__ import annotations

from headless.platform.errors import Refusal


class OptionsTaken(Refusal):
    """Another variant of this product has the same option values."""


class TooManyVariants(Refusal):
    """A product has at most 2,048 variants."""


class OptionsInUse(Refusal):
    """Variants use option values that this version didn't have: change or remove these variants first."""


class CategoryHasChildren(Refusal):
    """Other categories lie below this one. Move or delete them first."""


class CategoryWithinItself(Refusal):
    """A category can't be put below itself or below what is below it."""


class CollectionHasRules(Refusal):
    """The collection's rules say which products it holds. Change the rules, or take them away first."""


class MetafieldTypeConflict(Refusal):
    """Metafields of this namespace and key have another type. Delete them first, or choose the type that they have."""


class TooManyMedia(Refusal):
    """A product shows at most 250 pictures and videos."""


class LastVariant(Refusal):
    """A product keeps at least one variant: delete the product instead."""
