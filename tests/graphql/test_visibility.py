"""Are staff told truly why a product isn't seen or bought? Each answer is held against what shoppers get."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from sqlalchemy import delete

from headless.accounts.rules import Permission
from headless.catalog import service as catalog
from headless.catalog.models import ProductStatus, variants
from headless.merchandising import channels, repricing, schedules, service
from headless.platform import clock
from headless.platform.db import Session
from headless.pricing.models import prices
from headless.shop.service import ChannelDraft
from tests.builders import Shop, stock
from tests.graphql.client import Api, of

VISIBILITY = """query($id: ID!, $channel: String) { product(id: $id) {
  visibility(channel: $channel) { visible purchasable reasons { code message at } }
} }"""
PUBLIC = """query($id: ID!) %s {
  product(id: $id) { availableForSale variants { nodes { id availableForSale } } }
  products(first: 50) { nodes { id availableForSale } }
  filtered: products(first: 50, filters: [{available: true}]) { nodes { id } }
}"""
BUY = """mutation($v: ID!) %s { cartCreate(input: {lines: [{variantId: $v}]}) {
  cart { totalQuantity } warnings { code } userErrors { code }
} }"""
HOUR = timedelta(hours=1)
Deed = Callable[[Session, Shop], Awaitable[object]]


async def told(api: Api, shop: Shop, *, channel: str | None = None) -> Any:
    wanted = {"id": of("product", shop.shirt_product), "channel": channel}
    reply = await api.execute(VISIBILITY, wanted, token=await api.token(Permission.READ_PRODUCTS))
    return reply.data["product"]["visibility"]


async def seen(api: Api, shop: Shop, *, channel: str = "default") -> tuple[bool, bool]:
    """Whether shoppers see the product, and whether a cart takes something of it; by every way, which must agree."""
    context, shirt = f'@inContext(channel: "{channel}")', of("product", shop.shirt_product)
    reply = await api.execute(PUBLIC % context, {"id": shirt})
    data = reply.body["data"]
    listed = {node["id"]: node["availableForSale"] for node in data["products"]["nodes"]}
    assert (shirt in listed) == (data["product"] is not None)
    granted = False
    for variant in (shop.shirt_small, shop.shirt_large):
        answer = (await api.execute(BUY % context, {"v": of("variant", variant)})).data["cartCreate"]
        granted |= answer["cart"] is not None and answer["cart"]["totalQuantity"] == 1
    if data["product"] is not None:
        ones = [node["availableForSale"] for node in data["product"]["variants"]["nodes"]]
        assert granted == any(ones) == data["product"]["availableForSale"] == listed[shirt]
        assert granted == (shirt in {node["id"] for node in data["filtered"]["nodes"]})
    return data["product"] is not None, granted


async def with_status(session: Session, shop: Shop, status: ProductStatus) -> None:
    changes = {"status": status}
    await catalog.update_product(session, shop.shirt_product, expected_version=2, changes=changes, actor="tester")


async def draft(session: Session, shop: Shop) -> None:
    await with_status(session, shop, ProductStatus.DRAFT)


async def archived(session: Session, shop: Shop) -> None:
    await with_status(session, shop, ProductStatus.ARCHIVED)


async def hidden(session: Session, shop: Shop) -> None:
    await service.unpublish(session, shop.shirt_product, channel_id=shop.channel_id)


async def sold_out(session: Session, shop: Shop) -> None:
    await stock(session, shop.main_id, {shop.shirt_small: 0})
    await stock(session, shop.outlet_id, {shop.shirt_small: 0, shop.shirt_large: 0})


async def without_variants(session: Session, shop: Shop) -> None:
    await sold_out(session, shop)
    await session.execute(delete(variants).where(variants.c.product_id == shop.shirt_product))


async def nothing(_session: Session, _shop: Shop) -> None:
    return None


@pytest.mark.parametrize(
    ("deed", "codes", "is_seen"),
    [
        (nothing, [], (True, True)),
        (draft, ["DRAFT"], (False, False)),
        (archived, ["ARCHIVED"], (False, False)),
        (hidden, ["NOT_PUBLISHED_IN_CHANNEL"], (False, False)),
        (sold_out, ["SOLD_OUT"], (True, False)),
        (without_variants, ["NO_VARIANTS"], (True, False)),
    ],
)
async def test_reason_is_told_as_shoppers_find_it(
    api: Api, shop: Shop, deed: Deed, codes: list[str], is_seen: tuple[bool, bool]
) -> None:
    async with api.server.database.transaction() as session:
        await deed(session, shop)

    answer = await told(api, shop)

    assert [reason["code"] for reason in answer["reasons"]] == codes
    assert (answer["visible"], answer["purchasable"]) == is_seen == await seen(api, shop)


@pytest.mark.parametrize("has_worker", [False, True])
async def test_schedule_is_told_with_its_instants(api: Api, shop: Shop, has_worker: bool) -> None:
    begin, end = clock.now().replace(microsecond=0) + HOUR, clock.now().replace(microsecond=0) + 2 * HOUR
    async with api.server.database.transaction() as session:
        await service.publish(session, shop.shirt_product, channel_id=shop.channel_id, at=begin, until=end)
    answers = []

    for at in (clock.now(), begin, end):
        with time_machine.travel(at, tick=True):
            if has_worker:
                await schedules.tell_of_turns(api.server.database)
            answer = await told(api, shop)
            assert (answer["visible"], answer["purchasable"]) == await seen(api, shop)
            answers.append([(reason["code"], reason["at"]) for reason in answer["reasons"]])

    shown = [at.isoformat().replace("+00:00", "Z") for at in (begin, end)]
    assert answers == [[("PUBLISHES_AT", shown[0])], [], [("UNPUBLISHED_AT", shown[1])]]


async def test_price_that_is_missing_in_a_channel_is_told_with_counts(api: Api, shop: Shop) -> None:
    database = api.server.database
    rate = [channels.DeliveryRate("Post", Decimal(5))]
    async with database.transaction() as session:
        channel = await channels.create_channel(session, ChannelDraft("us", "USD", "US", "en"), delivery_rates=rate)
        await service.publish(session, shop.shirt_product, channel_id=channel.id)

    async def messages() -> list[tuple[str, str]]:
        answer = await told(api, shop, channel="us")
        assert (answer["visible"], answer["purchasable"]) == await seen(api, shop, channel="us")
        return [(reason["code"], reason["message"]) for reason in answer["reasons"]]

    async def price(variant: Any) -> None:
        change = repricing.VariantChange(variant, 1, price=Decimal(5))
        async with database.transaction() as session:
            await service.update_variants(session, shop.shirt_product, [change], channel=channel, actor="tester")

    none = await messages()
    async with database.transaction() as session:
        await stock(session, shop.outlet_id, {shop.shirt_large: 0})
    await price(shop.shirt_large)
    sold_out_one = await messages()
    await price(shop.shirt_small)

    lacks = "variants have no price in USD in this channel."
    assert none == [("NO_PRICE_IN_CURRENCY", f"2 of 2 {lacks}")]
    assert sold_out_one == [
        ("NO_PRICE_IN_CURRENCY", f"1 of 2 {lacks}"),
        ("SOLD_OUT", "All 1 variants with a price are sold out."),
    ]
    assert await messages() == []


async def test_channel_that_delivers_nowhere_sells_nothing(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        await channels.update_channel(session, shop.channel_id, {}, delivery_rates=[])

    answer = await told(api, shop)

    assert (answer["visible"], answer["purchasable"]) == (True, False)
    assert [reason["code"] for reason in answer["reasons"]] == ["NO_DELIVERY_RATES"]


async def test_product_that_a_new_channel_does_not_list_yet(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "AT_ONCE", 1)
    async with api.server.database.transaction() as session:
        await channels.create_channel(session, ChannelDraft("at", "EUR", "AT", "de"))

    codes = [reason["code"] for reason in (await told(api, shop, channel="at"))["reasons"]]

    assert codes == ["NOT_LISTED_YET", "NO_PRICE_IN_CURRENCY"]


async def test_several_reasons_are_told_at_once(api: Api, shop: Shop) -> None:
    async with api.server.database.transaction() as session:
        await hidden(session, shop)
        await draft(session, shop)
        await sold_out(session, shop)
        await session.execute(delete(prices).where(prices.c.variant_id == shop.shirt_large))

    answer = await told(api, shop)

    assert [reason["code"] for reason in answer["reasons"]] == [
        "DRAFT", "NOT_PUBLISHED_IN_CHANNEL", "NO_PRICE_IN_CURRENCY", "SOLD_OUT",
    ]  # fmt: skip


async def test_visibility_of_a_list_takes_as_many_statements_as_of_one(api: Api, shop: Shop) -> None:
    token = await api.token(Permission.READ_PRODUCTS)
    document = "{ products(first: %d) { nodes { visibility { visible } } } }"
    await api.execute(document % 1, token=token)

    one, all_ = await api.execute(document % 1, token=token), await api.execute(document % 5, token=token)

    assert [node["visibility"]["visible"] for node in all_.data["products"]["nodes"]] == [True] * 4 + [False]
    assert one.statements == all_.statements


async def test_visibility_is_for_staff_and_channels_that_exist(api: Api, shop: Shop) -> None:
    document = "query($id: ID!, $c: String) { product(id: $id) { title visibility(channel: $c) { visible } } }"
    wanted = {"id": of("product", shop.shirt_product)}

    anonymous = await api.execute(document, wanted)
    unknown = await api.execute(document, {**wanted, "c": "mars"}, token=await api.token(Permission.READ_PRODUCTS))

    assert anonymous.body["data"] == unknown.body["data"] == {"product": {"title": "Shirt", "visibility": None}}
    assert (anonymous.codes, unknown.codes) == (["UNAUTHENTICATED"], ["BAD_USER_INPUT"])
