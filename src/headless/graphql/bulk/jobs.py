"""How do staff start, watch and cancel bulk jobs in the API?"""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

import strawberry
from strawberry import UNSET

from headless.accounts.rules import Permission
from headless.graphql.bulk.links import link
from headless.graphql.context import Context, Info, sent
from headless.graphql.declare import check, decoded, errors, field, id_of, input_type, mutation, payload, query, view
from headless.graphql.errors import UserError
from headless.graphql.pages import Connection, page
from headless.graphql.scalars import URL
from headless.merchandising.jobs import models, queries, service
from headless.merchandising.jobs.files import JobFile
from headless.merchandising.jobs.models import JobFormat, JobKind, JobStatus
from headless.platform import idempotency, ids
from headless.platform.db import Record
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.pages import window
from headless.shop import queries as shop_queries

LONGEST_QUERY = 1000

strawberry.enum(JobKind, name="BulkJobKind", description="Whether products come into the shop or leave it.")
strawberry.enum(
    JobFormat,
    name="BulkJobFormat",
    description="CSV: Shopify's product format. JSONL: the input of one `productSet` a line.",
)
strawberry.enum(
    JobStatus,
    name="BulkJobStatus",
    description="How far a job is. FAILED: it could not go on; rows that are refused don't make it fail.",
)


@strawberry.type(description="Products of an import by what became of them.")
class BulkJobCounts:
    created: int
    updated: int
    unchanged: int
    refused: int


@view(models.BulkJob)
class BulkJob:
    """An import or export of products in the background."""

    id: strawberry.ID = id_of("bulk_job")
    kind: JobKind
    format: JobFormat
    status: JobStatus
    message: str | None = strawberry.field(description="Why it failed.")
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @field
    def dry_run(self: models.BulkJob) -> bool:
        """Whether everything is checked and nothing kept."""
        return self.is_dry_run

    @field
    def rows_done(self: models.BulkJob) -> int:
        """Lines of the file, or products, that are done."""
        return self.rows_done

    @field
    def rows_total(self: models.BulkJob) -> int | None:
        """Lines of the file, or products, in all; null until they are counted."""
        return self.rows_total

    @field
    def counts(self: models.BulkJob) -> BulkJobCounts | None:
        """What became of an import's products so far; null for an export."""
        if self.kind == JobKind.EXPORT:
            return None
        names = ("CREATED", "UPDATED", "UNCHANGED", "REFUSED")
        return BulkJobCounts(**{name.lower(): self.counts.get(name, 0) for name in names})

    @field
    def error_count(self: models.BulkJob) -> int:
        """Lines of the error file so far."""
        return self.error_count

    @field
    def result_url(self: models.BulkJob, info: Info) -> URL | None:
        """Where an export's file is, or what became of each product of an import; for an hour, without a token."""
        return _link(self, info, JobFile.RESULT)

    @field
    def errors_url(self: models.BulkJob, info: Info) -> URL | None:
        """Where it is told which lines of an import were refused, and why; for an hour, without a token."""
        return _link(self, info, JobFile.ERRORS) if self.kind == JobKind.IMPORT else None


@input_type
class BulkImportStartInput:
    """A file that was sent to `POST /bulk/uploads`, and what to do with it."""

    upload_id: strawberry.ID
    format: JobFormat
    dry_run: bool = strawberry.field(default=False, description="Check everything and keep nothing.")
    stock: bool = strawberry.field(
        default=False, description="CSV: set the stock of known variants, too; needs WRITE_INVENTORY."
    )
    idempotency_key: str | None = UNSET


@input_type
class BulkExportStartInput:
    """Which products to write, as which file."""

    format: JobFormat
    channel: str | None = strawberry.field(default=UNSET, description="A channel's handle; by default the shop's own.")
    query: str | None = strawberry.field(default=UNSET, description="Only products that this search finds.")
    idempotency_key: str | None = UNSET


@input_type
class BulkJobCancelInput:
    id: strawberry.ID


@payload
class BulkImportStartPayload:
    """The job, queued."""

    job: BulkJob | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class BulkExportStartPayload:
    """The job, queued."""

    job: BulkJob | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@payload
class BulkJobCancelPayload:
    """The job, cancelled; what it had done stays."""

    job: BulkJob | None = None
    user_errors: list[UserError] = strawberry.field(default_factory=errors)


@strawberry.type
class BulkJobQueries:
    @query(requires=Permission.READ_PRODUCTS)
    async def bulk_job(self, info: Info, id: strawberry.ID) -> BulkJob | None:
        """A bulk job by its id."""
        return cast("BulkJob", await _job(info.context, ids.decode("bulk_job", id)))

    @query(requires=Permission.READ_PRODUCTS)
    async def bulk_jobs(
        self,
        info: Info,
        first: int | None = UNSET,
        after: str | None = UNSET,
        last: int | None = UNSET,
        before: str | None = UNSET,
    ) -> Connection[BulkJob] | None:
        """Bulk jobs, the newest first; they are kept for 30 days."""
        wanted = window(sent(first), sent(after), sent(last), sent(before))
        async with info.context.reading() as session:
            return cast("Connection[BulkJob]", page(await queries.job_page(session, wanted)))


@strawberry.type
class BulkJobMutations:
    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def bulk_import_start(self, info: Info, input: BulkImportStartInput) -> BulkImportStartPayload | None:
        """Import an uploaded file in the background: each product whole or not at all."""
        context = info.context
        upload_id = decoded("bulk_upload", input.upload_id, "uploadId")
        if input.stock:
            check(context, Permission.WRITE_INVENTORY)
        channel = await context.channel()
        claim = context.claim("bulkImportStart", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                job_id = await service.start_import(
                    session,
                    upload_id=upload_id,
                    file_format=input.format,
                    channel_id=channel.id,
                    is_dry_run=input.dry_run,
                    with_stock=input.stock,
                    actor=context.actor.name,
                )
                await idempotency.finish(session, claim, {"job": str(job_id)})
            else:
                context.is_replayed, job_id = True, UUID(earlier["job"])
        return BulkImportStartPayload(job=await _job(context, job_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def bulk_export_start(self, info: Info, input: BulkExportStartInput) -> BulkExportStartPayload | None:
        """Write a channel's products to a file in the background."""
        context = info.context
        text = sent(input.query) or None
        if text is not None and (len(text) > LONGEST_QUERY or "\0" in text):
            message = f"A query has at most {LONGEST_QUERY} characters."
            raise InvalidInput(message, field=("query",))
        claim = context.claim("bulkExportStart", input)
        async with context.transaction() as session:
            earlier = await idempotency.begin(session, claim)
            if earlier is None:
                handle = sent(input.channel) or context.market.channel
                channel = await shop_queries.channel(session, handle)
                job_id = await service.start_export(
                    session, file_format=input.format, channel_id=channel.id, query=text, actor=context.actor.name
                )
                await idempotency.finish(session, claim, {"job": str(job_id)})
            else:
                context.is_replayed, job_id = True, UUID(earlier["job"])
        return BulkExportStartPayload(job=await _job(context, job_id))

    @mutation(requires=Permission.WRITE_PRODUCTS)
    async def bulk_job_cancel(self, info: Info, input: BulkJobCancelInput) -> BulkJobCancelPayload | None:
        """End a job that waits or runs; what it has done stays."""
        context = info.context
        job_id = decoded("bulk_job", input.id, "id")
        async with context.transaction() as session:
            await service.cancel(session, job_id)
        return BulkJobCancelPayload(job=await _job(context, job_id))


async def _job(context: Context, job_id: UUID) -> Any:
    found = await context.load(queries.jobs_by_id, job_id)
    if found is None:
        raise NotFound
    return found


def _link(job: models.BulkJob, info: Info, which: JobFile) -> URL | None:
    if not job.steps:
        return None
    return URL(link(info.context.server, cast("Record", job).id, which))
