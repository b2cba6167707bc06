"""Is every row of a list read once, whatever is written meanwhile?"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from headless.catalog.models import collections
from headless.inventory.models import locations
from headless.platform import crypto, ids, pages
from headless.platform.db import Database, Session
from headless.platform.errors import BadUserInput
from headless.platform.pages import Order, Slice, Window

c = collections.c
START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = {
    "text": Order("TITLE", (c.title_key, c.id)),
    "time": Order("CREATED_AT", (c.created_at, c.id)),
    "id": Order("ID", (c.id,)),
    "number": Order("VERSION", (c.version, c.id)),
    "negated": Order("LEAST", (-c.version, c.id)),
}


async def write(session: Session, rows: Sequence[tuple[str, int]]) -> list[UUID]:
    made = [(ids.new(), title, day) for title, day in rows]
    if made:
        await session.execute(
            insert(collections),
            [
                {
                    "id": row_id,
                    "handle": row_id.hex,
                    "title": title,
                    "title_key": title,
                    "description_html": "",
                    "description": "",
                    "version": day + 1,
                    "created_at": START + timedelta(days=day),
                    "updated_at": START,
                }
                for row_id, title, day in made
            ],
        )
    return [row_id for row_id, _title, _day in made]


async def page(session: Session, order: Order, window: Window) -> Slice:
    async def count(_session: Session) -> int:
        return 0

    return await pages.fetch(session, select(c.id, c.title), order=order, window=window, count=count)


async def everything(session: Session, order: Order) -> list[UUID]:
    return [row.id for row in (await page(session, order, Window(limit=250))).rows]


rows = st.lists(st.tuples(st.sampled_from(["a", "b", "ä", "zz", ""]), st.integers(0, 3)), max_size=12)
# Between two pages: how many rows come, which of the first ones go.
events = st.lists(st.tuples(rows.filter(lambda some: len(some) < 4), st.integers(0, 3)), max_size=8)


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("is_descending", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=rows, between=events, limit=st.integers(1, 4), is_backward=st.booleans())
async def test_rows_are_neither_skipped_nor_repeated_while_others_come_and_go(
    database: Database,
    name: str,
    is_descending: bool,
    before: list[tuple[str, int]],
    between: list[tuple[list[tuple[str, int]], int]],
    limit: int,
    is_backward: bool,
) -> None:
    order = Order(ORDERS[name].name, ORDERS[name].columns, is_descending=is_descending)
    async with database.transaction() as session:
        await session.execute(delete(collections))
        lasting = set(await write(session, before))
    seen: list[UUID] = []
    passing: list[UUID] = []
    waiting = list(between)
    window = Window(limit=limit, is_backward=is_backward)

    while True:
        async with database.reading() as session:
            found = await page(session, order, window)
        got = [row.id for row in found.rows]
        seen = [*got, *seen] if is_backward else [*seen, *got]
        if not (found.has_previous if is_backward else found.has_next):
            break
        if is_backward:
            window = Window(limit=limit, is_backward=True, before=found.cursors[0])
        else:
            window = Window(limit=limit, after=found.cursors[-1])
        if waiting:
            fresh, gone = waiting.pop()
            async with database.transaction() as session:
                await session.execute(delete(collections).where(c.id.in_(passing[:gone])))
                passing = [*passing[gone:], *await write(session, fresh)]

    async with database.reading() as session:
        left = await everything(session, order)
    assert len(set(seen)) == len(seen)
    assert lasting <= set(seen)
    assert [row_id for row_id in left if row_id in lasting] == [row_id for row_id in seen if row_id in lasting]


async def test_page_knows_whether_there_is_more_on_either_side(database: Database) -> None:
    order = ORDERS["text"]
    async with database.transaction() as session:
        await write(session, [(title, 0) for title in "abcde"])

    async with database.reading() as session:
        first = await page(session, order, Window(limit=2))
        middle = await page(session, order, Window(limit=2, after=first.cursors[-1]))
        rest = await page(session, order, Window(limit=2, after=middle.cursors[-1]))
        last = await page(session, order, Window(limit=2, is_backward=True))
        back = await page(session, order, Window(limit=2, is_backward=True, before=last.cursors[0]))
        nothing = await page(session, order, Window(limit=0))
        between = await page(session, order, Window(limit=9, after=first.cursors[0], before=last.cursors[-1]))

    def titles(found: Slice) -> str:
        return "".join(row.title for row in found.rows)

    assert [titles(found) for found in (first, middle, rest, last, back, nothing, between)] == [
        "ab", "cd", "e", "de", "bc", "", "bcd",
    ]  # fmt: skip
    assert [(found.has_previous, found.has_next) for found in (first, middle, rest, last, back)] == [
        (False, True),
        (True, True),
        (True, False),
        (True, False),
        (True, True),
    ]
    assert (nothing.has_previous, nothing.has_next) == (False, True)


def forged(*values: Any) -> str:
    return crypto.b64(orjson.dumps(list(values)))


A_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "%%%",
        "é",
        crypto.b64(b"\xff"),
        crypto.b64(b"null"),
        crypto.b64(b"{}"),
        forged(),
        forged("POSITION", 1),
        forged("POSITION", 1, A_UUID, 1),
        forged("OTHER", 1, A_UUID),
        forged("POSITION-", 1, A_UUID),
        forged("POSITION", "1", A_UUID),
        crypto.b64(f'["POSITION",true,"{A_UUID}"]'.encode()),
        forged("POSITION", 1.5, A_UUID),
        forged("POSITION", None, A_UUID),
        forged("POSITION", 2**31, A_UUID),
        forged("POSITION", -(2**63), A_UUID),
        forged("POSITION", 1, "1"),
        forged("POSITION", 1, None),
        forged("POSITION", 1, [A_UUID]),
    ],
)
async def test_foreign_and_forged_cursors_are_refused(database: Database, cursor: str) -> None:
    order = Order("POSITION", (locations.c.position, locations.c.id))

    async def count(_session: Session) -> int:
        return 0

    async with database.reading() as session:
        with pytest.raises(BadUserInput):
            await pages.fetch(session, select(locations), order=order, window=Window(after=cursor), count=count)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", "a\0b"),
        ("text", 1),
        ("time", "2026-01-01T00:00:00"),
        ("time", "tomorrow"),
        ("time", "9999-12-31T23:59:59-23:00"),
        ("negated", 2**31),
    ],
)
async def test_cursors_of_a_wrong_kind_are_refused(database: Database, name: str, value: object) -> None:
    order = ORDERS[name]

    async with database.reading() as session:
        with pytest.raises(BadUserInput):
            await page(session, order, Window(after=forged(order.name, value, A_UUID)))


@pytest.mark.parametrize(
    "arguments",
    [
        (1, None, 1, None),
        (-1, None, None, None),
        (251, None, None, None),
        (None, None, -1, None),
        (None, None, 251, None),
    ],
)
def test_impossible_windows_are_refused(arguments: tuple[int | None, None, int | None, None]) -> None:
    with pytest.raises(BadUserInput):
        pages.window(*arguments)


def test_windows_default_to_the_first_twenty() -> None:
    assert pages.window(None, None, None, None) == Window(limit=20)
    assert pages.window(0, "", None, None) == Window(limit=0)
    assert pages.window(None, None, 3, "x") == Window(limit=3, is_backward=True, before="x")


@given(st.lists(st.uuids(), unique=True, max_size=8), st.integers(1, 3))
def test_lists_in_memory_are_cut_into_pages(keys: list[UUID], limit: int) -> None:
    forward: list[UUID] = []
    cursor = None
    while True:
        found = pages.slice_of(keys, key=lambda key: key, window=Window(limit=limit, after=cursor))
        forward += found.rows
        if not found.has_next:
            break
        cursor = found.cursors[-1]

    assert forward == keys
