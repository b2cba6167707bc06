"""How does a browser get a picture?"""

from pathlib import PurePosixPath

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from headless.platform.storage import Storage, StorageUnavailable, Stored
from headless.platform.storage.port import PRIVATE

log = structlog.get_logger(__name__)

TYPES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
"""What is shown as what it is; anything else is a download."""
HASHED = "files/"
"""Below it a file's name is the hash of its content."""
DERIVED = "thumbs/"
"""Below it are files that have an address of their own."""
DAY, FOREVER = "public, max-age=86400", "public, max-age=31536000, immutable"


class MediaEndpoint:
    """Answers GET and HEAD below /media."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def respond(self, request: Request) -> Response:
        key = str(request.path_params["path"])
        if key.startswith((DERIVED, PRIVATE)):
            return absent()
        try:
            found = await self._storage.open(key)
        except StorageUnavailable as error:
            return unavailable(error)
        if found is None:
            return absent()
        return stored(request, key, found, caching=FOREVER if key.startswith(HASHED) else DAY)


def stored(request: Request, key: str, found: Stored, *, caching: str, tag: str | None = None) -> Response:
    """A stored file, or that what the caller has of it is good."""
    tag = tag or f'"{found.tag}"'
    headers = headers_of(tag, caching)
    if is_known(request, tag):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(found.size)
    media_type = TYPES.get(PurePosixPath(key).suffix.lower())
    if media_type is None:
        media_type, headers["Content-Disposition"] = "application/octet-stream", "attachment"
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    return StreamingResponse(found.chunks, headers=headers, media_type=media_type)


def headers_of(tag: str, caching: str) -> dict[str, str]:
    return {
        "Cache-Control": caching,
        "ETag": tag,
        # Nothing in a picture may run, even when somebody opens it by itself.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller has this content already (RFC 9110, section 13.1.2)."""
    known = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    return not known.isdisjoint({tag, "*"})


def absent() -> Response:
    return Response("There is no such picture.\n", 404, {"Cache-Control": "no-cache"}, "text/plain")


def unavailable(error: StorageUnavailable) -> Response:
    log.warning("storage_unavailable", error=str(error))
    return Response("Try again in a moment.\n", 503, {"Retry-After": "1", "Cache-Control": "no-store"}, "text/plain")
