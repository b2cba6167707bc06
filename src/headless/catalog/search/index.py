"""How does the index stay right? Whoever changes a product says so; it is written at the end of the transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, text

from headless.catalog import queries
from headless.catalog.events import ProductReindexed
from headless.catalog.models import products
from headless.catalog.search import rules
from headless.catalog.search.models import documents, facets, product_facets, terms
from headless.catalog.search.rules import Document, Value
from headless.platform import outbox
from headless.platform.columns import any_of
from headless.platform.db import Database, Record, Session, before_commit, insert_into

BATCH = 500
PATIENCE = 10.0
"""Seconds that background work may queue behind SQLite's other writers."""
_PENDING = "search_pending"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index should say of a product."""

    product_id: UUID
    document: Document
    values: Mapping[int, Value]


def touch(session: Session, product_ids: Iterable[UUID]) -> None:
    """Have products' index written at the end of the transaction, from what they are then."""
    pending: set[UUID] | None = session.info.get(_PENDING)
    if pending is None:
        pending = session.info[_PENDING] = set()
        before_commit(session, _write_pending)
    pending.update(product_ids)


async def _write_pending(session: Session) -> None:
    pending: set[UUID] = session.info.pop(_PENDING, set())
    ordered = sorted(pending)
    for start in range(0, len(ordered), BATCH):
        await refresh(session, ordered[start : start + BATCH])


async def refresh(session: Session, product_ids: Sequence[UUID]) -> None:
    """Write the index of products anew, where it differs."""
    # First the lock, then the reading: of two who change one product, the second indexes both changes.
    known = await locked_documents(session, product_ids)
    entries = await entries_of(session, product_ids)
    changed = [entry for entry in entries if _texts(known.get(entry.product_id)) != entry.document]
    await write_documents(session, changed)
    await _write_facets(session, entries)


async def locked_documents(session: Session, product_ids: Sequence[UUID]) -> Mapping[UUID, Record]:
    d = documents.c
    rows = await session.execute(
        select(d.id, d.product_id, d.title, d.labels, d.body)
        .where(any_of(d.product_id, product_ids))
        .order_by(d.product_id)
        .with_for_update()
    )
    return {row.product_id: row for row in rows}


async def entries_of(session: Session, product_ids: Sequence[UUID]) -> list[Entry]:
    """What the index should say of products that are there."""
    p = products.c
    rows = await session.execute(
        select(p.id, p.title, p.vendor, p.product_type, p.tags, p.description)
        .where(any_of(p.id, product_ids))
        .order_by(p.id)
    )
    variants = await queries.variants_by_product(session, product_ids)
    return [entry_of(row, variants.get(row.id, ())) for row in rows]


def entry_of(product: Any, variants: Sequence[Any]) -> Entry:
    return Entry(product.id, rules.document_of(product, variants), rules.facets_of(product, variants))


def _texts(row: Record | None) -> Document | None:
    return None if row is None else Document(row.title, row.labels, row.body)


async def write_documents(session: Session, entries: Sequence[Entry]) -> None:
    """Write products' words, and remember how the words are spelled."""
    if not entries:
        return
    connection = await session.connection()
    insertion = insert_into(session, documents)
    columns = ("title", "labels", "body", "title_vector", "vector")
    await connection.execute(
        insertion.on_conflict_do_update(
            index_elements=["product_id"], set_={name: insertion.excluded[name] for name in columns}
        ),
        [document_row(entry, is_sqlite=is_sqlite(session)) for entry in entries],
    )
    await write_terms(session, set().union(*(rules.terms_of(entry.document) for entry in entries)))


def document_row(entry: Entry, *, is_sqlite: bool) -> dict[str, object]:
    document = entry.document
    return {
        "product_id": entry.product_id,
        "title": document.title,
        "labels": document.labels,
        "body": document.body,
        "title_vector": None if is_sqlite else rules.vector(f"{rules.START} {document.title}"),
        "vector": None if is_sqlite else rules.vector(document.title, document.labels, document.body),
    }


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


async def write_terms(session: Session, words: Collection[str]) -> None:
    """Remember how words are spelled."""
    t = terms.c
    known = set(await session.scalars(select(t.term).where(any_of(t.key, sorted(words)), t.key == t.term)))
    new = sorted((key, word) for word in words if word not in known for key in rules.keys_of(word))
    if new:
        connection = await session.connection()
        await connection.execute(
            insert_into(session, terms).on_conflict_do_nothing(), [{"key": key, "term": word} for key, word in new]
        )


async def write_values(session: Session, values: Mapping[int, Value]) -> None:
    """Keep what values are called; the latest spelling wins."""
    f = facets.c
    rows = await session.execute(select(f.id, f.name, f.label).where(any_of(f.id, sorted(values))))
    known = {row.id: (row.name, row.label) for row in rows}
    new = [value for id_, value in sorted(values.items()) if known.get(id_) != (value.name, value.label)]
    if not new:
        return
    connection = await session.connection()
    insertion = insert_into(session, facets)
    await connection.execute(
        insertion.on_conflict_do_update(
            index_elements=["id"], set_={name: insertion.excluded[name] for name in ("name", "label")}
        ),
        [
            {"id": value.id, "key": value.key, "value": value.value, "name": value.name, "label": value.label}
            for value in new
        ],
    )


async def _write_facets(session: Session, entries: Sequence[Entry]) -> None:
    c = product_facets.c
    rows = await session.execute(
        select(c.product_id, c.facet_id).where(any_of(c.product_id, [entry.product_id for entry in entries]))
    )
    known = {(row.product_id, row.facet_id) for row in rows}
    wanted = {(entry.product_id, facet) for entry in entries for facet in entry.values}
    values = {facet: value for entry in entries for facet, value in entry.values.items()}
    if values:
        await write_values(session, values)
    connection = await session.connection()
    if gone := sorted(known - wanted):
        await connection.execute(
            delete(product_facets).where(c.product_id == bindparam("of_product"), c.facet_id == bindparam("gone")),
            [{"of_product": product_id, "gone": facet} for product_id, facet in gone],
        )
    if new := sorted(wanted - known):
        await connection.execute(
            insert(product_facets), [{"product_id": product_id, "facet_id": facet} for product_id, facet in new]
        )


async def complete(database: Database) -> int:
    """Index products that the index doesn't know, those of a shop that is older than it; answer how many."""
    unknown = select(documents.c.id).where(documents.c.product_id == products.c.id).exists()
    query = select(products.c.id).where(~unknown).order_by(products.c.id).limit(BATCH)
    done = 0
    while True:
        async with database.reading() as session:
            found = list(await session.scalars(query))
        if not found:
            return done
        async with database.transaction(patience=PATIENCE) as session:
            await refresh(session, found)
        done += len(found)


async def rewrite(session: Session, product_ids: Sequence[UUID]) -> None:
    """Write the index of products from scratch."""
    await session.execute(delete(documents).where(any_of(documents.c.product_id, product_ids)))
    await session.execute(delete(product_facets).where(any_of(product_facets.c.product_id, product_ids)))
    entries = await entries_of(session, product_ids)
    words = set().union(*(rules.terms_of(entry.document) for entry in entries))
    await session.execute(delete(terms).where(any_of(terms.c.term, sorted(words))))
    await refresh(session, product_ids)
    outbox.record(session, *(ProductReindexed(product_id) for product_id in product_ids))


async def tidy(database: Database) -> None:
    """Let the database learn what is in its tables, after very much was written: by that it chooses its ways."""
    if database.is_sqlite:
        async with database.transaction(patience=PATIENCE) as session:
            await session.execute(text("ANALYZE"))
            for words in ("search_index", "search_index_titles"):
                await session.execute(text(f"INSERT INTO {words} ({words}) VALUES ('optimize')"))  # noqa: S608 - ours
        return
    # What autovacuum does by itself where it is on; not in a transaction, and it takes as long as it takes.
    async with database.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in ("SET statement_timeout = 0", "VACUUM (ANALYZE)", "RESET statement_timeout"):
            await connection.execute(text(statement))
