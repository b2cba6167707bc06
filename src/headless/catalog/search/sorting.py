"""Which products of a narrowed list come next in an order that the database keeps?"""

from __future__ import annotations

from sqlalchemy import Integer, Subquery, literal_column, select, true, union_all
from sqlalchemy import text as sql

from headless.catalog.models import listings, products
from headless.catalog.search import walking
from headless.catalog.search.wishes import Wish
from headless.platform import pages
from headless.platform.db import Session


def is_wanted(session: Session, wish: Wish) -> bool:
    """Whether the database needs to be told how to go about it.

    SQLite gathers whatever is narrowed. PostgreSQL knows how many products a filter lets pass, but not of rare words.
    """
    return bool(wish.found(session) or (wish.language(session).is_sqlite and (wish.sets or wish.query)))


def first(session: Session, wish: Wish, order: pages.Order, window: pages.Window) -> Subquery:
    """The ids (`hit`) of a page's products, one more if there are more.

    Where every filter lets many pass and words are common, the next products of the order are looked at one by one. If
    too few of them belong to the list, and where a filter lets few pass, all of the list is gathered.
    """
    few = window.limit + 1
    sets = [*wish.sets, *wish.found(session)]
    key = order.columns[0]
    beyond, directed = pages.within(order, window), pages.directed(order, window)
    scope = listings.c.channel_id == wish.eye.channel_id if key.table is listings else true()
    is_descending = order.is_descending != window.is_backward
    reach = walking.within_reach(key, scope, beyond, directed, is_descending=is_descending)
    keys = [column.label(f"key{nth}") for nth, column in enumerate(order.columns)]
    shown = (
        select(products.c.id.label("hit"), *keys)
        .select_from(products.join(listings, wish.eye.listed))
        .where(wish.eye.sees(), *beyond)
    )
    limit = walking.at_most(few, *([walking.are()] if sets else []))
    near = (
        shown.where(reach, wish.conditions(session, one_by_one=True))
        .order_by(*directed)
        .limit(literal_column(limit, Integer))
        .cte("near")
    )
    far = walking.gathered(shown.where(wish.conditions(session)), "far")
    some = select(far.c.hit).order_by(*(column.desc() if is_descending else column.asc() for column in list(far.c)[1:]))
    size = walking.size_of("near")
    rest = some.limit(literal_column(walking.at_most(few, f"{size} < {few}"), Integer)).cte("rest")
    enough = select(near.c.hit).where(sql(f"{size} = {few}"))
    hits = union_all(enough, select(rest.c.hit))
    return hits.add_cte(*([walking.many(sets)] if sets else []), near).subquery("hits")
