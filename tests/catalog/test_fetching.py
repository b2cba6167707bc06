"""Do pictures of other addresses become the shop's own, once, and are people told why if they don't?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import delete, select, update

from headless.catalog import fetching, gallery, queries, service
from headless.catalog.fetching import Means
from headless.catalog.gallery import MediaDraft
from headless.catalog.models import media
from headless.catalog.service import ImageDraft
from headless.platform import clock, outbox
from headless.platform.db import Database, Record
from headless.platform.fetching import Guard
from headless.platform.images import Studio
from headless.platform.storage import Disk
from tests.builders import Shop
from tests.pictures import NOT_PICTURES, SECRET, photo, picture

FRESH = 2
"""The version of a product of the small shop: publishing it counted."""


@dataclass(slots=True)
class Elsewhere:
    """A server that holds pictures, by path."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0
    is_ill: bool = False
    held: asyncio.Event | None = None

    def url(self, path: str) -> str:
        return f"http://cdn.example:{self.port}{path}"


@asynccontextmanager
async def running(server: Elsewhere) -> AsyncIterator[Elsewhere]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        server.asked.append(path)
        if server.held is not None:
            await server.held.wait()
        content = server.files.get(path)
        status = "503 Ill" if server.is_ill else "404 None" if content is None else "200 OK"
        body = content if status.startswith("200") and content else b""
        with suppress(OSError):
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async with running(Elsewhere({"/a.jpg": photo(), "/b.png": picture(width=50)})) as server:
        yield server


async def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture
def means(database: Database, tmp_path: Path) -> Means:
    """What a worker has; it may call this machine, by a name."""
    guard = Guard(allows_http=True, is_allowed=lambda _address: True, resolve=here)
    return Means(database, Disk(tmp_path), Studio(most_pixels=1_000_000), guard, most_bytes=1_000_000)


async def add(database: Database, product_id: UUID, *urls: str, version: int = FRESH) -> list[UUID]:
    drafts = [MediaDraft(url=url) for url in urls]
    async with database.transaction() as session:
        return await gallery.add(session, product_id, drafts, expected_version=version, fetches=True, actor="tester")


async def shown(database: Database, product_id: UUID) -> list[Record]:
    async with database.reading() as session:
        return (await queries.media_by_product(session, [product_id])).get(product_id, [])


async def facts(database: Database) -> list[Any]:
    async with database.transaction() as session:
        await outbox.number(session)
        return [(entry.topic, entry.key) for entry in await outbox.read_after(session, 0)]


async def test_picture_is_fetched_cleaned_and_kept(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    (before,) = await shown(database, shop.mug_product)
    news = len(await facts(database))

    assert await fetching.fetch_due(means) == 1
    assert await fetching.fetch_due(means) == 0

    (row,) = await shown(database, shop.mug_product)
    assert (before.status, before.file) == ("PROCESSING", None)
    assert (row.status, row.url, row.mime_type, row.width, row.height, row.error, row.fetch_at) == (
        "READY", elsewhere.url("/a.jpg"), "image/jpeg", 600, 800, None, None,
    )  # fmt: skip
    content = await means.storage.get(row.file)
    assert content is not None
    assert SECRET not in content
    assert elsewhere.asked == ["/a.jpg"]
    assert (await facts(database))[news:] == [("product.updated", shop.mug_product)]


async def test_several_workers_fetch_each_picture_once(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    await add(database, shop.mug_product, *(elsewhere.url(path) for path in ("/a.jpg", "/b.png")))
    other = Database(database.url)
    elsewhere.held = asyncio.Event()

    async def release() -> int:
        while len(elsewhere.asked) < 2:
            await asyncio.sleep(0.01)
        assert elsewhere.held is not None
        elsewhere.held.set()
        return 0

    tried = await asyncio.gather(
        fetching.fetch_due(means), fetching.fetch_due(replace(means, database=other)), release()
    )
    await other.close()

    assert sum(tried) == 2
    assert sorted(elsewhere.asked) == ["/a.jpg", "/b.png"]
    assert [row.status for row in await shown(database, shop.mug_product)] == ["READY", "READY"]


async def test_nothing_is_locked_while_the_other_side_takes_its_time(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    (media_id,) = await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    elsewhere.held = asyncio.Event()
    worker = asyncio.create_task(fetching.fetch_due(means))
    while not elsewhere.asked:
        await asyncio.sleep(0.01)

    async with database.transaction() as session:
        await gallery.remove(session, shop.mug_product, [media_id], expected_version=3, actor="tester")
    elsewhere.held.set()
    await worker

    assert await shown(database, shop.mug_product) == []


async def test_what_another_worker_has_taken_over_is_not_written_by_the_first(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    await add(database, shop.mug_product, elsewhere.url("/none.jpg"))
    elsewhere.held = asyncio.Event()
    slow = asyncio.create_task(fetching.fetch_due(means))
    while not elsewhere.asked:
        await asyncio.sleep(0.01)
    # The lease runs out, and somebody else has luck: the first finds a 404 only afterwards.
    async with database.transaction() as session:
        await session.execute(
            update(media).values(attempts=media.c.attempts + 1, file="files/aa/a.jpg", status="READY")
        )
    elsewhere.held.set()
    await slow

    (row,) = await shown(database, shop.mug_product)
    assert (row.status, row.file, row.error) == ("READY", "files/aa/a.jpg", None)


async def test_ill_server_is_asked_again_later_and_given_up_in_the_end(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    elsewhere.is_ill = True
    await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    now = clock.now()
    states = []

    for pause in (timedelta(0), *fetching.PAUSES):
        now += pause
        if pause:
            with time_machine.travel(now - timedelta(seconds=1), tick=False):
                assert await fetching.fetch_due(means) == 0
        now += timedelta(seconds=1)
        with time_machine.travel(now, tick=False):
            assert await fetching.fetch_due(means) == 1
        states.append((await shown(database, shop.mug_product))[0].status)

    assert states == ["PROCESSING"] * 4 + ["FAILED"]
    (row,) = await shown(database, shop.mug_product)
    assert row.error == "The server answers with the status 503."
    assert row.fetch_at is None
    assert (await facts(database))[-1] == ("product.updated", shop.mug_product)


async def test_server_that_recovers_gets_its_picture_shown(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    elsewhere.is_ill = True
    await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    await fetching.fetch_due(means)
    elsewhere.is_ill = False

    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=False):
        assert await fetching.fetch_due(means) == 1

    (row,) = await shown(database, shop.mug_product)
    assert (row.status, row.error) == ("READY", None)


async def test_crashed_worker_leaves_its_work_to_others(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    elsewhere.held = asyncio.Event()
    crashed = asyncio.create_task(fetching.fetch_due(means))
    while not elsewhere.asked:
        await asyncio.sleep(0.01)
    crashed.cancel()
    with suppress(asyncio.CancelledError):
        await crashed
    elsewhere.held.set()

    assert await fetching.fetch_due(means) == 0
    with time_machine.travel(clock.now() + fetching.LEASE + timedelta(seconds=1), tick=False):
        assert await fetching.fetch_due(means) == 1
    assert (await shown(database, shop.mug_product))[0].status == "READY"


async def test_what_will_never_be_a_picture_fails_at_once_and_says_why(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    elsewhere.files |= {
        "/svg": NOT_PICTURES["svg"],
        "/html": NOT_PICTURES["html"],
        "/large": photo() + bytes(1_000_000),
    }
    paths = ("/none", "/svg", "/html", "/large")
    await add(database, shop.mug_product, *(elsewhere.url(path) for path in paths), elsewhere.url("/none?2"))

    await fetching.fetch_due(means)

    rows = await shown(database, shop.mug_product)
    assert [row.status for row in rows] == ["FAILED"] * 5
    assert [row.error.partition(" ")[2][:24] for row in rows[:4]] == [
        "server answers with the ", "isn't taken: it can hold", "is no picture that we kn", "file is larger than 0 MB",
    ]  # fmt: skip


async def test_private_addresses_are_not_called(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    urls = [
        f"http://127.0.0.1:{elsewhere.port}/a.jpg",
        f"http://2130706433:{elsewhere.port}/a.jpg",
        elsewhere.url("/a.jpg"),
    ]
    await add(database, shop.mug_product, *urls)

    await fetching.fetch_due(replace(means, guard=Guard(allows_http=True, resolve=here)))

    rows = await shown(database, shop.mug_product)
    assert [(row.status, row.error) for row in rows] == [("FAILED", "The address doesn't lead to a public server.")] * 3
    assert elsewhere.asked == []


async def test_imported_picture_is_linked_until_it_is_fetched(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    urls = [elsewhere.url(path) for path in ("/a.jpg", "/none.jpg")]
    images = [ImageDraft(url, alt_text="") for url in (*urls, "demo/mug.svg", "https://youtu.be/x")]
    async with database.transaction() as session:
        await service.replace_media(session, shop.mug_product, images)
    linked = await shown(database, shop.mug_product)

    await fetching.fetch_due(means)

    rows = await shown(database, shop.mug_product)
    assert [row.status for row in linked] == ["READY"] * 4
    assert [(row.url, row.status, row.file is None) for row in rows] == [
        (urls[0], "READY", False),
        (urls[1], "READY", True),
        ("demo/mug.svg", "READY", True),
        ("https://youtu.be/x", "READY", True),
    ]
    assert rows[1].error == "The server answers with the status 404."
    # The same file a second time keeps what was fetched.
    async with database.transaction() as session:
        await service.replace_media(session, shop.mug_product, [replace(images[0], alt_text="new"), images[3]])
    again = await shown(database, shop.mug_product)
    assert [(row.id, row.alt_text, row.file) for row in again] == [
        (rows[0].id, "new", rows[0].file),
        (rows[3].id, "", None),
    ]
    assert await fetching.fetch_due(means) == 0


async def test_picture_of_a_product_that_is_gone_is_forgotten(
    database: Database, shop: Shop, elsewhere: Elsewhere, means: Means
) -> None:
    await add(database, shop.mug_product, elsewhere.url("/a.jpg"))
    async with database.transaction() as session:
        await session.execute(delete(media))

    assert await fetching.fetch_due(means) == 0
    async with database.reading() as session:
        assert (await session.execute(select(media))).all() == []
    assert elsewhere.asked == []
