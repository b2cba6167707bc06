"""What does the history of products, variants and collections hold, and how does one version become the next?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID

from sqlalchemy import select, update

from headless.catalog.models import media, products
from headless.catalog.rules import Option
from headless.platform import clock, ids
from headless.platform.db import Record, Session
from headless.teamwork import revisions
from headless.teamwork.rules import Change, Json, differences

DERIVED = frozenset(
    {
        "changed_by",
        "created_at",
        "description",
        "options_key",
        "search_text",
        "title_key",
        "type_key",
        "updated_at",
        "vendor_key",
        "version",
    }
)
"""Columns that only follow from others."""
DERIVED_OF_VARIANTS = DERIVED | {"title"}


class Picture(Protocol):
    """A picture, or what one is made from."""

    @property
    def id(self) -> UUID: ...

    @property
    def alt_text(self) -> str: ...


def record_product(
    session: Session, row: Record, values: Mapping[str, object], *, actor: str, beside: Sequence[Change] = ()
) -> None:
    """Record what a product's next version changed: columns, and what belongs to it `beside` its row."""
    changes = [*differences(row, values, without=DERIVED), *_real(beside)]
    revisions.record(session, "product", row.id, version=row.version + 1, actor=actor, changes=changes)


def record_variant(
    session: Session, row: Record, values: Mapping[str, object], *, actor: str, beside: Sequence[Change] = ()
) -> None:
    """Record what a variant's next version changed; a variant has versions of its own, and so a history of its own."""
    changes = [*differences(row, values, without=DERIVED_OF_VARIANTS), *_real(beside)]
    revisions.record(session, "variant", row.id, version=row.version + 1, actor=actor, changes=changes)


def record_collection(
    session: Session, row: Record, values: Mapping[str, object], *, actor: str, beside: Sequence[Change] = ()
) -> None:
    """Record what a collection's next version changed: columns, and what belongs to it `beside` its row."""
    changes = [*differences(row, values, without=DERIVED), *_real(beside)]
    revisions.record(session, "collection", row.id, version=row.version + 1, actor=actor, changes=changes)


async def change_product(
    session: Session, row: Record, values: Mapping[str, object], *, actor: str, beside: Sequence[Change] = ()
) -> None:
    """Make the next version of a product that the caller has locked, and record it."""
    await session.execute(
        update(products)
        .where(products.c.id == row.id)
        .values(**values, version=products.c.version + 1, updated_at=clock.now(), changed_by=actor)
    )
    record_product(session, row, values, actor=actor, beside=beside)


def media_change(before: Sequence[Picture], after: Sequence[Picture]) -> Change:
    """What became of a product's media: which, in which order, with which alt texts."""
    return Change("media", _shown(before), _shown(after))


def restored(values: Mapping[str, Json]) -> dict[str, object]:
    """Columns of a product, as its update takes them, from what its history holds."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if name in products.c:
            kind = products.c[name].type.python_type
            found[name] = _READ[kind](value) if kind in _READ and isinstance(value, str) else value
    if "options" in found:
        found["options"] = [Option(one["name"], tuple(one["values"])) for one in cast("list[Any]", found["options"])]
    return found


async def restore_media(session: Session, product_id: UUID, wanted: Json) -> Change:
    """Bring pictures that are still there back into an earlier order, with their alt texts of then; others follow."""
    texts = {ids.decode("media", one["id"]): one["altText"] for one in cast("list[Any]", wanted)}
    found = await session.execute(
        select(media.c.id, media.c.alt_text)
        .where(media.c.product_id == product_id)
        .order_by(media.c.position, media.c.id)
    )
    before = found.all()
    places = {picture_id: place for place, picture_id in enumerate(texts)}
    after = sorted(before, key=lambda row: places.get(row.id, len(places)))
    for position, row in enumerate(after, start=1):
        await session.execute(
            update(media)
            .where(media.c.id == row.id)
            .values(position=position, alt_text=texts.get(row.id, row.alt_text))
        )
    return media_change(before, [_Restored(row.id, texts.get(row.id, row.alt_text)) for row in after])


@dataclass(frozen=True, slots=True)
class _Restored:
    id: UUID
    alt_text: str


_READ: Mapping[type, Callable[[str], object]] = {UUID: UUID, datetime: datetime.fromisoformat}


def _shown(pictures: Sequence[Picture]) -> list[Mapping[str, str]]:
    return [{"id": ids.encode("media", picture.id), "altText": picture.alt_text} for picture in pictures]


def _real(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.before != change.after]
