"""What else does the demo shop show: a tree of categories, materials, German titles, a collection by a rule?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from headless.catalog.categories import service as categories
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.collections import service as collections
from headless.catalog.collections.rules import Rule, RuleColumn, RuleRelation, RuleSet
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.metafields import defining
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place, Wish
from headless.catalog.translations import service as translations
from headless.platform.db import Session

TREE: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "Kitchen": {
        "Cups and mugs": ("Mugs",),
        "Plates and bowls": ("Plates", "Bowls"),
        "Cooking": ("Boards", "Glassware", "Kitchen textiles"),
    },
    "Living": {
        "Light": ("Lamps", "Candles"),
        "Textiles": ("Cushions", "Blankets"),
        "Bath and care": ("Soap", "Cleaning", "Garment care"),
        "Green": ("Planters", "Plants"),
    },
    "Clothing": {"Tops": ("Shirts", "Knitwear"), "Hats": ("Hats",), "Bags": ("Bags", "Backpacks")},
    "Paper": {"Notebooks and planners": ("Notebooks", "Planners"), "Writing": ("Pens", "Ink", "Stationery")},
    "Camping": {"Tents": ("Tents",), "Bottles": ("Bottles",)},
}
"""Categories, those below them, and the types of products that lie there."""
MATERIALS: Final = (
    *("beeswax", "brass", "canvas", "cashmere", "ceramic", "cotton", "enamel", "glass", "leather", "linen"),
    *("oak", "paper", "steel", "terracotta", "walnut", "wool"),
)
GERMAN: Final[Mapping[str, str]] = {
    "stoneware-mug": "Becher aus Steinzeug",
    "everyday-dinner-plate": "Teller für jeden Tag",
    "scented-jar-candle": "Duftkerze im Glas",
    "linen-cushion-cover": "Kissenbezug aus Leinen",
    "fisherman-sweater": "Fischerpullover",
    "canvas-market-tote": "Einkaufstasche aus Segeltuch",
    "clothbound-notebook": "Notizbuch in Leinen",
    "insulated-steel-bottle": "Isolierflasche aus Stahl",
}
AT_ONCE: Final = metafields.MOST_AT_ONCE


async def add_categories(session: Session, *, actor: str) -> Mapping[str, UUID]:
    """Plant the tree; answer the category of each type of products."""
    found: dict[str, UUID] = {}
    for title, below in TREE.items():
        parent_id = await categories.create(session, CategoryDraft(title), actor=actor)
        for name, types in below.items():
            category_id = await categories.create(session, CategoryDraft(name, parent_id=parent_id), actor=actor)
            found |= dict.fromkeys(types, category_id)
    return found


async def add(
    session: Session, entries: Sequence[Mapping[str, Any]], product_ids: Mapping[str, UUID], *, actor: str
) -> None:
    """Say what products are made of and what they are called in German, and collect gifts."""
    draft = DefinitionDraft(
        owner=MetafieldOwner.PRODUCT,
        namespace="details",
        key="material",
        name="Material",
        type="list.text",
        is_filterable=True,
        is_public=True,
    )
    await defining.create(session, draft, actor=actor)
    wishes = [
        Wish(
            Place(draft.owner, product_ids[entry["handle"]], draft.namespace, draft.key), orjson.dumps(made_of).decode()
        )
        for entry in entries
        if (made_of := [tag for tag in entry["tags"] if tag in MATERIALS])
    ]
    for start in range(0, len(wishes), AT_ONCE):
        await metafields.set_metafields(session, wishes[start : start + AT_ONCE])
    for handle, title in GERMAN.items():
        text = translations.Wish("de", "title", title)
        await translations.register(session, "product", product_ids[handle], [text], actor=actor)
    gifts = CollectionDraft(
        title="Gifts",
        handle="gifts",
        description_html="<p>Small things that are easy to wrap and hard to get wrong.</p>",
        rule_set=RuleSet(is_any=False, rules=(Rule(RuleColumn.TAG, RuleRelation.EQUALS, "gift"),)),
    )
    await collections.create(session, gifts, actor=actor)
