"""How do products, variants, media and collections change?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from headless.catalog import history, queries, rules
from headless.catalog.categories import service as categories
from headless.catalog.events import ProductCreated, ProductUpdated
from headless.catalog.kinds import MediaKind, MediaStatus, is_foreign, kind_of
from headless.catalog.models import (
    ProductStatus,
    collection_products,
    collections,
    listings,
    media,
    products,
    variants,
)
from headless.catalog.rules import Option, Selected
from headless.catalog.search import index as search
from headless.platform import clock, ids, outbox
from headless.platform.columns import any_of
from headless.platform.db import Record, Session, insert_into
from headless.platform.errors import InvalidInput, NotFound, Refusal, Taken
from headless.teamwork import revisions
from headless.teamwork.rules import Change


@dataclass(frozen=True, slots=True)
class ProductDraft:
    """What a new product is made of."""

    title: str
    handle: str | None = None
    description_html: str = ""
    vendor: str = ""
    product_type: str = ""
    tags: Sequence[str] = ()
    status: ProductStatus = ProductStatus.DRAFT
    seo_title: str | None = None
    seo_description: str | None = None
    options: Sequence[Option] = ()
    external_reference: str | None = None
    category_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ImageDraft:
    """A picture to show with a product."""

    url: str
    alt_text: str
    width: int | None = None
    height: int | None = None
    id: UUID = field(default_factory=ids.new)


@dataclass(frozen=True, slots=True)
class PlannedProduct:
    """A new product whose draft was found well-formed: its row, not yet written."""

    id: UUID
    options: tuple[Option, ...]
    row: dict[str, Any]


async def create_product(session: Session, draft: ProductDraft, *, channel_ids: Sequence[UUID], actor: str) -> UUID:
    """Make a product without variants, hidden in every channel; raises `Taken` or `InvalidInput`."""
    (planned,) = await plan_products(session, [draft], actor=actor)
    if isinstance(planned, Refusal):
        raise planned
    await write_products(session, [planned], channel_ids=channel_ids)
    return planned.id


async def plan_products(
    session: Session, drafts: Sequence[ProductDraft], *, actor: str
) -> list[PlannedProduct | Refusal]:
    """Check drafts of new products, all in one look at the database; answer each one's row or why it is refused."""
    at = clock.now()
    handles = [draft.handle for draft in drafts if draft.handle]
    references = [draft.external_reference for draft in drafts if draft.external_reference]
    taken = await queries.taken_handles_and_references(session, handles, references)
    for category_id in sorted({draft.category_id for draft in drafts if draft.category_id}):
        await categories.check_exists(session, category_id)
    planned: list[PlannedProduct | Refusal] = []
    for draft in drafts:
        try:
            title = rules.checked_title(draft.title)
            handle = (
                rules.checked_handle(draft.handle)
                if draft.handle
                else await _free_handle(session, title, besides=taken.handles)
            )
            if draft.external_reference:
                rules.checked_label(draft.external_reference, "externalReference")
            if handle in taken.handles or draft.external_reference in taken.references:
                field = "handle" if handle in taken.handles else "externalReference"
                raise Taken(_taken_message(field), field=(field,))
            product = _planned(draft, title=title, handle=handle, at=at, actor=actor)
        except Refusal as refusal:
            planned.append(refusal)
        else:
            planned.append(product)
            taken.handles.add(handle)
            if draft.external_reference:
                taken.references.add(draft.external_reference)
    return planned


def _planned(draft: ProductDraft, *, title: str, handle: str, at: datetime, actor: str) -> PlannedProduct:
    product_id = ids.new()
    options = rules.checked_options(draft.options)
    row = {
        "id": product_id,
        "handle": handle,
        "status": draft.status,
        "options": option_rows(options),
        "external_reference": draft.external_reference,
        "category_id": draft.category_id,
        "created_at": at,
        "updated_at": at,
        "version": 1,
        "changed_by": actor,
        **_texts(
            title=title,
            description_html=draft.description_html,
            vendor=draft.vendor,
            product_type=draft.product_type,
            tags=draft.tags,
            seo_title=draft.seo_title,
            seo_description=draft.seo_description,
        ),
    }
    return PlannedProduct(product_id, options, row)


async def write_products(session: Session, planned: Sequence[PlannedProduct], *, channel_ids: Sequence[UUID]) -> None:
    """Write new products, hidden in every channel; raises `Taken` when someone took a handle since they were planned.

    Every new product passes here, one alone or many at once.
    """
    if not planned:
        return
    try:
        await session.execute(insert(products), [product.row for product in planned])
    except IntegrityError:
        raise Taken(_taken_message("handle"), field=("handle",)) from None
    if channel_ids:
        await session.execute(
            insert(listings),
            [
                {"product_id": product.id, "channel_id": channel_id, "is_priced": False}
                for product in planned
                for channel_id in channel_ids
            ],
        )
    for product in planned:
        revisions.record(session, "product", product.id, version=1, actor=product.row["changed_by"])
    search.touch(session, [product.id for product in planned])
    outbox.record(session, *(ProductCreated(product.id) for product in planned))


async def update_product(
    session: Session,
    product_id: UUID,
    *,
    expected_version: int,
    changes: Mapping[str, Any],
    actor: str,
    beside: Sequence[Change] = (),
) -> None:
    """Change the named columns of a product, if it is still the version that the caller saw.

    `beside` is what the caller changed of what belongs to the product but isn't in its row, such as its media.

    Raises `NotFound`, `StaleObject`, `Taken` or `InvalidInput`.
    """
    current = await locked_product(session, product_id)
    if current.version != expected_version:
        raise await revisions.stale(session, "product", current, expected_version)
    values = dict(changes)
    if "handle" in values:
        values["handle"] = rules.checked_handle(values["handle"])
    if values.get("external_reference"):
        rules.checked_label(values["external_reference"], "externalReference")
    texts = {name: values.pop(name, getattr(current, name)) for name in _TEXTS}
    texts["title"] = rules.checked_title(texts["title"])
    values.update(_texts(**texts))
    await categories.check_exists(session, values.get("category_id"))
    if "options" in values:
        values["options"] = await _renamed_options(session, current, values["options"])
    try:
        await session.execute(
            update(products)
            .where(products.c.id == product_id)
            .values(**values, version=products.c.version + 1, updated_at=clock.now(), changed_by=actor)
        )
    except IntegrityError:
        name = "externalReference" if "external_reference" in changes and "handle" not in changes else "handle"
        raise Taken(_taken_message(name), field=(name,)) from None
    history.record_product(session, current, values, actor=actor, beside=beside)
    search.touch(session, [product_id])
    outbox.record(session, ProductUpdated(product_id))


async def replace_media(session: Session, product_id: UUID, images: Sequence[ImageDraft]) -> Change:
    """Show exactly these, in this order; of those that stay the files are kept.

    Whoever raises the product's version tells there of the change.
    """
    shown = await session.execute(
        select(media.c.id, media.c.alt_text)
        .where(media.c.product_id == product_id)
        .order_by(media.c.position, media.c.id)
    )
    before = shown.all()
    gone = {row.id for row in before} - {image.id for image in images}
    if gone:
        await session.execute(delete(media).where(media.c.product_id == product_id, any_of(media.c.id, gone)))
    await add_first_media(session, {product_id: images})
    return history.media_change(before, images)


async def add_first_media(session: Session, images: Mapping[UUID, Sequence[ImageDraft]]) -> None:
    """Show pictures, in their order, with products that have none or some of these.

    Pictures of other addresses are linked until a worker has fetched them.
    """
    rows = [
        _media_row(product_id, position, image)
        for product_id, shown in images.items()
        for position, image in enumerate(shown, start=1)
    ]
    if rows:
        written = insert_into(session, media)
        changed = {name: written.excluded[name] for name in ("position", "alt_text")}
        is_own = media.c.product_id == written.excluded.product_id
        await session.execute(
            written.on_conflict_do_update(index_elements=[media.c.id], set_=changed, where=is_own), rows
        )


def _media_row(product_id: UUID, position: int, image: ImageDraft) -> dict[str, Any]:
    kind = kind_of(image.url)
    return {
        "id": image.id,
        "product_id": product_id,
        "position": position,
        "kind": kind,
        "status": MediaStatus.READY,
        "url": image.url,
        "alt_text": image.alt_text,
        "width": image.width,
        "height": image.height,
        "fetch_at": clock.now() if kind is MediaKind.IMAGE and is_foreign(image.url) else None,
        "attempts": 0,
    }


async def create_collection(session: Session, *, handle: str, title: str, description_html: str) -> UUID:
    """Make an empty collection."""
    collection_id, at = ids.new(), clock.now()
    title = rules.checked_title(title)
    clean = rules.sanitize(description_html)
    await session.execute(
        insert(collections).values(
            id=collection_id,
            handle=rules.checked_handle(handle),
            title=title,
            title_key=rules.fold(title),
            description_html=clean,
            description=rules.plain_text(clean),
            created_at=at,
            updated_at=at,
        )
    )
    revisions.record(session, "collection", collection_id, version=1, actor="system")
    return collection_id


async def add_to_collection(session: Session, collection_id: UUID, product_ids: Sequence[UUID]) -> None:
    """Put products at the end of a collection."""
    c = collection_products.c
    last = await session.scalar(select(func.max(c.position)).where(c.collection_id == collection_id)) or 0
    if product_ids:
        await session.execute(
            insert(collection_products),
            [
                {"collection_id": collection_id, "product_id": product_id, "position": last + nth}
                for nth, product_id in enumerate(product_ids, start=1)
            ],
        )


_TEXTS = ("title", "description_html", "vendor", "product_type", "tags", "seo_title", "seo_description")


def _texts(
    *,
    title: str,
    description_html: str,
    vendor: str,
    product_type: str,
    tags: Sequence[str],
    seo_title: str | None,
    seo_description: str | None,
) -> dict[str, Any]:
    clean = rules.sanitize(description_html)
    tags = rules.normal_tags(tags)
    return {
        "title": title,
        "title_key": rules.fold(title),
        "description_html": clean,
        "description": rules.plain_text(clean),
        "vendor": rules.checked_label(vendor.strip(), "vendor"),
        "vendor_key": rules.fold(vendor),
        "product_type": rules.checked_label(product_type.strip(), "productType"),
        "type_key": rules.fold(product_type),
        "tags": tags,
        "seo_title": seo_title,
        "seo_description": seo_description,
    }


def options_of(product: Record) -> tuple[Option, ...]:
    return tuple(Option(option["name"], tuple(option["values"])) for option in product.options)


def option_rows(options: Sequence[Option]) -> list[dict[str, Any]]:
    return [{"name": option.name, "values": list(option.values)} for option in options]


def _taken_message(field: str) -> str:
    return f"Another product has this {field}. Choose a different one."


async def _renamed_options(session: Session, current: Record, options: Sequence[Option]) -> list[dict[str, Any]]:
    """Check new options against the variants that use them, and bring the variants into their order."""
    checked = rules.checked_options(options)
    known = {(option.name, value) for option in checked for value in option.values}
    for row in (await queries.variants_by_product(session, [current.id])).get(current.id, []):
        chosen = tuple((entry["name"], entry["value"]) for entry in row.selected_options)
        try:
            selected = rules.checked_selection(checked, chosen)
        except InvalidInput:
            message = "Its variants don't fit these options: change or remove the variants first."
            raise InvalidInput(message, field=("options",)) from None
        if not known.issuperset(selected):
            message = "A value that a variant uses is missing from these options."
            raise InvalidInput(message, field=("options",))
        if selected != chosen:
            await session.execute(update(variants).where(variants.c.id == row.id).values(selection(selected)))
    return option_rows(checked)


def selection(selected: Selected) -> dict[str, Any]:
    return {
        "selected_options": [{"name": name, "value": value} for name, value in selected],
        "options_key": rules.options_key(selected),
        "title": rules.variant_title(selected),
    }


async def _free_handle(session: Session, title: str, *, besides: Collection[str]) -> str:
    base = rules.slug(title)
    like = await session.scalars(select(products.c.handle).where(products.c.handle.startswith(base, autoescape=True)))
    taken = {*like, *besides}
    candidates = (base, *(f"{base}-{nth}" for nth in range(1, len(taken) + 2)))
    return next(handle for handle in candidates if handle not in taken)


async def locked_product(session: Session, product_id: UUID) -> Record:
    row = (await session.execute(select(products).where(products.c.id == product_id).with_for_update())).first()
    if row is None:
        raise NotFound(field=("id",))
    return row


async def lock_products(session: Session, product_ids: Sequence[UUID]) -> None:
    """Have products to oneself until the end of the transaction: two who change the same ones can't deadlock."""
    wanted = select(products.c.id).where(any_of(products.c.id, product_ids)).order_by(products.c.id)
    await session.execute(wanted.with_for_update())
