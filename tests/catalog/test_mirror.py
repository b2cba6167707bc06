"""Do the sets in memory tell what the database would count, whatever was done since they were read?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap64
from sqlalchemy import delete, select, update

from headless.cart.events import CartChanged
from headless.catalog import publishing, service
from headless.catalog.categories import service as categories
from headless.catalog.categories.models import categories as category_rows
from headless.catalog.categories.service import CategoryDraft
from headless.catalog.collections import service as collections
from headless.catalog.collections.service import CollectionDraft
from headless.catalog.metafields import defining
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.models import definitions
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place
from headless.catalog.metafields.service import Wish as MetafieldWish
from headless.catalog.models import collections as collection_rows
from headless.catalog.models import products
from headless.catalog.search import counting, index, lists, news
from headless.catalog.search import mirror as mirrors
from headless.catalog.search.bitmaps import Amounts
from headless.catalog.search.filters import Available, Category, Has, Metafield, Price
from headless.catalog.search.mirror import Mirror
from headless.catalog.search.models import documents
from headless.catalog.search.wishes import Wish
from headless.graphql.context import COUNTLESS, OF_VARIANTS
from headless.platform import clock, outbox
from headless.platform.db import Database, Session
from headless.platform.errors import Refusal, Refused
from headless.shop import service as shop_service
from tests.builders import Shop
from tests.catalog.deeds import KINDS, Deed, do
from tests.catalog.mirrors import PATIENCE, assert_is_right, assert_is_right_now, loaded, number, told
from tests.catalog.shelves import Item, fill, put, wish

Harm = Callable[[Session], Awaitable[None]]
WORDS = ("Blue Lamp", "öl", "T-Shirt", "lamp", "LAMP")
TYPES = ("text", "integer", "list.text")
VALUES = {"text": '"{}"', "integer": "{}", "list.text": '["{}", "x"]'}


@given(st.lists(st.integers(0, 2**50), max_size=30), st.integers(-5, 2**51), st.integers(-5, 2**51))
def test_ranges_of_amounts_are_those_of_the_numbers(amounts: list[int], least: int, most: int) -> None:
    sliced, everything = Amounts(), BitMap64(range(len(amounts)))
    half = len(amounts) // 2
    sliced.put((amount, [nth]) for nth, amount in enumerate(amounts[:half]))
    sliced.put((amount, [nth]) for nth, amount in enumerate(amounts[half:], start=half))

    assert list(sliced.at_least(least, everything)) == [nth for nth, one in enumerate(amounts) if one >= least]
    assert list(sliced.at_most(most, everything)) == [nth for nth, one in enumerate(amounts) if one <= most]
    for one in amounts:
        assert amounts.index(one) in sliced.at_most(one, sliced.at_least(one, everything))
    if amounts:
        assert (sliced.least(everything), sliced.most(everything)) == (min(amounts), max(amounts))


OF_ONE = ("later", "place", "collect", "metafield", "rewrite")
OF_SHOP = ("category", "move", "leave", "collection", "public", "channel", "number", "pass")
DEEDS = st.lists(
    st.tuples(
        st.sampled_from([*KINDS, *OF_ONE, *OF_SHOP]), st.integers(0, 3), st.sampled_from(WORDS), st.integers(0, 5)
    ),
    min_size=4,
    max_size=14,
)


async def _do(session: Session, shop: Shop, deed: Deed) -> None:
    if deed[0] in KINDS:
        await do(session, shop, deed)
    elif deed[0] in OF_ONE:
        await _do_to_one(session, shop, deed)
    else:
        await _do_to_shop(session, shop, deed)


async def _do_to_one(session: Session, shop: Shop, deed: Deed) -> None:
    kind, which, word, number = deed
    ids = list(await session.scalars(select(products.c.id).order_by(products.c.id)))
    product_id = ids[which % len(ids)]
    version = await session.scalar(select(products.c.version).where(products.c.id == product_id)) or 0
    match kind:
        case "later":  # or, with a number of 0, now
            at = clock.now() + timedelta(minutes=number)
            await publishing.publish(session, product_id, channel_id=shop.channel_id, at=at)
        case "place":
            at_hand = list(await session.scalars(select(category_rows.c.id).order_by(category_rows.c.id)))
            changes = {"category_id": at_hand[number % len(at_hand)]}
            await service.update_product(session, product_id, expected_version=version, changes=changes, actor="anna")
        case "collect":
            held = list(await session.scalars(select(collection_rows.c.id).order_by(collection_rows.c.id)))
            change_members = collections.remove_products if number == 0 else collections.add_products
            await change_members(session, held[number % len(held)], [product_id])
        case "metafield":
            name = TYPES[number % len(TYPES)]
            value = VALUES[name].format(which if name == "integer" else word)
            place = Place(MetafieldOwner.PRODUCT, product_id, "facts", name.replace(".", "_"))
            await metafields.set_metafields(session, [MetafieldWish(place, value.strip('"'))])
        case _:
            await index.rewrite(session, [product_id])


async def _do_to_shop(session: Session, shop: Shop, deed: Deed) -> None:
    kind, which, word, number = deed
    known = list(await session.scalars(select(category_rows.c.id).order_by(category_rows.c.id)))
    match kind:
        case "category":
            parent_id = known[which % len(known)] if number else None
            await categories.create(session, CategoryDraft(f"{word} {number}", parent_id=parent_id), actor="anna")
        case "move":
            parent_id = known[number % len(known)] if number else None
            await categories.move(session, known[which % len(known)], parent_id=parent_id, actor="anna")
        case "leave":
            await categories.remove(session, known[which % len(known)])
        case "collection":
            await collections.create(session, CollectionDraft(f"{word} {which}"), actor="anna")
        case "public":
            wanted = definitions.c.key == TYPES[which % len(TYPES)].replace(".", "_")
            row = (await session.execute(select(definitions).where(wanted))).one()
            changes = {"is_public": number % 2 == 0, "is_filterable": number > 0}
            await defining.change(session, row.id, expected_version=row.version, changes=changes, actor="anna")
        case "channel":
            await shop_service.update_channel(session, shop.channel_id, {"name": word})
        case _:
            await outbox.number(session)


async def _prepare(session: Session, shop: Shop) -> None:
    for name in TYPES:
        draft = DefinitionDraft(
            MetafieldOwner.PRODUCT, "facts", name.replace(".", "_"), name, name, is_filterable=True, is_public=True
        )
        await defining.create(session, draft, actor="anna")
    top = await categories.create(session, CategoryDraft("Top"), actor="anna")
    await categories.create(session, CategoryDraft("Below", parent_id=top), actor="anna")
    await collections.create(session, CollectionDraft("Some", product_ids=[shop.mug_product]), actor="anna")


async def _wishes(session: Session, shop: Shop) -> list[Wish]:
    """Lists of every kind, narrowed in every way."""
    below = (
        await session.execute(select(category_rows.c.id, category_rows.c.path).order_by(category_rows.c.path))
    ).first()
    collection_id = await session.scalar(select(collection_rows.c.id).order_by(collection_rows.c.id).limit(1))
    lamp, red = Has("vendor", "blue lamp"), Has("option.color", "red")
    single, many = Metafield("facts", "text", "lamp"), Metafield("facts", "list_text", "x", sees_private=True)
    of_category = () if below is None else (Category(below.id),)
    return [
        wish(shop),
        wish(shop, sees_hidden=True),
        wish(shop, "lamp"),
        wish(shop, "nobody has this"),
        wish(shop, "-lamp price:>1 vendor:b* OR tag:x -title:shirt sku:MUG*"),
        wish(shop, "available:true price:<=300 -price:100", sees_hidden=True),
        wish(shop, "status:active created_at:>2020-01-01 OR handle:mug", red, sees_hidden=True),
        wish(shop, "", lamp, Has("vendor", "ol"), red, Price(100, 400)),
        wish(shop, "", Available(is_available=True), Price(None, 0), Price(5, None), sees_hidden=True),
        wish(shop, "", single, many),
        wish(shop, "", Metafield("facts", "integer", "2"), Metafield("facts", "integer", "no"), *of_category),
        replace(wish(shop, "lamp OR shirt", red), collection_id=collection_id),
        replace(wish(shop, "", *of_category, sees_hidden=True), category_path=below.path if below else "/none/"),
    ]


# Not shrunk: each example takes seconds.
@settings(
    max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=DEEDS, expects_news=st.booleans())
async def test_whatever_is_done_it_tells_what_would_be_counted(
    database: Database, shop: Shop, deeds: Sequence[Deed], expects_news: bool
) -> None:
    with time_machine.travel(clock.now(), tick=False) as now:
        async with database.transaction() as session:
            if await session.scalar(select(definitions.c.id).limit(1)) is None:
                await _prepare(session, shop)
        mirror, wishes = await loaded(database), [wish(shop)]
        mirror._position = None if expects_news else lambda: 0
        for nth, deed in enumerate(deeds):
            try:
                async with database.transaction() as session:
                    await _do(session, shop, deed)
            except (Refusal, Refused, IndexError, ZeroDivisionError):
                continue
            if deed[0] == "pass":
                now.shift(timedelta(minutes=deed[3]))
            async with database.reading() as session:
                wishes = await _wishes(session, shop)
                if await told(session, mirror, wishes[0]) is None:
                    assert deed[0] in {"public", "channel", "rewrite"}, "all else can be taken in"
                    assert mirror.size == 0
                    await number(database)
                    await mirror._load(database)
            await assert_is_right_now(database, mirror, wishes[nth % len(wishes)])
        await assert_is_right_now(database, mirror, *wishes)


async def test_it_reads_once_where_nothing_happened(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = await loaded(database)
    places = []
    ask = mirror._log.news

    async def asked(session: Session, after: outbox.Place) -> news.News:
        places.append(after.position)
        return await ask(session, after)

    monkeypatch.setattr(mirror._log, "news", asked)
    for _ in range(2):
        await mirror._keep_up(database)
    await fill(database, shop, Item("New", "Acme"))
    await number(database)
    await mirror._keep_up(database)
    await mirror._keep_up(database)

    before, after = places[0], mirror._place.position
    assert places == [before, before, before, after, after]
    assert before < after


async def test_it_stays_at_the_log_s_end_by_itself(database: Database, shop: Shop) -> None:
    mirror = Mirror(besides=COUNTLESS, of_variants=OF_VARIANTS)
    await number(database)
    async with database.reading() as session:
        head = await outbox.position(session)
    following = asyncio.create_task(mirror.follow(database, lambda: head))
    async with asyncio.timeout(20):
        while not mirror.size:
            await asyncio.sleep(0.01)
    size = mirror.size
    await fill(database, shop, Item("New", "Acme"))
    await number(database)
    async with database.reading() as session:
        head = await outbox.position(session)
    async with asyncio.timeout(20):
        while mirror._place.position < head:
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)

    assert mirror.size == size + 1
    await assert_is_right_now(database, mirror, wish(shop), wish(shop, sees_hidden=True))


async def test_who_asks_in_an_older_state_is_told_a_newer_one_and_spoils_nothing(
    database: Database, shop: Shop
) -> None:
    mirror, everything, named = await loaded(database), wish(shop), wish(shop, "new")
    async with database.reading() as older:
        before = await lists.count(older, everything)
        await fill(database, shop, Item("New", "Acme"))
        await number(database)
        async with database.reading() as newer:
            await assert_is_right(newer, mirror, everything)
        assert await counting.size(older, mirror, everything) == before + 1
        assert await counting.size(older, mirror, named) == 0, "words are looked for in the older state"
    await assert_is_right_now(database, mirror, everything, named)


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two facts are too many to be taken in at once."""
    for module in (mirrors, news):
        monkeypatch.setattr(module, "MOST_NEWS", 2)


async def test_more_news_than_can_be_waited_for_is_taken_in_later_and_in_parts(
    database: Database, shop: Shop, two_at_once: None
) -> None:
    mirror = await loaded(database)
    await fill(database, shop, *(Item(f"New {nth}", "Acme") for nth in range(5)))
    await number(database)

    async with database.reading() as session:
        assert await told(session, mirror, wish(shop)) is None
        assert await lists.count(session, wish(shop), mirror) == await lists.count(session, wish(shop))
        assert mirror.size, "it isn't given up"
        parts = 0
        while mirror._place.position < await outbox.position(session):
            assert await mirror._take_in(session, await mirror._log.news(session, mirror._place), is_patient=True)
            parts += 1
    assert parts > 2
    await assert_is_right_now(database, mirror, wish(shop), wish(shop, sees_hidden=True))


async def test_more_news_than_is_read_at_once_is_read_though_some_of_it_had_no_position(
    database: Database, shop: Shop, two_at_once: None
) -> None:
    mirror = await loaded(database)
    for nth in range(5):
        await fill(database, shop, Item(f"New {nth}", "Acme"))

    await mirror._keep_up(database)
    await number(database)
    await mirror._keep_up(database)

    await assert_is_right_now(database, mirror, wish(shop), wish(shop, sees_hidden=True))


async def _forget_facts(session: Session) -> None:
    await session.execute(delete(outbox.facts))


async def _another_log(session: Session) -> None:
    await session.execute(update(outbox.facts).values(id=UUID(int=1)).where(outbox.facts.c.position == 2))


class Surprise(CartChanged):
    topic = "surprise.happened"


async def _surprise(session: Session) -> None:
    outbox.record(session, Surprise(UUID(int=1)))


@pytest.mark.parametrize("harm", [_forget_facts, _another_log, _surprise])
async def test_what_it_can_not_go_on_from_has_everything_read_anew(database: Database, shop: Shop, harm: Harm) -> None:
    mirror = await loaded(database)
    if harm is _another_log:
        mirror._place = outbox.Place(2, b"1234")
    await fill(database, shop, Item("New", "Acme"))
    await number(database)
    async with database.transaction() as session:
        await harm(session)
    await number(database)

    async with database.reading() as session:
        assert await told(session, mirror, wish(shop)) is None
        counted = await lists.count(session, wish(shop), mirror)
    assert mirror.size == 0
    await mirror._load(database)

    await assert_is_right_now(database, mirror, wish(shop))
    async with database.reading() as session:
        assert await counting.size(session, mirror, wish(shop)) == counted


async def test_what_would_be_read_again_at_once_is_not_read_yet(database: Database, shop: Shop) -> None:
    mirror = await loaded(database)
    async with database.transaction() as session:
        outbox.record(session, Surprise(UUID(int=1)))
    async with database.reading() as session:
        assert await told(session, mirror, wish(shop)) is None

    await mirror._load(database)
    assert mirror.size == 0
    await number(database)
    await mirror._load(database)

    await assert_is_right_now(database, mirror, wish(shop))


async def test_what_changes_no_list_has_nothing_counted_again(database: Database, shop: Shop) -> None:
    mirror, asked = await loaded(database), wish(shop, "mug", Has("vendor", "acme"))
    await assert_is_right_now(database, mirror, asked)
    kept = dict(mirror._kept)
    async with database.transaction() as session:
        outbox.record(session, CartChanged(shop.mug_product))
    await number(database)

    await assert_is_right_now(database, mirror, asked)

    assert mirror._kept == kept != {}


async def test_products_that_have_no_number_yet_are_waited_for(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(delete(documents))
    mirror = await loaded(database)
    assert mirror.size == 0

    await index.complete(database)
    await mirror._load(database)

    assert mirror.size > 0
    await assert_is_right_now(database, mirror, wish(shop), wish(shop, "mug"))


async def test_many_who_ask_while_many_change_are_told_the_truth(database: Database, shop: Shop) -> None:
    mirror, is_over = await loaded(database), asyncio.Event()

    async def change(nth: int) -> None:
        for turn in range(6):
            async with database.transaction(patience=PATIENCE) as session:
                await put(session, shop, Item(f"Lamp {nth} {turn}", "Acme", tags=("x",), price=100 * turn + 100))
            await number(database)

    async def ask() -> int:
        last = asked = 0
        while not is_over.is_set():
            async with database.reading() as session:
                counted = await lists.count(session, wish(shop, "", Has("tag", "x")))
                size = await counting.size(session, mirror, wish(shop, "", Has("tag", "x")))
            assert size is not None
            assert size >= counted, "never older than what the session sees"
            assert size >= last, "never back"
            last, asked = size, asked + 1
        return asked

    async with asyncio.TaskGroup() as tasks:
        askers = [tasks.create_task(ask()) for _ in range(3)]
        changing = [tasks.create_task(change(nth)) for nth in range(2)]
        await asyncio.wait(changing)
        is_over.set()
    assert all(asker.result() for asker in askers)

    await assert_is_right_now(database, mirror, wish(shop), wish(shop, "lamp", Has("tag", "x")))
    async with database.reading() as session:
        assert await counting.size(session, mirror, wish(shop, "", Has("tag", "x"))) == 12
