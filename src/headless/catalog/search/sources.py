"""What should the bitmaps say? Selections that all tell it in rows of one shape, and what is made of their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson
from pyroaring import BitMap64
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    literal,
    null,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from headless.catalog import publication
from headless.catalog.categories.models import categories
from headless.catalog.metafields.models import definitions, items, metafields
from headless.catalog.models import collection_products, collections, listings, products
from headless.catalog.search import rules
from headless.catalog.search.bitmaps import Bitmaps, Definition, Listed, Node, Value
from headless.catalog.search.models import documents, facets, product_facets

YES: Final = "1"


class Kind(StrEnum):
    """What a row tells."""

    LOG = "log"
    FACT = "fact"
    ASKED = "asked"
    ALL = "all"
    PRODUCTS = "products"
    FACET = "facet"
    CATEGORY = "category"
    COLLECTION = "collection"
    LISTING = "listing"
    METAFIELD = "metafield"
    DEFINITION = "definition"
    PLACE = "place"
    KNOWN_COLLECTION = "known_collection"


def all_products() -> Select[Any]:
    """The numbers of all products of the shop."""
    return select(*row(Kind.ALL, docs=Together(documents.c.id))).select_from(documents)


def tree() -> Select[Any]:
    """The categories."""
    c = categories.c
    return select(*row(Kind.PLACE, c.id, c.path, c.title))


def known_collections() -> Select[Any]:
    """The collections, without products."""
    return select(*row(Kind.KNOWN_COLLECTION, collections.c.id))


def metafield_definitions() -> Select[Any]:
    """The metafields that lists are narrowed by."""
    d = definitions.c
    is_public = case((d.is_public, YES), else_="")
    columns = row(Kind.DEFINITION, _metafield_key(), d.type, d.name, is_public)
    return select(*columns).where(d.owner_type == "product", d.is_filterable)


def of_products(which: ColumnElement[bool], at: Any) -> list[Select[Any]]:
    """What the bitmaps should say of some products at an instant, by a condition on their documents."""
    d, together = documents.c, Together(documents.c.id)
    of = product_facets.c
    valued = (
        select(of.facet_id, together.label("docs"))
        .join_from(documents, product_facets, of.product_id == d.product_id)
        .where(which)
        .group_by(of.facet_id)
        .subquery()
    )
    f = facets.c
    m, i, definition = metafields.c, items.c, definitions.c
    same = and_(definition.owner_type == m.owner_type, definition.namespace == m.namespace, definition.key == m.key)
    owned = documents.join(metafields, m.owner_id == d.product_id)
    single = owned.join(definitions, same)
    of_lists = owned.join(items, i.metafield_id == m.id).join(definitions, i.definition_id == definition.id)
    return [
        select(*row(Kind.PRODUCTS, docs=together)).select_from(documents).where(which),
        select(*row(Kind.FACET, valued.c.facet_id, f.key, f.value, f.name, f.label, docs=valued.c.docs)).join_from(
            valued, facets, f.id == valued.c.facet_id
        ),
        _grouped(
            documents.join(products, products.c.id == d.product_id),
            Kind.CATEGORY,
            products.c.category_id,
            which=and_(which, products.c.category_id.is_not(None)),
        ),
        _grouped(
            documents.join(collection_products, collection_products.c.product_id == d.product_id),
            Kind.COLLECTION,
            collection_products.c.collection_id,
            which=which,
        ),
        _grouped(
            documents.join(products, products.c.id == d.product_id).join(
                listings, listings.c.product_id == d.product_id
            ),
            Kind.LISTING,
            listings.c.channel_id,
            case((publication.is_shown(at), YES), else_=""),
            case((listings.c.is_available, YES), else_=""),
            listings.c.min_amount,
            which=which,
        ),
        _values(single, m.filter_key, m.value, which=which),
        _values(of_lists, i.filter_key, i.value, which=which),
    ]


def _grouped(source: FromClause, kind: Kind, *by: ColumnElement[Any], which: ColumnElement[bool]) -> Select[Any]:
    # Once more from outside: what is grouped by may be an expression with parameters, which are no two the same.
    inner = (
        select(*(one.label(f"by_{nth}") for nth, one in enumerate(by)), documents.c.id).select_from(source).where(which)
    ).subquery()
    columns = [inner.c[f"by_{nth}"] for nth in range(len(by))]
    return select(*row(kind, *columns, docs=Together(inner.c.id))).group_by(*columns)


def _values(
    source: FromClause,
    filter_key: ColumnElement[Any],
    value: ColumnElement[Any],
    *,
    which: ColumnElement[bool],
) -> Select[Any]:
    d, label = definitions.c, cast(value, Text)
    columns = row(Kind.METAFIELD, _metafield_key(), filter_key, label, docs=Together(documents.c.id))
    is_wanted = (which, d.owner_type == "product", d.is_filterable, filter_key.is_not(None))
    return select(*columns).select_from(source).where(*is_wanted).group_by(d.namespace, d.key, filter_key, label)


def _metafield_key() -> ColumnElement[str]:
    return literal(rules.METAFIELD, Text) + definitions.c.namespace + "." + definitions.c.key


def put(bitmaps: Bitmaps, rows: Iterable[Any]) -> None:
    """Add what was read."""
    listed: defaultdict[UUID, list[Listed]] = defaultdict(list)
    for row in rows:
        match row.kind:
            case Kind.LISTING:
                of = orjson.loads(row.docs)
                listed[UUID(row.a)].append(Listed(int(row.d), row.b == YES, row.c == YES, of))
            case Kind.KNOWN_COLLECTION:
                bitmaps.collections[UUID(row.a)] = BitMap64()
            case Kind.DEFINITION:
                bitmaps.metafields[row.a] = Definition(row.b, row.c, is_public=row.d == YES)
            case Kind.PLACE:
                bitmaps.tree[UUID(row.a)] = Node(row.b, row.c)
            case _:
                _put(bitmaps, row, numbers(row))
    for channel_id, some in listed.items():
        bitmaps.list_in(channel_id, some)


def _put(bitmaps: Bitmaps, row: Any, of: BitMap64) -> None:
    match row.kind:
        case Kind.PRODUCTS:
            bitmaps.products.update(of)
        case Kind.FACET:
            bitmaps.give(int(row.a), row.b, Value(row.c, row.e, row.d, of))
        case Kind.METAFIELD:
            bitmaps.give_metafield(row.a, Value(row.b, row.c, products=of))
        case Kind.CATEGORY:
            bitmaps.categories.setdefault(UUID(row.a), BitMap64()).update(of)
        case Kind.COLLECTION if (known := bitmaps.collections.get(UUID(row.a))) is not None:
            known.update(of)


def row(kind: Kind, *told: ColumnElement[Any], docs: ColumnElement[Any] | None = None) -> list[ColumnElement[Any]]:
    """The columns of a row: up to five texts, `a` to `e`, and the numbers of products."""
    columns = [literal(kind, Text).label("kind")]
    for nth, name in enumerate("abcde"):
        columns.append(cast(told[nth] if nth < len(told) else null(), Text).label(name))
    return [*columns, (cast(null(), Text) if docs is None else docs).label("docs")]


class Together(FunctionElement[str]):
    """One JSON text of many numbers."""

    inherit_cache = True
    type = Text()


@compiles(Together)
def _json_agg(element: Together, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(json_agg({compiler.process(element.clauses, **kw)}) AS TEXT)"


@compiles(Together, "sqlite")
def _json_group_array(element: Together, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **kw)})"


def numbers(row: Any) -> BitMap64:
    """The products that a row tells of."""
    return BitMap64(sorted(orjson.loads(row.docs)) if row.docs else ())
