"""How do ids look outside and inside? TypeID 0.3, such as `product_01k…`, over a UUID."""

from __future__ import annotations

import uuid

from typeid import TypeID, base32
from typeid.errors import TypeIDException
from uuid_utils.compat import uuid7

from headless.platform.errors import NotFound


def new() -> uuid.UUID:
    """Make a time-ordered UUIDv7 (RFC 9562)."""
    return uuid7()


def new_secret() -> uuid.UUID:
    """Make a random UUIDv4: an id that is also a bearer secret."""
    return uuid.uuid4()


def encode(prefix: str, value: uuid.UUID) -> str:
    return f"{prefix}_{base32.encode(value.bytes)}"


def split(text: str) -> tuple[str, uuid.UUID]:
    """Read any TypeID; malformed ones raise `NotFound`, like unknown ones."""
    try:
        parsed: TypeID[str] = TypeID.from_string(text)
        return parsed.prefix or "", uuid.UUID(bytes=parsed.uuid.bytes)
    except (TypeIDException, ValueError, IndexError, KeyError, OverflowError):
        raise NotFound from None


def decode(prefix: str, text: str) -> uuid.UUID:
    """Read a TypeID of one kind; malformed and foreign ones raise `NotFound`, like unknown ones."""
    found, value = split(text)
    if found != prefix:
        raise NotFound
    return value
