"""Do staff find the levels and the movements that they look for, in few statements?"""

from datetime import timedelta
from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.inventory import service
from headless.inventory.ledger import Why
from headless.inventory.rules import Demand
from headless.inventory.service import Change, Request
from headless.platform import clock, ids
from headless.platform.db import Database
from tests.builders import WHY, Form, Shop, make_product, stock
from tests.graphql.client import Api, Reply, of

LEVELS = """query($first: Int, $after: String, $last: Int, $before: String, $variant: ID, $location: ID, $product: ID,
    $sku: String, $below: Int, $negative: Boolean) {
  inventoryLevels(first: $first, after: $after, last: $last, before: $before, variantId: $variant,
      locationId: $location, productId: $product, sku: $sku, availableBelow: $below, negativeAvailable: $negative) {
    totalCount nodes { variant { sku } location { handle } quantities(names: ["available", "reserved"]) { name quantity } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
MOVEMENTS = """query($first: Int, $variant: ID, $location: ID, $name: String, $reason: String, $reference: String,
    $group: ID, $actor: String, $since: DateTime, $until: DateTime) {
  inventoryMovements(first: $first, variantId: $variant, locationId: $location, name: $name, reason: $reason,
      referenceDocumentUri: $reference, groupId: $group, actor: $actor, since: $since, until: $until) {
    totalCount nodes { name delta reason groupId occurredAt variant { sku } location { handle } } } }"""


async def ask(api: Api, document: str, **variables: Any) -> Reply:
    token = await api.token(Permission.READ_INVENTORY, Permission.READ_PRODUCTS)
    return await api.execute(document, variables, token=token)


async def levels(api: Api, **variables: Any) -> set[tuple[str, str, int]]:
    found = (await ask(api, LEVELS, **variables)).data["inventoryLevels"]
    rows = {
        (row["variant"]["sku"], row["location"]["handle"], row["quantities"][0]["quantity"]) for row in found["nodes"]
    }
    assert found["totalCount"] == len(rows) == len(found["nodes"])
    return rows


async def movements(api: Api, **variables: Any) -> list[tuple[str, int]]:
    found = (await ask(api, MOVEMENTS, **variables)).data["inventoryMovements"]
    assert found["totalCount"] == len(found["nodes"])
    return [(row["name"], row["delta"]) for row in found["nodes"]]


async def test_levels_are_found_by_what_and_where(api: Api, shop: Shop) -> None:
    small, large = ("SHIRT-S", "main", 3), ("SHIRT-L", "outlet", 2)
    outlet = ("SHIRT-S", "outlet", 5)

    assert await levels(api) == {("MUG", "main", 10), ("SECRET", "main", 7), small, outlet, large}
    assert await levels(api, variant=of("variant", shop.shirt_small)) == {small, outlet}
    assert await levels(api, location=of("location", shop.outlet_id)) == {outlet, large}
    assert await levels(api, product=of("product", shop.shirt_product)) == {small, outlet, large}
    assert await levels(api, sku="SHIRT-S", location=of("location", shop.main_id)) == {small}
    assert await levels(api, below=5) == {small, large}
    assert await levels(api, below=0) == set()
    assert await levels(api, sku="") == set()
    assert await levels(api, sku=None, below=None, negative=None, variant=None) == await levels(api)


async def test_levels_where_more_was_promised_than_there_is_are_found(api: Api, database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await service.reserve(session, Request(ids.new(), [Demand(ids.new(), shop.mug, 4)], WHY))
        await service.change(session, [Change(shop.mug, shop.main_id, "on_hand", quantity=1)], WHY)

    assert await levels(api, negative=True) == {("MUG", "main", -3)}
    assert ("MUG", "main", -3) not in await levels(api, negative=False)
    assert len(await levels(api, negative=False)) == 4


async def test_levels_are_paged_both_ways(api: Api, shop: Shop) -> None:
    first = (await ask(api, LEVELS, first=3)).data["inventoryLevels"]
    rest = (await ask(api, LEVELS, first=3, after=first["pageInfo"]["endCursor"])).data["inventoryLevels"]
    back = (await ask(api, LEVELS, last=2, before=rest["pageInfo"]["startCursor"])).data["inventoryLevels"]

    assert (len(first["nodes"]), len(rest["nodes"])) == (3, 2)
    assert first["pageInfo"]["hasNextPage"]
    assert not rest["pageInfo"]["hasNextPage"]
    assert back["nodes"] == first["nodes"][1:]
    assert first["totalCount"] == 5


async def test_movements_are_found_by_what_where_why_who_and_when(api: Api, database: Database, shop: Shop) -> None:
    before = clock.now()
    async with database.transaction() as session:
        changes = [
            Change(shop.mug, shop.main_id, "damaged", delta=2),
            Change(shop.poster, shop.main_id, "on_hand", delta=1),
        ]
        group = await service.change(session, changes, Why("water", "Ann", "doc:1"))
    after = clock.now() + timedelta(microseconds=1)

    both = [("on_hand", 1), ("damaged", 2)]
    assert sorted(await movements(api, reason="water")) == sorted(both)
    assert sorted(await movements(api, actor="Ann", reference="doc:1")) == sorted(both)
    assert sorted(await movements(api, group=of("movement_group", group))) == sorted(both)
    assert sorted(await movements(api, since=before.isoformat(), until=after.isoformat())) == sorted(both)
    assert await movements(api, since=after.isoformat()) == []
    assert await movements(api, name="damaged") == [("damaged", 2)]
    assert await movements(api, variant=of("variant", shop.mug)) == [("damaged", 2), ("on_hand", 10)]
    assert await movements(api, variant=of("variant", shop.mug), until=before.isoformat()) == [("on_hand", 10)]
    assert await movements(api, location=of("location", shop.outlet_id), reason="water") == []
    assert await movements(api, reason="fire") == []


@pytest.mark.parametrize("document", [LEVELS, MOVEMENTS])
async def test_lists_take_as_many_statements_for_many_rows_as_for_few(
    api: Api, database: Database, shop: Shop, document: str
) -> None:
    await ask(api, document, first=1)
    few = await ask(api, document, first=2)
    async with database.transaction() as session:
        _, variants = await make_product(
            session, shop.channel_id, "Box", *(Form(value=str(nth), sku=f"BOX-{nth}") for nth in range(30))
        )
        await stock(session, shop.main_id, dict.fromkeys(variants, 1))
    many = await ask(api, document, first=30)

    assert few.statements == many.statements == 5  # token, page, its count, variants, locations


@pytest.mark.parametrize("argument", ["variant", "location", "product"])
async def test_levels_of_what_is_no_id_are_not_found(api: Api, argument: str) -> None:
    reply = await ask(api, LEVELS, **{argument: "order_01h455vb4pex5vsknk084sn02q"})

    assert reply.body["data"] == {"inventoryLevels": None}
    assert reply.codes == ["NOT_FOUND"]
