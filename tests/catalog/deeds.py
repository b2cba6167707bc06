"""What may be done to products by a test that does anything, in any order?"""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from headless.catalog import publishing, queries, service
from headless.catalog import variants as variant_service
from headless.catalog.models import products
from headless.catalog.variants import VariantDraft
from headless.inventory import service as inventory
from headless.inventory.service import Change
from headless.merchandising import deleting
from headless.platform.db import Session
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import WHY, Shop
from tests.catalog.shelves import Item, put

Deed = tuple[str, int, str, int]
"""What is done, to which of the records that are there, with a word and a number."""
KINDS = ("create", "rename", "label", "grow", "price", "stock", "publish", "unpublish", "delete", "shrink")


async def do(session: Session, shop: Shop, deed: Deed) -> None:
    """Do it to one of the products that are there."""
    kind, which, word, number = deed
    ids: list[UUID] = list(await session.scalars(select(products.c.id).order_by(products.c.id)))
    product_id = ids[which % len(ids)] if ids else None
    if kind == "create" or product_id is None:
        await put(session, shop, Item(word, word, "Kind", (word, "x"), ("Red", word), 100 * number + 100))
        return
    version = await session.scalar(select(products.c.version).where(products.c.id == product_id)) or 0
    variants = (await queries.variants_by_product(session, [product_id])).get(product_id, [])
    changes: dict[str, Any] = {"title": word} if kind == "rename" else {"vendor": word, "tags": [word, "y"]}
    match kind:
        case "rename" | "label":
            await service.update_product(session, product_id, expected_version=version, changes=changes, actor="anna")
        case "grow":
            names = {entry["name"] for row in variants for entry in row.selected_options}
            draft = VariantDraft(selected_options=tuple((name, f"{word} {number}") for name in sorted(names)))
            made = await variant_service.create_variants(session, product_id, [draft], actor="anna")
            await pricing.set_prices(session, shop.channel_id, {made[0]: NewPrice(50 * number + 1)})
        case "price":
            await pricing.set_prices(session, shop.channel_id, {variants[0].id: NewPrice(77 * number, 1000)})
        case "stock":
            change = Change(variants[-1].id, shop.main_id, "available", quantity=number)
            await inventory.change(session, [change], WHY)
        case "publish":
            await publishing.publish(session, product_id, channel_id=shop.channel_id)
        case "unpublish":
            await publishing.unpublish(session, product_id, channel_id=shop.channel_id)
        case "shrink":
            await deleting.delete_variants(session, product_id, [variants[number % len(variants)].id], actor="anna")
        case _:
            await deleting.delete_product(session, product_id, expected_version=version, actor="anna")
