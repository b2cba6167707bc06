"""Which pictures do tests send? Made here, with all that comes along with a real one."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

GPS = 0x8825
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SECRET = b"Rue de la Paix 12"


def halves(width: int = 64, height: int = 32) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    image.paste((20, 20, 220), (width // 2, 0, width, height))
    return image


def picture(format: str = "PNG", width: int = 64, height: int = 32, **options: Any) -> bytes:
    written = BytesIO()
    halves(width, height).save(written, format=format, **options)
    return written.getvalue()


def photo(format: str = "JPEG", *, orientation: int = 6) -> bytes:
    """A picture as a telephone takes it: lying on its side, with where and by whom it was taken, and its colors."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x013B] = SECRET.decode()
    exif[GPS] = {1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 21.0, 7.0), 29: SECRET.decode()}
    written = BytesIO()
    options = {"comment": SECRET} if format == "JPEG" else {}
    halves(800, 600).save(written, format=format, exif=exif, icc_profile=PROFILE, **options)
    return written.getvalue()


def film(format: str = "GIF", frames: int = 3) -> bytes:
    """A moving picture; each frame is shown for a longer time than the last."""
    images = [Image.new("RGB", (40, 20), (20 * nth, 0, 0)) for nth in range(frames)]
    written = BytesIO()
    images[0].save(
        written,
        format=format,
        save_all=True,
        append_images=images[1:],
        duration=[100 * nth for nth in range(1, frames + 1)],
        loop=0,
    )
    return written.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A small PNG that says it has very many pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
NOT_PICTURES = {
    "nothing": b"",
    "html": b"<!doctype html><script>alert(1)</script>",
    "svg": SVG,
    "svg with a preamble": b"\xef\xbb\xbf <?xml version='1.0'?><!-- x -->" + SVG,
    "pdf": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04" + bytes(40),
    "script": b"#!/bin/sh\nrm -rf /\n",
    "bmp": b"BM" + bytes(60),
    "tiff": b"II*\0" + bytes(60),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
}
