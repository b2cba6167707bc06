"""How do a product's variants come about and change?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import history, queries, rules
from headless.catalog.errors import OptionsTaken, TooManyVariants
from headless.catalog.events import ProductUpdated
from headless.catalog.measures import MOST_GRAMS, MOST_MILLIMETERS
from headless.catalog.models import products, variants
from headless.catalog.rules import Option, Selected
from headless.catalog.search import index as search
from headless.catalog.service import locked_product, option_rows, options_of, selection
from headless.platform import clock, ids, outbox
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Refusal, Taken
from headless.teamwork import revisions

SALES_TERMS = ("backorder_limit", "is_preorder", "expected_at", "max_per_order", "max_per_customer")
MEASURES = ("weight_grams", "length_mm", "width_mm", "height_mm")
_SIZES: Mapping[str, tuple[tuple[str, ...], int, int]] = {
    "weight_grams": (("weightGrams",), 0, MOST_GRAMS),
    **{f"{side}_mm": (("dimensions", side), 1, MOST_MILLIMETERS) for side in ("length", "width", "height")},
}
"""Where the API has what is measured, and the least and most that it can be."""
CODES = {
    "sku": ("sku", "SKU"),
    "barcode": ("barcode", "barcode"),
    "external_reference": ("externalReference", "external reference"),
}
"""What no two variants of the shop have in common, as the API calls it and as people do."""
_LEAST = {
    "backorder_limit": ("backorderLimit", 0),
    "max_per_order": ("maxPerOrder", 1),
    "max_per_customer": ("maxPerCustomer", 1),
}
"""How the API calls limits, and the least that each can be."""


_TAKEN_JUST_NOW = "Another variant took one of these SKUs, barcodes or references just now. Choose a different one."
Code = tuple[str, str]
"""The column of a code, and the code."""
UNMADE = UUID(int=0)
"""Stands for a variant that has no id yet."""


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """What a new variant is made of."""

    selected_options: Selected = ()
    sku: str | None = None
    barcode: str | None = None
    external_reference: str | None = None
    is_tracked: bool = True
    backorder_limit: int = 0
    is_preorder: bool = False
    expected_at: datetime | None = None
    max_per_order: int | None = None
    max_per_customer: int | None = None
    weight_grams: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    tax_code: str | None = None
    image_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class VariantGroup:
    """New variants of one product, which has these options and, as yet, these variants."""

    product_id: UUID
    options: tuple[Option, ...]
    drafts: Sequence[VariantDraft]
    existing: Sequence[Record] = ()


@dataclass(frozen=True, slots=True)
class PlannedVariants:
    """New variants whose drafts were found well-formed: their rows, and the product's options grown by their values."""

    options: tuple[Option, ...]
    rows: Sequence[dict[str, Any]]

    @property
    def ids(self) -> list[UUID]:
        return [row["id"] for row in self.rows]


async def create_variants(
    session: Session,
    product_id: UUID,
    drafts: Sequence[VariantDraft],
    *,
    actor: str,
    options: Sequence[Option] | None = None,
) -> list[UUID]:
    """Add variants at the end of a product; raises `NotFound`, `Taken`, `OptionsTaken`, `InvalidInput`.

    With `options` they fit a product that has these instead of its own: whoever asks for that writes them next.
    """
    current = await locked_product(session, product_id)
    existing = (await queries.variants_by_product(session, [product_id])).get(product_id, [])
    group = VariantGroup(product_id, options_of(current) if options is None else tuple(options), drafts, existing)
    (planned,) = await plan_variants(session, [group], actor=actor)
    if isinstance(planned, Refusal):
        raise planned
    await write_variants(session, planned.rows)
    if options is None:
        await _grow(session, current, planned.options)
    return planned.ids


async def plan_variants(
    session: Session, groups: Sequence[VariantGroup], *, actor: str
) -> list[PlannedVariants | Refusal]:
    """Check drafts of new variants, all in one look at the database; answer each group's rows or why it is refused."""
    at = clock.now()
    taken: dict[Code, UUID | None] = {}
    taken.update(await queries.taken_codes(session, [code for group in groups for code in _codes(group.drafts)]))
    planned: list[PlannedVariants | Refusal] = []
    for group in groups:
        try:
            planned.append(_planned(group, taken, at=at, actor=actor))
        except Refusal as refusal:
            planned.append(refusal)
        else:
            taken.update(dict.fromkeys(_codes(group.drafts)))
    return planned


def _planned(group: VariantGroup, taken: Mapping[Code, UUID | None], *, at: datetime, actor: str) -> PlannedVariants:
    selections: list[Selected] = []
    for index, draft in enumerate(group.drafts):
        try:
            selections.append(rules.checked_selection(group.options, draft.selected_options))
        except InvalidInput as refusal:
            raise refusal.at("variants", index, *(refusal.field or ())) from None
    if len(group.existing) + len(group.drafts) > rules.MAX_VARIANTS:
        raise TooManyVariants(field=("variants",))
    chosen = [selection(selected) for selected in selections]
    keys = {row.options_key for row in group.existing}
    for index, values in enumerate(chosen):
        if values["options_key"] in keys:
            raise OptionsTaken(field=("variants", index, "selectedOptions"))
        keys.add(values["options_key"])
    for index, draft in enumerate(group.drafts):
        _check_terms({name: getattr(draft, name) for name in (*SALES_TERMS, *MEASURES, "tax_code")}, index)
    _check_codes([({name: getattr(draft, name) for name in CODES}, UNMADE) for draft in group.drafts], taken)
    last = max((row.position for row in group.existing), default=0)
    rows = [
        {
            "id": ids.new(),
            "product_id": group.product_id,
            "position": last + nth,
            **{name: getattr(draft, name) or None for name in CODES},
            **values,
            "is_tracked": draft.is_tracked,
            "is_bundle": False,
            **{name: getattr(draft, name) for name in SALES_TERMS},
            **{name: getattr(draft, name) for name in MEASURES},
            "tax_code": draft.tax_code or None,
            "image_id": draft.image_id,
            "version": 1,
            "changed_by": actor,
            "created_at": at,
            "updated_at": at,
        }
        for nth, (draft, values) in enumerate(zip(group.drafts, chosen, strict=True), start=1)
    ]
    return PlannedVariants(rules.with_values(group.options, selections), rows)


async def update_variants(
    session: Session,
    product_id: UUID,
    changes: Sequence[tuple[UUID, int, Mapping[str, Any]]],
    *,
    actor: str,
    options: Sequence[Option] | None = None,
) -> None:
    """Change variants `(id, expected version, columns)` of one product, all or none; `options` as in creating them."""
    current = await locked_product(session, product_id)
    known = {row.id: row for row in (await queries.variants_by_product(session, [product_id])).get(product_id, [])}
    fitting, at = options_of(current) if options is None else options, clock.now()
    codes = [(name, values[name]) for _id, _version, values in changes for name in CODES if values.get(name)]
    taken = await queries.taken_codes(session, codes)
    _check_codes([(values, variant_id) for variant_id, _version, values in changes], taken)
    selections: list[Selected] = []
    for index, (variant_id, expected, values) in enumerate(changes):
        row = known.get(variant_id)
        if row is None:
            raise NotFound(field=("variants", index, "id"))
        if row.version != expected:
            raise (await revisions.stale(session, "variant", row, expected)).at("variants", index, "expectedVersion")
        written = dict(values)
        _check_terms(written, index)
        if "selected_options" in written:
            try:
                selected = rules.checked_selection(fitting, written["selected_options"])
            except InvalidInput as refusal:
                raise refusal.at("variants", index, *(refusal.field or ())) from None
            selections.append(selected)
            written |= selection(selected)
        try:
            changed = await session.execute(
                update(variants)
                .where(variants.c.id == variant_id, variants.c.version == expected)
                .values(**written, version=variants.c.version + 1, updated_at=at, changed_by=actor)
                .returning(variants.c.id)
            )
        except IntegrityError as error:
            if "options_key" in str(error.orig):
                raise OptionsTaken(field=("variants", index, "selectedOptions")) from None
            raise Taken(_TAKEN_JUST_NOW, field=("variants", index)) from None
        if changed.first() is None:
            # What makes it a bundle locks the variant alone, and came in between.
            row = (await session.execute(select(variants).where(variants.c.id == variant_id))).one()
            raise (await revisions.stale(session, "variant", row, expected)).at("variants", index, "expectedVersion")
        history.record_variant(session, row, written, actor=actor)
    if options is None:
        await _grow(session, current, rules.with_values(fitting, selections))
    search.touch(session, [product_id])
    outbox.record(session, ProductUpdated(product_id))


async def touch(session: Session, of_products: Mapping[UUID, Mapping[UUID, int]], *, actor: str) -> None:
    """Make the next versions of variants, known by what their versions were, of products that the caller holds.

    Their own columns stay: it is for what changes beside them, such as prices. Raises `NotFound` or `StaleObject`.
    """
    c, at = variants.c, clock.now()
    expected = {variant_id: version for versions in of_products.values() for variant_id, version in versions.items()}
    changed = await session.execute(
        update(variants)
        .where(tuple_(c.id, c.version).in_(list(expected.items())))
        .values(version=c.version + 1, updated_at=at, changed_by=actor)
        .returning(c.id)
    )
    found = set(changed.scalars())
    for variant_id, version in expected.items():
        if variant_id not in found:
            row = (await session.execute(select(variants).where(c.id == variant_id))).first()
            raise NotFound if row is None else await revisions.stale(session, "variant", row, version)
        revisions.record(session, "variant", variant_id, version=version + 1, actor=actor)
    search.touch(session, list(of_products))
    outbox.record(session, *(ProductUpdated(product_id) for product_id in of_products))


async def _grow(session: Session, product: Record, options: Sequence[Option]) -> None:
    """Give a product's options the values that its variants brought along."""
    grown = option_rows(options)
    if grown != product.options:
        await session.execute(update(products).where(products.c.id == product.id).values(options=grown))


def _check_terms(values: Mapping[str, Any], index: int) -> None:
    for name, (shown, least) in _LEAST.items():
        rules.checked_units(values.get(name), "variants", index, shown, least=least)
    for name, (path, least, most) in _SIZES.items():
        size = values.get(name)
        if size is not None and not least <= size <= most:
            raise InvalidInput(f"This is a number between {least} and {most}.", field=("variants", index, *path))
    rules.checked_label(values.get("tax_code") or "", "variants", index, "taxCode")


def _codes(drafts: Sequence[VariantDraft]) -> list[Code]:
    return [(name, code) for draft in drafts for name in CODES if (code := getattr(draft, name))]


def _check_codes(wanted: Sequence[tuple[Mapping[str, Any], UUID]], taken: Mapping[Code, UUID | None]) -> None:
    """Refuse codes that stand twice or are taken by another variant; each comes with the variant that is to have it."""
    seen: set[Code] = set()
    for index, (values, owner) in enumerate(wanted):
        for name, (shown, called) in CODES.items():
            text = rules.checked_label(values.get(name) or "", "variants", index, shown)
            code = (name, text)
            if text and (code in seen or taken.get(code, owner) != owner):
                message = f"Another variant has the {called} {text!r}. Choose a different one."
                raise Taken(message, field=("variants", index, shown))
            seen.add(code)


async def write_variants(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new variants; raises `Taken` when someone took a code since they were planned.

    Every new variant passes here, those of one product or of many.
    """
    if not rows:
        return
    try:
        await session.execute(insert(variants), rows)
    except IntegrityError:
        raise Taken(_TAKEN_JUST_NOW, field=("variants",)) from None
    for row in rows:
        revisions.record(session, "variant", row["id"], version=1, actor=row["changed_by"])
    search.touch(session, {row["product_id"] for row in rows})
