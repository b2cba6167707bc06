"""How are files kept in a folder?"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from headless.platform.storage.port import StorageUnavailable, Stored, is_key

CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder. It comes about with the first file."""

    root: Path

    async def put(self, key: str, content: BinaryIO) -> None:
        await asyncio.to_thread(self._put, key, content)

    async def get(self, key: str) -> bytes | None:
        return await asyncio.to_thread(self._get, key)

    async def open(self, key: str) -> Stored | None:
        found = await asyncio.to_thread(self._found, key)
        if found is None:
            return None
        path, status = found
        return Stored(status.st_size, f"{status.st_mtime_ns:x}-{status.st_size:x}", _chunks(path))

    async def exists(self, key: str) -> bool:
        return is_key(key) and await asyncio.to_thread((self.root / key).is_file)

    async def delete(self, key: str) -> None:
        if is_key(key):
            await asyncio.to_thread((self.root / key).unlink, missing_ok=True)

    async def keys(self, folder: str) -> Sequence[str]:
        return await asyncio.to_thread(self._keys, folder)

    def _put(self, key: str, content: BinaryIO) -> None:
        if not is_key(key):
            raise ValueError(key)
        path = self.root / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Written beside its place and then renamed: nobody ever reads half a file. Hidden names are no keys.
            with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as written:
                try:
                    shutil.copyfileobj(content, written, CHUNK)
                    written.flush()
                    os.fsync(written.fileno())
                    Path(written.name).chmod(0o644)
                    Path(written.name).replace(path)
                except BaseException:
                    Path(written.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise StorageUnavailable(f"{path} can't be written: {error.strerror}.") from error

    def _get(self, key: str) -> bytes | None:
        found = self._found(key)
        return None if found is None else found[0].read_bytes()

    def _found(self, key: str) -> tuple[Path, os.stat_result] | None:
        path = self.root / key
        try:
            # A link may lead out of the folder.
            if not is_key(key) or not path.resolve().is_relative_to(self.root.resolve()) or not path.is_file():
                return None
            return path, path.stat()
        except OSError as error:
            raise StorageUnavailable(f"{path} can't be read: {error.strerror}.") from error

    def _keys(self, folder: str) -> Sequence[str]:
        below = self.root / folder
        found = [path.relative_to(self.root).as_posix() for path in below.rglob("*") if path.is_file()]
        return sorted(key for key in found if is_key(key))


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    # Opened when it is read: who only asks how large a file is leaves nothing open.
    file = await asyncio.to_thread(path.open, "rb")
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
