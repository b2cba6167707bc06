"""How are words found, alike by SQLite's FTS5 and PostgreSQL's text vectors?

Both get words that are folded and parted already, and ask the same questions of them: neither stems, neither ranks.
The order of hits is a tier: the title itself, a title that begins so, all words in the title, all words anywhere.
Each tier can be gathered from the index, or documents can be asked one by one whether they belong to it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
    Text,
    and_,
    cast,
    false,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TSQUERY

from headless.catalog.models import listings, products, variants
from headless.catalog.search import filters, rules
from headless.catalog.search.models import documents, facets, product_facets, titles, words
from headless.catalog.search.parsing import Clause, Field, Part, Query, Words, is_of_words

TITLE_IS, TITLE_BEGINS, TITLE_HAS, ANYWHERE = range(4)


@dataclass(frozen=True, slots=True)
class Language:
    """In which of the two languages the full-text index is asked; or products `one_by_one`, without it."""

    is_sqlite: bool
    currency: str
    one_by_one: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """Clauses that everything, or only the title, is looked through for."""

    clauses: tuple[Clause, ...]
    is_of_title: bool = False


@dataclass(frozen=True, slots=True)
class Tier:
    """One rank of hits: `title` holds, and of words `of` have to be found, `without` must not.

    Without words the titles' own index finds them.
    """

    number: int
    title: ColumnElement[bool]
    of: _Asked | None = None
    without: _Asked | None = None


def tiers(query: Query) -> list[Tier]:
    """The ranks that a query's hits can have, best first; each hit has exactly one."""
    clauses = of_words(query)
    in_title = _Asked(clauses, is_of_title=True)
    found: list[Tier] = []
    phrase, is_better = _phrase(clauses), []
    if phrase is not None:
        title = documents.c.title
        whole = " ".join(phrase.tokens)
        is_whole, begins = title == whole, _begins(whole if phrase.is_prefix else f"{whole} ")
        found += [Tier(TITLE_IS, is_whole), Tier(TITLE_BEGINS, and_(begins, title != whole))]
        is_better = [is_whole, begins]
    # Not "or": PostgreSQL would read half of the titles' index for each side.
    found.append(Tier(TITLE_HAS, and_(true(), *(one.is_not(true()) for one in is_better)), in_title))
    if not all(_is_of_title(clause) for clause in clauses):
        found.append(Tier(ANYWHERE, true(), _Asked(clauses), in_title))
    return found


def _begins(start: str) -> ColumnElement[bool]:
    return and_(documents.c.title >= start, documents.c.title < start + rules.LAST)


def _phrase(clauses: Sequence[Clause]) -> Words | None:
    """A whole query as one run of words, if it has no alternatives."""
    if any(len(clause) > 1 for clause in clauses):
        return None
    said = [clause[0].of for clause in clauses]
    tokens = tuple(token for one in said if isinstance(one, Words) for token in one.tokens)
    last = said[-1]
    return Words(tokens, is_prefix=isinstance(last, Words) and last.is_prefix)


def hits(tier: Tier, language: Language) -> Select[Any]:
    """The documents of one rank, gathered from the index; on SQLite in the order of their ids if there are words."""
    d = documents.c
    found = select(d.id, d.product_id).where(tier.title)
    if tier.of is None:
        return found.select_from(documents)
    if language.is_sqlite:
        fts = _fts_of(tier.of)
        # The index first: SQLite may think that it had better ask it once for each document.
        found = found.select_from(fts.join(documents, d.id == literal_column(f"+{fts.name}.rowid", d.id.type)))
        without = [not_(_reads(tier.without, language))] if tier.without is not None else []
        return found.where(_match(fts, _fts(tier.of)), *without)
    without = [not_(_vectors(tier.without))] if tier.without is not None else []
    return found.select_from(documents).where(_vectors(tier.of), *without)


def place(tier: Tier, language: Language) -> ColumnElement[int]:
    """The document's id, as `hits` are sorted by it: SQLite reads the index in its order, but no range of titles."""
    if language.is_sqlite and tier.of is not None:
        return literal_column(f"{_fts_of(tier.of).name}.rowid", documents.c.id.type)
    if language.is_sqlite and tier.number == TITLE_BEGINS:
        return literal_column("+search_document.id", documents.c.id.type)
    return documents.c.id


def is_told_at_once(tier: Tier, language: Language) -> bool:
    """Whether the index tells all hits of a rank or none; else it tells them one after the other.

    SQLite puts together the hits of all words that begin as asked, which are few in titles.
    """
    return tier.number == ANYWHERE if language.is_sqlite else tier.number != TITLE_IS


def reads(tier: Tier, language: Language) -> ColumnElement[bool]:
    """Whether a document belongs to a rank, told from itself alone."""
    conditions = [tier.title]
    if tier.of is not None:
        conditions.append(_reads(tier.of, language))
    if tier.without is not None:
        conditions.append(not_(_reads(tier.without, language)))
    return and_(*conditions)


def _reads(asked: _Asked, language: Language) -> ColumnElement[bool]:
    if not language.is_sqlite:
        return _vectors(asked).is_(true())  # so that no index is thought of
    return and_(*(or_(*(_stands(part.of, in_title=asked.is_of_title) for part in clause)) for clause in asked.clauses))


def _stands(said: Words | Field, *, in_title: bool) -> ColumnElement[bool]:
    assert isinstance(said, Words)  # noqa: S101 - `is_of_words` was asked
    d = documents.c
    title = literal(" ") + d.title + " "
    # What nobody can ask for stands between the parts: no phrase reaches across.
    text = title if in_title or said.is_of_title else title + _BREAK + d.labels + _BREAK + d.body + " "
    return text.contains(f" {' '.join(said.tokens)}{'' if said.is_prefix else ' '}", autoescape=True)


_BREAK = f" {rules.GAP} "


def found(query: Query, language: Language) -> list[Select[Any]]:
    """The ids of the products that have all words of a query, if it has any."""
    clauses = of_words(query)
    return [_products(_Asked(clauses), language)] if clauses else []


def _products(asked: _Asked, language: Language) -> Select[Any]:
    return hits(Tier(ANYWHERE, true(), asked), language).with_only_columns(documents.c.product_id)


def of_words(query: Query) -> tuple[Clause, ...]:
    """The clauses of a query that the full-text index alone decides."""
    return tuple(clause for clause in query.clauses if is_of_words(clause))


def numbers(query: Query, language: Language) -> dict[Hashable, Select[tuple[int]]]:
    """The documents of what is asked of words, together, and of each part that no set of `bitmaps` knows."""
    found: dict[Hashable, Select[tuple[int]]] = {}
    if together := of_words(query):
        found[together] = _numbers(_Asked(together), language)
    for part in (part for clause in query.clauses if not is_of_words(clause) for part in clause):
        if isinstance(part.of, Words):
            found[part.of] = _numbers(_Asked(((Part(part.of),),)), language)
        elif part.of.name not in {*FACETS, "price", "available"}:
            owned = select(documents.c.id).join(products, products.c.id == documents.c.product_id)
            found[part.of] = owned.where(_field(part.of, language))
    return found


def _numbers(asked: _Asked, language: Language) -> Select[tuple[int]]:
    if language.is_sqlite:
        fts = _fts_of(asked)
        number = literal_column(f"{fts.name}.rowid", documents.c.id.type).label("id")
        return select(number).select_from(fts).where(_match(fts, _fts(asked)))
    return select(documents.c.id).where(_vectors(asked))


def matching(query: Query, language: Language) -> ColumnElement[bool]:
    """The condition on products, joined with their listing, that a query is."""
    if query.is_hopeless:
        return false()
    conditions = [_condition(clause, language) for clause in query.clauses if not is_of_words(clause)]
    if together := of_words(query):
        conditions.append(_has_words(_Asked(together), language))
    return and_(*conditions)


def fields(query: Query, language: Language) -> list[ColumnElement[bool]]:
    """What of a query the full-text index doesn't decide."""
    return [_condition(clause, language) for clause in query.clauses if not is_of_words(clause)]


def _condition(clause: Clause, language: Language) -> ColumnElement[bool]:
    return or_(*(_part(part, language) for part in clause))


def _part(part: Part, language: Language) -> ColumnElement[bool]:
    if isinstance(part.of, Words):
        found = _has_words(_Asked(((Part(part.of),),)), language)
    else:
        found = _field(part.of, language)
    return not_(found) if part.is_negated else found


def _has_words(asked: _Asked, language: Language) -> ColumnElement[bool]:
    if language.one_by_one:
        reading = select(documents.c.product_id).where(_reads(asked, language))
        return filters.is_among(reading, one_by_one=True)
    return filters.is_among(_products(asked, language), one_by_one=False)


def _fts_of(asked: _Asked) -> TableClause:
    return titles if asked.is_of_title else words


def _match(fts: TableClause, asked: str) -> ColumnElement[bool]:
    return literal_column(fts.name, Text).op("MATCH", is_comparison=True)(literal(asked, Text))


def _fts(asked: _Asked) -> str:
    return " AND ".join(f"({' OR '.join(_fts_words(part.of) for part in clause)})" for clause in asked.clauses)


def _fts_words(said: Words | Field) -> str:
    assert isinstance(said, Words)  # noqa: S101 - `is_of_words` was asked
    phrase = f'"{" ".join(said.tokens)}"{" *" if said.is_prefix else ""}'
    return f"title : {phrase}" if said.is_of_title else phrase


def _vectors(asked: _Asked) -> ColumnElement[bool]:
    of_title = [clause for clause in asked.clauses if asked.is_of_title or _is_of_title(clause)]
    others = [clause for clause in asked.clauses if not (asked.is_of_title or _is_of_title(clause))]
    return and_(
        *(
            column.op("@@", is_comparison=True)(cast(literal(_tsquery(clauses), Text), TSQUERY))
            for column, clauses in ((documents.c.title_vector, of_title), (documents.c.vector, others))
            if clauses
        )
    )


def _is_of_title(clause: Clause) -> bool:
    return all(isinstance(part.of, Words) and part.of.is_of_title for part in clause)


def _tsquery(clauses: Sequence[Clause]) -> str:
    return " & ".join(f"({' | '.join(_tsquery_words(part.of) for part in clause)})" for clause in clauses)


def _tsquery_words(said: Words | Field) -> str:
    assert isinstance(said, Words)  # noqa: S101 - `is_of_words` was asked
    phrase = " <-> ".join(f"'{token}'" for token in said.tokens)
    return f"({phrase}{':*' if said.is_prefix else ''})"


def _field(field: Field, language: Language) -> ColumnElement[bool]:
    value, operator = field.value, field.operator
    match field.name:
        case "vendor" | "product_type" | "tag":
            return _value(FACETS[field.name], field, language)
        case "price":
            assert isinstance(value, Decimal)  # noqa: S101 - so it was parsed
            return _price(operator, value, language.currency)
        case "available":
            return listings.c.is_available.is_(bool(value))
        case "sku" | "barcode":
            found = select(variants.c.product_id).where(_text(variants.c[field.name], field))
            return filters.is_among(found, one_by_one=language.one_by_one)
        case "handle":
            return _text(products.c.handle, field)
        case "created_at" | "updated_at":
            return _compared(products.c[field.name], operator, value)
        case _:
            return products.c.status == value


FACETS = {"vendor": rules.VENDOR, "product_type": rules.TYPE, "tag": rules.TAG}


def _value(key: str, field: Field, language: Language) -> ColumnElement[bool]:
    value = str(field.value)
    f, of = facets.c, product_facets.c
    begun = select(f.id).where(f.key == key, f.value >= value, f.value < value + rules.LAST)
    found = (
        filters.with_any([rules.facet_id(key, value)])
        if field.operator == "="
        else select(of.product_id).where(of.facet_id.in_(begun))
    )
    return filters.is_among(found, one_by_one=language.one_by_one)


def _text(column: ColumnElement[str], field: Field) -> ColumnElement[bool]:
    value = str(field.value)
    if field.operator == "^":
        return column.startswith(value, autoescape=True)
    return column.in_({value, value.upper(), value.lower()})


def _price(operator: str, value: Decimal, currency: str) -> ColumnElement[bool]:
    least, most = filters.least_amount(value, currency), filters.most_amount(value, currency)
    amount = listings.c.min_amount
    match operator:
        case "<":
            return amount < least
        case "<=":
            return amount <= most
        case ">":
            return amount > most
        case ">=":
            return amount >= least
        case _:
            return and_(amount >= least, amount <= most)


def _compared(column: ColumnElement[Any], operator: str, value: object) -> ColumnElement[bool]:
    match operator:
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case _:
            return column >= value
