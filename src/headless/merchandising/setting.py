"""How does a product become exactly what was sent, whether it was there before or not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from headless.catalog import gallery, rules
from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.catalog.categories import service as categories
from headless.catalog.categories.service import CategoryName
from headless.catalog.gallery import Addresses
from headless.catalog.rules import Option
from headless.catalog.service import ProductDraft
from headless.merchandising import belongings, deleting, service, set_variants
from headless.merchandising.belongings import Belongings
from headless.merchandising.repricing import UNSET, Unset
from headless.merchandising.service import NewVariant
from headless.merchandising.set_variants import WishedVariant
from headless.platform.db import Record, Session
from headless.platform.errors import InvalidInput, NotFound, Refusal, Refused
from headless.teamwork import revisions


class Outcome(StrEnum):
    """What became of a product that was sent whole."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True, slots=True)
class Identifier:
    """Which product is meant, by exactly one of these."""

    id: UUID | None = None
    handle: str | None = None
    external_reference: str | None = None


@dataclass(frozen=True, slots=True)
class ProductWish:
    """A product as it is to be; what isn't named stays, or is as in a new one. `variants` None: those stay."""

    identifier: Identifier
    columns: Mapping[str, Any]
    category: CategoryName | Unset | None = UNSET
    variants: Sequence[WishedVariant] | None = None
    expected_version: int | None = None
    belongings: Belongings = belongings.NOTHING


@dataclass(frozen=True, slots=True)
class Hand:
    """Who sets products, at the prices of which channel, and what addresses of pictures mean here."""

    actor: str
    channel: Record
    addresses: Addresses = Addresses()  # noqa: RUF009 - it never changes


@dataclass(frozen=True, slots=True)
class SetProduct:
    """Which product it is, and what became of it."""

    id: UUID
    outcome: Outcome


async def put(session: Session, wish: ProductWish, hand: Hand) -> SetProduct:
    """Make a product, or bring the one that is there to what is wished; raises what making and changing raise.

    Two who make the same product at once: one of them gets `Taken` and finds it there when he tries again.
    """
    product_id = await _found(session, wish)
    if product_id is not None:
        has_changed = await _update(session, product_id, wish, hand)
        return SetProduct(product_id, Outcome.UPDATED if has_changed else Outcome.UNCHANGED)
    if wish.identifier.id is not None or wish.expected_version is not None:
        raise NotFound(field=("identifier",))
    return SetProduct(await _create(session, wish, hand), Outcome.CREATED)


async def _found(session: Session, wish: ProductWish) -> UUID | None:
    named = wish.identifier
    if sum(value is not None for value in (named.id, named.handle, named.external_reference)) != 1:
        message = "Name the product by exactly one of id, handle and externalReference."
        raise InvalidInput(message, field=("identifier",))
    if named.id is not None:
        return named.id
    if named.handle is not None:
        rules.checked_handle(named.handle)
        return (await catalog_queries.products_by_handle(session, [named.handle])).get(named.handle)
    reference = rules.checked_label(named.external_reference or "", "identifier", "externalReference")
    if not reference:
        message = "An external reference isn't empty."
        raise InvalidInput(message, field=("identifier", "externalReference"))
    return (await catalog_queries.products_by_reference(session, [reference])).get(reference)


async def _create(session: Session, wish: ProductWish, hand: Hand) -> UUID:
    columns = await _columns(session, wish)
    if not columns.get("title"):
        message = "A new product needs a title."
        raise InvalidInput(message, field=("title",))
    for name, value in (("handle", wish.identifier.handle), ("external_reference", wish.identifier.external_reference)):
        if value is not None:
            columns.setdefault(name, value)
    draft = ProductDraft(**columns)
    new_variants = [_new_variant(each, nth) for nth, each in enumerate(wish.variants or ())]
    product_id, variant_ids = await service.create_product_and_variants(
        session, draft, new_variants, channel=hand.channel, actor=hand.actor
    )
    await belongings.give(session, product_id, wish.belongings, addresses=hand.addresses, actor=hand.actor)
    await set_variants.show_first_pictures(
        session, product_id, variant_ids, wish.variants or (), addresses=hand.addresses
    )
    return product_id


async def _columns(session: Session, wish: ProductWish) -> dict[str, Any]:
    columns = dict(wish.columns)
    if not isinstance(wish.category, Unset):
        columns["category_id"] = None if wish.category is None else await categories.named(session, wish.category)
    return columns


def _new_variant(wish: WishedVariant, index: int) -> NewVariant:
    if wish.id is not None:
        raise NotFound(field=("variants", index, "id"))
    if isinstance(wish.price, Unset):
        message = "A new variant needs a price."
        raise InvalidInput(message, field=("variants", index, "price"))
    return NewVariant(
        **wish.columns,
        selected_options=wish.selected_options or (),
        price=wish.price,
        compare_at_price=None if isinstance(wish.compare_at_price, Unset) else wish.compare_at_price,
    )


async def _update(session: Session, product_id: UUID, wish: ProductWish, hand: Hand) -> bool:
    actor, channel = hand.actor, hand.channel
    try:
        current = await catalog.locked_product(session, product_id)
    except NotFound as refusal:
        raise refusal.at("identifier") from None
    if wish.expected_version is not None and current.version != wish.expected_version:
        raise await revisions.stale(session, "product", current, wish.expected_version)
    columns = _different(current, await _columns(session, wish))
    media = wish.belongings.media
    shown = (
        await gallery.replace(session, product_id, media, addresses=hand.addresses, actor=actor)
        if media is not None
        else None
    )
    now = catalog.options_of(current)
    options = rules.checked_options(wish.columns["options"]) if "options" in wish.columns else now
    other = options if {option.name for option in options} != {option.name for option in now} else None
    has_changed = False
    if wish.variants is not None or other is not None:
        known = (await catalog_queries.variants_by_product(session, [product_id])).get(product_id, [])
        wished = set_variants.staying(now, options, known) if wish.variants is None else wish.variants
        wished = await set_variants.with_pictures(session, product_id, wished, addresses=hand.addresses)
        pairs, new = set_variants.matched(now, options, known, wished)
        gone = [row.id for row in known if row.id not in pairs]
        if pairs:  # first, so that what comes can have their codes
            await _delete(session, product_id, gone, actor=actor)
        changes = await set_variants.changes(session, options, known, pairs, channel)
        with _counting(_places(wished, [pairs[change.id] for change in changes])):
            if changes:
                await service.update_variants(session, product_id, changes, channel=channel, actor=actor, options=other)
        with _counting(_places(wished, new)):
            if new:
                made = [_new_variant(each, nth) for nth, each in enumerate(new)]
                await service.create_variants(session, product_id, made, channel=channel, actor=actor, options=other)
        if not pairs:  # last, since a product is never without variants
            await _delete(session, product_id, gone, actor=actor)
        has_changed = bool(changes or new or gone)
    if "options" in wish.columns:
        columns |= await _different_options(session, product_id, options)
    if columns or shown:
        beside = [shown] if shown else []
        await service.update_product(
            session, product_id, expected_version=current.version, changes=columns, actor=actor, beside=beside
        )
    # Last, since translations are of the texts as they are now.
    has_changed |= await belongings.replace_texts(session, product_id, wish.belongings, actor=actor)
    return has_changed or bool(columns or shown)


async def _delete(session: Session, product_id: UUID, variant_ids: Sequence[UUID], *, actor: str) -> None:
    """Delete variants that aren't named any more; raises why one has to stay."""
    try:
        await deleting.delete_variants(session, product_id, variant_ids, actor=actor)
    except Refusal as refusal:
        raise refusal.at("variants") from None
    except Refused as refused:
        raise Refused([refusal.at("variants") for refusal in refused.refusals]) from None


def _different(current: Record, wished: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a product, its options apart, that differ from how they would be kept."""
    kept: dict[str, Any] = {name: value for name, value in wished.items() if name != "options"}
    if "title" in kept:
        kept["title"] = rules.checked_title(kept["title"] or "")
    if "description_html" in kept:
        kept["description_html"] = rules.sanitize(kept["description_html"])
    for name in ("vendor", "product_type"):
        if name in kept:
            kept[name] = kept[name].strip()
    if "tags" in kept:
        kept["tags"] = rules.normal_tags(kept["tags"])
    return {name: value for name, value in kept.items() if getattr(current, name) != value}


async def _different_options(session: Session, product_id: UUID, options: Sequence[Option]) -> dict[str, Any]:
    """The options as they are to be, with the values that variants have, when they differ from how they are."""
    now = await catalog.locked_product(session, product_id)
    variants = (await catalog_queries.variants_by_product(session, [product_id])).get(product_id, [])
    chosen = [tuple((each["name"], each["value"]) for each in row.selected_options) for row in variants]
    wanted = rules.with_values(options, chosen)
    return {"options": wanted} if catalog.option_rows(wanted) != now.options else {}


def _places(sent: Sequence[WishedVariant], some: Sequence[WishedVariant]) -> list[int]:
    # By identity: two that are equal are still the one and the other.
    places = {id(each): place for place, each in enumerate(sent)}
    return [places[id(each)] for each in some]


class _counting:  # noqa: N801 - reads as a clause of `with`
    """Within the block, refusals that count some of the variants come to count all that were sent."""

    def __init__(self, places: Sequence[int]) -> None:
        self._places = places

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        for refusal in error.refusals if isinstance(error, Refused) else [error]:
            if isinstance(refusal, Refusal) and refusal.field and len(refusal.field) > 1:
                _list, index, *rest = refusal.field
                refusal.at("variants", self._places[int(index)], *rest)
