"""Where are files kept, such as pictures: in a folder, or in an object store?"""

from __future__ import annotations

from pathlib import Path

from headless.platform.storage.disk import Disk
from headless.platform.storage.port import Storage, StorageUnavailable, Stored, is_key

__all__ = ["Disk", "Storage", "StorageUnavailable", "Stored", "is_key", "storage_at"]


def storage_at(location: str) -> Storage:
    """The storage at `s3://bucket/prefix`, else in the folder of this path.

    Raises `StorageUnavailable` when what an object store needs isn't installed or configured.
    """
    if not location.startswith("s3://"):
        return Disk(Path(location))
    try:
        # Late, because it is an extra: most shops keep their pictures in a folder.
        from headless.platform.storage.objects import s3
    except ModuleNotFoundError:
        raise StorageUnavailable("s3:// needs an extra: run `pip install 'headless[s3]'`.") from None
    return s3(location)
