"""What shows staff that something went wrong, before a shopper does?"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.context import Info, sent
from headless.graphql.declare import field, query
from headless.graphql.money import Money, amount
from headless.graphql.orders.types import Order
from headless.graphql.pages import Connection, page
from headless.operations import queries
from headless.operations.books import Severity
from headless.operations.queries import TransactionProblem
from headless.orders import queries as order_queries
from headless.platform import ids
from headless.platform.db import Record
from headless.platform.errors import BadUserInput
from headless.platform.pages import DEFAULT, MAXIMUM, window

strawberry.enum(
    Severity,
    name="BookSeverity",
    description="CRITICAL: stock, money or an order is wrong. WARNING: something waits far longer than it should.",
)
strawberry.enum(
    TransactionProblem,
    description="Why a payment or refund needs attention. OUTCOME_UNKNOWN: the provider hasn't told what became of it. "
    "WITHOUT_ORDER: paid, but no order came of it. REFUND_PENDING and REFUND_FAILED: money that is still owed.",
)


@strawberry.type(description="One violation of a promise.")
class BookSample:
    id: strawberry.ID = strawberry.field(description="The id of a record that it concerns.")
    detail: str = strawberry.field(description="What is wrong with it.")


@strawberry.type(description="A promise about stock, orders, money or events, checked by the worker every few minutes.")
class Book:
    @field
    def name(self: queries.Book) -> str:
        return self.check.name

    @field
    def description(self: queries.Book) -> str:
        """What a violation means and what to do about it."""
        return self.check.description

    @field
    def severity(self: queries.Book) -> Severity:
        return self.check.severity

    @field
    def violations(self: queries.Book) -> int | None:
        """How many records break the promise; null when it was never checked."""
        return None if self.last is None else self.last.violations

    @field
    def samples(self: queries.Book) -> list[BookSample]:
        """The first few of them."""
        return [BookSample(**sample) for sample in self.last.samples] if self.last is not None else []

    @field
    def checked_at(self: queries.Book) -> datetime | None:
        return None if self.last is None else self.last.checked_at

    @field
    def since(self: queries.Book) -> datetime | None:
        """When it was first seen broken; null while it holds."""
        return None if self.last is None else self.last.since


@strawberry.type(description="A payment or refund that ended badly or hangs.")
class FailedTransaction:
    problem: TransactionProblem
    provider: str
    created_at: datetime
    updated_at: datetime

    @field
    def id(self: Record) -> strawberry.ID:
        """The id of the payment or refund."""
        return strawberry.ID(ids.encode(self.kind, self.id))

    @field
    def amount(self: Record) -> Money:
        return amount(self.amount, self.currency)

    @field
    def message(self: Record) -> str | None:
        """What the provider said."""
        return self.message or None

    @field
    async def order(self: Record, info: Info) -> Order | None:
        """The order that it belongs to; null for checkouts that didn't become one."""
        return await _order(info, self.order_id)


@strawberry.type(description="An order that may have been placed twice by mistake.")
class PossibleDuplicate:
    seconds_apart: int

    @field
    async def order(self: queries.Repetition, info: Info) -> Order | None:
        return await _order(info, self.order_id)

    @field
    async def earlier(self: queries.Repetition, info: Info) -> Order | None:
        """The same buyer's order over the same amount, shortly before."""
        return await _order(info, self.earlier_id)


@strawberry.type(description="What shows that something went wrong.")
class Operations:
    @field
    async def books(
        self,
        info: Info,
        broken: bool | None = UNSET,
    ) -> list[Book]:
        """All promises with their last results; `broken` chooses those that are, or aren't, violated."""
        async with info.context.reading() as session:
            found = await queries.books(session)
        wanted = sent(broken)
        return cast(
            "list[Book]",
            [
                book
                for book in found
                if wanted is None or (book.last is not None and book.last.violations > 0) is wanted
            ],
        )

    @field
    async def failed_transactions(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
        problems: list[TransactionProblem] | None = UNSET,
    ) -> Connection[FailedTransaction]:
        """Payments and refunds that ended badly or hang, the newest first."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        chosen: Sequence[TransactionProblem] | None = sent(problems)
        async with info.context.reading() as session:
            found = await queries.transaction_page(session, wanted, problems=chosen)
        return cast("Connection[FailedTransaction]", page(found))

    @field
    async def possible_duplicates(self, info: Info, first: int = DEFAULT) -> list[PossibleDuplicate]:
        """Orders of the last seven days that follow one of the same buyer over the same amount within ten minutes."""
        if not 0 <= first <= MAXIMUM:
            message = f"`first` must be between 0 and {MAXIMUM}."
            raise BadUserInput(message)
        async with info.context.reading() as session:
            found: Any = await queries.repetitions(session, limit=first)
        return cast("list[PossibleDuplicate]", found)


@strawberry.type
class OperationsQueries:
    @query(requires=Permission.READ_ORDERS)
    async def operations(self, info: Info) -> Operations | None:
        """What shows that something went wrong: broken promises, failed transactions, orders placed twice."""
        del info
        return Operations()


async def _order(info: Info, order_id: Any) -> Order | None:
    if order_id is None:
        return None
    return cast("Order | None", await info.context.load(order_queries.orders_by_id, order_id))
