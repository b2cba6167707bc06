"""Which texts are there in which language?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from headless.catalog.models import collections, products, variants
from headless.catalog.translations import rules
from headless.catalog.translations.models import TRANSLATIONS
from headless.platform.columns import any_of
from headless.platform.db import Record, Session

PLAIN = "description"
"""Under this key stand the words of a translated description."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in another language. `is_outdated`: its source changed after it was translated, or is gone."""

    locale: str
    key: str
    value: str
    updated_at: datetime
    is_outdated: bool


@dataclass(frozen=True, slots=True)
class Names:
    """What a variant and its product are called."""

    product_title: str
    variant_title: str


async def names_by_variant(session: Session, keys: Sequence[UUID], languages: tuple[str, ...]) -> Mapping[UUID, Names]:
    """What variants and their products are called in the first of these languages that has a name for it."""
    c = variants.c
    named = select(c.id, c.product_id, c.title, c.selected_options, products.c.title.label("product_title"))
    joined = named.join(products, products.c.id == c.product_id).where(any_of(c.id, keys))
    rows = (await session.execute(joined)).all()
    texts = await texts_by_owner(session, sorted({row.product_id for row in rows}), "product", languages)
    return {
        row.id: Names(
            texts[row.product_id].get("title", row.product_title),
            rules.variant_title(texts[row.product_id], row.title, row.selected_options),
        )
        for row in rows
        if row.product_id in texts
    }


async def texts_by_owner(
    session: Session, keys: Sequence[UUID], owner_type: str, languages: Sequence[str]
) -> Mapping[UUID, Mapping[str, str]]:
    """The texts of products or collections by key, each in the first of these languages that has it."""
    table = TRANSLATIONS[owner_type]
    c = table.c
    rows = await session.execute(
        select(c.owner_id, c.locale, c.key, c.value, c.plain).where(
            any_of(c.owner_id, keys), any_of(c.locale, languages)
        )
    )
    found: dict[UUID, dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: languages.index(row.locale), reverse=True):
        texts = found.setdefault(row.owner_id, {})
        texts[row.key] = row.value
        if row.plain is not None:
            texts[PLAIN] = row.plain
    return found


async def translations_by_owner(
    session: Session, keys: Sequence[UUID], owner_type: str, locale: str
) -> Mapping[UUID, list[Translation]]:
    """What was translated into exactly this language, and whether it still says what the source says."""
    table = TRANSLATIONS[owner_type]
    c, owner = table.c, products if owner_type == "product" else collections
    sources = {row.id: row for row in await session.execute(select(owner).where(any_of(owner.c.id, keys)))}
    rows = await session.execute(select(table).where(any_of(c.owner_id, keys), c.locale == locale).order_by(c.key))
    found: dict[UUID, list[Translation]] = {}
    texts = {key: texts_of(owner_type, row) for key, row in sources.items()}
    for row in rows:
        source = texts[row.owner_id].get(row.key)
        is_outdated = source is None or rules.digest(source) != row.digest
        found.setdefault(row.owner_id, []).append(
            Translation(row.locale, row.key, row.value, row.updated_at, is_outdated)
        )
    return found


async def all_by_product(session: Session, rows: Sequence[Record]) -> Mapping[UUID, list[Record]]:
    """What was translated of products' texts into any language; not of texts that are gone."""
    table = TRANSLATIONS["product"]
    c = table.c
    sources = {row.id: rules.product_texts(row) for row in rows}
    found: dict[UUID, list[Record]] = {}
    wanted = select(table).where(any_of(c.owner_id, list(sources))).order_by(c.owner_id, c.locale, c.key)
    for row in await session.execute(wanted):
        if row.key in sources[row.owner_id]:
            found.setdefault(row.owner_id, []).append(row)
    return found


def texts_of(owner_type: str, row: Record) -> Mapping[str, str]:
    """The texts of a product or collection by key, as they were written."""
    return rules.product_texts(row) if owner_type == "product" else rules.collection_texts(row)
