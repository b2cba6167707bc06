"""How does staff send a picture? As a form with a file in it (RFC 7578), answered in JSON."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import structlog
from graphql import GraphQLError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from headless.accounts.rules import Actor, Permission
from headless.catalog import uploads
from headless.graphql.context import Server
from headless.graphql.errors import formatted, new_request_id
from headless.graphql.scalars import write_datetime
from headless.graphql.server.http import Refuse, actor_of
from headless.platform import ids
from headless.platform.errors import Fault, Unauthenticated, Unavailable
from headless.platform.images import NotAPicture, Picture, TooManyPixels
from headless.platform.storage import StorageUnavailable

log = structlog.get_logger(__name__)

MULTIPART: Final = "multipart/form-data"
AROUND: Final = 64 * 1024
"""Bytes of a form that aren't the file's."""
MOST_AT_ONCE: Final = 8
"""Uploads one process takes at the same time; more are answered 503."""
SECONDS: Final = 300
PASSED_OVER: Final = 4 * 1024 * 1024
PASSING_SECONDS: Final = 2
"""How much of a refused file is read, and for how long."""
LONGEST_NAME: Final = 255


class UploadEndpoint:
    """Answers POST at /media/uploads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._most_bytes = server.settings.upload_mb * 1024 * 1024
        self._free = MOST_AT_ONCE

    async def respond(self, request: Request) -> Response:
        """Answer a request; whatever happens, with a body that says so."""
        try:
            actor = await self._allowed(request)
            return JSONResponse(await self._received(request, actor), 201, {"Cache-Control": "no-store"})
        except Refuse as refuse:
            if "Connection" in refuse.headers:
                await _pass_over(request)
            return JSONResponse(refuse.body, refuse.status, refuse.headers)
        except (Unavailable, StorageUnavailable) as error:
            log.warning("upload_postponed", error=str(error))
            busy = Refuse(503, Unavailable.code, Unavailable.default)
            return JSONResponse(busy.body, busy.status, {"Retry-After": "1"})
        except Exception as error:  # noqa: BLE001 - the edge of the process: logged and masked
            masked = formatted(GraphQLError(str(error), original_error=error), request_id=new_request_id())
            return JSONResponse({"errors": [masked]}, 500)

    async def _allowed(self, request: Request) -> Actor:
        try:
            actor = await actor_of(request.headers.get("authorization"), self._server)
        except Fault as fault:
            raise Unavailable from fault
        if actor.is_anonymous:
            raise _closing(401, Unauthenticated.code, Unauthenticated.default)
        if not actor.may(Permission.WRITE_PRODUCTS):
            raise _closing(403, "FORBIDDEN", f"This needs the permission {Permission.WRITE_PRODUCTS.value}.")
        return actor

    async def _received(self, request: Request, actor: Actor) -> dict[str, object]:
        if self._free <= 0:
            raise Unavailable
        self._free -= 1
        try:
            async with asyncio.timeout(SECONDS):
                form = await self._form(request)
            try:
                return await self._kept(_file_of(form), actor)
            finally:
                await form.close()
        except (TimeoutError, ClientDisconnect):
            raise Refuse(408, "BAD_USER_INPUT", "The file took too long.") from None
        finally:
            self._free += 1

    async def _form(self, request: Request) -> FormData:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MULTIPART:
            message = f"Send the picture as {MULTIPART}, in a part with a file name."
            raise _closing(415, "BAD_USER_INPUT", message)
        announced = request.headers.get("content-length", "0")
        if not announced.isdigit() or int(announced) > self._most_bytes + AROUND:
            raise self._too_large()
        # Large files are written to a temporary file piece by piece; the stream is cut off where it gets too long.
        parser = MultiPartParser(
            request.headers, self._bounded(request), max_files=1, max_fields=10, max_part_size=AROUND
        )
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise Refuse(400, "BAD_USER_INPUT", f"The form can't be read: {error.message}") from None

    async def _bounded(self, request: Request) -> AsyncGenerator[bytes, None]:
        left, end = self._most_bytes + AROUND, b""
        async for chunk in request.stream():
            left -= len(chunk)
            if left < 0:
                raise self._too_large()
            end = (end + chunk)[-8:]
            yield chunk
        # Told here, because the parser takes a form for whole that breaks off within a file.
        if not end.rstrip().endswith(b"--"):
            raise Refuse(400, "BAD_USER_INPUT", "The form breaks off before its end.")

    async def _kept(self, file: UploadFile, actor: Actor) -> dict[str, object]:
        if (file.size or 0) > self._most_bytes:
            raise Refuse(413, "BAD_USER_INPUT", self._limit)
        server = self._server
        picture = await self._cleaned(file)
        with picture.content:
            key = await uploads.store(server.database, server.storage, picture)
            name = "".join(sign for sign in file.filename or "" if sign.isprintable())[:LONGEST_NAME]
            async with server.database.transaction() as session:
                upload_id, expires_at = await uploads.receive(
                    session, picture, key=key, file_name=name, actor=actor.name
                )
        return {
            "uploadId": ids.encode("upload", upload_id),
            "fileName": name,
            "mimeType": picture.mime_type,
            "width": picture.width,
            "height": picture.height,
            "size": picture.size,
            "expiresAt": write_datetime(expires_at),
        }

    async def _cleaned(self, file: UploadFile) -> Picture:
        try:
            return await self._server.studio.clean(file.file)
        except TooManyPixels as error:
            raise Refuse(413, "BAD_USER_INPUT", str(error)) from None
        except NotAPicture as error:
            raise Refuse(415, "BAD_USER_INPUT", str(error)) from None

    @property
    def _limit(self) -> str:
        return f"The file is larger than {self._server.settings.upload_mb} MB."

    def _too_large(self) -> Refuse:
        return _closing(413, "BAD_USER_INPUT", self._limit)


def _file_of(form: FormData) -> UploadFile:
    file = next((value for _name, value in form.multi_items() if isinstance(value, UploadFile)), None)
    if file is None:
        raise Refuse(400, "BAD_USER_INPUT", "The form holds no file: send it in a part with a file name.")
    return file


async def _pass_over(request: Request) -> None:
    """Read on for a while: who is still sending when the connection is closed doesn't get to read the answer."""
    left = PASSED_OVER
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(PASSING_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left < 0:
                    return


def _closing(status: int, code: str, message: str) -> Refuse:
    # Not all that is left of the body is read: the connection can't be used again.
    headers = {"Connection": "close"}
    if status == 401:  # noqa: PLR2004 - RFC 6750
        headers["WWW-Authenticate"] = "Bearer"
    return Refuse(status, code, message, headers)
