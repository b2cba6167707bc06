"""Can anyone ask to be told when something is back, without learning who else asked?"""

from typing import Any

import pytest

from headless.accounts.rules import Permission
from headless.inventory import waiting
from headless.platform import ids
from tests.builders import Shop, stock
from tests.graphql.client import Api, Reply, of

ASK = """mutation($variant: ID!, $email: String!) { backInStockNotify(input: {variantId: $variant, email: $email}) {
  variant { sku } userErrors { code field } } }"""
QUEUE = """query($variant: ID, $status: StockRequestStatus) { stockRequests(variantId: $variant, status: $status) {
  totalCount nodes { id email status servedAt variant { sku } } } }"""
CANCEL = """mutation($id: ID!) { stockRequestCancel(input: {id: $id}) {
  stockRequest { email status } userErrors { code field } } }"""


async def ask(api: Api, shop: Shop, email: str = "ann@shop.test", variant: str = "poster") -> Reply:
    return await api.execute(ASK, {"variant": of("variant", getattr(shop, variant)), "email": email})


async def queue(api: Api, **variables: Any) -> list[dict[str, Any]]:
    reply = await api.execute(QUEUE, variables, token=await api.token(Permission.READ_INVENTORY))
    found = reply.data["stockRequests"]
    assert found["totalCount"] == len(found["nodes"])
    nodes: list[dict[str, Any]] = found["nodes"]
    return nodes


async def test_answer_is_the_same_whether_an_address_is_known_or_not(api: Api, shop: Shop) -> None:
    await ask(api, shop, "warm@shop.test")
    first, again = await ask(api, shop), await ask(api, shop, " ANN@shop.test ")

    assert first.data == again.data == {"backInStockNotify": {"variant": {"sku": "POSTER"}, "userErrors": []}}
    assert first.statements == again.statements
    assert [row["email"] for row in await queue(api)] == ["warm@shop.test", "ann@shop.test"]


async def test_address_that_waits_for_enough_already_gets_the_same_answer(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST_PER_EMAIL", 0)

    assert (await ask(api, shop)).data == {"backInStockNotify": {"variant": {"sku": "POSTER"}, "userErrors": []}}
    assert await queue(api) == []


@pytest.mark.parametrize(
    ("variables", "code", "field"),
    [
        ({"email": "nobody"}, "INVALID_INPUT", "email"),
        ({"email": ""}, "INVALID_INPUT", "email"),
        ({"variant": "x"}, "NOT_FOUND", "variantId"),
        ({"variant": of("variant", ids.new())}, "NOT_FOUND", "variantId"),
        ({"variant": "secret"}, "NOT_FOUND", "variantId"),
        ({"variant": "mug"}, "IN_STOCK", "variantId"),
        ({"variant": "voucher"}, "IN_STOCK", "variantId"),
    ],
)
async def test_what_nobody_can_wait_for_is_refused(
    api: Api, shop: Shop, variables: dict[str, str], code: str, field: str
) -> None:
    given = {"variant": "poster", "email": "ann@shop.test", **variables}
    if hasattr(shop, given["variant"]):
        given["variant"] = of("variant", getattr(shop, given["variant"]))

    reply = await api.execute(ASK, given)

    assert reply.data["backInStockNotify"] == {"variant": None, "userErrors": [{"code": code, "field": [field]}]}
    assert await queue(api) == []


async def test_staff_see_the_queue_and_what_became_of_it(api: Api, shop: Shop) -> None:
    database = api.server.database
    await ask(api, shop, "a@shop.test")
    await ask(api, shop, "b@shop.test")
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.poster: 1})
    await waiting.serve_all(database)

    (served,), (left,) = await queue(api, status="SERVED"), await queue(api, status="WAITING")

    assert (served["email"], left["email"], left["servedAt"]) == ("a@shop.test", "b@shop.test", None)
    assert served["servedAt"] is not None
    assert len(await queue(api, variant=of("variant", shop.poster))) == 2
    assert await queue(api, variant=of("variant", shop.mug)) == []


async def test_staff_take_a_request_out_of_the_queue(api: Api, shop: Shop) -> None:
    await ask(api, shop)
    ((request),) = await queue(api)
    token = await api.token(Permission.WRITE_INVENTORY)

    cancelled = await api.execute(CANCEL, {"id": request["id"]}, token=token)
    again = await api.execute(CANCEL, {"id": request["id"]}, token=token)
    unknown = await api.execute(CANCEL, {"id": of("stock_request", ids.new())}, token=token)

    done = {"stockRequest": {"email": "ann@shop.test", "status": "CANCELLED"}, "userErrors": []}
    assert cancelled.data == again.data == {"stockRequestCancel": done}
    assert unknown.data["stockRequestCancel"]["userErrors"] == [{"code": "NOT_FOUND", "field": ["id"]}]


async def test_request_is_found_by_its_id_by_staff_alone(api: Api, shop: Shop) -> None:
    await ask(api, shop)
    ((request),) = await queue(api)
    document = "query($id: ID!) { node(id: $id) { ... on StockRequest { email } } }"

    staff = await api.execute(document, {"id": request["id"]}, token=await api.token(Permission.READ_INVENTORY))
    anonymous = await api.execute(document, {"id": request["id"]})

    assert staff.data == {"node": {"email": "ann@shop.test"}}
    assert anonymous.body["data"] == {"node": None}
