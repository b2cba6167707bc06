"""How do files of products come in and go out over HTTP?"""

import asyncio
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from headless.accounts.rules import Permission
from headless.graphql.bulk import links
from headless.graphql.context import Server
from headless.graphql.errors import of_fault
from headless.graphql.server.http import Refuse, actor_of
from headless.merchandising.jobs import files, queries, service
from headless.merchandising.jobs.files import JobFile
from headless.merchandising.jobs.models import JobFormat, JobKind
from headless.platform import ids
from headless.platform.errors import Fault, Forbidden, NotFound, Unauthenticated, Unavailable
from headless.platform.storage import StorageUnavailable

LARGEST = 512 * 1024 * 1024
"""Bytes of one file."""
SLOWEST_SECONDS = 900
"""How long a file may take to arrive."""
NOT_KEPT = {"Cache-Control": "no-store"}
STATUSES = {Unauthenticated: 401, Forbidden: 403, Unavailable: 503}


class BulkFiles:
    """Answers below /bulk."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def upload(self, request: Request) -> Response:
        """Keep the body of a POST for an import: 201 with its `uploadId`."""
        try:
            actor = await actor_of(request.headers.get("authorization"), self._server)
            if actor.is_anonymous:
                raise Unauthenticated
            if not actor.may(Permission.WRITE_PRODUCTS):
                message = f"This needs the permission {Permission.WRITE_PRODUCTS.value}."
                raise Forbidden(message)
            with TemporaryFile() as kept:
                size = await _receive(request, kept)
                upload_id = ids.new()
                key = files.upload_key(upload_id)
                await self._server.storage.put(key, kept)
            async with self._server.database.transaction() as session:
                await service.note_upload(session, upload_id, key=key, size=size, actor=actor.name)
        except Refuse as refuse:
            return JSONResponse(refuse.body, refuse.status, {**NOT_KEPT, **refuse.headers})
        except Fault as fault:
            status = next((code for kind, code in STATUSES.items() if isinstance(fault, kind)), 400)
            return JSONResponse({"errors": [of_fault(fault)]}, status, NOT_KEPT)
        except StorageUnavailable:
            return JSONResponse({"errors": [of_fault(Unavailable())]}, 503, NOT_KEPT | {"Retry-After": "1"})
        return JSONResponse({"uploadId": ids.encode("bulk_upload", upload_id), "size": size}, 201, NOT_KEPT)

    async def download(self, request: Request) -> Response:
        """Answer a job's file to whoever has its link."""
        try:
            job_id = ids.decode("bulk_job", str(request.path_params["job"]))
            which = JobFile(str(request.path_params["file"]))
        except (NotFound, ValueError):
            return _absent()
        given = {name: request.query_params.get(name, "") for name in ("expires", "signature")}
        if not links.is_good(self._server, job_id, which, **given):
            return _absent()
        try:
            async with self._server.database.reading() as session:
                job: Any = (await queries.jobs_by_id(session, [job_id])).get(job_id)
            if job is None:
                return _absent()
            parts = await files.parts(self._server.storage, job, which)
        except (Unavailable, StorageUnavailable):
            return Response("Try again in a moment.\n", 503, NOT_KEPT | {"Retry-After": "1"}, "text/plain")
        is_told_in_csv = which is JobFile.ERRORS and job.format == JobFormat.CSV
        extension = files.extension(job, which)
        name = f"{'products' if job.kind == JobKind.EXPORT else which}.{extension}"
        return StreamingResponse(
            files.content(self._server.storage, parts, head=files.ERROR_COLUMNS if is_told_in_csv else ""),
            media_type="text/csv; charset=utf-8" if extension == "csv" else "application/jsonl; charset=utf-8",
            headers=NOT_KEPT
            | {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
        )


async def _receive(request: Request, kept: BinaryIO) -> int:
    """Write a body to a file, and go to its beginning; answers its size."""
    too_large = Refuse(413, "BAD_USER_INPUT", f"A file has at most {LARGEST // 2**20} MB.", {"Connection": "close"})
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > LARGEST:
        raise too_large
    size = 0
    try:
        async with asyncio.timeout(SLOWEST_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST:
                    raise too_large
                await asyncio.to_thread(kept.write, part)
    except (TimeoutError, ClientDisconnect):
        raise Refuse(400, "BAD_USER_INPUT", "The file did not arrive whole.", {"Connection": "close"}) from None
    if not size:
        raise Refuse(400, "BAD_USER_INPUT", "The body is the file, and it is empty.")
    await asyncio.to_thread(kept.seek, 0)
    return size


def _absent() -> Response:
    return Response("There is no such file, or its link is too old: ask for a new one.\n", 404, NOT_KEPT, "text/plain")
