"""Which are the best hits of a search? Read rank by rank, in the order of their ids, until a page is full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    TextClause,
    TextualSelect,
    Uuid,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy import text as sql

from headless.catalog.models import listings, products
from headless.catalog.search import text, walking
from headless.catalog.search.models import documents
from headless.catalog.search.text import Tier
from headless.catalog.search.wishes import Wish
from headless.platform import pages
from headless.platform.db import Session

TIER: Final[ColumnElement[int]] = literal_column("tier", Integer)
PLACE: Final[ColumnElement[int]] = literal_column("place", BigInteger)

Bounds = Sequence[tuple[int, bool]]
"""Places of documents, and whether what is wanted is beyond or before them."""


def best(session: Session, wish: Wish, order: pages.Order, window: pages.Window) -> Subquery | None:
    """The best hits (`hit`, `tier`, `place`), one more than a page has if there are more; None beyond all ranks.

    Of each rank, until there are enough, hits are gathered from the index; or, if a filter lets but few products pass,
    from those. Where the index tells all hits or none, the next documents are read one by one before that: where words
    are common they stand close together.
    """
    is_backward = order.is_descending != window.is_backward
    ranks = _ranks(wish, order, window)
    if not ranks:
        return None
    reading = _Reading(session, wish, few=window.limit + 1, is_backward=is_backward)
    found: list[CTE] = []
    for rank, bounds in reversed(ranks) if is_backward else ranks:
        known = " + ".join(walking.size_of(one.name) for one in found) or "0"
        found.append(reading.hits(rank, bounds, known))
    together = sql(" UNION ALL ".join(_from(one.name) for one in found))
    return _columns(together).add_cte(*found).subquery("ranked")


def _from(name: str) -> str:
    return f"SELECT hit, tier, place FROM {name}"  # noqa: S608 - a name of ours


def _columns(selection: TextClause) -> TextualSelect:
    return selection.columns(hit=Uuid, tier=Integer, place=BigInteger)


def _ranks(wish: Wish, order: pages.Order, window: pages.Window) -> list[tuple[Tier, Bounds]]:
    """The ranks that a window looks into, best first, and where in them."""
    cursors = [
        (pages.position(order, cursor), is_lower != order.is_descending)
        for cursor, is_lower in ((window.after, True), (window.before, False))
        if cursor is not None
    ]
    return [
        (rank, [(place, is_lower) for (tier, place), is_lower in cursors if tier == rank.number])
        for rank in (text.tiers(wish.query) if wish.query is not None else ())
        if not any(rank.number < tier if is_lower else rank.number > tier for (tier, _place), is_lower in cursors)
    ]


class _Reading:
    """A page that is being read: what all its ranks have in common."""

    def __init__(self, session: Session, wish: Wish, *, few: int, is_backward: bool) -> None:
        self._few = few
        self._is_backward = is_backward
        self._language = wish.language(session)
        self._listing = wish.eye.listed
        self._listed = documents.join(products, products.c.id == documents.c.product_id).join(listings, self._listing)
        self._sees = wish.eye.sees()
        self._many = walking.many(wish.sets) if wish.sets else None
        self._each = wish.besides_words(session, one_by_one=True)
        self._gathered = wish.besides_words(session) if wish.sets else None

    def hits(self, rank: Tier, bounds: Bounds, known: str) -> CTE:
        """The next hits of one rank; none if better ones, of which so many are `known`, fill the page."""
        number = rank.number
        ctes = [self._many] if self._many is not None else []
        is_asked, are_many = [f"{known} < {self._few}"], []
        if self._many is not None:
            are_many.append(walking.are())
        ways: list[str] = []
        if text.is_told_at_once(rank, self._language):
            near = f"near_{number}"
            if rank.of is None:
                ctes.append(walking.many([[select(documents.c.id).where(rank.title)]], f"many_{number}"))
            wanted = [*is_asked, *are_many, *([walking.are(f"many_{number}")] if rank.of is None else [])]
            ctes.append(self._near(rank, bounds, walking.at_most(self._few, *wanted)))
            enough = f"{known} + {walking.size_of(near)}"
            ways.append(f"{_from(near)} WHERE {enough} >= {self._few}")
            is_asked = [f"{enough} < {self._few}"]
        place = text.place(rank, self._language)
        far = self._shown(rank, bounds, place, *self._from_index(rank))
        ctes.append(self._some(far, place, f"far_{number}", [*is_asked, *are_many]))
        ways.append(_from(f"far_{number}"))
        if self._gathered is not None:
            reads = text.reads(rank, self._language)
            narrow = self._shown(
                rank,
                bounds,
                documents.c.id,
                select(documents.c.id).select_from(self._listed),
                self._sees,
                self._gathered,
                reads,
            )
            ctes.append(self._some(narrow, documents.c.id, f"narrow_{number}", [*is_asked, f"NOT {walking.are()}"]))
            ways.append(_from(f"narrow_{number}"))
        return _columns(sql(" UNION ALL ".join(ways))).add_cte(*ctes).cte(f"rank_{number}")

    def _near(self, rank: Tier, bounds: Bounds, limit: str) -> CTE:
        """Hits among the next documents."""
        id_ = documents.c.id
        directed = [self._directed(id_)]
        beyond = [id_ > place if is_lower else id_ < place for place, is_lower in bounds]
        reach = walking.within_reach(id_, true(), beyond, directed, is_descending=self._is_backward)
        selection = select(id_).select_from(self._listed)
        reads = text.reads(rank, self._language)
        shown = self._shown(rank, bounds, id_, selection, self._sees, self._each, reads, reach)
        return shown.order_by(*directed).limit(literal_column(limit, Integer)).cte(f"near_{rank.number}")

    def _from_index(self, rank: Tier) -> tuple[Select[Any], *tuple[ColumnElement[bool], ...]]:
        """A rank's documents, and whether their products belong to the list."""
        found = text.hits(rank, self._language)
        product_id = documents.c.product_id
        if self._language.is_sqlite:
            joined = found.join(products, products.c.id == product_id).join(listings, self._listing)
            return joined, self._sees, self._each
        # Each product is looked up by itself: PostgreSQL takes rare words for common ones, and would read all products.
        shown = select(func.count()).select_from(products.join(listings, self._listing))
        shown = shown.where(products.c.id == product_id, self._sees, self._each)
        return found, shown.correlate(documents).scalar_subquery() > 0

    def _shown(
        self,
        rank: Tier,
        bounds: Bounds,
        place: ColumnElement[int],
        selection: Select[Any],
        *conditions: ColumnElement[bool],
    ) -> Select[Any]:
        number = literal_column(str(rank.number), Integer).label("tier")
        within = [place > bound if is_lower else place < bound for bound, is_lower in bounds]
        columns = (documents.c.product_id.label("hit"), number, place.label("place"))
        return selection.with_only_columns(*columns).where(*conditions, *within)

    def _some(self, selection: Select[Any], place: ColumnElement[int], name: str, conditions: Sequence[str]) -> CTE:
        """The first hits of a selection, if all conditions hold."""
        limit = literal_column(walking.at_most(self._few, *conditions), Integer)
        if self._language.is_sqlite:
            return selection.order_by(self._directed(place)).limit(limit).cte(name)
        all_ = walking.gathered(selection, f"all_{name}")
        return select(all_).order_by(self._directed(all_.c.place)).limit(limit).cte(name)

    def _directed(self, place: ColumnElement[int]) -> ColumnElement[int]:
        return place.desc() if self._is_backward else place.asc()
