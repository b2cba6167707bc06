"""Who may fetch a job's file? Whoever has its link, as long as it is good."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from headless.graphql.context import Server
from headless.merchandising.jobs.files import JobFile
from headless.platform import clock, ids

GOOD_FOR = timedelta(hours=1)
PURPOSE = "bulk file"
SIGNATURE = 24


def link(server: Server, job_id: UUID, which: JobFile) -> str:
    """The address of a file, signed."""
    expires = int((clock.now() + GOOD_FOR).timestamp())
    signature = server.signer.sign(PURPOSE, _message(job_id, which, expires), size=SIGNATURE).hex()
    base = f"{server.settings.base_url}/bulk/jobs/{ids.encode('bulk_job', job_id)}/{which}"
    return f"{base}?expires={expires}&signature={signature}"


def is_good(server: Server, job_id: UUID, which: JobFile, *, expires: str, signature: str) -> bool:
    """Whether a link was ours and still holds."""
    if not (expires.isascii() and expires.isdecimal() and len(expires) < SIGNATURE):
        return False
    try:
        given = bytes.fromhex(signature)
    except ValueError:
        return False
    message = _message(job_id, which, int(expires))
    return int(expires) >= clock.now().timestamp() and server.signer.verify(PURPOSE, message, given, size=SIGNATURE)


def _message(job_id: UUID, which: JobFile, expires: int) -> bytes:
    return f"{job_id.hex} {which} {expires}".encode()
