"""How are files kept in an object store, such as S3?"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from headless.platform.storage.port import StorageUnavailable, Stored, is_key

CHUNK = 256 * 1024
PATIENCE = timedelta(seconds=20)
ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")


@dataclass(frozen=True, slots=True)
class Objects:
    """An object store. It writes an object whole or not at all by itself."""

    store: ObjectStore

    async def put(self, key: str, content: BinaryIO) -> None:
        if not is_key(key):
            raise ValueError(key)
        try:
            await obstore.put_async(self.store, key, content)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def get(self, key: str) -> bytes | None:
        found = await self.open(key)
        return None if found is None else b"".join([chunk async for chunk in found.chunks])

    async def open(self, key: str) -> Stored | None:
        if not is_key(key):
            return None
        try:
            found = await obstore.get_async(self.store, key)
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        tag = (found.meta["e_tag"] or f"{found.meta['last_modified'].timestamp()}").strip('"')
        return Stored(found.meta["size"], tag, _chunks(found))

    async def exists(self, key: str) -> bool:
        if not is_key(key):
            return False
        try:
            await obstore.head_async(self.store, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        return True

    async def delete(self, key: str) -> None:
        if not is_key(key):
            return
        try:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self.store, key)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def keys(self, folder: str) -> Sequence[str]:
        try:
            return sorted([found["path"] async for batch in obstore.list(self.store, folder) for found in batch])
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error


def s3(location: str) -> Objects:
    """The bucket at `s3://bucket/prefix`; credentials, region and endpoint as the AWS_… variables say.

    An endpoint that is named with http:// is meant so: a store of one's own, in one's own network.
    """
    is_plain = any(os.environ.get(name, "").startswith("http://") for name in ENDPOINTS)
    try:
        return Objects(
            from_url(
                location,
                client_options={"timeout": PATIENCE, "allow_http": is_plain},
                retry_config={"max_retries": 3},
            )
        )
    except (BaseError, ValueError) as error:
        raise _unavailable(error) from error


async def _chunks(found: obstore.GetResult) -> AsyncIterator[bytes]:
    try:
        async for chunk in found.stream(min_chunk_size=CHUNK):
            yield bytes(chunk)
    except (BaseError, OSError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StorageUnavailable:
    # The rest of its text is a page about the library's own types.
    return StorageUnavailable(f"The object store can't be used: {str(error).partition(chr(10))[0]}")
