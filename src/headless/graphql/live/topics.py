"""Which facts may integrators follow, and how do they look from outside?"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from headless.accounts.rules import Actor, Permission
from headless.cart import events as cart_events
from headless.catalog import events as catalog_events
from headless.inventory import events as inventory_events
from headless.orders import events as order_events
from headless.platform import ids
from headless.platform.errors import BadUserInput, Forbidden, Unauthenticated
from headless.pricing import events as price_events
from headless.shop import events as shop_events
from headless.teamwork import events as team_events

REQUIRED: Mapping[str, Permission] = {
    catalog_events.ProductCreated.topic: Permission.READ_PRODUCTS,
    catalog_events.ProductUpdated.topic: Permission.READ_PRODUCTS,
    catalog_events.ProductDeleted.topic: Permission.READ_PRODUCTS,
    catalog_events.ProductPublished.topic: Permission.READ_PRODUCTS,
    catalog_events.ProductUnpublished.topic: Permission.READ_PRODUCTS,
    catalog_events.CategoryUpdated.topic: Permission.READ_PRODUCTS,
    catalog_events.CategoryDeleted.topic: Permission.READ_PRODUCTS,
    catalog_events.CollectionUpdated.topic: Permission.READ_PRODUCTS,
    catalog_events.CollectionDeleted.topic: Permission.READ_PRODUCTS,
    shop_events.ChannelCreated.topic: Permission.READ_SETTINGS,
    shop_events.ChannelUpdated.topic: Permission.READ_SETTINGS,
    price_events.PriceChanged.topic: Permission.READ_PRODUCTS,
    inventory_events.StockChanged.topic: Permission.READ_INVENTORY,
    inventory_events.InventoryChanged.topic: Permission.READ_INVENTORY,
    inventory_events.TransferChanged.topic: Permission.READ_INVENTORY,
    inventory_events.StockRequestServed.topic: Permission.READ_CUSTOMERS,
    team_events.ChecklistItemChanged.topic: Permission.READ_PRODUCTS,
    team_events.ChecklistItemTicked.topic: Permission.READ_PRODUCTS,
    order_events.OrderPlaced.topic: Permission.READ_ORDERS,
    order_events.OrderStatusChanged.topic: Permission.READ_ORDERS,
    order_events.OrderUpdated.topic: Permission.READ_ORDERS,
}
"""What one must be allowed to read to hear of a topic."""
PREFIXES: Mapping[str, str] = {"item_id": "checklist_item", "request_id": "stock_request"}
"""Id prefixes that differ from the name in the payload."""
PRIVATE = frozenset(
    fact.topic
    for fact in (
        cart_events.CartChanged,
        catalog_events.MetafieldDefinitionChanged,
        catalog_events.ProductReindexed,
        team_events.CommentAdded,
        team_events.CommentChanged,
    )
)
"""Topics for nobody here: a cart's id is a secret of its shopper; who may read a comment depends on its record; how
products are searched and filtered inside is nobody's business outside."""


def allowed(actor: Actor, wanted: Sequence[str] | None) -> frozenset[str]:
    """The topics to follow, by default all that the actor may.

    Raises `Unauthenticated`, `Forbidden` or `BadUserInput`.
    """
    if actor.is_anonymous:
        raise Unauthenticated
    if wanted is None:
        mine = frozenset(topic for topic, permission in REQUIRED.items() if actor.may(permission))
        if not mine:
            message = "This needs the permission to read products, inventory or orders."
            raise Forbidden(message)
        return mine
    unknown = sorted(set(wanted) - REQUIRED.keys())
    if unknown or not wanted:
        message = f"Ask for some of these topics, or omit `topics` for all: {', '.join(sorted(REQUIRED))}."
        raise BadUserInput(message)
    missing = sorted({REQUIRED[topic].value for topic in wanted if not actor.may(REQUIRED[topic])})
    if missing:
        message = f"This needs the permission {' and '.join(missing)}."
        raise Forbidden(message)
    return frozenset(wanted)


def shown(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A fact's payload as clients know it: names in camel case, ids as everywhere in the API."""
    return {_camel(name): _outside(name, value) for name, value in payload.items()}


def _outside(name: str, value: Any) -> Any:
    is_id = name.endswith("_id") and value is not None
    return ids.encode(PREFIXES.get(name, name.removesuffix("_id")), UUID(value)) if is_id else value


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
