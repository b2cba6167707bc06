"""What has happened in the log, as far as it changes what lists show?"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pyroaring import BitMap64
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from headless.catalog.events import CategoryDeleted, CategoryUpdated, ProductDeleted, ProductUpdated
from headless.catalog.models import listings, variants
from headless.catalog.search import sources, walking
from headless.catalog.search.models import documents
from headless.catalog.search.sources import Kind
from headless.platform import clock
from headless.platform.columns import UtcDateTime
from headless.platform.db import Session
from headless.platform.outbox import Place, facts, log_heads
from headless.shop.models import channels

MOST_NEWS: Final = 2_000
"""Facts that are taken in at once."""
FEW: Final = 100
"""Facts whose products are read in the statement that finds them."""
LONG: Final = 500_000
"""Letters of a text of numbers that others would have to wait for."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A fact that may have changed what lists show, or a publication that begins or ends right now."""

    topic: str
    key: UUID | None
    """Of a variant's fact the variant's product, None: it is no more."""
    position: int | None
    id: str
    """Of the fact; of a publication, what is due of it."""


@dataclass(frozen=True, slots=True)
class News:
    """What a session sees of the log beyond a place."""

    after: Place
    head: int
    oldest: int | None
    """The first position of which the fact is kept."""
    known: UUID | None
    """The fact at the place beyond which this is, None: it is forgotten, or there is none."""
    last: UUID | None
    """The fact at the head."""
    is_listing: bool
    """Whether some channel doesn't list all products yet, and goes on without telling."""
    numbered: Sequence[Happened]
    """In their order; more than `MOST_NEWS`: there are others."""
    unnumbered: Sequence[Happened]
    """What has no position yet; likewise."""
    sets: Mapping[Hashable, BitMap64]
    """The products that the database found by what it was asked besides."""
    rows: Sequence[Any] | None
    """What is said now of what the facts are about, None: that wasn't read."""


class Log:
    """The log of facts, as far as it is about what lists show.

    Facts of the topics `besides` are left out, those of the topics `of_variants` are told as their products'.
    """

    def __init__(self, *, besides: Collection[str], of_variants: Collection[str]) -> None:
        # Built once: that takes longer than asking.
        facts_since = _facts_since(besides, of_variants)
        self._parts = _parts(facts_since)
        few = union_all(*(one.limit(FEW).subquery().select() for one in facts_since)).cte("few")
        self._is_any = select(func.count()).select_from(few).scalar_subquery() > 0

        def is_any(*topics: str) -> ColumnElement[bool]:
            return select(func.count()).where(few.c.topic.in_(topics)).scalar_subquery() > 0

        self._rows = [
            *sources.of_products(documents.c.product_id.in_(select(few.c.key)), _NOW),
            sources.tree().where(is_any(CategoryUpdated.topic, CategoryDeleted.topic)),
            sources.all_products().where(is_any(ProductDeleted.topic)),
        ]
        self._statements = {False: union_all(*self._parts), True: union_all(*self._parts, *self._rows)}

    async def news(
        self,
        session: Session,
        after: Place,
        asked: Mapping[Hashable, Select[tuple[int]]] = MappingProxyType({}),
        *,
        with_rows: bool = False,
        only_if_any: bool = False,
    ) -> News:
        """Read, in one statement, what happened after a place, and the numbers of products that are asked for.

        `with_rows`, also what is said now of what few facts are about; with `only_if_any`, too, numbers are only looked
        for if anything happened.
        """
        statement, keys = self._statements[with_rows], list(asked)
        if asked:
            if with_rows and only_if_any:
                asked = {key: walking.only_if(self._is_any, one) for key, one in asked.items()}
            sets = [_asked(nth, one) for nth, one in enumerate(asked.values())]
            statement = union_all(*self._parts, *(self._rows if with_rows else ()), *sets)
        rows = (await session.execute(statement, {"after": after.position, "now": clock.now()})).all()
        log = next(row for row in rows if row.kind == Kind.LOG)
        happened = [_happened(row) for row in rows if row.kind == Kind.FACT]
        numbered = sorted((one for one in happened if one.position is not None), key=lambda one: one.position or 0)
        unnumbered = [one for one in happened if one.position is None]
        is_told = bool(happened) or not (with_rows and only_if_any)
        is_whole = with_rows and len(numbered) <= FEW and len(unnumbered) <= FEW
        return News(
            after=after,
            head=int(log.a),
            oldest=None if log.b is None else int(log.b),
            known=None if log.c is None else UUID(log.c),
            last=None if log.d is None else UUID(log.d),
            is_listing=int(log.e) > 0,
            numbered=numbered,
            unnumbered=unnumbered,
            sets={keys[int(row.a)]: await _numbers_aside(row) for row in rows if row.kind == Kind.ASKED and is_told},
            rows=[row for row in rows if row.kind not in _NO_ROWS] if is_whole else None,
        )


def _facts_since(besides: Collection[str], of_variants: Collection[str]) -> list[Select[Any]]:
    """Facts that have a position, those that have none yet, and publications that begin or end right now."""
    f = facts.c
    owner = select(variants.c.product_id).where(variants.c.id == f.key).scalar_subquery()
    key = case((f.topic.in_(sorted(of_variants)), owner), else_=f.key)
    fact = select(f.topic, key.label("key"), f.position, cast(f.id, Text).label("id")).where(
        f.topic.not_in(sorted(besides))
    )
    c = listings.c
    due = select(
        literal(ProductUpdated.topic, Text).label("topic"),
        c.product_id.label("key"),
        cast(null(), BigInteger).label("position"),
        # Both of its ends may be due.
        (cast(c.product_id, Text) + cast(c.channel_id, Text) + case((c.unpublish_at <= _NOW, "ends"), else_="")).label(
            "id"
        ),
    )
    return [
        fact.where(f.position > _AFTER, f.position <= _HEAD).order_by(f.position),
        fact.where(f.position.is_(None)).order_by(f.seq),
        due.where(listings.c.turns_at <= _NOW),
    ]


def _parts(facts_since: Sequence[Select[Any]]) -> list[Select[Any]]:
    f = facts.c

    def fact_at(position: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(select(f.id).where(f.position == position).scalar_subquery(), Text)

    oldest = select(func.min(f.position)).scalar_subquery()
    listing = select(func.count()).where(channels.c.unlisted_after.is_not(None)).scalar_subquery()
    parts: list[Select[Any]] = [
        select(*sources.row(Kind.LOG, _HEAD, oldest, fact_at(_AFTER), fact_at(_HEAD), listing)),
    ]
    for found in facts_since:
        some = found.limit(MOST_NEWS + 1).subquery()
        parts.append(select(*sources.row(Kind.FACT, some.c.topic, some.c.key, some.c.position, some.c.id)))
    return parts


_AFTER, _NOW = bindparam("after", type_=BigInteger), bindparam("now", type_=UtcDateTime)
_HEAD = select(log_heads.c.position).scalar_subquery()
_NO_ROWS = frozenset({Kind.LOG, Kind.FACT, Kind.ASKED})


def _asked(nth: int, wanted: Select[tuple[int]]) -> Select[Any]:
    (number,) = wanted.subquery().c
    return select(*sources.row(Kind.ASKED, literal(str(nth), Text), docs=sources.Together(number)))


def _happened(row: Any) -> Happened:
    return Happened(row.a, None if row.b is None else UUID(row.b), None if row.c is None else int(row.c), row.d)


async def _numbers_aside(row: Any) -> BitMap64:
    """The products that were asked for; others don't wait while very many are read."""
    is_long = row.docs is not None and len(row.docs) > LONG
    return await asyncio.to_thread(sources.numbers, row) if is_long else sources.numbers(row)
