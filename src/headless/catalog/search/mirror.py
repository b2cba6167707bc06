"""How do the bitmaps in memory stay what the database says? As every reader of the log: what changed is read anew.

Whoever asks brings them to the state that his session sees, so what is counted is right at that moment. In the
background they are kept near the log's end, so that little is left for him to do.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from pyroaring import BitMap64
from sqlalchemy import Select, and_, select, union_all

from headless.catalog.events import (
    CategoryDeleted,
    CategoryUpdated,
    CollectionDeleted,
    CollectionUpdated,
    ProductCreated,
    ProductDeleted,
    ProductPublished,
    ProductUnpublished,
    ProductUpdated,
)
from headless.catalog.models import products
from headless.catalog.search import sources
from headless.catalog.search.bitmaps import Bitmaps
from headless.catalog.search.models import documents
from headless.catalog.search.news import MOST_NEWS, Happened, Log, News
from headless.catalog.search.sources import Kind
from headless.platform import clock, jobs
from headless.platform.columns import any_of
from headless.platform.db import Database, Session
from headless.platform.outbox import Place

log = structlog.get_logger(__name__)
T = TypeVar("T")

POLL_SECONDS: Final = 1.0
AT_ONCE: Final = 20_000
"""Numbers of products that one statement loads."""
MOST_KEPT: Final = 50_000
"""Numbers in answers: those of facets may have some thousand each."""
ROWS: Final = 20
"""Sets that are put together without giving others a turn."""
END: Final = 2**62
"""Beyond all positions of the log."""
ATTEMPTS: Final = 3
"""How often is asked again because something changed between two statements."""

Sets = Mapping[Hashable, BitMap64]
"""Products that the database found, by what it was asked."""
Unknown = Callable[[Bitmaps], Mapping[Hashable, Select[tuple[int]]]]
"""What the bitmaps don't tell, as selections of products' numbers."""

_OF_PRODUCTS: Final = frozenset(
    fact.topic for fact in (ProductCreated, ProductDeleted, ProductPublished, ProductUnpublished, ProductUpdated)
)
_OF_COLLECTIONS: Final = frozenset({CollectionUpdated.topic, CollectionDeleted.topic})
_OF_CATEGORIES: Final = frozenset({CategoryUpdated.topic, CategoryDeleted.topic})


class _Change:
    """What facts say of products, collections and categories."""

    def __init__(self, happened: Sequence[Happened], of_variants: Collection[str]) -> None:
        keys: defaultdict[str, set[UUID]] = defaultdict(set)
        for one in happened:
            if one.key is not None:
                keys[one.topic].add(one.key)
        self.products = sorted(set().union(*(keys[topic] for topic in (*_OF_PRODUCTS, *of_variants))))
        self.has_deletions = bool(keys[ProductDeleted.topic])
        self.collections = set().union(*(keys[topic] for topic in _OF_COLLECTIONS))
        self.categories = keys[CategoryUpdated.topic]
        self.is_of_tree = any(keys[topic] for topic in _OF_CATEGORIES)
        # In their order: what the first leaves behind may have to go on with the second.
        self.removed = [one.key for one in happened if one.topic == CategoryDeleted.topic and one.key is not None]


async def _rows_of(session: Session, found: News, change: _Change, bitmaps: Bitmaps) -> tuple[Sequence[Any], BitMap64]:
    """What is to be put into the bitmaps, and the products that are to be taken out before."""
    rows = found.rows
    if rows is None:
        selections = sources.of_products(any_of(documents.c.product_id, change.products), clock.now())
        selections += [sources.tree()] if change.is_of_tree else []
        selections += [sources.all_products()] if change.has_deletions else []
        rows = (await session.execute(union_all(*selections))).all()
    known = BitMap64().union(*(sources.numbers(row) for row in rows if row.kind == Kind.PRODUCTS))
    if change.has_deletions:
        everything = next(sources.numbers(row) for row in rows if row.kind == Kind.ALL)
        return rows, known | (bitmaps.products - everything)
    return rows, known


class Mirror:
    """Bitmaps of a shop's products in this process, and what was counted by them.

    Facts of the topics `besides` change no list, those of the topics `of_variants` change a variant's product. What
    else isn't of products, collections or categories has all read anew.
    """

    def __init__(self, *, besides: Collection[str], of_variants: frozenset[str]) -> None:
        self._log = Log(besides=besides, of_variants=of_variants)
        self._of_variants = of_variants
        self._bitmaps: Bitmaps | None = None
        self._place = Place(0)
        self._kept: dict[Hashable, Any] = {}
        """What was told since the bitmaps last changed."""
        self._size_of_kept = 0
        self._position: Callable[[], int] | None = None
        self._has_news = False
        self._seen: frozenset[str] = frozenset()
        """What was taken in before it had a position."""
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()

    @property
    def size(self) -> int:
        """The number of products that are known; 0 until all are."""
        return len(self._bitmaps.products) if self._bitmaps is not None else 0

    async def follow(self, database: Database, position: Callable[[], int]) -> None:
        """Load everything, then go with the log, whose end `position` tells, until cancelled."""
        self._position = position
        database.facts_committed.append(self._committed)
        self._wake.set()
        keep_up = partial(self._keep_up, database)
        await jobs.whenever(self._wake, keep_up, poll_seconds=POLL_SECONDS, name="mirror_products")

    async def tell(
        self,
        session: Session,
        key: Hashable,
        unknown: Unknown,
        compute: Callable[[Bitmaps, Sets], T],
        *,
        is_of_all: bool,
    ) -> T | None:
        """What is computed of the bitmaps as they are in the session's state; None if they can't be had just now.

        What the bitmaps don't tell is read in the same statement. Equal keys stand for equal questions: their answers
        are kept until something changes. `is_of_all`: also of products that are just being listed in a channel.
        """
        for _ in range(ATTEMPTS):
            if self._bitmaps is None:
                break
            is_behind = self._is_behind()
            self._has_news = False
            is_kept = key in self._kept
            asked = {} if is_kept and not is_behind else unknown(self._bitmaps)
            found = await self._log.news(session, self._place, asked, with_rows=is_behind, only_if_any=is_kept)
            if (is_of_all and found.is_listing) or not await self._take_in(session, found):
                break
            told: T
            if key in self._kept:
                told = self._kept[key]
                return told
            self._learn(found)
            if self._bitmaps is not None and unknown(self._bitmaps).keys() <= found.sets.keys():
                told = compute(self._bitmaps, found.sets)
                if found.head == self._place.position:
                    self._keep(key, told)
                return told
        self._wake.set()
        return None

    async def _keep_up(self, database: Database) -> None:
        """Take in all there is; load it if nothing is known."""
        if self._bitmaps is None:
            await self._load(database)
        here = None
        while self._bitmaps is not None and here != self._place:
            here = self._place
            async with database.reading() as session:
                found = await self._log.news(session, here)
                if found.head < here.position:
                    self._forget()  # the database was brought back from a backup
                await self._take_in(session, found, is_patient=True)

    def _committed(self) -> None:
        self._has_news = True

    def _is_behind(self) -> bool:
        """Whether something has happened, for all that this process knows."""
        return self._position is None or self._has_news or self._position() > self._place.position

    def _keep(self, key: Hashable, told: object) -> None:
        size = len(told) if isinstance(told, list) else 1
        if self._size_of_kept + size > MOST_KEPT:
            self._forget_kept()
        self._size_of_kept += size
        self._kept[key] = told

    def _forget_kept(self) -> None:
        self._kept.clear()
        self._size_of_kept = 0

    def _learn(self, found: News) -> None:
        """Remember the products of collections that were read at the place where the bitmaps are."""
        if self._bitmaps is not None and found.head == self._place.position:
            self._bitmaps.collections.update({key: one for key, one in found.sets.items() if isinstance(key, UUID)})

    async def _take_in(self, session: Session, found: News, *, is_patient: bool = False) -> bool:
        """Bring the bitmaps to what a session sees; False: they can't be, or it would take too long for who waits."""
        if self._bitmaps is None:
            return False
        if found.head < self._place.position:
            return True  # they are newer than what the session sees
        if not self._goes_on(found):
            self._forget()
            return False
        if not self._fresh(found) and len(found.numbered) <= MOST_NEWS:
            self._arrive(found)
            return True
        if not is_patient and max(len(found.numbered), len(found.unnumbered)) > MOST_NEWS:
            return False
        async with self._turn:
            return await self._read_anew(session, found)

    def _fresh(self, found: News) -> list[Happened]:
        """What wasn't taken in yet. Who sees something of it sees no older state than those who came before."""
        numbered = (one for one in found.numbered if (one.position or 0) > self._place.position)
        return [one for one in (*numbered, *found.unnumbered) if one.id not in self._seen]

    def _arrive(self, found: News) -> None:
        """Take note that all that a session sees is taken in."""
        if found.head > self._place.position:
            self._seen = frozenset()
        self._seen |= {one.id for one in found.unnumbered}
        if found.head >= self._place.position:
            self._place = Place.of(found.head, found.last)

    def _goes_on(self, found: News) -> bool:
        """Whether what is known and what happened make up what the session sees."""
        here = found.after
        return (
            Place.of(here.position, found.known).is_of_the_log_of(here)
            and (found.head == here.position or (found.oldest is not None and found.oldest <= here.position + 1))
            and self._knows(found)
        )

    def _knows(self, found: News) -> bool:
        """Whether it is known what to read anew after all that happened."""
        known = _OF_PRODUCTS | _OF_COLLECTIONS | _OF_CATEGORIES | self._of_variants
        return all(one.topic in known for one in self._fresh(found))

    async def _read_anew(self, session: Session, found: News) -> bool:
        """Read what happened to products, collections and categories; those who come meanwhile wait for it."""
        if self._bitmaps is None or found.head < self._place.position:
            return self._bitmaps is not None
        bitmaps, happened = self._bitmaps, self._fresh(found)
        # There is more than was read: this time only the part up to here.
        upto = (found.numbered[MOST_NEWS - 1].position or 0) if len(found.numbered) > MOST_NEWS else None
        if upto is not None:
            happened = [one for one in happened if one.position is not None and one.position <= upto]
        # Without anything fresh it may be an older state than the one that was taken in last.
        if happened and not await self._apply(session, found, _Change(happened, self._of_variants), bitmaps):
            return False
        if upto is None:
            self._arrive(found)
        elif upto > self._place.position:
            self._place = Place(upto)
        return True

    async def _apply(self, session: Session, found: News, change: _Change, bitmaps: Bitmaps) -> bool:
        rows, gone = await _rows_of(session, found, change, bitmaps)
        if self._bitmaps is not bitmaps:
            return False
        if any(key in bitmaps.tree and key in change.categories for key in change.removed):
            self._forget()  # where it was last isn't known any more
            return False
        bitmaps.drop(gone)
        for key in change.removed:
            bitmaps.leave(key)
        for key in change.collections:
            bitmaps.collections.pop(key, None)
        if change.is_of_tree:
            bitmaps.tree.clear()
        sources.put(bitmaps, rows)
        self._forget_kept()
        return True

    def _forget(self) -> None:
        self._bitmaps = None
        self._seen = frozenset()
        self._forget_kept()
        self._wake.set()

    async def _load(self, database: Database) -> None:
        """Read everything, in parts; what happens meanwhile is taken in afterwards."""
        bitmaps = Bitmaps()
        async with database.reading() as session:
            unindexed = select(products.c.id).where(
                ~select(documents.c.id).where(documents.c.product_id == products.c.id).exists()
            )
            if (await session.execute(unindexed.limit(1))).first() is not None:
                return  # they have no number yet
            start = await self._log.news(session, Place(END))
            if not self._knows(start):
                return  # it would have to be read once more when this gets its position
            for selection in (sources.known_collections(), sources.tree(), sources.metafield_definitions()):
                sources.put(bitmaps, await session.execute(selection))
        after: int | None = 0
        while after is not None:
            after = await _load_some(database, bitmaps, after)
        self._bitmaps, self._place = bitmaps, Place.of(start.head, start.last)
        log.debug("products_mirrored", products=len(bitmaps.products))


async def _load_some(database: Database, bitmaps: Bitmaps, after: int) -> int | None:
    """Read the next products; answer after which number there are more."""
    number = documents.c.id
    async with database.reading() as session:
        upto: int | None = await session.scalar(
            select(number).where(number > after).order_by(number).offset(AT_ONCE - 1).limit(1)
        )
        which = number > after if upto is None else and_(number > after, number <= upto)
        for selection in sources.of_products(which, clock.now()):
            for some in (await session.execute(selection)).partitions(ROWS):
                sources.put(bitmaps, some)
                await asyncio.sleep(0)
    return upto
