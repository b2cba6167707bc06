"""How do imported products become the shop's own, each whole or not at all, and a second time without a trace?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import Final
from uuid import UUID

import structlog

from headless.catalog import queries as catalog_queries
from headless.inventory import queries as inventory_queries
from headless.merchandising import batches, imported, repricing
from headless.merchandising.batches import Stopped
from headless.merchandising.first_lines import FirstLines
from headless.merchandising.imported import Terms
from headless.merchandising.repricing import VariantChange
from headless.merchandising.service import MadeProduct
from headless.merchandising.shopify_csv import ImportedProduct, RowProblem
from headless.platform import pages
from headless.platform.db import Database, SerializationFailure, Session
from headless.platform.errors import Refusal, Refused, StaleObject, Taken
from headless.shop import queries as shop_queries

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 3
"""How often something is tried when the database gives up on it in a race."""
CHUNK: Final = 800
"""Products and variants that one transaction makes: on SQLite nobody else writes meanwhile."""
UPDATES: Final = 40
"""Products and variants that one transaction changes, which takes far longer than to make them."""


class Outcome(Enum):
    """What an import did with a product."""

    CREATED = auto()
    UPDATED = auto()
    UNCHANGED = auto()


Result = Outcome | list[RowProblem]
"""What became of a product, or why it was refused."""


@dataclass(slots=True)
class ImportReport:
    """How far an import is: products by what became of them, the variants' rows they had, and what was refused."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list)

    def add(self, result: Result) -> None:
        if isinstance(result, list):
            self.refused += 1
            self.problems += result
        self.created += result is Outcome.CREATED
        self.updated += result is Outcome.UPDATED
        self.unchanged += result is Outcome.UNCHANGED


class _DryRunEnds(Exception):
    """Nothing of a dry run is kept."""


async def import_products(
    database: Database,
    read_items: Iterable[ImportedProduct | RowProblem],
    *,
    channel_handle: str | None = None,
    is_dry_run: bool = False,
    with_stock: bool = False,
    media_url: str = "",
    on_progress: Callable[[ImportReport], None] = lambda _report: None,
) -> ImportReport:
    """Make or update products by their handles, new ones many at once; running it again goes on.

    Prices are in the currency of the channel, by default the shop's. A product's variants are known by their option
    values, else by their SKU; those that the file doesn't name stay, and so do pictures where it names none. A new
    variant's quantity goes to the active location of the lowest position; a known one's is set there only
    `with_stock`. A dry run checks everything in the same way and keeps nothing. A product is written whole or not at
    all, and one that is refused doesn't stop the others. Pictures below `media_url` are the
    shop's own. Raises `BadUserInput` for an unknown channel, and `Unavailable`.
    """
    terms = await terms_of(database, channel_handle=channel_handle, with_stock=with_stock, media_url=media_url)
    report = ImportReport()
    async for done in steps(database, read_items, terms, is_dry_run=is_dry_run):
        for item, result in done:
            if isinstance(item, RowProblem):
                report.problems.append(item)
                continue
            report.rows += len(item.variants)
            report.add(result)
            on_progress(report)
    return report


async def steps(
    database: Database,
    read_items: Iterable[ImportedProduct | RowProblem],
    terms: Terms,
    *,
    is_dry_run: bool = False,
    skip: int = 0,
) -> AsyncIterator[list[tuple[ImportedProduct | RowProblem, Result]]]:
    """Import a file chunk by chunk, but for as many items as to `skip`; answer each chunk's items and their results.

    A problem of the file itself is its own result.
    """
    items = iter(read_items)
    with closing(FirstLines()) as first_lines:
        for item in islice(items, skip):
            if isinstance(item, ImportedProduct):
                _twins(item, first_lines)
        parted = chunks(items)
        while chunk := next(parted, None):
            products = [item for item in chunk if isinstance(item, ImportedProduct)]
            twins = {item.handle: problems for item in products if (problems := _twins(item, first_lines))}
            alone = [item for item in products if item.handle not in twins]
            results = {**twins, **await import_chunk(database, alone, terms, is_dry_run=is_dry_run)}
            yield [(item, [item] if isinstance(item, RowProblem) else results[item.handle]) for item in chunk]


async def terms_of(
    database: Database, *, channel_handle: str | None, with_stock: bool = False, media_url: str = ""
) -> Terms:
    """Read what is the same for all products of a file; raises `BadUserInput` for an unknown channel."""
    async with database.reading() as session:
        channel = await shop_queries.channel(session, channel_handle)
        places = await inventory_queries.location_page(session, pages.Window(limit=pages.MAXIMUM))
    location_id = next((place.id for place in places.rows if place.is_active), None)
    return Terms(channel, location_id, with_stock, media_url)


def chunks(items: Iterable[ImportedProduct | RowProblem]) -> Iterator[list[ImportedProduct | RowProblem]]:
    """Part a file's items so that no part is long and none has a handle twice."""
    chunk: list[ImportedProduct | RowProblem] = []
    handles: set[str] = set()
    size = 0
    for item in items:
        added = 1 if isinstance(item, RowProblem) else 1 + len(item.variants)
        handle = None if isinstance(item, RowProblem) else item.handle
        if chunk and (size + added > CHUNK or handle in handles):
            yield chunk
            chunk, handles, size = [], set(), 0
        chunk.append(item)
        handles |= {handle} if handle is not None else set()
        size += added
    if chunk:
        yield chunk


def _twins(item: ImportedProduct, first_lines: FirstLines) -> list[RowProblem]:
    """Find SKUs and barcodes that came earlier in the file: in a dry run the database doesn't know them."""
    found = [
        (variant.line, first_lines.of(f"{column} {code}", variant.line), column, called, code)
        for variant in item.variants
        for column, called, code in (
            ("Variant SKU", "SKU", variant.sku),
            ("Variant Barcode", "barcode", variant.barcode),
        )
        if code
    ]
    return [
        RowProblem(line, column, f"Line {first} has the {called} {code!r} already. Choose a different one.")
        for line, first, column, called, code in found
        if first != line
    ]


async def import_chunk(
    database: Database, items: Sequence[ImportedProduct], terms: Terms, *, is_dry_run: bool
) -> Mapping[str, Result]:
    """Import products of different handles; answer by handle what became of each."""
    async with database.reading() as session:
        ids_by_handle = await catalog_queries.products_by_handle(session, [item.handle for item in items])
        known = await imported.known_products(session, list(ids_by_handle.values()), terms) if ids_by_handle else {}
    results: dict[str, Result] = {}
    new = [item for item in items if item.handle not in ids_by_handle]
    results |= await _create(database, new, terms, is_dry_run=is_dry_run)
    rest: list[ImportedProduct] = []
    for item in items:
        if item.handle in results:
            continue
        try:
            is_same = item.handle in ids_by_handle and not imported.differing(
                known.get(ids_by_handle[item.handle]), item, terms
            )
        except Refusal as refusal:
            results[item.handle] = [_problem(item, refusal)]
        else:
            if is_same:
                results[item.handle] = Outcome.UNCHANGED
            else:
                rest.append(item)
    written = await batches.write(
        rest,
        together=partial(_update_together, database, terms),
        alone=partial(_import_one, database, terms, is_dry_run=is_dry_run),
        refused=lambda item, refusal: [_problem(item, refusal)],
        weight=lambda item: 1 + len(item.variants) if item.handle in ids_by_handle else UPDATES + 1,
        most=0 if is_dry_run else UPDATES,
    )
    return results | {item.handle: result for item, result in zip(rest, written, strict=True)}


async def _update_together(database: Database, terms: Terms, items: Sequence[ImportedProduct]) -> list[Result]:
    """Bring known products to what the file says, in one transaction; raises `Stopped` at the first that can't be."""
    results: list[Result] = []
    repriced: dict[UUID, Sequence[VariantChange]] = {}
    async with database.transaction() as session:
        ids_by_handle = await catalog_queries.products_by_handle(session, [item.handle for item in items])
        known = await imported.hold(session, sorted(ids_by_handle.values()), terms)
        for index, item in enumerate(items):
            found = known.get(ids_by_handle[item.handle]) if item.handle in ids_by_handle else None
            if found is None or found.product.handle != item.handle:
                raise Stopped(index)
            try:
                has_changed = await imported.bring(session, found, item, terms, repriced=repriced)
            except (Refusal, Refused):
                raise Stopped(index) from None
            results.append(Outcome.UPDATED if has_changed else Outcome.UNCHANGED)
        if repriced:
            try:
                await repricing.change_prices(session, repriced, channel=terms.channel, actor=imported.ACTOR)
            except (Refusal, Refused):  # of someone who wrote meanwhile: whose variant it is comes out one by one
                raise Stopped(
                    next(nth for nth, item in enumerate(items) if ids_by_handle[item.handle] in repriced)
                ) from None
    return results


async def _create(
    database: Database, items: Sequence[ImportedProduct], terms: Terms, *, is_dry_run: bool
) -> Mapping[str, Result]:
    """Make new products in one transaction; those that someone else made meanwhile have no result."""
    if not items:
        return {}
    outcomes: Sequence[MadeProduct | Refusal | Refused] = ()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.transaction() as session:
                outcomes = await imported.create(session, items, terms)
                if is_dry_run:
                    raise _DryRunEnds
        except _DryRunEnds:
            pass
        except (Taken, Refused):  # something of the shop has changed since it was read: each tries on its own
            return {}
        except SerializationFailure:
            if attempt == ATTEMPTS:
                raise
            continue
        except batches.OUTAGES:
            raise
        except Exception:
            log.exception("batch_failed", things=len(items))  # likewise
            return {}
        break
    return {
        item.handle: Outcome.CREATED if isinstance(outcome, MadeProduct) else _problems(item, outcome)
        for item, outcome in zip(items, outcomes, strict=True)
        if not isinstance(outcome, Taken)  # perhaps by who made the same product just now: each tries on its own
    }


async def _import_one(database: Database, terms: Terms, item: ImportedProduct, *, is_dry_run: bool) -> Result:
    outcome = Outcome.UNCHANGED
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with database.transaction() as session:
                outcome = await _put(session, item, terms)
                if is_dry_run:
                    raise _DryRunEnds
        except _DryRunEnds:
            pass
        except (SerializationFailure, StaleObject) as race:  # someone else writes the same product
            if attempt < ATTEMPTS:
                continue
            if isinstance(race, StaleObject):
                return _problems(item, race)
            raise
        except (Refusal, Refused) as refused:
            if isinstance(refused, Taken) and attempt == 1:  # likewise
                continue
            return _problems(item, refused)
        break
    return outcome


async def _put(session: Session, item: ImportedProduct, terms: Terms) -> Outcome:
    product_id = (await catalog_queries.products_by_handle(session, [item.handle])).get(item.handle)
    if product_id is not None:
        return Outcome.UPDATED if await imported.update(session, product_id, item, terms) else Outcome.UNCHANGED
    (outcome,) = await imported.create(session, [item], terms)
    if isinstance(outcome, MadeProduct):
        return Outcome.CREATED
    raise outcome


COLUMNS: Final[Mapping[str, str]] = {
    "barcode": "Variant Barcode",
    "compareAtPrice": "Variant Compare At Price",
    "delta": "Variant Inventory Qty",
    "handle": "Handle",
    "options": "Option1 Name",
    "price": "Variant Price",
    "published": "Published",
    "quantity": "Variant Inventory Qty",
    "selectedOptions": "Option1 Value",
    "sku": "Variant SKU",
    "status": "Status",
    "title": "Title",
    "weightGrams": "Variant Grams",
}


def _problems(item: ImportedProduct, refused: Refusal | Refused) -> list[RowProblem]:
    refusals = refused.refusals if isinstance(refused, Refused) else [refused]
    return [_problem(item, refusal) for refusal in refusals]


def _problem(item: ImportedProduct, refusal: Refusal) -> RowProblem:
    """Say where in the file a refusal is meant."""
    line, column = item.line, None
    match refusal.field or ():
        case ("variants", index, *rest):
            line, column = item.variants[int(index)].line, COLUMNS.get(rest[0]) if rest else None
        case (name, *_rest):
            column = COLUMNS.get(name)
    return RowProblem(line, column, refusal.message, code=refusal.code)
