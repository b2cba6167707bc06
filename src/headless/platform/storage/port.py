"""What does a storage of files do?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

LONGEST_KEY = 400
PRIVATE = "private/"
"""What is kept below it is never shown to the public."""


class StorageUnavailable(Exception):
    """The storage can't be used now, or not as it is configured; the message is for operators."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is being read. Whoever opened it takes its `chunks` to the end, or closes them."""

    size: int
    tag: str
    """Differs when the content does; for an ETag."""
    chunks: AsyncIterator[bytes]


class Storage(Protocol):
    """Files by key, a relative path such as `files/ab/abc.jpg`. Every method may raise `StorageUnavailable`."""

    async def put(self, key: str, content: BinaryIO) -> None:
        """Keep what is left to read of a file under a key: whole or not at all."""

    async def get(self, key: str) -> bytes | None:
        """A whole file; None where there is none."""

    async def open(self, key: str) -> Stored | None:
        """A file to read piece by piece; None where there is none."""

    async def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""

    async def delete(self, key: str) -> None:
        """Forget a file, if there is one."""

    async def keys(self, folder: str) -> Sequence[str]:
        """The keys below a folder, sorted."""


def is_key(key: str) -> bool:
    """Whether a text can be a key: no way out of the storage, nothing hidden, nothing that a file system chokes on."""
    parts = key.split("/")
    return (
        0 < len(key) <= LONGEST_KEY
        and key.isprintable()
        and "\\" not in key
        and not any(part == "" or part.startswith(".") for part in parts)
    )
