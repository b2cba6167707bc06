"""What does a shop with very many products look like? Always the same one, so that measurements can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final
from uuid import UUID

from headless.catalog import queries as catalog_queries
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.search import index as search
from headless.catalog.service import ProductDraft
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.ledger import Why
from headless.inventory.service import Change
from headless.merchandising import opening, service
from headless.merchandising.service import MadeProduct, NewProduct, NewVariant
from headless.platform import pages
from headless.platform.db import Database, Record, Session
from headless.platform.errors import InvalidInput
from headless.platform.outbox import Numberer
from headless.shop import queries as shop_queries

ACTOR: Final = "generator"
CHUNK: Final = 250
"""Products that one transaction makes."""
PATIENCE: Final = 30.0
TIDIED_FROM: Final = 1_000
"""Products from which on the database learns, whenever there are twice as many, what is in its tables: not every
server looks by itself, and one that takes them for empty chooses ways that take longer and longer."""
HANDLE: Final = "generated-{number:07d}"
MOST: Final = 5_000_000
OF_ONE_VENDOR: Final = 50

TRAITS = (
    "Airy", "Bold", "Classic", "Cozy", "Crisp", "Daily", "Early", "Fine", "Gentle", "Heavy", "Light", "Loose", "Modern",
    "Narrow", "Plain", "Quiet", "Rough", "Sharp", "Simple", "Slim", "Smooth", "Soft", "Sturdy", "Warm",
)  # fmt: skip
MATERIALS = (
    "Alpaca", "Bamboo", "Canvas", "Cashmere", "Ceramic", "Copper", "Cork", "Cotton", "Denim", "Felt", "Glass", "Hemp",
    "Leather", "Linen", "Merino", "Oak", "Paper", "Silk", "Steel", "Walnut",
)  # fmt: skip
KINDS = (
    "Apron", "Backpack", "Basket", "Belt", "Blanket", "Blazer", "Boots", "Bottle", "Bowl", "Bracelet", "Cap",
    "Cardigan", "Chair", "Clock", "Coat", "Cup", "Cushion", "Desk", "Dress", "Gloves", "Hat", "Jacket",
    "Jumper", "Lamp", "Mirror", "Necklace", "Notebook", "Pan", "Plate", "Pouch", "Rug", "Scarf", "Shelf",
    "Shirt", "Shorts", "Socks", "Stool", "Table", "Towel", "Vase",
)  # fmt: skip
TAGS = (
    "autumn", "basics", "bestseller", "eco", "fair trade", "for her", "for him", "garden", "gift", "handmade", "home",
    "kitchen", "limited", "new in", "office", "organic", "outdoor", "outlet", "recycled", "refurbished", "spring",
    "summer sale", "travel", "vegan", "vintage", "wedding", "winter", "workshop",
)  # fmt: skip
COLORS = (
    "Amber", "Black", "Blue", "Charcoal", "Cream", "Forest", "Gray", "Indigo", "Moss", "Mustard", "Navy", "Olive",
    "Red", "Rose", "Rust", "Sand", "Sky", "Slate", "Teal", "White",
)  # fmt: skip
SIZES = ("Small", "Medium", "Large")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many products of how many are there."""

    done: int
    total: int


async def grow(database: Database, total: int, *, on_progress: Callable[[Progress], None]) -> int:
    """Make generated products until there are so many, each with three variants, prices and stock; answer how many.

    What is there already is left alone: a run that was cut short is gone on with. Raises `InvalidInput`, `Unavailable`.
    """
    if not 1 <= total <= MOST:
        message = f"The number of products must be between 1 and {MOST:,}."
        raise InvalidInput(message, field=("products",))
    await opening.open_default_shop(database)
    async with database.reading() as session:
        channel = await shop_queries.channel(session)
        places = await inventory_queries.location_page(session, pages.Window(limit=pages.MAXIMUM))
        done = await _made(session)
    location_id = next(place.id for place in places.rows if place.is_active)
    before = tidied = done
    numberer = Numberer(database)
    on_progress(Progress(done, total))
    while done < total:
        numbers = range(done + 1, min(done + CHUNK, total) + 1)
        async with database.transaction(patience=PATIENCE) as session:
            await _make(session, numbers, channel, location_id)
        await numberer.finish()
        done = numbers[-1]
        on_progress(Progress(done, total))
        if done >= max(TIDIED_FROM, 2 * tidied) and done < total:
            await search.tidy(database)
            tidied = done
    if done > before:
        await search.tidy(database)
    return max(0, total - before)


async def _made(session: Session) -> int:
    """How many generated products there are: they are made in the order of their numbers."""
    low, high = 0, MOST
    while low < high:
        middle = (low + high + 1) // 2
        handle = HANDLE.format(number=middle)
        low, high = (middle, high) if await catalog_queries.products_by_handle(session, [handle]) else (low, middle - 1)
    return low


async def _make(session: Session, numbers: Sequence[int], channel: Record, location_id: UUID) -> None:
    new = [product(number) for number in numbers]
    made = await service.create_products(session, new, channel=channel, actor=ACTOR, is_forced=True)
    stock: list[Change] = []
    for number, one in zip(numbers, made, strict=True):
        if not isinstance(one, MadeProduct):
            raise one
        dice = Random(f"stock {number}")  # noqa: S311 - a catalog is no secret
        stock += [
            Change(variant_id, location_id, "available", delta=units)
            for variant_id in one.variant_ids
            if (units := dice.choice((0, 1, 3, 10, 25, 100)))
        ]
    await inventory.change(session, stock, Why(reason="generated", actor=ACTOR))


def product(number: int) -> NewProduct:
    """The product of a number."""
    dice = Random(number)  # noqa: S311 - likewise
    trait, material, kind = dice.choice(TRAITS), dice.choice(MATERIALS), dice.choice(KINDS)
    name = _name(dice)
    colors = dice.sample(COLORS, 3)
    is_sized = dice.random() < 0.5  # noqa: PLR2004 - half of them
    name_of_option, values = ("Size", SIZES) if is_sized else ("Color", tuple(colors))
    price = dice.randrange(500, 30_000)
    draft = ProductDraft(
        title=f"{trait} {material} {kind} {name}",
        handle=HANDLE.format(number=number),
        description_html=(
            f"<p>The {trait.lower()} {kind.lower()} {name}, made of {material.lower()}"
            f" in {colors[0].lower()} and {colors[1].lower()}.</p>"
        ),
        vendor=_vendor(number),
        product_type=f"{kind}s" if not kind.endswith("s") else kind,
        tags=dice.sample(TAGS, 3),
        status=ProductStatus.ACTIVE,
        options=[Option(name_of_option, values)],
    )
    variants = [
        NewVariant(
            selected_options=((name_of_option, value),),
            sku=f"G{number:07d}-{nth}",
            price=Decimal(price + 100 * nth).scaleb(-2),
        )
        for nth, value in enumerate(values, start=1)
    ]
    return NewProduct(draft, variants, is_shown=True)


def _vendor(number: int) -> str:
    """Vendors have as many products in a large shop as in a small one: there are more of them."""
    dice = Random(f"vendor {number // OF_ONE_VENDOR}")  # noqa: S311 - likewise
    return f"{_name(dice)} & {_name(dice)}"


def _name(dice: Random) -> str:
    return "".join(dice.choice(CONSONANTS) + dice.choice(VOWELS) for _ in range(3)).capitalize()
