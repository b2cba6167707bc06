"""Do staff plan when a product is shown, and do shoppers and carts keep to it?"""

from datetime import timedelta
from typing import Any

import time_machine

from headless.accounts.rules import Permission
from headless.merchandising import schedules
from headless.platform import clock
from tests.builders import Shop
from tests.graphql.client import Api, of, ready_cart

PUBLISH = """mutation($i: ProductPublishInput!) { productPublish(input: $i) {
  product { publishedAt availableForSale publications { channel { handle } isPublished publishAt unpublishAt } }
  userErrors { code field }
} }"""
SEEN = """query($id: ID!, $variant: ID!) {
  product(id: $id) { publishedAt availableForSale } variant(id: $variant) { availableForSale }
  products(query: "mug") { totalCount nodes { title } }
}"""
STOCK = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { variant { sku } availableForSale quantityAvailable } }"
HOUR = timedelta(hours=1)


async def publish(api: Api, shop: Shop, **wanted: Any) -> Any:
    token = await api.token(Permission.WRITE_PRODUCTS)
    wanted = {name: value.isoformat() if value is not None else None for name, value in wanted.items()}
    reply = await api.execute(PUBLISH, {"i": {"id": of("product", shop.mug_product), **wanted}}, token=token)
    return reply.data["productPublish"]


async def seen(api: Api, shop: Shop, token: str | None = None) -> Any:
    wanted = {"id": of("product", shop.mug_product), "variant": of("variant", shop.mug)}
    return (await api.execute(SEEN, wanted, token=token)).body["data"]


async def test_product_is_shown_when_its_time_comes_and_hidden_when_it_is_over(api: Api, shop: Shop) -> None:
    begin, end = clock.now() + HOUR, clock.now() + 2 * HOUR

    planned = await publish(api, shop, publishAt=begin, unpublishAt=end)
    before = await seen(api, shop)
    staff_before = await seen(api, shop, await api.token(Permission.READ_PRODUCTS))
    with time_machine.travel(begin, tick=True):
        during = await seen(api, shop)
    with time_machine.travel(end, tick=True):
        after = await seen(api, shop)

    one = {"channel": {"handle": "default"}, "isPublished": False}
    shown = {
        "publishAt": planned["product"]["publications"][0]["publishAt"],
        "unpublishAt": planned["product"]["publications"][0]["unpublishAt"],
    }
    assert planned == {
        "product": {"publishedAt": None, "availableForSale": False, "publications": [{**one, **shown}]}, "userErrors": [],
    }  # fmt: skip
    assert before == after == {"product": None, "variant": None, "products": {"totalCount": 0, "nodes": []}}
    assert staff_before["product"] == {"publishedAt": None, "availableForSale": False}
    assert staff_before["variant"] == {"availableForSale": False}
    assert during == {
        "product": {"publishedAt": shown["publishAt"], "availableForSale": True}, "variant": {"availableForSale": True},
        "products": {"totalCount": 1, "nodes": [{"title": "Mug"}]},
    }  # fmt: skip


async def test_cart_whose_product_is_over_cannot_be_checked_out(api: Api, shop: Shop) -> None:
    cart, end = await ready_cart(api, shop.mug), clock.now() + HOUR
    await publish(api, shop, unpublishAt=end)
    document = """mutation($c: ID!, $v: ID!) {
      checkoutStart(input: {cartId: $c}) { cart { problems { code } } userErrors { code } }
      cartLinesAdd(input: {cartId: $c, lines: [{variantId: $v}]}) { userErrors { code field } }
    }"""

    with time_machine.travel(end, tick=True):
        late = await api.execute(document, {"c": cart, "v": of("variant", shop.mug)})
        problems = await api.execute("query($c: ID!) { cart(id: $c) { problems { code } } }", {"c": cart})
    in_time = await api.execute(document, {"c": cart, "v": of("variant", shop.mug)})

    assert late.data["checkoutStart"]["userErrors"] == [{"code": "NOT_AVAILABLE"}]
    assert late.data["cartLinesAdd"]["userErrors"] == [{"code": "NOT_FOUND", "field": ["lines", "0", "variantId"]}]
    assert problems.data["cart"]["problems"] == [{"code": "NOT_AVAILABLE"}]
    assert in_time.data["checkoutStart"]["userErrors"] == []


async def test_schedule_that_makes_no_sense_is_refused(api: Api, shop: Shop) -> None:
    begin = clock.now() + HOUR
    refused = await publish(api, shop, publishAt=begin, unpublishAt=begin)
    cleared = await publish(api, shop, publishAt=None, unpublishAt=None)

    assert refused == {"product": None, "userErrors": [{"code": "INVALID_INPUT", "field": ["unpublishAt"]}]}
    assert cleared["product"]["publications"][0]["isPublished"] is True
    assert cleared["product"]["publications"][0]["unpublishAt"] is None


async def test_publications_are_for_staff(api: Api, shop: Shop) -> None:
    document = "query($id: ID!) { product(id: $id) { title publications { isPublished } } }"

    anonymous = await api.execute(document, {"id": of("product", shop.mug_product)})
    other = await api.execute(
        document, {"id": of("product", shop.mug_product)}, token=await api.token(Permission.READ_ORDERS)
    )

    assert anonymous.body["data"] == other.body["data"] == {"product": {"title": "Mug", "publications": None}}
    assert (anonymous.codes, other.codes) == (["UNAUTHENTICATED"], ["FORBIDDEN"])


async def test_watchers_of_stock_hear_of_the_end(api: Api, shop: Shop) -> None:
    end = clock.now() + HOUR
    await publish(api, shop, unpublishAt=end)
    await api.settled()
    async with api.socket() as socket:
        await socket.init()
        await socket.subscribe("1", STOCK, {"ids": [of("variant", shop.mug)]})
        first = await socket.next("1")
        with time_machine.travel(end, tick=True):
            assert await schedules.tell_of_turns(api.server.database) == 1
            second = await socket.next("1")

    assert first["stockChanged"] == {"variant": {"sku": "MUG"}, "availableForSale": True, "quantityAvailable": 10}
    assert second["stockChanged"] == {"variant": None, "availableForSale": False, "quantityAvailable": None}


async def test_list_of_publications_takes_one_statement_for_all_and_one_for_channels(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_PRODUCTS)
    await api.execute("{ products { nodes { title } } }", token=token)
    plain = await api.execute("{ products { nodes { title } } }", token=token)
    reply = await api.execute(
        "{ products { nodes { title publications { isPublished channel { handle } } } } }", token=token
    )

    assert len(reply.data["products"]["nodes"]) == 5
    assert reply.statements == plain.statements + 2
