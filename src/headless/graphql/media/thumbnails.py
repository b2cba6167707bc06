"""How does a picture come in another size or format? Made at the first request, kept from then on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Self, cast

import structlog
from starlette.requests import Request
from starlette.responses import Response

from headless.catalog.uploads import thumbnails_of
from headless.graphql.media.serving import FOREVER, absent, headers_of, is_known, stored, unavailable
from headless.platform.crypto import Signer, b64, unb64
from headless.platform.errors import BadUserInput, Unavailable
from headless.platform.images import EXTENSIONS, IN_MEMORY, ImageFormat, NotAPicture, Studio
from headless.platform.storage import Storage, StorageUnavailable

log = structlog.get_logger(__name__)

LARGEST_SIDE = 4_096
MOST_KEPT = 200
"""Thumbnails of one picture that are kept; whoever asks for more sizes has them made again each time."""
PURPOSE = "thumbnail"
SIGNATURE_BYTES = 15
FORMATS = {EXTENSIONS[format.value]: format for format in ImageFormat}


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture of the storage that has to fit into a box; a side that isn't given follows from the other."""

    file: str
    width: int | None
    height: int | None
    format: ImageFormat

    @classmethod
    def of(cls, file: str, *, width: int | None, height: int | None, format: ImageFormat | None) -> Self:
        """Raises `BadUserInput` for a size that nobody is given."""
        for side in (width, height):
            if side is not None and not 1 <= side <= LARGEST_SIDE:
                raise BadUserInput(f"A picture's width and height are between 1 and {LARGEST_SIDE} pixels.")
        return cls(file, width, height, format or FORMATS.get(PurePosixPath(file).suffix[1:], ImageFormat.PNG))

    @property
    def name(self) -> str:
        return f"{self.width or 0}x{self.height or 0}.{EXTENSIONS[self.format.value]}"

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"{thumbnails_of(self.file)}/{self.name}"

    def path(self, signer: Signer) -> str:
        """Where it is served, below /media. Signed, so that nobody has us make sizes that we never named."""
        signature = signer.sign(PURPOSE, self.key.encode(), size=SIGNATURE_BYTES)
        return f"{thumbnails_of(self.file)}/{b64(signature)}/{self.name}"


class Thumbnails:
    """Answers GET and HEAD below /media/thumbs."""

    def __init__(self, storage: Storage, signer: Signer, studio: Studio) -> None:
        self._storage = storage
        self._signer = signer
        self._studio = studio
        self._making: dict[str, asyncio.Task[bytes | None]] = {}

    async def respond(self, request: Request) -> Response:
        wanted = self._wanted(request)
        if wanted is None:
            return absent()
        tag = f'"{wanted.key}"'
        if is_known(request, tag):
            return Response(status_code=304, headers=headers_of(tag, FOREVER))
        try:
            found = await self._storage.open(wanted.key)
            if found is not None:
                return stored(request, wanted.key, found, caching=FOREVER, tag=tag)
            made = await self._made(wanted)
        except StorageUnavailable as error:
            return unavailable(error)
        except Unavailable as fault:
            return Response(f"{fault.message}\n", 503, {"Retry-After": "1"}, "text/plain")
        if made is None:
            return absent()
        mime = f"image/{wanted.format.value.lower()}"
        return Response(made, headers=headers_of(tag, FOREVER), media_type=mime)

    def _wanted(self, request: Request) -> Thumbnail | None:
        parts = request.path_params
        name = str(parts["name"])
        size, _, extension = name.partition(".")
        width, _, height = size.partition("x")
        format = FORMATS.get(extension)
        if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit() and format):
            return None
        wanted = Thumbnail(f"files/{parts['folder']}/{parts['file']}", int(width) or None, int(height) or None, format)
        try:
            signature = unb64(str(parts["signature"]))
        except ValueError:
            return None
        is_ours = self._signer.verify(PURPOSE, wanted.key.encode(), signature, size=SIGNATURE_BYTES)
        return wanted if is_ours and wanted.name == name else None

    async def _made(self, wanted: Thumbnail) -> bytes | None:
        """Make it once, however many ask for it at the same time; who goes away doesn't stop it for the others."""
        task = self._making.get(wanted.key)
        if task is None:
            task = self._making[wanted.key] = asyncio.create_task(self._make(wanted))
            task.add_done_callback(self._forget(wanted.key))
        return await asyncio.shield(task)

    def _forget(self, key: str) -> Callable[[asyncio.Task[bytes | None]], None]:
        def done(task: asyncio.Task[bytes | None]) -> None:
            del self._making[key]
            if not task.cancelled():
                task.exception()  # told to those who wait; if none does, nobody needs to know

        return done

    async def _make(self, wanted: Thumbnail) -> bytes | None:
        original = await self._storage.open(wanted.file)
        if original is None:
            return None
        with SpooledTemporaryFile(max_size=IN_MEMORY) as file:
            async for chunk in original.chunks:
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
            try:
                made = await self._studio.resize(
                    cast("BinaryIO", file), width=wanted.width, height=wanted.height, format=wanted.format
                )
            except NotAPicture as error:
                log.warning("thumbnail_failed", file=wanted.file, error=str(error))
                return None
        if len(await self._storage.keys(thumbnails_of(wanted.file))) < MOST_KEPT:
            await self._storage.put(wanted.key, BytesIO(made))
        return made
