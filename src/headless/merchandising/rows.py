"""How are many products or variants changed in one call, where one that is refused may or may not stop the others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from headless.catalog import service as catalog
from headless.merchandising import service
from headless.merchandising.service import NewVariant
from headless.platform.db import Record, Session, savepoint
from headless.platform.errors import Refusal, Refused


@dataclass(frozen=True, slots=True)
class ProductRow:
    """What becomes of one of many products."""

    id: UUID
    expected_version: int
    changes: Mapping[str, Any]


async def update_products(
    session: Session, rows: Sequence[ProductRow], *, rejects_all: bool, actor: str
) -> dict[int, list[Refusal]]:
    """Change products; answer by row why some weren't, each refusal at its path within `products`.

    With `rejects_all` it raises `Refused` with all of them instead.
    """
    await catalog.lock_products(session, [row.id for row in rows])
    refused: dict[int, list[Refusal]] = {}
    for index, row in enumerate(rows):
        try:
            async with savepoint(session):
                await service.update_product(
                    session, row.id, expected_version=row.expected_version, changes=row.changes, actor=actor
                )
        except (Refusal, Refused) as error:
            refused[index] = [_at(refusal, "products", index) for refusal in _each(error)]
    if refused and rejects_all:
        raise Refused([refusal for of_row in refused.values() for refusal in of_row])
    return refused


async def create_variants(
    session: Session,
    product_id: UUID,
    new: Sequence[NewVariant],
    *,
    rejects_all: bool,
    channel: Record,
    actor: str,
) -> tuple[dict[int, UUID], dict[int, list[Refusal]]]:
    """Add variants to a product; answer by row those that were made and why others weren't.

    With `rejects_all` it raises `Refused` with all refusals instead. What is wrong with the product itself is raised.
    """
    left = dict(enumerate(new))
    refused: dict[int, list[Refusal]] = {}
    made: list[UUID] = []
    while left:
        places = list(left)
        try:
            async with savepoint(session):
                made = await service.create_variants(
                    session, product_id, list(left.values()), channel=channel, actor=actor
                )
        except (Refusal, Refused) as error:
            for refusal in _each(error):
                index = _row(refusal)
                if index is None:
                    raise
                place = places[index]
                refused.setdefault(place, []).append(_at_row(refusal, place))
                left.pop(place, None)
            continue
        break
    if refused and rejects_all:
        raise Refused([refusal for _place, of_row in sorted(refused.items()) for refusal in of_row])
    return dict(zip(left, made, strict=True)) if left else {}, refused


def _each(error: Refusal | Refused) -> Sequence[Refusal]:
    return error.refusals if isinstance(error, Refused) else [error]


def _at(refusal: Refusal, *path: str | int) -> Refusal:
    return refusal.at(*path, *(refusal.field or ()))


def _row(refusal: Refusal) -> int | None:
    match refusal.field:
        case ("variants", index, *_rest) if index.isdecimal():
            return int(index)
    return None


def _at_row(refusal: Refusal, place: int) -> Refusal:
    _list, _index, *rest = refusal.field or ("", "")
    return refusal.at("variants", place, *rest)
