"""How do a product's variants come about and change?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import queries, rules
from headless.catalog.errors import OptionsTaken, TooManyVariants
from headless.catalog.events import ProductUpdated
from headless.catalog.models import products, variants
from headless.catalog.rules import Selected
from headless.catalog.service import locked_product, option_rows, options_of, selection, stale
from headless.platform import clock, ids, outbox
from headless.platform.db import Session
from headless.platform.errors import InvalidInput, NotFound, Taken

SALES_TERMS = ("backorder_limit", "is_preorder", "expected_at", "max_per_order", "max_per_customer")
_LEAST = {
    "backorder_limit": ("backorderLimit", 0),
    "max_per_order": ("maxPerOrder", 1),
    "max_per_customer": ("maxPerCustomer", 1),
}
"""How the API calls limits, and the least that each can be."""


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """What a new variant is made of."""

    selected_options: Selected = ()
    sku: str | None = None
    barcode: str | None = None
    is_tracked: bool = True
    backorder_limit: int = 0
    is_preorder: bool = False
    expected_at: datetime | None = None
    max_per_order: int | None = None
    max_per_customer: int | None = None
    weight_grams: int | None = None
    image_id: UUID | None = None


async def create_variants(
    session: Session, product_id: UUID, drafts: Sequence[VariantDraft], *, actor: str
) -> list[UUID]:
    """Add variants at the end of a product; raises `NotFound`, `Taken`, `OptionsTaken`, `InvalidInput`."""
    current = await locked_product(session, product_id)
    options = options_of(current)
    selections: list[Selected] = []
    for index, draft in enumerate(drafts):
        try:
            selections.append(rules.checked_selection(options, draft.selected_options))
        except InvalidInput as refusal:
            raise refusal.at("variants", index, *(refusal.field or ())) from None
    existing = (await queries.variants_by_product(session, [product_id])).get(product_id, [])
    if len(existing) + len(drafts) > rules.MAX_VARIANTS:
        raise TooManyVariants(field=("variants",))
    taken = {row.options_key for row in existing}
    for index, selected in enumerate(selections):
        key = rules.options_key(selected)
        if key in taken:
            raise OptionsTaken(field=("variants", index, "selectedOptions"))
        taken.add(key)
    for index, draft in enumerate(drafts):
        _check_terms({name: getattr(draft, name) for name in SALES_TERMS}, index)
    await _check_skus(session, [(draft.sku, None) for draft in drafts])
    at, last = clock.now(), max((row.position for row in existing), default=0)
    rows = [
        {
            "id": ids.new(),
            "product_id": product_id,
            "position": last + nth,
            "sku": draft.sku or None,
            "barcode": draft.barcode or None,
            **selection(selected),
            "is_tracked": draft.is_tracked,
            "is_bundle": False,
            **{name: getattr(draft, name) for name in SALES_TERMS},
            "weight_grams": draft.weight_grams,
            "image_id": draft.image_id,
            "version": 1,
            "changed_by": actor,
            "created_at": at,
            "updated_at": at,
        }
        for nth, (draft, selected) in enumerate(zip(drafts, selections, strict=True), start=1)
    ]
    if rows:
        await _write_variants(session, rows)
    grown = option_rows(rules.with_values(options, selections))
    if grown != current.options:
        await session.execute(update(products).where(products.c.id == product_id).values(options=grown))
    return [UUID(str(row["id"])) for row in rows]


async def update_variants(
    session: Session,
    product_id: UUID,
    changes: Sequence[tuple[UUID, int, Mapping[str, Any]]],
    *,
    actor: str,
) -> None:
    """Change variants `(id, expected version, columns)` of one product, all or none."""
    current = await locked_product(session, product_id)
    known = {row.id: row for row in (await queries.variants_by_product(session, [product_id])).get(product_id, [])}
    options, at = options_of(current), clock.now()
    await _check_skus(session, [(values.get("sku"), variant_id) for variant_id, _version, values in changes])
    selections: list[Selected] = []
    for index, (variant_id, expected, values) in enumerate(changes):
        row = known.get(variant_id)
        if row is None:
            raise NotFound(field=("variants", index, "id"))
        if row.version != expected:
            raise stale(row, expected).at("variants", index, "expectedVersion")
        written = dict(values)
        _check_terms(written, index)
        if "selected_options" in written:
            try:
                selected = rules.checked_selection(options, written["selected_options"])
            except InvalidInput as refusal:
                raise refusal.at("variants", index, *(refusal.field or ())) from None
            selections.append(selected)
            written |= selection(selected)
        try:
            await session.execute(
                update(variants)
                .where(variants.c.id == variant_id)
                .values(**written, version=variants.c.version + 1, updated_at=at, changed_by=actor)
            )
        except IntegrityError:
            raise OptionsTaken(field=("variants", index, "selectedOptions")) from None
    grown = option_rows(rules.with_values(options, selections))
    if grown != current.options:
        await session.execute(update(products).where(products.c.id == product_id).values(options=grown))
    outbox.record(session, ProductUpdated(product_id))


def _check_terms(values: Mapping[str, Any], index: int) -> None:
    for name, (shown, least) in _LEAST.items():
        rules.checked_units(values.get(name), "variants", index, shown, least=least)


async def _check_skus(session: Session, wanted: Sequence[tuple[str | None, UUID | None]]) -> None:
    for index, (sku, _owner) in enumerate(wanted):
        rules.checked_label(sku or "", "variants", index, "sku")
    taken = await queries.taken_skus(session, [sku for sku, _owner in wanted if sku])
    seen: set[str] = set()
    for index, (sku, owner) in enumerate(wanted):
        if sku and (sku in seen or taken.get(sku, owner) != owner):
            message = f"Another variant has the SKU {sku!r}. Choose a different one."
            raise Taken(message, field=("variants", index, "sku"))
        seen.add(sku or "")


async def _write_variants(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        await session.execute(insert(variants), rows)
    except IntegrityError:
        message = "Another variant took one of these SKUs just now. Choose a different one."
        raise Taken(message, field=("variants",)) from None
