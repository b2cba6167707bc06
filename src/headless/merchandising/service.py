"""How do products come about and change, with their prices and their stock in step?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from headless.catalog import history, publication, publishing
from headless.catalog import queries as catalog_queries
from headless.catalog import service as catalog
from headless.catalog import variants as catalog_variants
from headless.catalog.events import ProductUpdated
from headless.catalog.models import ProductStatus
from headless.catalog.rules import Option
from headless.catalog.service import ImageDraft, PlannedProduct, ProductDraft, option_rows
from headless.catalog.variants import PlannedVariants, VariantDraft, VariantGroup
from headless.inventory import ledger
from headless.inventory import queries as inventory_queries
from headless.inventory import service as inventory
from headless.inventory.events import StockChanged
from headless.merchandising import amounts, readiness, repricing
from headless.merchandising.repricing import VariantChange
from headless.platform import outbox
from headless.platform.db import Record, Session, savepoint
from headless.platform.errors import InvalidInput, Refusal, Refused
from headless.pricing import service as pricing
from headless.pricing.events import PriceChanged
from headless.pricing.service import NewPrice
from headless.shop import queries as shop_queries
from headless.teamwork import revisions
from headless.teamwork.rules import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVariant(VariantDraft):
    """What a new variant is made of, and what it costs."""

    price: Decimal
    compare_at_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NewProduct:
    """What a new product is made of, with its variants and pictures; one that is shown is active, too."""

    draft: ProductDraft
    variants: Sequence[NewVariant]
    images: Sequence[ImageDraft] = ()
    is_shown: bool = False


@dataclass(frozen=True, slots=True)
class MadeProduct:
    """A new product, and its variants in the order of what they were made from."""

    product_id: UUID
    variant_ids: list[UUID]


class _Unready(Exception):
    """Some of the new products lack what the checklist requires."""


async def create_product(
    session: Session, draft: ProductDraft, new_variants: Sequence[NewVariant], *, channel: Record, actor: str
) -> UUID:
    """Make a product, hidden in every channel, with prices in one; without variants it gets one that costs nothing.

    Raises `Taken`, `OptionsTaken`, `TooManyVariants`, `InvalidInput` or `Refused` with several.
    """
    product_id, _variant_ids = await create_product_and_variants(
        session, draft, new_variants, channel=channel, actor=actor
    )
    return product_id


async def create_product_and_variants(
    session: Session, draft: ProductDraft, new_variants: Sequence[NewVariant], *, channel: Record, actor: str
) -> tuple[UUID, list[UUID]]:
    """Do what `create_product` does and answer the variants' ids, too, in the order of what they were made from."""
    (made,) = await create_products(session, [NewProduct(draft, new_variants)], channel=channel, actor=actor)
    if isinstance(made, Refusal | Refused):
        raise made
    return made.product_id, made.variant_ids


async def create_products(
    session: Session, new: Sequence[NewProduct], *, channel: Record, actor: str, is_forced: bool = False
) -> list[MadeProduct | Refusal | Refused]:
    """Make products in few statements, hidden in every channel but where they are shown.

    Answers for each one what was made, or why it is refused: nothing of a refused one is made. One that is to be shown
    and lacks what the checklist requires is refused unless it is forced. Raises `Taken` when another transaction took
    a handle or a SKU meanwhile: then nothing is made at all.
    """
    is_asked = not is_forced and any(wish.is_shown for wish in new) and await readiness.is_anything_required(session)
    if not is_asked:
        return await _create_products(session, new, channel=channel, actor=actor)
    unready: dict[int, Refused] = {}
    try:
        async with savepoint(session):
            made = await _create_products(session, new, channel=channel, actor=actor)
            shown = {
                one.product_id: index
                for index, one in enumerate(made)
                if isinstance(one, MadeProduct) and new[index].is_shown
            }
            unmet = await readiness.unmet_by_product(session, list(shown))
            unready = {shown[key]: readiness.incomplete(answers, "published") for key, answers in unmet.items()}
            if unready:
                raise _Unready
            return made
    except _Unready:  # what they are like was only known once they were there: now without them
        ready = [index for index in range(len(new)) if index not in unready]
        made = await _create_products(session, [new[index] for index in ready], channel=channel, actor=actor)
        outcomes: dict[int, MadeProduct | Refusal | Refused] = {**unready, **dict(zip(ready, made, strict=True))}
        return [outcomes[index] for index in range(len(new))]


async def _create_products(
    session: Session, new: Sequence[NewProduct], *, channel: Record, actor: str
) -> list[MadeProduct | Refusal | Refused]:
    outcomes: dict[int, MadeProduct | Refusal | Refused] = {}
    priced: dict[int, tuple[Sequence[NewVariant], list[NewPrice]]] = {}
    for index, wish in enumerate(new):
        try:
            wished = _with_default(wish)
            priced[index] = wished, _prices(wished, channel)
        except (Refusal, Refused) as refused:
            outcomes[index] = refused
    planned = await catalog.plan_products(session, [new[index].draft for index in priced], actor=actor)
    products: dict[int, PlannedProduct] = {}
    for index, product in zip(priced, planned, strict=True):
        if isinstance(product, Refusal):
            outcomes[index] = product
        else:
            products[index] = product
    groups = [VariantGroup(product.id, product.options, priced[index][0], ()) for index, product in products.items()]
    plans = await catalog_variants.plan_variants(session, groups, actor=actor)
    made: dict[int, tuple[PlannedProduct, PlannedVariants]] = {}
    for (index, product), variants in zip(products.items(), plans, strict=True):
        if isinstance(variants, Refusal):
            outcomes[index] = variants
        else:
            made[index] = (
                replace(
                    product, options=variants.options, row=product.row | {"options": option_rows(variants.options)}
                ),
                variants,
            )
            outcomes[index] = MadeProduct(product.id, variants.ids)

    channel_ids = [row.id for row in await shop_queries.channels_to_list_in(session)]
    await catalog.write_products(session, [product for product, _variants in made.values()], channel_ids=channel_ids)
    await catalog_variants.write_variants(session, [row for _product, group in made.values() for row in group.rows])
    await catalog.add_first_media(session, {product.id: new[index].images for index, (product, _v) in made.items()})
    await _price_and_tell(
        session,
        [
            (variant_id, wish, price)
            for index, (_product, group) in made.items()
            for variant_id, wish, price in zip(group.ids, *priced[index], strict=True)
        ],
        channel=channel,
    )
    shown = [product.id for index, (product, _variants) in made.items() if new[index].is_shown]
    if shown:
        await publishing.show(session, shown, channel_id=channel.id)
    return [outcomes[index] for index in range(len(new))]


def _with_default(wish: NewProduct) -> Sequence[NewVariant]:
    if wish.variants:
        return wish.variants
    if wish.draft.options:
        message = "A product with options needs variants: say which values each one has and what it costs."
        raise InvalidInput(message, field=("variants",))
    return [NewVariant(price=Decimal(0))]


async def create_variants(
    session: Session,
    product_id: UUID,
    new_variants: Sequence[NewVariant],
    *,
    channel: Record,
    actor: str,
    options: Sequence[Option] | None = None,
) -> list[UUID]:
    """Add variants with prices in one channel at the end of a product; raises what `create_product` does.

    With `options` they are for a product that is about to have these instead of its own.
    """
    prices = _prices(new_variants, channel)
    variant_ids = await catalog_variants.create_variants(
        session, product_id, new_variants, actor=actor, options=options
    )
    await _price_and_tell(session, list(zip(variant_ids, new_variants, prices, strict=True)), channel=channel)
    if variant_ids:
        outbox.record(session, ProductUpdated(product_id))
    return variant_ids


async def update_variants(
    session: Session,
    product_id: UUID,
    changes: Sequence[VariantChange],
    *,
    channel: Record,
    actor: str,
    options: Sequence[Option] | None = None,
) -> None:
    """Change variants of one product and their prices in one channel, all or none.

    With `options` they are for a product that is about to have these instead of its own.
    Raises `NotFound`, `StaleObject`, `Taken`, `OptionsTaken`, `InvalidInput` or `Refused` with several.
    """
    variant_ids = [change.id for change in changes]
    before = await inventory_queries.sellable_by_variant(session, variant_ids)
    wished = [(change.id, change.expected_version, change.columns) for change in changes]
    await catalog_variants.update_variants(session, product_id, wished, actor=actor, options=options)
    await repricing.write(session, {product_id: changes}, channel)
    if any({"is_tracked", "backorder_limit"} & change.columns.keys() for change in changes):
        owing = [change.id for change in changes if change.columns.get("backorder_limit")]
        await inventory.ensure_levels(session, owing)
        after = await inventory_queries.sellable_by_variant(session, variant_ids)
        await ledger.announce(session, [key for key in after if after[key] != before[key]])


async def publish(
    session: Session,
    product_id: UUID,
    *,
    channel_id: UUID,
    at: datetime | None = None,
    until: datetime | None = None,
    actor: str = "system",
    is_forced: bool = False,
) -> None:
    """Show a product in a channel, as catalog's does, if it has what the checklist requires now, even if only later.

    Forced, it is published anyhow, and its history says so. Whoever watches its stock or prices hears of it. Raises
    what catalog's does, and `Refused` with one `ChecklistIncomplete` for each thing that is missing.
    """
    before = await catalog.locked_product(session, product_id)
    unmet = (await readiness.unmet_by_product(session, [product_id])).get(product_id)
    if unmet and not is_forced:
        raise readiness.incomplete(unmet, "id")
    changed = await publishing.publish(session, product_id, channel_id=channel_id, at=at, until=until, actor=actor)
    await tell_watchers(session, {product_id: changed})
    if unmet:
        channel = await shop_queries.channel_by_id(session, channel_id)
        forced = Change("checklist", None, {"forcedIn": channel.handle, "unmet": [one.item.title for one in unmet]})
        current = await catalog.locked_product(session, product_id)
        if current.version == before.version:
            await history.change_product(session, current, {}, actor=actor, beside=[forced])
            outbox.record(session, ProductUpdated(product_id))
        else:
            revisions.add(session, "product", product_id, forced)


async def unpublish(session: Session, product_id: UUID, *, channel_id: UUID) -> None:
    """Hide a product in a channel; whoever watches its stock or prices hears of it."""
    changed = await publishing.unpublish(session, product_id, channel_id=channel_id)
    await tell_watchers(session, {product_id: changed})


async def update_product(
    session: Session,
    product_id: UUID,
    *,
    expected_version: int,
    changes: Mapping[str, Any],
    actor: str,
    beside: Sequence[Change] = (),
) -> None:
    """Do what catalog's does; when the status changes, whoever watches its stock or prices hears.

    A product that becomes active where it is published, or is to be, comes before shoppers: raises `Refused` with one
    `ChecklistIncomplete` for each thing that the checklist requires and the changed product lacks.
    """
    becomes_active = (
        changes.get("status") == ProductStatus.ACTIVE
        and (await catalog.locked_product(session, product_id)).status != ProductStatus.ACTIVE
    )
    await catalog.update_product(
        session, product_id, expected_version=expected_version, changes=changes, actor=actor, beside=beside
    )
    if becomes_active and await publication.is_asked_for(session, product_id):
        unmet = (await readiness.unmet_by_product(session, [product_id])).get(product_id)
        if unmet:
            raise readiness.incomplete(unmet, "status")
    if "status" in changes:
        channel_ids = [row.id for row in await shop_queries.all_channels(session)]
        await tell_watchers(session, {product_id: channel_ids})


async def tell_watchers(session: Session, changed: Mapping[UUID, Sequence[UUID]]) -> None:
    """Tell that products are shown or hidden now in channels.

    What isn't shown is neither in stock nor priced, as far as shoppers know.
    """
    product_ids = [product_id for product_id, channel_ids in changed.items() if channel_ids]
    variants = await catalog_queries.variants_by_product(session, product_ids) if product_ids else {}
    for product_id, rows in variants.items():
        outbox.record(session, *(StockChanged(variant.id) for variant in rows))
        outbox.record(
            session, *(PriceChanged(variant.id, channel_id) for variant in rows for channel_id in changed[product_id])
        )


async def _price_and_tell(
    session: Session, made: Sequence[tuple[UUID, NewVariant, NewPrice]], *, channel: Record
) -> None:
    """Price new variants; those that need no stock to be sold can be bought from now on."""
    await shop_queries.confirm_currency(session, channel)
    await pricing.set_prices(session, channel.id, {variant_id: price for variant_id, _new, price in made})
    # Others have no stock yet: what puts it there tells of it and refreshes what lists filter by.
    await inventory.ensure_levels(session, [variant_id for variant_id, new, _price in made if new.backorder_limit])
    await ledger.announce(
        session, [variant_id for variant_id, new, _price in made if not new.is_tracked or new.backorder_limit]
    )


def _prices(new_variants: Sequence[NewVariant], channel: Record) -> list[NewPrice]:
    currency: str = channel.currency_code
    problems: list[Refusal] = []
    prices: list[NewPrice] = []
    for index, new in enumerate(new_variants):
        amount = amounts.parsed(new.price, currency, problems, ("variants", index, "price"))
        compare_at = amounts.parsed(new.compare_at_price, currency, problems, ("variants", index, "compareAtPrice"))
        amounts.check_order(amount, compare_at, currency, problems, index=index)
        prices.append(NewPrice(amount or 0, compare_at))
    if problems:
        raise Refused(problems)
    return prices
