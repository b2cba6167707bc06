"""Does a folder keep files as an object store does: whole, by key, and nothing outside of it?"""

import asyncio
import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from obstore.store import LocalStore, MemoryStore
from pydantic import ValidationError

from headless.platform.storage import Disk, Storage, StorageUnavailable, is_key, storage_at
from headless.platform.storage.objects import Objects
from headless.settings import Settings

LARGE = os.urandom(700_000)


@pytest.fixture(params=["disk", "local_objects", "memory_objects"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """The folder, and the library of the object stores over a folder and over memory."""
    match request.param:
        case "disk":
            return Disk(tmp_path / "media")
        case "local_objects":
            return Objects(LocalStore(tmp_path / "media", mkdir=True))
        case _:
            return Objects(MemoryStore())


async def test_what_is_put_is_found_whole_and_piece_by_piece(storage: Storage) -> None:
    await storage.put("files/ab/large.png", BytesIO(LARGE))

    found = await storage.open("files/ab/large.png")

    assert found is not None
    assert found.size == len(LARGE)
    assert b"".join([chunk async for chunk in found.chunks]) == LARGE
    assert await storage.get("files/ab/large.png") == LARGE
    assert await storage.exists("files/ab/large.png") is True


async def test_what_was_never_put_is_not_there(storage: Storage) -> None:
    await storage.put("files/ab/a.png", BytesIO(b"a"))

    for key in ("files/ab/b.png", "files/ab", "files"):
        assert await storage.open(key) is None, key
        assert await storage.get(key) is None, key
        assert await storage.exists(key) is False, key
    await storage.delete("files/ab/b.png")


async def test_second_put_replaces_the_first_and_its_tag(storage: Storage) -> None:
    await storage.put("a.png", BytesIO(b"one"))
    before = await storage.open("a.png")
    await storage.put("a.png", BytesIO(b"three"))
    after = await storage.open("a.png")

    assert await storage.get("a.png") == b"three"
    assert before is not None
    assert after is not None
    assert before.tag != after.tag


async def test_deleted_file_is_gone_and_its_neighbor_is_not(storage: Storage) -> None:
    await storage.put("thumbs/ab/a/1.png", BytesIO(b"1"))
    await storage.put("thumbs/ab/a/2.png", BytesIO(b"2"))
    await storage.put("thumbs/ab/another/1.png", BytesIO(b"3"))

    assert await storage.keys("thumbs/ab/a") == ["thumbs/ab/a/1.png", "thumbs/ab/a/2.png"]
    await storage.delete("thumbs/ab/a/1.png")

    assert await storage.keys("thumbs/ab/a") == ["thumbs/ab/a/2.png"]
    assert await storage.keys("thumbs/none") == []
    assert await storage.get("thumbs/ab/another/1.png") == b"3"


OUTSIDE = [
    "",
    "/",
    "..",
    "../secret",
    "a/../../secret",
    "/etc/passwd",
    "a//b",
    ".hidden",
    "a/.b",
    "a\\b",
    "a\0b",
    "a\nb",
    "x" * 401,
]


@pytest.mark.parametrize("key", OUTSIDE)
async def test_no_key_leads_out_of_the_storage(storage: Storage, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("secret")

    assert is_key(key) is False
    assert await storage.open(key) is None
    assert await storage.get(key) is None
    assert await storage.exists(key) is False
    await storage.delete(key)
    with pytest.raises(ValueError, match=r".*"):
        await storage.put(key, BytesIO(b"x"))
    assert (tmp_path / "secret").read_text() == "secret"


class Torn(BytesIO):
    """A file whose second piece can't be read."""

    reads = 0

    def read(self, _size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise OSError("the line is cut")
        return super().read(10)


async def test_half_a_file_is_never_seen(storage: Storage, tmp_path: Path) -> None:
    await storage.put("a.png", BytesIO(b"the old one"))

    with pytest.raises(StorageUnavailable):
        await storage.put("a.png", cast("BinaryIO", Torn(LARGE)))

    assert await storage.get("a.png") == b"the old one"
    assert await storage.keys("") == ["a.png"]
    folder = tmp_path / "media"
    assert [path.name for path in folder.iterdir()] == ["a.png"] if folder.exists() else True


async def test_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "secret.png").write_text("secret")
    (tmp_path / "media" / "link.png").symlink_to(tmp_path / "secret.png")

    assert await Disk(tmp_path / "media").get("link.png") is None


async def test_folder_that_cannot_be_made_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")

    with pytest.raises(StorageUnavailable, match="can't be written"):
        await Disk(tmp_path / "media").put("a.png", BytesIO(b"x"))


def test_setting_chooses_the_storage(tmp_path: Path) -> None:
    assert storage_at(Settings(data_dir=tmp_path).media_location) == Disk(tmp_path / "media")
    assert storage_at(Settings(media_storage=str(tmp_path)).media_location) == Disk(tmp_path)
    bucket = storage_at(Settings(media_storage="s3://bucket/shop/media").media_location)
    assert isinstance(bucket, Objects)
    assert repr(bucket.store) == 'S3Store(bucket="bucket", prefix="shop/media")'


@pytest.mark.parametrize("location", ["ftp://host/x", "s3://", "s3:///x", "https://cdn.test/x"])
def test_other_places_are_no_storage(location: str) -> None:
    with pytest.raises(ValidationError, match="must be a folder or s3"):
        Settings(media_storage=location)


async def test_bucket_that_cannot_be_reached_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    storage = storage_at("s3://bucket")

    with pytest.raises(StorageUnavailable, match="The object store can't be used"):
        await storage.put("a.png", BytesIO(b"x"))
    with pytest.raises(StorageUnavailable):
        await storage.open("a.png")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT", "AWS_ENDPOINT_URL"])
async def test_bucket_of_a_store_of_ones_own_is_spoken_to_over_plain_http(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.splitlines()[0])
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        for variable, value in {
            name: f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }.items():
            monkeypatch.setenv(variable, value)
        await storage_at("s3://bucket/shop").put("a.png", BytesIO(b"x"))

    assert asked == ["PUT /bucket/shop/a.png HTTP/1.1"]
