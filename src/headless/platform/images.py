"""Is a file a picture, and how does it become one that may be shown to anybody, in any size?"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, TypeVar, cast

from PIL import Image, ImageOps, ImageSequence

from headless.platform.errors import Unavailable

T = TypeVar("T")

THREADS = 2
MOST_WAITING = 64
IN_MEMORY = 1024 * 1024
"""Bytes of a picture that are kept in memory; larger ones are written to a temporary file."""
MOST_FRAMES = 1_000
FRAMES_PIXELS = 8
"""How many times the most pixels of a picture all frames of a moving one may have together."""
ORIENTATION = 0x0112
KEPT: Final = ("icc_profile", "transparency", "background", "loop", "duration")
"""What stays of all that comes along with a picture; not where and with what it was taken."""
DAMAGED = (SyntaxError, ValueError, ArithmeticError, LookupError, EOFError, TypeError, struct.error, zlib.error)
"""What the decoders raise at malformed files, beside OSError."""


class NotAPicture(Exception):
    """The file can't be shown; the message tells people why."""


class TooManyPixels(NotAPicture):
    """Decoding it would take too much memory."""


class ImageFormat(Enum):
    """How a picture is written."""

    WEBP = "WEBP"
    AVIF = "AVIF"
    JPEG = "JPEG"
    PNG = "PNG"


EXTENSIONS: Final = {"JPEG": "jpg", "PNG": "png", "GIF": "gif", "WEBP": "webp", "AVIF": "avif"}
_SAVED: Final[dict[ImageFormat, dict[str, Any]]] = {
    ImageFormat.WEBP: {"quality": 82, "method": 4},
    ImageFormat.AVIF: {"quality": 65, "speed": 8},
    ImageFormat.JPEG: {"quality": 84, "optimize": True, "progressive": True},
    ImageFormat.PNG: {"optimize": True},
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may be shown: upright, in its own colors, and nothing else in it."""

    content: BinaryIO
    format: str
    width: int
    height: int
    size: int
    sha256: str

    @property
    def extension(self) -> str:
        return EXTENSIONS[self.format]

    @property
    def mime_type(self) -> str:
        return f"image/{self.format.lower()}"


def sniffed(head: bytes) -> str | None:
    """The format that a file's first bytes tell, whatever its name and sender say; None for all we don't take."""
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and any(brand in head[8:64] for brand in (b"avif", b"avis")):
        return "AVIF"
    return None


def cleaned(content: BinaryIO, *, most_pixels: int) -> Picture:
    """Decode a picture and write it anew: turned upright, its color profile kept, everything else left behind.

    Raises `NotAPicture`.
    """
    head = content.read(1024)
    content.seek(0)
    kind = sniffed(head)
    if kind is None:
        raise NotAPicture(_why_not(head))
    written = cast("BinaryIO", SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - the caller reads it
    try:
        width, height = _decoded(lambda: _rewrite(content, kind, head, written, most_pixels))
    except BaseException:
        written.close()
        raise
    size = written.tell()
    written.seek(0)
    hashed = sha256()
    while piece := written.read(IN_MEMORY):
        hashed.update(piece)
    written.seek(0)
    return Picture(written, kind, width, height, size, hashed.hexdigest())


def resized(content: BinaryIO, *, width: int | None, height: int | None, format: ImageFormat) -> bytes:
    """Write a picture, of a moving one the first frame, so that it fits into a box; it never grows."""
    written = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - read below

    def write() -> None:
        with Image.open(content, formats=tuple(EXTENSIONS)) as image:
            box = (min(width or image.width, image.width), min(height or image.height, image.height))
            profile = image.info.get("icc_profile") if image.mode in {"RGB", "RGBA", "L"} else None
            # Decodes a large JPEG in an eighth, a quarter or a half of its size at once.
            image.draft(None, box)
            shown = _true_color(image, opaque=format is ImageFormat.JPEG)
            shown.thumbnail(box, Image.Resampling.LANCZOS, reducing_gap=2.0)
            shown.info = {}
            shown.save(written, format=format.value, icc_profile=profile or b"", **_SAVED[format])

    with written:
        _decoded(write)
        written.seek(0)
        return written.read()


class Studio:
    """Works on pictures in a few threads: neither the event loop nor the memory is overrun by them."""

    def __init__(self, *, most_pixels: int) -> None:
        self._most_pixels = most_pixels
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="studio")
        self._waiting = 0

    async def clean(self, content: BinaryIO) -> Picture:
        """Do what `cleaned` does; raises `Unavailable` when too many wait already."""
        return await self._run(lambda: cleaned(content, most_pixels=self._most_pixels))

    async def resize(self, content: BinaryIO, *, width: int | None, height: int | None, format: ImageFormat) -> bytes:
        """Do what `resized` does; raises `Unavailable` when too many wait already."""
        return await self._run(lambda: resized(content, width=width, height=height, format=format))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise Unavailable
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _decoded(work: Callable[[], T]) -> T:
    try:
        return work()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooManyPixels("The picture has too many pixels.") from None
    except DAMAGED as error:
        raise NotAPicture("The picture is damaged: it can't be decoded.") from error
    except OSError as error:
        if error.errno:  # the disk's, not the decoder's
            raise
        raise NotAPicture("The picture is damaged: it can't be decoded.") from error


def _rewrite(content: BinaryIO, kind: str, head: bytes, written: BinaryIO, most_pixels: int) -> tuple[int, int]:
    with Image.open(content, formats=(kind,)) as image:
        _check_pixels(image, most_pixels)
        options: dict[str, Any] = {"icc_profile": image.info.get("icc_profile") or b""}
        if kind == "WEBP":
            options |= {"lossless": b"VP8L" in head, "quality": 90}
        if kind == "AVIF":
            options |= {"quality": 85, "speed": 8}
        # A phone's JPEG may carry a second picture: to the decoder that looks like a film.
        if kind != "JPEG" and getattr(image, "is_animated", False):
            return _rewrite_frames(image, kind, written, most_pixels, options)
        turned = image.getexif().get(ORIENTATION, 1) not in {0, 1}
        if kind == "JPEG":
            options |= {"quality": "keep" if image.format == "JPEG" and not turned else 92, "comment": b""}
        image.load()
        upright = ImageOps.exif_transpose(image) if turned else image
        upright.info = _kept(image)
        upright.save(written, format=kind, **options)
        return upright.size


def _rewrite_frames(
    image: Image.Image, kind: str, written: BinaryIO, most_pixels: int, options: dict[str, Any]
) -> tuple[int, int]:
    durations: list[int] = []
    total = 0
    for frame in ImageSequence.Iterator(image):
        _check_pixels(frame, most_pixels)
        total += frame.width * frame.height
        if total > most_pixels * FRAMES_PIXELS or len(durations) == MOST_FRAMES:
            raise TooManyPixels("The moving picture has too many frames for its size.")
        frame.load()
        durations.append(int(frame.info.get("duration", 0)))
    image.seek(0)
    if "loop" in image.info:
        options["loop"] = image.info["loop"]
    if kind == "GIF":
        options["comment"] = b""
    else:
        options |= {"exif": b"", "xmp": b""} if kind in {"WEBP", "AVIF"} else {}
    image.info = _kept(image)
    image.save(written, format=kind, save_all=True, duration=durations, **options)
    return image.size


def _check_pixels(image: Image.Image, most_pixels: int) -> None:
    if image.width * image.height > most_pixels:
        message = (
            f"The picture has {image.width} by {image.height} pixels; "
            f"at most {most_pixels / 1_000_000:g} megapixels are taken."
        )
        raise TooManyPixels(message)


def _kept(image: Image.Image) -> dict[str | tuple[int, int], Any]:
    return {name: image.info[name] for name in KEPT if name in image.info}


def _true_color(image: Image.Image, *, opaque: bool) -> Image.Image:
    """The first frame in full colors, so that it can be scaled smoothly; opaque on white if it has to be."""
    if image.mode.startswith("I"):  # 16 bits a pixel
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    is_clear = image.has_transparency_data
    shown = image.convert("RGBA" if is_clear else "L" if image.mode in {"L", "1"} else "RGB")
    if is_clear and opaque:
        ground = Image.new("RGB", shown.size, "white")
        ground.paste(shown, mask=shown.getchannel("A"))
        return ground
    return shown


def _why_not(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if b"<svg" in start or start.startswith((b"<?xml", b"<!doctype svg")):
        return "SVG isn't taken: it can hold programs. Send the picture as PNG or WebP."
    return "This is no picture that we know. Send JPEG, PNG, WebP, AVIF or GIF."
