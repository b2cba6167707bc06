"""Which words were probably meant where nothing was found?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from sqlalchemy import literal, select, union_all

from headless.catalog.search import rules
from headless.catalog.search.models import terms
from headless.catalog.search.parsing import Query, Words
from headless.platform.columns import any_of
from headless.platform.db import Session

Meant = Mapping[str, Sequence[str]]
"""What stands in place of words that nobody wrote."""
MOST_CANDIDATES = 500


async def meant(session: Session, query: Query) -> Meant:
    """For each word of a query that no product has: the nearest ones that some has."""
    asked = {
        token
        for clause in query.clauses
        for part in clause
        if isinstance(part.of, Words) and not part.is_negated
        for token in part.of.tokens
        if rules.SHORTEST_TERM <= len(token) <= rules.LONGEST_TERM and token.isalpha()
    }
    if not asked:
        return {}
    t = terms.c
    keys = {key: word for word in sorted(asked) for key in rules.keys_of(word)}
    near = select(t.key, t.term).where(any_of(t.key, sorted(keys))).limit(MOST_CANDIDATES).subquery()
    # A word that begins another one is no slip.
    begun = [
        select(literal(word).label("key"), t.term)
        .where(t.key >= word, t.key < word + rules.LAST, t.key == t.term)
        .limit(1)
        .subquery()
        .select()
        for word in sorted(asked)
    ]
    rows = (await session.execute(union_all(near.select(), *begun))).all()
    known = {row.key for row in rows if row.key in asked and row.term.startswith(row.key)}
    found: dict[str, list[str]] = {}
    for word in sorted(asked - known):
        shared = rules.keys_of(word)
        found[word] = rules.suggestions(word, (row.term for row in rows if row.key in shared))
    return {word: others for word, others in found.items() if others}


def written(corrections: Meant) -> str:
    """Corrections as text, so that a cursor can say which words its page was found by."""
    return ";".join(f"{quote(word)}={','.join(map(quote, others))}" for word, others in sorted(corrections.items()))


def read(text: str) -> Meant:
    """Read what `written` wrote; whatever else it is, it corrects words to words."""
    pairs = (part.partition("=") for part in text.split(";"))
    found = {
        unquote(word): [token for other in others.split(",") for token in rules.tokens(unquote(other))[:1]]
        for word, _equals, others in pairs
    }
    return {word: others[: rules.MOST_SUGGESTIONS] for word, others in found.items() if others}
