"""What is a list of products asked to show, as conditions on products joined with their listing?"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, true

from headless.catalog.categories.models import categories
from headless.catalog.categories.queries import below
from headless.catalog.models import collection_products, products
from headless.catalog.queries import Eye
from headless.catalog.search import filters, index, text
from headless.catalog.search.filters import Filter, Ids
from headless.catalog.search.parsing import Query
from headless.catalog.search.text import Language
from headless.platform.db import Session


@dataclass(frozen=True, slots=True)
class Wish:
    """What a list is asked to show."""

    eye: Eye
    currency: str
    query: Query | None = None
    filters: tuple[Filter, ...] = ()
    collection_id: UUID | None = None
    category_path: str | None = None
    """Of a category: products of all below it belong to it, too."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for the same wish, whenever it is made."""
        who = (self.eye.channel_id, self.eye.sees_hidden)
        return (*who, self.currency, self.query, frozenset(self.filters), self.collection_id, self.category_path)

    def language(self, session: Session, *, one_by_one: bool = False) -> Language:
        return Language(index.is_sqlite(session), self.currency, one_by_one)

    def conditions(self, session: Session, *, one_by_one: bool = False) -> ColumnElement[bool]:
        """What products have to be, besides visible."""
        language = self.language(session, one_by_one=one_by_one)
        asked = [] if self.query is None else [text.matching(self.query, language)]
        return and_(true(), *self._narrowed(one_by_one=one_by_one), *asked)

    def besides_words(self, session: Session, *, one_by_one: bool = False) -> ColumnElement[bool]:
        """The conditions that the full-text index doesn't decide."""
        language = self.language(session, one_by_one=one_by_one)
        asked = [] if self.query is None else text.fields(self.query, language)
        return and_(true(), *self._narrowed(one_by_one=one_by_one), *asked)

    def _narrowed(self, *, one_by_one: bool) -> list[ColumnElement[bool]]:
        narrowed = [*filters.by_key(self.filters, one_by_one=one_by_one).values()]
        if self.collection_id is not None:
            narrowed.append(filters.is_among(self._members(), one_by_one=one_by_one))
        if self.category_path is not None:
            narrowed.append(products.c.category_id.in_(self._below()))
        return narrowed

    def _members(self) -> Ids:
        c = collection_products.c
        return select(c.product_id).where(c.collection_id == self.collection_id)

    def _below(self) -> Ids:
        return select(categories.c.id).where(below(self.category_path or ""))

    @property
    def sets(self) -> list[list[Ids]]:
        """The sets of products that the list is narrowed to, each a few alternatives."""
        found = filters.sets(self.filters)
        if self.collection_id is not None:
            found.append([self._members()])
        if self.category_path is not None:
            inside = products.alias("inside").c
            found.append([select(inside.id).where(inside.category_id.in_(self._below()))])
        return found

    def found(self, session: Session) -> list[list[Ids]]:
        """The sets of products that have the words which are asked for."""
        return [] if self.query is None else [[ids] for ids in text.found(self.query, self.language(session))]


@dataclass(frozen=True, slots=True)
class Part:
    """A list with one facet's filters left aside, whose values are counted; or with none left aside: all others'."""

    wish: Wish
    only: str | None
    besides: tuple[str, ...] = ()

    def counts(self, key: str) -> bool:
        return key == self.only if self.only is not None else key not in self.besides
