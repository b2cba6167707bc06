"""Is a product page ready for shoppers, and what would improve it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, select, true

from headless.catalog.kinds import MediaKind, MediaStatus
from headless.catalog.models import media, products, variants
from headless.platform.columns import any_of
from headless.platform.db import Session
from headless.platform.errors import Refused
from headless.pricing.models import prices
from headless.shop.models import channels
from headless.teamwork import checklist, rules
from headless.teamwork.errors import ChecklistIncomplete
from headless.teamwork.rules import Answer, PageFacts


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the checklist asks of a product and what is advised, each with its answer."""

    answers: tuple[Answer, ...]

    @property
    def score(self) -> int:
        return rules.score(self.answers)

    @property
    def unmet(self) -> list[Answer]:
        """What must be done before it is published."""
        return [answer for answer in self.answers if answer.item.is_required and not answer.is_met]


async def readiness_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, Readiness]:
    """How ready products are: four statements, however many they are."""
    items = rules.with_advice([checklist.item_of(row) for row in await checklist.all_items(session)])
    ticks = await checklist.ticks_by_product(session, keys)
    facts = await _facts_by_product(session, keys)
    return {
        product_id: Readiness(
            tuple(
                rules.answer(item, known, ticks.get(product_id, {}).get(item.id) if item.id is not None else None)
                for item in items
            )
        )
        for product_id, known in facts.items()
    }


async def is_anything_required(session: Session) -> bool:
    """Whether the checklist can refuse a product at all."""
    return any(row.is_required for row in await checklist.all_items(session))


async def unmet_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[Answer]]:
    """The one judge of products that come before shoppers: those that lack something required, with what it is."""
    if not await is_anything_required(session):
        return {}
    found = await readiness_by_product(session, keys)
    return {key: ready.unmet for key, ready in found.items() if ready.unmet}


def incomplete(unmet: Sequence[Answer], field: str) -> Refused:
    """Refuse a product for all that is missing."""
    return Refused(
        [
            ChecklistIncomplete(
                f"{one.item.title}: {one.hint} Or publish it by force, with the permission WRITE_SETTINGS.",
                field=(field,),
            )
            for one in unmet
        ]
    )


async def _facts_by_product(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, PageFacts]:
    unpriced = await _unpriced_channels(session, keys)
    c, is_image = products.c, media.c.kind == MediaKind.IMAGE
    is_lasting = media.c.status != MediaStatus.FAILED
    rows = await session.execute(
        select(
            c.id,
            _count(media, is_image, media.c.status == MediaStatus.READY).label("pictures"),
            _count(media, is_image, is_lasting, media.c.alt_text == "").label("undescribed_pictures"),
            func.length(c.description).label("description_length"),
            (func.coalesce(c.seo_title, "") != "").label("has_seo_title"),
            (func.coalesce(c.seo_description, "") != "").label("has_seo_description"),
            _count(variants).label("variants"),
            _count(variants, ~variants.c.is_tracked, ~variants.c.is_bundle).label("untracked_variants"),
        ).where(any_of(c.id, keys))
    )
    return {
        row.id: PageFacts(
            pictures=row.pictures,
            undescribed_pictures=row.undescribed_pictures,
            description_length=row.description_length,
            has_seo_title=row.has_seo_title,
            has_seo_description=row.has_seo_description,
            variants=row.variants,
            untracked_variants=row.untracked_variants,
            unpriced_channels=tuple(unpriced.get(row.id, ())),
        )
        for row in rows
    }


async def _unpriced_channels(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, list[str]]:
    """The handles of the channels in which a variant of a product has no price."""
    priced = and_(prices.c.variant_id == variants.c.id, prices.c.channel_id == channels.c.id)
    rows = await session.execute(
        select(variants.c.product_id, channels.c.handle)
        .select_from(variants.join(channels, true()).outerjoin(prices, priced))
        .where(any_of(variants.c.product_id, keys), prices.c.variant_id.is_(None))
        .distinct()
        .order_by(channels.c.handle)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        found[row.product_id].append(row.handle)
    return found


def _count(table: Table, *conditions: ColumnElement[bool]) -> Any:
    counted = select(func.count()).select_from(table).where(table.c.product_id == products.c.id, *conditions)
    return counted.correlate(products).scalar_subquery()
