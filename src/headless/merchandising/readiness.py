"""Is a product page ready for shoppers, and what would improve it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, select, true

from headless.catalog import history
from headless.catalog import service as catalog
from headless.catalog.kinds import MediaKind, MediaStatus
from headless.catalog.models import media, products, variants
from headless.merchandising import service
from headless.platform.columns import any_of
from headless.platform.db import Record, Session
from headless.platform.errors import Refused
from headless.pricing.models import prices
from headless.shop.models import channels
from headless.teamwork import checklist, revisions, rules
from headless.teamwork.errors import ChecklistIncomplete
from headless.teamwork.rules import Answer, Change, PageFacts


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


async def publish(
    session: Session,
    product_id: UUID,
    *,
    channel: Record,
    at: datetime | None,
    until: datetime | None,
    actor: str,
    is_forced: bool,
) -> None:
    """Publish a product that has what the checklist requires of it now, even if it is shown only later.

    Forced, it is published anyhow, and its history says so. Raises what `service.publish` does, and `Refused` with
    one `ChecklistIncomplete` for each thing that is missing.
    """
    before = await catalog.locked_product(session, product_id)
    unmet = (await readiness_by_product(session, [product_id]))[product_id].unmet
    if unmet and not is_forced:
        raise Refused([_missing(answer) for answer in unmet])
    await service.publish(session, product_id, channel_id=channel.id, at=at, until=until, actor=actor)
    if unmet:
        forced = Change("checklist", None, {"forcedIn": channel.handle, "unmet": [one.item.title for one in unmet]})
        current = await catalog.locked_product(session, product_id)
        if current.version == before.version:
            await history.change_product(session, current, {}, actor=actor, beside=[forced])
        else:
            revisions.add(session, "product", product_id, forced)


def _missing(answer: Answer) -> ChecklistIncomplete:
    message = f"{answer.item.title}: {answer.hint} Or publish it by force, with the permission WRITE_SETTINGS."
    return ChecklistIncomplete(message, field=("id",))


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
