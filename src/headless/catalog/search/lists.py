"""Which products does a list show, and in which order?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from headless.catalog.metafields.models import definitions
from headless.catalog.models import collection_products, listings, products
from headless.catalog.queries import ProductSortKey, visible_products
from headless.catalog.search import counting, filters, ranking, sorting, spelling
from headless.catalog.search.filters import Metafield
from headless.catalog.search.mirror import Mirror
from headless.catalog.search.wishes import Wish
from headless.platform import pages
from headless.platform.db import Session
from headless.platform.errors import BadUserInput

SORTS: Mapping[ProductSortKey, tuple[ColumnElement[Any], ...]] = {
    ProductSortKey.BEST_SELLING: (listings.c.units_sold, listings.c.product_id),
    ProductSortKey.CREATED_AT: (products.c.created_at, products.c.id),
    ProductSortKey.ID: (products.c.id,),
    ProductSortKey.PRICE: (listings.c.min_amount, listings.c.product_id),
    ProductSortKey.PRODUCT_TYPE: (products.c.type_key, products.c.id),
    ProductSortKey.TITLE: (products.c.title_key, products.c.id),
    ProductSortKey.UPDATED_AT: (products.c.updated_at, products.c.id),
    ProductSortKey.VENDOR: (products.c.vendor_key, products.c.id),
}
COLLECTION = "COLLECTION"
CORRECTED = "~"
LONGEST_SHOWN = 100
"""Characters of a filter's text that an error repeats."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of products, and what was found in the end: perhaps other words than were written."""

    slice: pages.Slice
    wish: Wish


async def page(
    session: Session,
    wish: Wish,
    window: pages.Window,
    *,
    sort: ProductSortKey | None = None,
    is_reversed: bool = False,
    mirror: Mirror | None = None,
) -> Page:
    """Read one page of visible products; a mirror may tell how many there are in all.

    Without a sort: the best hits first where words are asked for, else a collection's own order, else by id. Where
    words lead to nothing, those that were probably meant are looked for; the cursors remember them.

    Raises `BadUserInput` for a filter that can't be what its metafield is.
    """
    corrections = _corrections(window)
    if corrections and wish.query is not None:
        wish = replace(wish, query=wish.query.corrected(corrections))
    found = await _fetch(
        session, wish, window, sort=sort, is_reversed=is_reversed, corrections=corrections, mirror=mirror
    )
    await _check_filters(session, wish, found.rows)
    is_first = window.after is None and window.before is None
    if not found.rows and window.limit and is_first and wish.query is not None and wish.query.has_words:
        corrections = await spelling.meant(session, wish.query)
        if corrections:
            wish = replace(wish, query=wish.query.corrected(corrections))
            found = await _fetch(
                session, wish, window, sort=sort, is_reversed=is_reversed, corrections=corrections, mirror=mirror
            )
    return Page(found, wish)


async def count(session: Session, wish: Wish, mirror: Mirror | None = None) -> int:
    """How many visible products a list has in all; without a mirror that can tell, they are counted."""
    size = await counting.size(session, mirror, wish) if mirror is not None else None
    return int(await session.scalar(_size(session, wish)) or 0) if size is None else size


def _size(session: Session, wish: Wish) -> Select[Any]:
    visible = products.join(listings, wish.eye.listed)
    return select(func.count()).select_from(visible).where(wish.eye.sees(), wish.conditions(session))


async def _fetch(
    session: Session,
    wish: Wish,
    window: pages.Window,
    *,
    sort: ProductSortKey | None,
    is_reversed: bool,
    corrections: spelling.Meant,
    mirror: Mirror | None,
) -> pages.Slice:
    has_words = wish.query is not None and wish.query.has_words
    if sort is ProductSortKey.RELEVANCE or (sort is None and has_words):
        sort = ProductSortKey.RELEVANCE if has_words else None
    selection = _selection(wish)
    is_descending = is_reversed
    name = sort.value if sort is not None else COLLECTION if wish.collection_id is not None else ProductSortKey.ID.value
    name += f"{CORRECTED}{spelling.written(corrections)}" if corrections else ""
    if sort is ProductSortKey.RELEVANCE and wish.query is not None:
        return await _by_relevance(session, wish, window, name=name, is_reversed=is_reversed, mirror=mirror)
    if sort is None and wish.collection_id is not None:
        member = collection_products.c
        selection = selection.join(collection_products, member.product_id == products.c.id)
        selection = selection.where(member.collection_id == wish.collection_id)
        columns: tuple[ColumnElement[Any], ...] = (member.position, member.product_id)
    else:
        columns = SORTS[sort or ProductSortKey.ID]
        is_descending = is_reversed != (sort is ProductSortKey.BEST_SELLING)
    order = pages.Order(name, columns, is_descending=is_descending)
    if name != COLLECTION and sorting.is_wanted(session, wish):
        hits = sorting.first(session, wish, order, window)
        selection = selection.join(hits, hits.c.hit == products.c.id)
    else:
        selection = selection.where(wish.conditions(session))
    return await pages.fetch(
        session,
        selection,
        order=order,
        window=window,
        count=lambda session: count(session, wish, mirror),
    )


async def _by_relevance(
    session: Session, wish: Wish, window: pages.Window, *, name: str, is_reversed: bool, mirror: Mirror | None
) -> pages.Slice:
    order = pages.Order(name, (ranking.TIER, ranking.PLACE), is_descending=is_reversed)

    async def counted(session: Session) -> int:
        return await count(session, wish, mirror)

    ranked = ranking.best(session, wish, order, window)
    if ranked is None:
        return pages.Slice([], [], has_next=False, has_previous=window.after is not None, count=counted)
    selection = _selection(wish).join(ranked, ranked.c.hit == products.c.id)
    return await pages.fetch(session, selection, order=order, window=window, count=counted)


def _selection(wish: Wish) -> Select[Any]:
    """Visible products, each with what is wrong with the filters: so no other statement has to ask."""
    selection = visible_products(wish.eye)
    misfit = filters.misfit(wish.filters)
    return selection if misfit is None else selection.add_columns(misfit.scalar_subquery().label("misfit"))


async def _check_filters(session: Session, wish: Wish, rows: Sequence[Any]) -> None:
    misfit = filters.misfit(wish.filters)
    if misfit is None:
        return
    place: int | None = rows[0].misfit if rows else await session.scalar(misfit)
    if place is None:
        return
    wrong = wish.filters[place]
    assert isinstance(wrong, Metafield)  # noqa: S101 - the place is one of these
    type_ = await session.scalar(select(definitions.c.type).where(*wrong.defined()))
    message = (
        f"`filters[{place}].metafield.value`: {wrong.namespace}.{wrong.name} is of the type {type_}, "
        f"and {wrong.text[:LONGEST_SHOWN]!r} is no value of it."
    )
    raise BadUserInput(message)


def _corrections(window: pages.Window) -> spelling.Meant:
    """The words that the page before this one was found by."""
    found = [pages.name_of(cursor).partition(CORRECTED) for cursor in (window.after, window.before) if cursor]
    written = {rest.removesuffix("-") for _name, _mark, rest in found}
    if len(written) > 1:
        raise BadUserInput(pages.BAD_CURSOR)
    return spelling.read(next(iter(written), ""))
