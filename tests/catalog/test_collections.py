"""Do collections hold what people put into them, or what their rules say, whatever happens in between?"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from headless.catalog.collections import membership, service
from headless.catalog.collections.rules import Rule, RuleColumn, RuleRelation, RuleSet
from headless.catalog.collections.service import CollectionDraft, Move
from headless.catalog.errors import CollectionHasRules
from headless.catalog.metafields import defining
from headless.catalog.metafields import service as metafields
from headless.catalog.metafields.defining import DefinitionDraft
from headless.catalog.metafields.rules import MetafieldOwner
from headless.catalog.metafields.service import Place, Wish
from headless.catalog.models import collection_products, collections, products
from headless.merchandising import collecting
from headless.merchandising import service as merchandising
from headless.platform import clock, failpoints, ids, outbox
from headless.platform.db import Database
from headless.platform.errors import InvalidInput, NotFound, Refusal, StaleObject, Taken
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop, recording, stock

EQUALS, NOT_EQUALS = RuleRelation.EQUALS, RuleRelation.NOT_EQUALS
IN_STOCK = RuleSet(is_any=False, rules=(Rule(RuleColumn.AVAILABILITY, EQUALS, "true"),))
SALE = RuleSet(is_any=False, rules=(Rule(RuleColumn.TAG, EQUALS, "Summer Sale"),))


async def make(database: Database, title: str, rule_set: RuleSet | None = None, *product_ids: UUID) -> UUID:
    async with database.transaction() as session:
        return await service.create(
            session, CollectionDraft(title=title, rule_set=rule_set, product_ids=product_ids), actor="tester"
        )


async def number(database: Database) -> None:
    async with database.transaction() as session:
        while len(await outbox.number(session)) == outbox.BATCH:
            pass


async def follow(database: Database) -> None:
    await number(database)
    await collecting.collect(database)


async def held(database: Database, collection_id: UUID) -> list[UUID]:
    c = collection_products.c
    async with database.reading() as session:
        return list(
            await session.scalars(
                select(c.product_id).where(c.collection_id == collection_id).order_by(c.position, c.product_id)
            )
        )


async def change(database: Database, product_id: UUID, **changes: Any) -> None:
    async with database.transaction() as session:
        version = await session.scalar(select(products.c.version).where(products.c.id == product_id))
        await merchandising.update_product(
            session, product_id, expected_version=int(version or 0), changes=changes, actor="tester"
        )


async def test_people_put_products_in_order(database: Database, shop: Shop) -> None:
    collection_id = await make(database, "Gifts", None, shop.shirt_product, shop.mug_product)

    async with recording(database) as facts, database.transaction() as session:
        await service.add_products(
            session, collection_id, [shop.mug_product, shop.poster_product, shop.voucher_product]
        )
    assert facts.topics == ["collection.updated"]
    assert await held(database, collection_id) == [
        shop.shirt_product, shop.mug_product, shop.poster_product, shop.voucher_product,
    ]  # fmt: skip

    async with database.transaction() as session:
        await service.reorder_products(
            session,
            collection_id,
            [Move(shop.voucher_product, 0), Move(shop.shirt_product, 2), Move(shop.mug_product, 99)],
        )
    assert await held(database, collection_id) == [
        shop.voucher_product, shop.shirt_product, shop.poster_product, shop.mug_product,
    ]  # fmt: skip

    async with database.transaction() as session:
        await service.remove_products(session, collection_id, [shop.shirt_product, shop.secret_product])
    assert await held(database, collection_id) == [shop.voucher_product, shop.poster_product, shop.mug_product]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), max_size=12))
async def test_any_moves_end_in_the_order_of_a_list(
    database: Database, shop: Shop, moves: Sequence[tuple[int, int]]
) -> None:
    ones = [shop.mug_product, shop.shirt_product, shop.voucher_product, shop.poster_product, shop.secret_product]
    collection_id = await make(database, "Moved", None, *ones)
    wanted = list(ones)

    async with database.transaction() as session:
        await service.reorder_products(session, collection_id, [Move(ones[which], place) for which, place in moves])
    for which, place in moves:
        wanted.remove(ones[which])
        wanted.insert(place, ones[which])

    assert await held(database, collection_id) == wanted


async def test_what_does_not_fit_is_refused_and_changes_nothing(database: Database, shop: Shop) -> None:
    by_hand, by_rules = (
        await make(database, "Gifts", None, shop.mug_product),
        await make(database, "In stock", IN_STOCK),
    )
    gone = ids.new()

    async def refused(kind: type[Refusal], path: tuple[str, ...], do: Any, *args: Any, **named: Any) -> None:
        with pytest.raises(kind) as refusal:
            async with database.transaction() as session:
                await do(session, *args, **named)
        assert refusal.value.field == path

    await refused(CollectionHasRules, ("id",), service.add_products, by_rules, [shop.mug_product])
    await refused(CollectionHasRules, ("id",), service.remove_products, by_rules, [shop.mug_product])
    await refused(CollectionHasRules, ("id",), service.reorder_products, by_rules, [])
    await refused(NotFound, ("productIds", "1"), service.add_products, by_hand, [shop.poster_product, gone])
    await refused(NotFound, ("id",), service.add_products, gone, [])
    await refused(NotFound, ("moves", "0", "id"), service.reorder_products, by_hand, [Move(shop.poster_product, 0)])
    await refused(
        InvalidInput, ("moves", "0", "newPosition"), service.reorder_products, by_hand, [Move(shop.mug_product, -1)]
    )
    await refused(InvalidInput, ("productIds",), service.add_products, by_hand, [shop.poster_product] * 251)
    await refused(StaleObject, ("expectedVersion",), service.change, by_hand, expected_version=2, changes={}, actor="t")
    await refused(StaleObject, ("expectedVersion",), service.remove, by_hand, expected_version=2)
    await refused(
        Taken, ("handle",), service.change, by_hand, expected_version=1, changes={"handle": "in-stock"}, actor="t"
    )  # fmt: skip
    for rule, name in (
        (Rule(RuleColumn.TAG, RuleRelation.CONTAINS, "a"), "relation"),
        (Rule(RuleColumn.PRICE, EQUALS, "cheap"), "condition"),
        (Rule(RuleColumn.PRICE, EQUALS, "NaN"), "condition"),
        (Rule(RuleColumn.AVAILABILITY, EQUALS, "yes"), "condition"),
        (Rule(RuleColumn.TITLE, EQUALS, " "), "condition"),
        (Rule(RuleColumn.METAFIELD, EQUALS, "a"), "metafield"),
        (Rule(RuleColumn.TITLE, EQUALS, "a", "specs", "color"), "metafield"),
        (Rule(RuleColumn.METAFIELD, EQUALS, "a", "specs", "color"), "metafield"),
    ):
        changes = {"rule_set": RuleSet(is_any=False, rules=(rule,))}
        path = ("ruleSet", "rules", "0", name)
        await refused(InvalidInput, path, service.change, by_hand, expected_version=1, changes=changes, actor="t")

    assert await held(database, by_hand) == [shop.mug_product]


async def test_of_a_changed_product_collections_look_at_that_one_alone(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sale, stocked = await make(database, "Sale", SALE), await make(database, "In stock", IN_STOCK)
    await follow(database)
    assert await held(database, sale) == []
    assert await held(database, stocked) == [
        shop.mug_product,
        shop.shirt_product,
        shop.voucher_product,
        shop.secret_product,
    ]
    looked: list[set[UUID]] = []
    evaluate = membership.differences

    async def watched(session: Any, product_ids: Any, **named: Any) -> Any:
        looked.append(set(product_ids))
        return await evaluate(session, product_ids, **named)

    monkeypatch.setattr(membership, "differences", watched)

    await change(database, shop.poster_product, tags=["SUMMER sale"])
    async with recording(database) as facts:
        await follow(database)
    assert await held(database, sale) == [shop.poster_product]
    assert facts.found == [("collection.updated", {"collection_id": str(sale)})]

    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 0})
    await follow(database)
    assert await held(database, stocked) == [shop.shirt_product, shop.voucher_product, shop.secret_product]

    async with recording(database) as facts:
        await follow(database)
    assert facts.found == []
    assert looked == [{shop.poster_product}, {shop.mug_product}]


async def test_new_rules_are_applied_to_one_collection_and_old_ones_leave_their_products(
    database: Database, shop: Shop
) -> None:
    collection_id = await make(database, "Some", None, shop.poster_product, shop.mug_product)
    below = Rule(RuleColumn.PRICE, RuleRelation.LESS_THAN, "12.90")
    cheap = RuleSet(is_any=True, rules=(below, Rule(RuleColumn.TITLE, RuleRelation.STARTS_WITH, "SHI")))

    async with database.transaction() as session:
        await service.change(session, collection_id, expected_version=1, changes={"rule_set": cheap}, actor="t")
    await follow(database)
    assert await held(database, collection_id) == [shop.shirt_product, shop.poster_product]

    async with database.transaction() as session:
        await service.change(session, collection_id, expected_version=2, changes={"rule_set": None}, actor="t")
        await service.reorder_products(session, collection_id, [Move(shop.poster_product, 0)])
    await follow(database)
    assert await held(database, collection_id) == [shop.poster_product, shop.shirt_product]


async def test_rules_about_metafields_follow_values_and_definitions(database: Database, shop: Shop) -> None:
    draft = DefinitionDraft(
        owner=MetafieldOwner.PRODUCT, namespace="specs", key="height", name="H", type="integer", is_filterable=True
    )
    async with database.transaction() as session:
        definition_id = await defining.create(session, draft, actor="t")
    tall = await make(
        database, "Tall",
        RuleSet(is_any=False, rules=(Rule(RuleColumn.METAFIELD, RuleRelation.GREATER_THAN, "9", "specs", "height"),)),
    )  # fmt: skip
    async with database.transaction() as session:
        await metafields.set_metafields(
            session,
            [
                Wish(Place(MetafieldOwner.PRODUCT, product_id, "specs", "height"), height)
                for product_id, height in ((shop.mug_product, "10"), (shop.shirt_product, "-70"))
            ],
        )
    await follow(database)
    assert await held(database, tall) == [shop.mug_product]

    async with database.transaction() as session:
        await defining.change(session, definition_id, expected_version=1, changes={"is_filterable": False}, actor="t")
    await follow(database)
    assert await held(database, tall) == []


@pytest.mark.parametrize(
    ("relation", "condition", "members"),
    [
        (RuleRelation.EQUALS, "7", ["mug", "shirt"]),
        (RuleRelation.NOT_EQUALS, "7", ["poster", "voucher", "secret"]),
        (RuleRelation.GREATER_THAN, "8", ["shirt"]),
        (RuleRelation.LESS_THAN, "8", ["mug", "shirt"]),
        (RuleRelation.IS_SET, "", ["mug", "shirt"]),
        (RuleRelation.IS_NOT_SET, "", ["poster", "voucher", "secret"]),
        (RuleRelation.EQUALS, "10", []),
    ],
)
async def test_rules_about_lists_look_at_every_item(
    database: Database, shop: Shop, relation: RuleRelation, condition: str, members: list[str]
) -> None:
    draft = DefinitionDraft(
        owner=MetafieldOwner.PRODUCT, namespace="specs", key="sizes", name="S", type="list.integer", is_filterable=True
    )
    async with database.transaction() as session:
        await defining.create(session, draft, actor="t")
        await metafields.set_metafields(
            session,
            [
                Wish(Place(MetafieldOwner.PRODUCT, product_id, "specs", "sizes"), sizes)
                for product_id, sizes in (
                    (shop.mug_product, "[7]"),
                    (shop.shirt_product, "[7, 9]"),
                    (shop.poster_product, "[]"),
                )
            ],
        )

    rule = Rule(RuleColumn.METAFIELD, relation, condition, "specs", "sizes")
    found = await make(database, "Sized", RuleSet(is_any=False, rules=(rule,)))
    await follow(database)
    wrong = RuleSet(is_any=False, rules=(Rule(RuleColumn.METAFIELD, RuleRelation.EQUALS, "[7]", "specs", "sizes"),))
    with pytest.raises(InvalidInput, match="This is no integer"):
        await make(database, "Wrong", wrong)

    assert set(await held(database, found)) == {getattr(shop, f"{name}_product") for name in members}


@pytest.mark.parametrize("point", ["consumers.before_commit", "consumers.after_commit"])
async def test_a_reader_that_dies_goes_on_and_one_that_missed_facts_looks_at_everything(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    sale = await make(database, "Sale", SALE)
    await follow(database)
    await change(database, shop.mug_product, tags=["summer sale"])
    await number(database)

    class Killed(Exception):
        pass

    def die(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "reach", die)
        with pytest.raises(Killed):
            await collecting.collect(database)
    assert await held(database, sale) == ([] if point == "consumers.before_commit" else [shop.mug_product])
    await collecting.collect(database)
    assert await held(database, sale) == [shop.mug_product]

    await change(database, shop.shirt_product, tags=["summer sale"])
    await number(database)
    async with database.transaction() as session:
        await outbox.forget(session, before=clock.now(), most=0)
    monkeypatch.setattr(membership, "CHUNK", 2)
    await change(database, shop.poster_product, tags=["summer sale"])
    await follow(database)
    assert await held(database, sale) == [shop.mug_product, shop.shirt_product, shop.poster_product]


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("tags"), st.integers(0, 3), st.sampled_from([[], ["Summer Sale"], ["summer sale", "x"]])),
        st.tuples(st.just("title"), st.integers(0, 3), st.sampled_from(["Mug", "Müg", "Other"])),
        st.tuples(st.just("stock"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("price"), st.integers(0, 1), st.sampled_from([500, 1290, 5000])),
        st.tuples(st.just("rules"), st.integers(0, 1), st.integers(0, 3)),
        st.tuples(st.just("follow"), st.just(0), st.just(0)),
    ),
    max_size=10,
)
RULE_SETS = (
    SALE, IN_STOCK,
    RuleSet(is_any=True, rules=(Rule(RuleColumn.TITLE, RuleRelation.CONTAINS, "mug"), *SALE.rules)),
    RuleSet(is_any=False, rules=(Rule(RuleColumn.PRICE, RuleRelation.GREATER_THAN, "12"), *IN_STOCK.rules)),
)  # fmt: skip


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=CHANGES)
async def test_after_any_changes_collections_hold_what_looking_at_everything_finds(
    database: Database, shop: Shop, steps: Sequence[tuple[str, int, Any]]
) -> None:
    made = [await make(database, "One", SALE), await make(database, "Other", IN_STOCK)]
    owners = [shop.mug_product, shop.shirt_product, shop.poster_product, shop.voucher_product]
    variants = [shop.mug, shop.poster]

    for what, which, value in steps:
        match what:
            case "tags" | "title":
                await change(database, owners[which], **{what: value})
            case "stock":
                async with database.transaction() as session:
                    await stock(session, shop.main_id, {variants[which]: value})
            case "price":
                async with database.transaction() as session:
                    await pricing.set_prices(session, shop.channel_id, {variants[which]: NewPrice(value, None)})
            case "rules":
                async with database.transaction() as session:
                    version = await session.scalar(select(collections.c.version).where(collections.c.id == made[which]))
                    await service.change(
                        session, made[which], expected_version=int(version or 0),
                        changes={"rule_set": RULE_SETS[value]}, actor="t",
                    )  # fmt: skip
            case _:
                await follow(database)
    await follow(database)

    async with database.reading() as session:
        everything = list(await session.scalars(select(products.c.id)))
        found = await membership.differences(session, everything)
    assert (found.missing, found.surplus) == ([], [])


async def test_what_is_wrong_is_found_and_repaired(database: Database, shop: Shop) -> None:
    sale = await make(database, "Sale", SALE)
    await follow(database)
    async with database.transaction() as session:
        await session.execute(update(products).where(products.c.id == shop.mug_product).values(tags=["summer sale"]))

    async with database.reading() as session:
        found = await membership.differences(session, [shop.mug_product, shop.shirt_product])
    assert (found.missing, found.surplus) == ([(sale, shop.mug_product)], [])

    async with database.transaction() as session:
        await membership.rebuild(session)
    await collecting.collect(database)
    assert await held(database, sale) == [shop.mug_product]
