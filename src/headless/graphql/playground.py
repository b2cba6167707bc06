"""What does a browser get at `/graphql`?"""

import os
from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
BUILD = STATIC / "playground"

# Everything comes from this server. The editor positions its lines with style attributes, hence 'unsafe-inline' for
# styles; its icons and cursors are data: URLs; older Safaris don't count a WebSocket to the same host as 'self'.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; "
    "script-src 'self'; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; "
    "font-src 'self' data:; "
    "connect-src 'self' ws: wss:; "
    "worker-src 'self'; "
    "base-uri 'none'; "
    "form-action 'none'; "
    "frame-ancestors 'none'"
)
_SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Named here because what `mimetypes` answers depends on the machine, and browsers refuse mistyped modules.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}


def page() -> Response:
    """Answer the built playground, or the small hand-written one where nothing has been built."""
    built = BUILD / "index.html"
    html = built if built.is_file() else STATIC / "fallback.html"
    return HTMLResponse(html.read_bytes(), headers={**_SECURITY_HEADERS, "Cache-Control": "no-store", "Vary": "Accept"})


def routes() -> list[BaseRoute]:
    """Serve what either page loads; a build made while the server runs is picked up."""
    return [Mount("/playground", app=_Assets(), name="playground")]


class _Assets(StaticFiles):
    def __init__(self) -> None:
        super().__init__(directory=STATIC)
        self.all_directories = [BUILD, STATIC]

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        path = Path(full_path)
        hashed = path.is_relative_to((BUILD / "assets").resolve())
        response.headers.update(_SECURITY_HEADERS)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        if path.suffix in _MEDIA_TYPES and "Content-Type" in response.headers:
            response.headers["Content-Type"] = _MEDIA_TYPES[path.suffix]
        return response
