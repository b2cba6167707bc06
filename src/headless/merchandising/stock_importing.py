"""How do counted quantities from a file become the shop's stock, all or none, and a second time without a trace?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from headless.catalog import queries as catalog_queries
from headless.inventory import queries, service
from headless.inventory.ledger import Why
from headless.inventory.rules import MAX_QUANTITY, Stock
from headless.inventory.service import Change
from headless.merchandising.shopify_rows import RowProblem, quoted
from headless.merchandising.stock_csv import CountedStock
from headless.platform import pages
from headless.platform.db import Database, Record, SerializationFailure, Session
from headless.platform.errors import Refused

T = TypeVar("T")
ACTOR: Final = "import"
REASON: Final = "stock_import"
ATTEMPTS: Final = 3
"""How often a chunk is tried when the database gives up on it in a race."""
CHUNK: Final = 500
"""Quantities that one transaction writes, and that one statement asks about."""


@dataclass(slots=True)
class StockReport:
    """What became of a file's quantities."""

    changed: int = 0
    unchanged: int = 0
    problems: list[RowProblem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Count:
    """A quantity whose variant and location are known."""

    row: CountedStock
    variant_id: UUID
    location_id: UUID

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.variant_id, self.location_id

    @property
    def change(self) -> Change:
        return Change(self.variant_id, self.location_id, self.row.name, quantity=self.row.quantity)


async def import_stock(
    database: Database,
    read_items: Iterable[CountedStock | RowProblem],
    *,
    location: str | None = None,
    is_dry_run: bool = False,
    skips_errors: bool = False,
    on_progress: Callable[[StockReport], None] = lambda _report: None,
) -> StockReport:
    """Set stock to what a file says; `location`, by handle or name, is that of rows that name none.

    Everything is checked before anything is written: one problem stops it all, unless `skips_errors`. What is written
    is written in transactions of 500 quantities; running it again goes on where it was interrupted. A dry run checks
    in the same way and keeps nothing. Raises `Unavailable`.
    """
    report = StockReport()
    async with database.reading() as session:
        counts = await _resolved(session, read_items, report, location=location)
        wanted = await _differing(session, counts, report)
    report.problems.sort(key=lambda problem: problem.line)
    if is_dry_run:
        report.changed = len(wanted)
    elif skips_errors or not report.problems:
        await _write_all(database, wanted, report, skips_errors=skips_errors, on_progress=on_progress)
    return report


async def _resolved(
    session: Session, items: Iterable[CountedStock | RowProblem], report: StockReport, *, location: str | None
) -> list[_Count]:
    """Find what the rows are about; what can't be found, or comes twice, becomes a problem."""
    rows: list[CountedStock] = []
    for item in items:
        if isinstance(item, RowProblem):
            report.problems.append(item)
        else:
            rows.append(item)
    places = await _places(session)
    variants: dict[str, UUID] = {}
    for some in _parted(sorted({row.sku for row in rows})):
        known = await catalog_queries.taken_codes(session, [("sku", sku) for sku in some])
        variants.update({sku: variant_id for (_column, sku), variant_id in known.items()})
    bundles: set[UUID] = set()
    for some_ids in _parted(sorted(variants.values())):
        bundles.update(await queries.bundles_among(session, some_ids))
    counts: list[_Count] = []
    lines: dict[tuple[UUID, UUID], int] = {}
    for row in rows:
        place = _place(row, places, location)
        if row.sku not in variants:
            message = f"No variant has the SKU {quoted(row.sku)}. Correct it, or make the product first."
            report.problems.append(RowProblem(row.line, "SKU", message))
        elif variants[row.sku] in bundles:
            message = f"{quoted(row.sku)} is a bundle, which has no stock of its own. Count its parts."
            report.problems.append(RowProblem(row.line, "SKU", message))
        elif isinstance(place, RowProblem):
            report.problems.append(place)
        elif (first := lines.setdefault((variants[row.sku], place), row.line)) != row.line:
            message = f"Line {first} counts {quoted(row.sku)} at this location already. Keep one of them."
            report.problems.append(RowProblem(row.line, row.column, message))
        else:
            counts.append(_Count(row, variants[row.sku], place))
    return counts


async def _places(session: Session) -> Mapping[str, list[Record]]:
    """Locations by handle and by name; those of one name are told apart by their handles alone."""
    found: defaultdict[str, list[Record]] = defaultdict(list)
    window = pages.Window(limit=pages.MAXIMUM)
    while True:
        page = await queries.location_page(session, window)
        for row in page.rows:
            for key in {row.handle, row.name.casefold()}:
                found[key].append(row)
            if row.is_active:
                found[""].append(row)
        if not page.has_next:
            return found
        window = pages.Window(limit=pages.MAXIMUM, after=page.cursors[-1])


def _place(row: CountedStock, places: Mapping[str, list[Record]], otherwise: str | None) -> UUID | RowProblem:
    name = row.location or otherwise or ""
    found = places.get(name.casefold(), [])
    exact = [place for place in found if place.handle == name] or found
    if len(exact) == 1 and exact[0].is_active:
        location_id: UUID = exact[0].id
        return location_id
    if not name:
        message = "The row names no location, and there is no single active one. Name one with --location."
    elif not exact:
        message = f"There is no location {quoted(name)}. Use its handle or name, or make it first."
    elif len(exact) > 1:
        message = f"Several locations are called {quoted(name)}. Use the handle of one."
    else:
        message = f"The location {quoted(name)} is inactive. Activate it first."
    return RowProblem(row.line, "Location", message)


async def _differing(session: Session, counts: Sequence[_Count], report: StockReport) -> list[_Count]:
    """Those counts that would change something and can."""
    wanted: list[_Count] = []
    for some in _parted(counts):
        found = await queries.stocks_by_variant(session, sorted({count.variant_id for count in some}))
        present = {(stock.variant_id, stock.location_id): stock for per in found.values() for stock in per}
        for count in some:
            stock = present.get(count.key)
            on_hand = _on_hand_after(count, stock)
            if count.row.quantity == (stock.quantity(count.row.name) if stock else 0):
                report.unchanged += 1
            elif 0 <= on_hand <= MAX_QUANTITY:
                wanted.append(count)
            else:
                message = f"With this, {on_hand} would be on hand; it must stay between 0 and {MAX_QUANTITY}."
                report.problems.append(RowProblem(count.row.line, count.row.column, message))
    return wanted


def _on_hand_after(count: _Count, stock: Stock | None) -> int:
    if stock is None or count.row.name == "on_hand":
        return count.row.quantity
    return stock.on_hand + count.row.quantity - stock.available


async def _write_all(
    database: Database,
    wanted: Sequence[_Count],
    report: StockReport,
    *,
    skips_errors: bool,
    on_progress: Callable[[StockReport], None],
) -> None:
    by_reason: defaultdict[str, list[_Count]] = defaultdict(list)
    for count in wanted:
        by_reason[count.row.reason or REASON].append(count)
    for reason, counts in by_reason.items():
        for chunk in _parted(counts):
            refused = await _write(database, chunk, reason)
            if refused and not skips_errors:
                report.problems += refused
                return
            lines = {problem.line for problem in refused}
            rest = [count for count in chunk if count.row.line not in lines]
            if refused and rest:
                refused += (again := await _write(database, rest, reason))
                rest = [] if again else rest
            report.changed += len(rest)
            report.problems += refused
            on_progress(report)


async def _write(database: Database, chunk: Sequence[_Count], reason: str) -> list[RowProblem]:
    """Write a chunk, all or none; answer what was refused because the shop has changed since the check."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.transaction() as session:
                await service.change(session, [count.change for count in chunk], Why(reason, ACTOR))
        except Refused as refused:
            rows = [(chunk[int((refusal.field or ("", "0"))[1])].row, refusal) for refusal in refused.refusals]
            return [RowProblem(row.line, row.column, refusal.message) for row, refusal in rows]
        except SerializationFailure:
            if attempt == ATTEMPTS:
                raise
            continue
        break
    return []


def _parted(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))
