"""What is in the demo shop, and how does it get there?"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from io import BytesIO
from typing import Any
from uuid import UUID

import orjson

from headless.catalog import publishing
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft, ProductDraft
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.service import Change
from headless.merchandising import demo_extras, demo_images, opening, service
from headless.merchandising.service import NewVariant
from headless.platform.db import Database, Record, Session
from headless.platform.storage import Storage
from headless.shop import queries as shop_queries

SHOP_NAME = "Fieldnotes Supply"
ACTOR = "demo"
FOLDER = "demo"
SIDE = 1200
"""Width and height of the pictures."""

Entry = Mapping[str, Any]
"""A product of the catalog file."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo shop was filled with."""

    products: int
    variants: int
    pictures: int


async def seed(database: Database, storage: Storage, *, on_step: Callable[[str], None]) -> Seeded | None:
    """Fill an untouched shop with the demo catalog, opening it if need be; None when it was not untouched.

    All of it is one transaction, so that a crash leaves nothing half done but pictures that nobody asks for.
    """
    async with database.reading() as session:
        if not await opening.is_untouched(session):
            return None
    book = orjson.loads(files("headless.merchandising").joinpath("demo_catalog.json").read_bytes())
    on_step("Drawing the demo shop's pictures")
    pictures = await _draw(book["products"], storage)
    on_step("Filling the demo shop")
    async with database.transaction() as session:
        await opening.wait_for_turn(session)
        if not await opening.is_untouched(session):
            return None
        if await shop_queries.shop(session) is None:
            await opening.open_shop(session, name=SHOP_NAME)
        channel = await shop_queries.channel(session)
        await _fill(session, book, channel)
    return Seeded(
        products=len(book["products"]),
        variants=sum(len(entry["variants"]) for entry in book["products"]),
        pictures=pictures,
    )


async def _draw(entries: Sequence[Entry], storage: Storage) -> int:
    count = 0
    for entry in entries:
        for nth, image in enumerate(entry["images"], start=1):
            drawing = await asyncio.to_thread(
                demo_images.draw, image["kind"], palette=image["palette"], title=image["alt"]
            )
            await storage.put(f"{FOLDER}/{_picture(entry, nth)}", BytesIO(drawing.encode()))
            count += 1
    return count


def _picture(entry: Entry, nth: int) -> str:
    return f"{entry['handle']}-{nth}.svg"


async def _fill(session: Session, book: Entry, channel: Record) -> None:
    places = dict(await inventory_queries.location_ids_by_handle(session))
    for position, (handle, name) in enumerate((("main", "Main warehouse"), ("outlet", "Outlet store")), start=1):
        if handle not in places:
            places[handle] = await inventory.create_location(session, handle=handle, name=name, position=position)
    categories = await demo_extras.add_categories(session, actor=ACTOR)
    product_ids: dict[str, UUID] = {}
    members: defaultdict[str, list[UUID]] = defaultdict(list)
    stock: list[Change] = []
    for entry in book["products"]:
        category_id = categories.get(entry["product_type"])
        product_id, variant_ids = await _add_product(session, entry, channel, category_id)
        product_ids[entry["handle"]] = product_id
        for handle in entry["collections"]:
            members[handle].append(product_id)
        stock += [
            Change(variant_id, places[handle], "available", delta=units)
            for variant_id, variant in zip(variant_ids, entry["variants"], strict=True)
            for handle, units in (variant["stock"] or {}).items()
            if units
        ]
    for collection in book["collections"]:
        collection_id = await catalog.create_collection(session, **collection)
        await catalog.add_to_collection(session, collection_id, members[collection["handle"]])
    await demo_extras.add(session, book["products"], product_ids, actor=ACTOR)
    await inventory.change(session, stock, Why(reason="demo", actor=ACTOR))


async def _add_product(
    session: Session, entry: Entry, channel: Record, category_id: UUID | None
) -> tuple[UUID, list[UUID]]:
    images = [
        ImageDraft(url=f"{FOLDER}/{_picture(entry, nth)}", alt_text=image["alt"], width=SIDE, height=SIDE)
        for nth, image in enumerate(entry["images"], start=1)
    ]
    draft = ProductDraft(
        title=entry["title"],
        handle=entry["handle"],
        description_html=entry["description_html"],
        vendor=entry["vendor"],
        product_type=entry["product_type"],
        tags=entry["tags"],
        status=ProductStatus.ACTIVE,
        seo_title=entry["seo_title"],
        seo_description=entry["seo_description"],
        options=[Option(option["name"], tuple(option["values"])) for option in entry["options"]],
        category_id=category_id,
    )
    new_variants = [
        NewVariant(
            selected_options=tuple((chosen["name"], chosen["value"]) for chosen in variant["selected_options"]),
            sku=variant["sku"],
            barcode=variant["barcode"],
            is_tracked=variant["stock"] is not None,
            image_id=None if variant["image"] is None else images[variant["image"]].id,
            price=Decimal(variant["price"]),
            compare_at_price=Decimal(variant["compare_at_price"]) if variant["compare_at_price"] else None,
        )
        for variant in entry["variants"]
    ]
    product_id, variant_ids = await service.create_product_and_variants(
        session, draft, new_variants, channel=channel, actor=ACTOR
    )
    await catalog.replace_media(session, product_id, images)
    await publishing.publish(session, product_id, channel_id=channel.id)
    return product_id, variant_ids
