"""What is shown with a product, kept of it and said of it in other languages, and how does all that become as sent?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from headless.catalog import gallery
from headless.catalog.gallery import Addresses, MediaWish
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Value
from headless.catalog.translations import service as translations
from headless.catalog.translations.service import Wish as Translation
from headless.platform.db import Session

PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class Belongings:
    """What belongs to a product beside its row and its variants. None: it stays; what is given is all of it."""

    media: Sequence[MediaWish] | None = None
    metafields: Sequence[Value] | None = None
    translations: Sequence[Translation] | None = None


NOTHING = Belongings()


async def give(session: Session, product_id: UUID, wish: Belongings, *, addresses: Addresses, actor: str) -> None:
    """Give a new product what belongs to it; raises `NotFound`, `TooManyMedia` or `InvalidInput`."""
    if wish.media:
        await gallery.replace(session, product_id, wish.media, addresses=addresses, actor=actor)
    await replace_texts(session, product_id, wish, actor=actor)


async def replace_texts(session: Session, product_id: UUID, wish: Belongings, *, actor: str) -> bool:
    """Bring metafields and translations to what is wished; answer whether anything differed.

    Translations are of the product's texts as they are now. Raises `NotFound` or `InvalidInput`.
    """
    has_changed = wish.metafields is not None and await metafields.replace(
        session, MetafieldOwner.PRODUCT, product_id, wish.metafields
    )
    if wish.translations is None:
        return has_changed
    return await translations.replace(session, PRODUCT, product_id, wish.translations, actor=actor) or has_changed
