"""What could somebody mean who has typed a part of a search?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select

from headless.catalog.models import collections
from headless.catalog.search import lists, rules
from headless.catalog.search.wishes import Wish
from headless.platform.db import Record, Session
from headless.platform.pages import Window

LOOKED_AT = 50
"""Best hits in which further search texts are looked for."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """What to show below a search box."""

    products: Sequence[Record] = ()
    collections: Sequence[Record] = ()
    queries: Sequence[str] = ()


async def propose(session: Session, wish: Wish, text: str, limit: int) -> Proposals:
    """Find products and collections for what was typed so far, and texts of hits that it may become."""
    words = rules.tokens(text)
    if wish.query is None or not words:
        return Proposals()
    hits = (await lists.page(session, wish, Window(limit=max(limit, LOOKED_AT)))).slice.rows
    return Proposals(hits[:limit], await _collections(session, words, limit), _texts(hits, words)[:limit])


async def _collections(session: Session, words: Sequence[str], limit: int) -> Sequence[Record]:
    c = collections.c
    has_all = (
        or_(c.title_key.startswith(word, autoescape=True), c.title_key.contains(f" {word}", autoescape=True))
        for word in words
    )
    return (await session.execute(select(collections).where(*has_all).order_by(c.title_key, c.id).limit(limit))).all()


def _texts(hits: Iterable[Record], words: Sequence[str]) -> list[str]:
    """Types, vendors, tags and titles of hits that have all the words, the commonest first."""
    counted: dict[str, int] = {}
    for row in hits:
        for text in dict.fromkeys((row.product_type, row.vendor, *row.tags, row.title)):
            folded = rules.folded(text)
            parts = rules.tokens(text)
            if folded and all(any(part.startswith(word) for part in parts) for word in words):
                counted[folded] = counted.get(folded, 0) + 1
    return sorted(counted, key=lambda text: (-counted[text], len(text), text))
