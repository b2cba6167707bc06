"""How is a bulk job carried out, step by step, so that whoever takes it over goes on where it was left?"""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import BinaryIO, Final

import orjson
import structlog

from headless.catalog.gallery import Addresses
from headless.merchandising import batches, exporting, importing, set_batches, set_lines, shopify_csv
from headless.merchandising.imported import Terms
from headless.merchandising.importing import Outcome
from headless.merchandising.jobs import files, service
from headless.merchandising.jobs.files import JobFile
from headless.merchandising.jobs.models import JobFormat, JobKind, JobStatus
from headless.merchandising.jobs.service import LeaseLost
from headless.merchandising.setting import Hand, ProductWish, SetProduct
from headless.merchandising.shopify_rows import RowProblem
from headless.platform import failpoints, ids
from headless.platform.db import Database, Record, SerializationFailure
from headless.platform.errors import BadUserInput, Fault, Refusal, Refused
from headless.platform.storage import Storage, StorageUnavailable
from headless.shop import queries as shop_queries

log = structlog.get_logger(__name__)

LINES: Final = 50
"""Lines of JSON that make a step."""
LONGEST_LINE: Final = 1_000_000
LATER: Final = timedelta(seconds=10)
"""After how long a job is taken up again that the database or the storage stopped."""
AT_ONCE: Final = timedelta(0)


_Refusal = Refusal | Refused | BadUserInput
"""Why a line of JSON isn't done."""


@dataclass(slots=True)
class Step:
    """What a step of an import found."""

    position: int
    """Where the next one begins."""
    row: int
    """How many of the file's rows are behind it."""
    counts: Counter[str] = field(default_factory=Counter)
    results: list[Mapping[str, object]] = field(default_factory=list)
    errors: list[Mapping[str, object]] = field(default_factory=list)


async def run_next(database: Database, storage: Storage, *, media_url: str) -> int:
    """Carry out a job that waits, to its end; answer how many were taken up: 1 or 0."""
    async with database.reading() as session:
        if not await service.is_any_free(session):
            return 0
    async with database.transaction() as session:
        job = await service.claim(session)
    if job is None:
        return 0
    try:
        with suppress(LeaseLost):
            await _run(database, storage, job, media_url=media_url)
    except asyncio.CancelledError:
        with suppress(LeaseLost, Fault):
            await asyncio.shield(service.give_back(database, job, after=AT_ONCE))
        raise
    return 1


async def _run(database: Database, storage: Storage, job: Record, *, media_url: str) -> None:
    if job.attempts > service.ATTEMPTS:
        message = "It was begun several times and never got any further. The worker's log says more."
        await service.end(database, job, JobStatus.FAILED, message=message)
        return
    try:
        terms = await _terms(database, job, media_url)
        if job.kind == JobKind.EXPORT:
            await _export(database, storage, job, terms)
        else:
            await _import(database, storage, job, terms)
    except BadUserInput as fault:
        await service.end(database, job, JobStatus.FAILED, message=fault.message)
    except (Fault, OSError, StorageUnavailable) as error:
        log.warning("bulk_job_postponed", job=str(job.id), error=str(error))
        await service.give_back(database, job, after=LATER)


async def _terms(database: Database, job: Record, media_url: str) -> Terms:
    async with database.reading() as session:
        channels = await shop_queries.all_channels(session)
    handle = next(channel.handle for channel in channels if channel.id == job.channel_id)
    return await importing.terms_of(database, channel_handle=handle, with_stock=job.with_stock, media_url=media_url)


async def _export(database: Database, storage: Storage, job: Record, terms: Terms) -> None:
    total, done, steps = job.rows_total, job.rows_done, job.steps
    if total is None:
        total = await exporting.count(database, terms, query=job.query)
    slots = job.counts.get("slots") or await exporting.option_slots(database)
    is_json = job.format == JobFormat.JSONL
    is_over = steps > 0 and job.cursor is None
    left_out = job.counts.get("leftOut", 0)
    if not is_over:
        async for page in exporting.pages_of(database, terms, after=job.cursor, query=job.query):
            text = (
                exporting.as_lines(page, terms) if is_json else exporting.as_rows(page, slots, with_header=steps == 0)
            )
            await files.put_part(storage, job, JobFile.RESULT, steps, text)
            failpoints.reach("bulk.after_part")
            steps, done, left_out = steps + 1, done + page.rows, left_out + page.left_out
            counts = {"slots": slots, "leftOut": left_out}
            await service.advance(
                database, job, cursor=page.cursor, steps=steps, rows_done=done, rows_total=total, counts=counts
            )
    await service.end(database, job, JobStatus.COMPLETED)


async def _import(database: Database, storage: Storage, job: Record, terms: Terms) -> None:
    raw = await files.fetched(storage, job.upload_key)
    if raw is None:
        await service.end(database, job, JobStatus.FAILED, message="The uploaded file is gone. Upload it again.")
        return
    with raw:
        total = await asyncio.to_thread(_lines, raw)
        import_steps = _csv_steps if job.format == JobFormat.CSV else _json_steps
        counts = Counter(job.counts)
        steps, errors = job.steps, job.error_count
        async for step in import_steps(database, job, terms, raw):
            failpoints.reach("bulk.after_chunk")
            await files.put_part(storage, job, JobFile.RESULT, steps, _as_json(step.results))
            told = _as_csv(step.errors) if job.format == JobFormat.CSV else _as_json(step.errors)
            await files.put_part(storage, job, JobFile.ERRORS, steps, told)
            counts.update(step.counts)
            steps, errors = steps + 1, errors + len(step.errors)
            await service.advance(
                database,
                job,
                position=step.position,
                steps=steps,
                rows_done=min(step.row, total),
                rows_total=total,
                counts=dict(counts),
                error_count=errors,
            )
        await service.advance(database, job, rows_done=total, rows_total=total)
    await service.end(database, job, JobStatus.COMPLETED)


def _lines(raw: BinaryIO) -> int:
    """How many lines a file has."""
    count, last = 0, b"\n"
    while chunk := raw.read(1 << 20):
        count, last = count + chunk.count(b"\n"), chunk[-1:]
    raw.seek(0)
    return count + (last != b"\n")


async def _csv_steps(database: Database, job: Record, terms: Terms, raw: BinaryIO) -> AsyncIterator[Step]:
    position = job.position
    with closing(shopify_csv.decode(raw)) as text:
        found = shopify_csv.read(text)
        async for done in importing.steps(database, found, terms, is_dry_run=job.is_dry_run, skip=position):
            position += len(done)
            step = Step(position, row=max(item.line for item, _result in done))
            for item, result in done:
                if isinstance(item, RowProblem):
                    step.errors.append(_of_problem(item))
                    continue
                name = result.name if isinstance(result, Outcome) else "REFUSED"
                step.counts[name] += 1
                step.results.append({"line": item.line, "handle": item.handle, "outcome": name})
                step.errors += [_of_problem(problem) for problem in result] if isinstance(result, list) else []
            yield step


def _of_problem(problem: RowProblem) -> Mapping[str, object]:
    return {"line": problem.line, "column": problem.column or "", "code": problem.code, "message": problem.message}


async def _json_steps(database: Database, job: Record, terms: Terms, raw: BinaryIO) -> AsyncIterator[Step]:
    number = 0
    while number < job.position:
        await asyncio.to_thread(_line, raw)
        number += 1
    while True:
        step = Step(number, number)
        lines: dict[int, bytes] = {}
        for _nth in range(LINES):
            line = await asyncio.to_thread(_line, raw)
            if not line:
                break
            number += 1
            if line.strip():
                lines[number] = line
        if number == step.position:
            return
        await _set(database, lines, step, job, terms)
        step.position = step.row = number
        yield step


def _line(raw: BinaryIO) -> bytes:
    """Read a line, of one that is too long no more than tells so."""
    line = raw.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = raw.readline(LONGEST_LINE)
    return line


async def _set(database: Database, lines: Mapping[int, bytes], step: Step, job: Record, terms: Terms) -> None:
    """Set the products of lines, and note what became of each."""
    wishes: dict[int, ProductWish] = {}
    results: dict[int, SetProduct | _Refusal] = {}
    for number, line in lines.items():
        try:
            wishes[number] = _wish(line)
        except (Refusal, BadUserInput) as refusal:
            results[number] = refusal
        except Exception:
            log.exception("bulk_line_failed", job=str(job.id), line=number)
            results[number] = batches.InternalServerError()
    hand = Hand(job.created_by, terms.channel, Addresses(terms.media_url, links=True))
    made = await batches.write(
        list(wishes.values()),
        together=partial(set_batches.put_together, database, hand),
        alone=partial(_put, database, hand, is_dry_run=job.is_dry_run),
        refused=lambda _wish, refusal: refusal,
        weight=lambda wish: 1 + len(wish.variants or ()),
        most=0 if job.is_dry_run else importing.UPDATES,
    )
    results |= zip(wishes, made, strict=True)
    for number, result in sorted(results.items()):
        _note(step, number, result)


def _wish(line: bytes) -> ProductWish:
    if len(line) > LONGEST_LINE:
        message = f"The line is longer than {LONGEST_LINE:,} bytes."
        raise BadUserInput(message)
    return set_lines.parsed(line)


def _note(step: Step, number: int, result: SetProduct | _Refusal) -> None:
    if isinstance(result, SetProduct):
        name = result.outcome.value
        step.counts[name] += 1
        step.results.append({"line": number, "productId": ids.encode("product", result.id), "outcome": name})
        return
    step.counts["REFUSED"] += 1
    for each in result.refusals if isinstance(result, Refused) else [result]:
        path = list(each.field or ()) if isinstance(each, Refusal) else []
        step.errors.append({"line": number, "field": path, "code": each.code, "message": each.message})


async def _put(database: Database, hand: Hand, wish: ProductWish, *, is_dry_run: bool) -> SetProduct | _Refusal:
    for attempt in range(1, importing.ATTEMPTS + 1):
        try:
            return await set_batches.put_alone(database, wish, hand, is_dry_run=is_dry_run)
        except (Refusal, Refused, BadUserInput) as refused:
            return refused
        except SerializationFailure:
            if attempt == importing.ATTEMPTS:
                raise
    raise AssertionError(attempt)


def _as_json(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)


def _as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(list(row.values()) for row in rows)
    return text.getvalue()


async def sweep(database: Database, storage: Storage) -> int:
    """Forget what is too old, with its files; answers how much. Files that a crash leaves behind are nobody's."""
    async with database.transaction() as session:
        keys, jobs = await service.sweep(session)
    for key in keys:
        await storage.delete(key)
    for job_id in jobs:
        await files.forget(storage, job_id)
    return len(keys) + len(jobs)
