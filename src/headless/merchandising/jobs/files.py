"""Where are a job's files? Its upload is one; results and errors are left in parts, one per step, and read as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO, Final
from uuid import UUID

from headless.merchandising.jobs.models import JobFormat, JobKind
from headless.platform.db import Record
from headless.platform.storage import Storage
from headless.platform.storage.port import PRIVATE

ROOT: Final = f"{PRIVATE}bulk"
ERROR_COLUMNS: Final = "line,column,code,message\n"


class JobFile(StrEnum):
    """What a job leaves behind."""

    RESULT = "result"
    ERRORS = "errors"


def upload_key(upload_id: UUID) -> str:
    return f"{ROOT}/uploads/{upload_id.hex}"


def extension(job: Record, which: JobFile) -> str:
    """How a file's name ends; an import's results are always JSON."""
    is_json = job.format == JobFormat.JSONL or (job.kind == JobKind.IMPORT and which is JobFile.RESULT)
    return "jsonl" if is_json else "csv"


async def put_part(storage: Storage, job: Record, which: JobFile, step: int, text: str) -> None:
    """Keep what a step found; a step that is repeated after a crash writes over what it left."""
    if text:
        await storage.put(f"{_folder(job.id, which)}/{step:09d}", BytesIO(text.encode()))


async def parts(storage: Storage, job: Record, which: JobFile) -> Sequence[str]:
    """The keys of the parts that belong to finished steps, in their order."""
    keys = await storage.keys(_folder(job.id, which))
    return [key for key in keys if int(key.rpartition("/")[2]) < job.steps]


async def content(storage: Storage, keys: Sequence[str], *, head: str = "") -> AsyncIterator[bytes]:
    """The parts as one file."""
    if head:
        yield head.encode()
    for key in keys:
        found = await storage.open(key)
        if found is not None:
            async for chunk in found.chunks:
                yield chunk


async def fetched(storage: Storage, key: str) -> BinaryIO | None:
    """A copy of an upload to read back and forth in, which ends with its closing; None when it is gone."""
    found = await storage.open(key)
    if found is None:
        return None
    copy: BinaryIO = TemporaryFile()  # noqa: SIM115 - the caller's to close
    try:
        async for chunk in found.chunks:
            await asyncio.to_thread(copy.write, chunk)
        await asyncio.to_thread(copy.seek, 0)
    except BaseException:
        copy.close()
        raise
    return copy


async def forget(storage: Storage, job_id: UUID) -> None:
    """Delete what a job left behind."""
    for which in JobFile:
        for key in await storage.keys(_folder(job_id, which)):
            await storage.delete(key)


def _folder(job_id: UUID, which: JobFile) -> str:
    return f"{ROOT}/jobs/{job_id.hex}/{which}"
