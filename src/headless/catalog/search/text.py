"""How are words found, alike by SQLite's FTS5 and PostgreSQL's text vectors?

Both get words that are folded and parted already, and ask the same questions of them: neither stems, neither ranks.
The order of hits is a tier: the title itself, a title that begins so, all words in the title, all words anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, false, literal, literal_column, not_, or_, select
from sqlalchemy.dialects.postgresql import TSQUERY

from headless.catalog.models import listings, products, variants
from headless.catalog.search import filters, rules
from headless.catalog.search.models import documents, facets, product_facets, words
from headless.catalog.search.parsing import Clause, Field, Part, Query, Words, is_of_words

TITLE_IS, TITLE_BEGINS, TITLE_HAS, ANYWHERE = range(4)


@dataclass(frozen=True, slots=True)
class Language:
    """In which of the two languages the full-text index is asked."""

    is_sqlite: bool
    currency: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """Clauses that everything, or only the title, or only its beginning is looked through for."""

    clauses: tuple[Clause, ...]
    is_of_title: bool = False
    is_at_start: bool = False


@dataclass(frozen=True, slots=True)
class Tier:
    """One rank of hits: `of` has to be found, `without` must not, and the title is or isn't a whole one."""

    number: int
    of: _Asked | None
    without: _Asked | None = None
    title: str | None = None


def tiers(query: Query) -> list[Tier]:
    """The ranks that a query's hits can have, best first; each hit has exactly one."""
    clauses = tuple(clause for clause in query.clauses if is_of_words(clause))
    anywhere, in_title = _Asked(clauses), _Asked(clauses, is_of_title=True)
    found: list[Tier] = []
    phrase, begins = _phrase(clauses), None
    if phrase is not None:
        title = " ".join(phrase.tokens)
        begins = _Asked(((Part(phrase),),), is_of_title=True, is_at_start=True)
        found += [Tier(TITLE_IS, None, title=title), Tier(TITLE_BEGINS, begins, title=title)]
    found.append(Tier(TITLE_HAS, in_title, begins))
    if not all(_is_of_title(clause) for clause in clauses):
        found.append(Tier(ANYWHERE, anywhere, in_title))
    return found


def _phrase(clauses: Sequence[Clause]) -> Words | None:
    """A whole query as one run of words, if it has no alternatives."""
    if any(len(clause) > 1 for clause in clauses):
        return None
    said = [clause[0].of for clause in clauses]
    tokens = tuple(token for one in said if isinstance(one, Words) for token in one.tokens)
    last = said[-1]
    return Words(tokens, is_prefix=isinstance(last, Words) and last.is_prefix)


def hits(tier: Tier, language: Language) -> Select[Any]:
    """The documents of one rank, in the order of their ids where the index can."""
    d = documents.c
    found = select(d.id, d.product_id)
    if tier.of is None:
        return found.select_from(documents).where(d.title == tier.title)
    if tier.title is not None:
        found = found.where(d.title != tier.title)
    if language.is_sqlite:
        asked = _fts(tier.of)
        if tier.without is not None:
            asked = f"({asked}) NOT ({_fts(tier.without)})"
        return found.select_from(words.join(documents, d.id == words.c.rowid)).where(_match(asked))
    condition = _vectors(tier.of)
    if tier.without is not None:
        condition = and_(condition, not_(_vectors(tier.without)))
    return found.select_from(documents).where(condition)


def matching(query: Query, language: Language) -> ColumnElement[bool]:
    """The condition on products, joined with their listing, that a query is."""
    if query.is_hopeless:
        return false()
    of_words = tuple(clause for clause in query.clauses if is_of_words(clause))
    conditions = [_condition(clause, language) for clause in query.clauses if not is_of_words(clause)]
    if of_words:
        conditions.append(_has_words(_Asked(of_words), language))
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
    found = hits(Tier(ANYWHERE, asked), language).with_only_columns(documents.c.product_id)
    return products.c.id.in_(found)


def _match(asked: str) -> ColumnElement[bool]:
    return literal_column("search_index", Text).op("MATCH", is_comparison=True)(literal(asked, Text))


def _fts(asked: _Asked) -> str:
    if asked.is_at_start:
        return f"title : ^ {_fts_words(asked.clauses[0][0].of)}"
    said = " AND ".join(f"({' OR '.join(_fts_words(part.of) for part in clause)})" for clause in asked.clauses)
    return f"title : ({said})" if asked.is_of_title else said


def _fts_words(said: Words | Field) -> str:
    assert isinstance(said, Words)  # noqa: S101 - `is_of_words` was asked
    phrase = f'"{" ".join(said.tokens)}"{" *" if said.is_prefix else ""}'
    return f"title : {phrase}" if said.is_of_title else phrase


def _vectors(asked: _Asked) -> ColumnElement[bool]:
    if asked.is_at_start:
        said = asked.clauses[0][0].of
        assert isinstance(said, Words)  # noqa: S101 - so it was made
        at_start = replace(said, tokens=(rules.START, *said.tokens))
        asked = _Asked(((Part(at_start),),), is_of_title=True)
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
            return _value(_FACETS[field.name], field)
        case "price":
            assert isinstance(value, Decimal)  # noqa: S101 - so it was parsed
            return _price(operator, value, language.currency)
        case "available":
            return listings.c.is_available.is_(bool(value))
        case "sku" | "barcode":
            return products.c.id.in_(select(variants.c.product_id).where(_text(variants.c[field.name], field)))
        case "handle":
            return _text(products.c.handle, field)
        case "created_at" | "updated_at":
            return _compared(products.c[field.name], operator, value)
        case _:
            return products.c.status == value


_FACETS = {"vendor": rules.VENDOR, "product_type": rules.TYPE, "tag": rules.TAG}


def _value(key: str, field: Field) -> ColumnElement[bool]:
    value = str(field.value)
    if field.operator == "=":
        return filters.Has(key, value).condition()
    f = facets.c
    begun = select(f.id).where(f.key == key, f.value >= value, f.value < value + rules.LAST)
    return products.c.id.in_(select(product_facets.c.product_id).where(product_facets.c.facet_id.in_(begun)))


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
