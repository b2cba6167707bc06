"""Is no edit ever lost? Many people change one record at once: of each version one makes the next, and all others are
told who did."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, select

from headless.catalog import history, service
from headless.catalog.collections import service as collection_service
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.models import collections, products, variants
from headless.inventory import bundles
from headless.merchandising import reverting
from headless.merchandising import service as merchandising
from headless.merchandising.repricing import VariantChange
from headless.platform import ids
from headless.platform.db import Database, Record, Session
from headless.platform.errors import InvalidInput, StaleObject
from headless.shop import queries as shop_queries
from headless.teamwork import revisions
from headless.teamwork.rules import Change, Revised
from tests.builders import Shop, persistently

PEOPLE = ("ann", "bob", "cem", "dora", "eve", "finn")
ROUNDS = 3
Edit = Callable[[Session, UUID, int, str], Awaitable[None]]
"""What somebody does to a record in a transaction, having seen a version."""


async def edit_text(session: Session, key: UUID, seen: int, who: str) -> None:
    changes = {"title": f"{who} {seen}"}
    await merchandising.update_product(session, key, expected_version=seen, changes=changes, actor=who)


async def edit_media(session: Session, key: UUID, seen: int, who: str) -> None:
    pictures = Change("media", [], [{"id": ids.encode("media", ids.new()), "altText": who}])
    await service.update_product(session, key, expected_version=seen, changes={}, actor=who, beside=[pictures])


async def revert(session: Session, key: UUID, seen: int, who: str) -> None:
    await reverting.revert_product(session, key, expected_version=seen, to_version=1, actor=who)


async def edit_variant(session: Session, key: UUID, seen: int, who: str) -> None:
    owner = await session.scalar(select(variants.c.product_id).where(variants.c.id == key))
    channel = await shop_queries.channel(session)
    changes = [VariantChange(key, seen, {"barcode": f"{who}-{seen}"})]
    await merchandising.update_variants(session, UUID(str(owner)), changes, channel=channel, actor=who)


async def make_bundle(session: Session, key: UUID, seen: int, who: str) -> None:
    await bundles.set_parts(session, key, {}, expected_version=seen, actor=who)


async def edit_collection(session: Session, key: UUID, seen: int, who: str) -> None:
    changes = {"title": f"{who} {seen}"}
    await collection_service.change(session, key, expected_version=seen, changes=changes, actor=who)


async def row_of(database: Database, table: Table, key: UUID) -> Record:
    async with database.reading() as session:
        return (await session.execute(select(table).where(table.c.id == key))).one()


async def history_of(database: Database, record_type: str, key: UUID) -> list[Revised]:
    async with database.reading() as session:
        return await revisions.since(session, record_type, key, 0)


async def attempt(database: Database, edit: Edit, key: UUID, seen: int, who: str) -> StaleObject | None:
    """Somebody's edit; answer why it was refused, if it was."""
    try:
        async with database.transaction() as session:
            await edit(session, key, seen, who)
    except StaleObject as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("record_type", "edits"),
    [
        ("product", [edit_text]),
        ("product", [edit_text, edit_media, revert]),
        ("variant", [edit_variant]),
        ("variant", [edit_variant, make_bundle]),
        ("collection", [edit_collection]),
    ],
    ids=["texts", "texts, media and reverts", "variants", "variants and bundles", "collections"],
)
async def test_of_many_edits_of_a_version_one_wins_and_the_others_are_told_whose(
    database: Database, shop: Shop, record_type: str, edits: Sequence[Edit]
) -> None:
    async with database.transaction() as session:
        key = {"product": shop.secret_product, "variant": shop.poster}.get(record_type) or (
            await collection_service.create(session, CollectionDraft(title="All"), actor="zoe")
        )
    table = {"product": products, "variant": variants, "collection": collections}[record_type]
    first = (await row_of(database, table, key)).version
    if first == 1:
        # There is something to go back to.
        assert await attempt(database, edits[0], key, first, "zoe") is None
        first += 1

    for seen in range(first, first + ROUNDS):
        refusals = await asyncio.gather(
            *(
                persistently(attempt, database, edits[nth % len(edits)], key, seen, who)
                for nth, who in enumerate(PEOPLE)
            )
        )

        (winner,) = (who for who, refusal in zip(PEOPLE, refusals, strict=True) if refusal is None)
        row = await row_of(database, table, key)
        assert row.version == seen + 1
        for refusal in refusals:
            if refusal is not None:
                (told,) = refusal.revisions
                assert isinstance(told, Revised)
                assert (told.version, told.actor) == (seen + 1, winner)
                assert f"it is now version {seen + 1}: {winner} changed " in refusal.message
    written = await history_of(database, record_type, key)
    assert [one.version for one in written] == list(range(1, first + ROUNDS + 1))


async def test_everyone_who_tries_again_gets_his_word_in(database: Database, shop: Shop) -> None:
    key, table = shop.mug_product, products
    begin: Any = (await row_of(database, table, key)).version

    async def put(who: str, nth: int) -> None:
        while True:
            row = await row_of(database, table, key)

            async def tag(session: Session, key: UUID, seen: int, who: str, tags: Sequence[str] = row.tags) -> None:
                changes = {"tags": [*tags, f"{who}{nth}"]}
                await merchandising.update_product(session, key, expected_version=seen, changes=changes, actor=who)

            if await persistently(attempt, database, tag, key, row.version, who) is None:
                return

    async def write(who: str) -> None:
        for nth in range(ROUNDS):
            await put(who, nth)

    await asyncio.gather(*(write(who) for who in PEOPLE))

    row = await row_of(database, table, key)
    edits = len(PEOPLE) * ROUNDS
    assert sorted(row.tags) == sorted(f"{who}{nth}" for who in PEOPLE for nth in range(ROUNDS))
    assert row.version == begin + edits
    written = await history_of(database, "product", key)
    assert [one.version for one in written] == list(range(1, begin + edits + 1))
    state: Any = []
    for one in written[begin:]:
        (change,) = one.changes
        assert change.before == state
        state = change.after
    assert state == row.tags


async def test_refused_transaction_leaves_no_revision_behind(database: Database, shop: Shop) -> None:
    async def fail(session: Session, key: UUID, seen: int, who: str) -> None:
        row = await service.locked_product(session, key)
        await history.change_product(session, row, {"vendor": "Acme"}, actor=who)
        raise InvalidInput

    with pytest.raises(InvalidInput):
        await attempt(database, fail, shop.mug_product, 2, "ann")

    assert [one.version for one in await history_of(database, "product", shop.mug_product)] == [1, 2]
