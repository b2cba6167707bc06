"""Do the index of words and that of facets say what the products are?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DatabaseError
from sqlalchemy.types import Text, Uuid

from headless.catalog.models import products
from headless.catalog.search import index, rules
from headless.catalog.search.index import Entry
from headless.catalog.search.models import documents, facets, product_facets, terms
from headless.operations.catalog.check import WHOLE, Check
from headless.platform.columns import any_of
from headless.platform.db import Session


async def _documents(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    d = documents.c
    rows = await session.execute(
        select(d.product_id, d.title, d.labels, d.body).where(any_of(d.product_id, product_ids))
    )
    kept = {row.product_id: rules.Document(row.title, row.labels, row.body) for row in rows}
    entries = await index.entries_of(session, product_ids)
    broken = {
        entry.product_id: "isn't indexed" if entry.product_id not in kept else "is indexed with other words"
        for entry in entries
        if kept.get(entry.product_id) != entry.document
    }
    if not index.is_sqlite(session):
        sound = [entry for entry in entries if entry.product_id not in broken]
        broken |= dict.fromkeys(await _unfound(session, sound), "isn't found by its words")
    return broken


async def _unfound(session: Session, entries: Sequence[Entry]) -> Sequence[UUID]:
    """On PostgreSQL: products whose vectors don't hold their words."""
    rows = [index.document_row(entry, is_sqlite=False) for entry in entries]
    statement = text(
        "SELECT d.product_id FROM search_document d JOIN unnest(:ids, :titles, :vectors) AS e (id, title, vector)"
        " ON d.product_id = e.id WHERE d.title_vector IS DISTINCT FROM e.title::tsvector"
        " OR d.vector IS DISTINCT FROM e.vector::tsvector"
    ).bindparams(
        bindparam("ids", type_=ARRAY(Uuid())),
        bindparam("titles", type_=ARRAY(Text())),
        bindparam("vectors", type_=ARRAY(Text())),
    )
    values: dict[str, Any] = {
        name: [row[column] for row in rows]
        for name, column in (("ids", "product_id"), ("titles", "title_vector"), ("vectors", "vector"))
    }
    return list(await session.scalars(statement, values))


_FULL_TEXT = ("search_index", "search_index_titles")


async def _words(session: Session, _none: Sequence[UUID]) -> Mapping[UUID, str]:
    """On SQLite: whether the full-text index holds the documents' words and no others."""
    if not index.is_sqlite(session):
        return {}
    try:
        async with session.begin_nested():
            for words in _FULL_TEXT:
                check = f"INSERT INTO {words} ({words}, rank) VALUES ('integrity-check', 1)"  # noqa: S608 - ours
                await session.execute(text(check))
    except DatabaseError as error:
        if "malformed" not in str(error.orig):
            raise
        return {WHOLE: "the full-text index holds other words than the documents"}
    return {}


async def _rebuild(session: Session, _none: Sequence[UUID]) -> None:
    for words in _FULL_TEXT:
        await session.execute(text(f"INSERT INTO {words} ({words}) VALUES ('rebuild')"))  # noqa: S608 - ours


async def _facets(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    c, f = product_facets.c, facets.c
    rows = await session.execute(
        select(c.product_id, c.facet_id, f.key, f.value, f.label)
        .outerjoin(facets, f.id == c.facet_id)
        .where(any_of(c.product_id, product_ids))
    )
    kept: defaultdict[UUID, dict[int, Any]] = defaultdict(dict)
    for row in rows:
        kept[row.product_id][row.facet_id] = row
    return {
        entry.product_id: "has other facets than are kept"
        for entry in await index.entries_of(session, product_ids)
        if {facet: (value.key, value.value) for facet, value in entry.values.items()}
        != {facet: (row.key, row.value) for facet, row in kept[entry.product_id].items()}
        or any(rules.folded(row.label) != row.value for row in kept[entry.product_id].values())
    }


async def _spelling(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, str]:
    t = terms.c
    entries = await index.entries_of(session, product_ids)
    words = set().union(*(rules.terms_of(entry.document) for entry in entries))
    rows = await session.execute(select(t.key, t.term).where(any_of(t.term, sorted(words))))
    kept = {(row.key, row.term) for row in rows}
    lost = {word for word in words if not {(key, word) for key in rules.keys_of(word)} <= kept}
    return {
        entry.product_id: "has words in which no slip is forgiven"
        for entry in entries
        if lost & rules.terms_of(entry.document)
    }


CHECKS = (
    Check(
        "documents",
        "Products are searched by the words that they have.",
        "product",
        products.c.id,
        _documents,
        index.rewrite,
    ),
    Check(
        "facets",
        "Products are filtered and counted by what they are.",
        "product",
        products.c.id,
        _facets,
        index.rewrite,
    ),
    Check(
        "spelling",
        "Slips are forgiven in every word that some product has.",
        "product",
        products.c.id,
        _spelling,
        index.rewrite,
    ),
    Check("words", "The full-text index is that of the documents.", "product", None, _words, _rebuild),
)
