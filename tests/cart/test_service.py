"""Does a cart hold what was asked for, as far as there is stock, without holding the stock?"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from headless.cart import queries, service
from headless.cart.errors import DeliveryOptionUnavailable, TooManyLines
from headless.cart.models import cart_lines, carts
from headless.cart.rules import Address, Attributes, Line, Wanted
from headless.cart.rules import Notice as CartWarning
from headless.catalog import publishing
from headless.inventory.errors import InvalidQuantity
from headless.platform import clock
from headless.platform.db import Database
from headless.platform.errors import InvalidInput, NotFound
from headless.platform.texts import CardNumberRefused
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import MONTH, Form, Shop, cart_with, lines_of, make_product, recording, sellable, stock

BLUE: Attributes = (("engraving", "blue"),)
RED: Attributes = (("engraving", "red"),)


async def make(database: Database, shop: Shop, lines: dict[UUID, int] | None = None) -> UUID:
    async with database.transaction() as session:
        return UUID(str((await cart_with(session, shop, lines or {})).id))


async def add(database: Database, cart_id: UUID, *wanted: Wanted) -> list[CartWarning]:
    async with database.transaction() as session:
        cart = await service.change(session, cart_id, lifetime=MONTH)
        return await service.add_lines(session, cart, wanted)


async def set_lines(
    database: Database, cart_id: UUID, *changes: tuple[UUID, int, Attributes | None]
) -> list[CartWarning]:
    async with database.transaction() as session:
        cart = await service.change(session, cart_id, lifetime=MONTH)
        return await service.update_lines(session, cart, changes)


async def lines(database: Database, cart_id: UUID) -> Sequence[Line]:
    async with database.reading() as session:
        return (await queries.lines_by_cart(session, [cart_id])).get(cart_id, [])


async def test_new_cart_is_empty_and_told(database: Database, shop: Shop) -> None:
    async with recording(database) as facts:
        cart_id = await make(database, shop)

    async with database.reading() as session:
        cart = (await queries.carts_by_id(session, [cart_id]))[cart_id]
    assert (cart.currency, cart.version, cart.note, cart.email) == ("EUR", 1, "", None)
    assert cart.id.version == 4
    assert facts.found == [("cart.changed", {"cart_id": str(cart_id)})]


async def test_adding_the_same_again_grows_its_line_and_holds_no_stock(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 2})
    (before,) = await lines(database, cart_id)

    async with recording(database) as facts:
        warnings = await add(database, cart_id, Wanted(shop.mug, 3), Wanted(shop.voucher, 1))

    after = await lines(database, cart_id)
    assert warnings == []
    assert [(line.variant_id, line.quantity, line.unit_amount) for line in after] == [
        (shop.mug, 5, 1290),
        (shop.voucher, 1, 2500),
    ]
    assert after[0].id == before.id
    assert await sellable(database, shop.mug) == 10
    assert facts.found == [("cart.changed", {"cart_id": str(cart_id)})]


async def test_same_variant_with_other_attributes_is_another_line(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    await add(database, cart_id, Wanted(shop.mug, 1, BLUE), Wanted(shop.mug, 1), Wanted(shop.mug, 2, RED))
    await add(database, cart_id, Wanted(shop.mug, 4, BLUE))

    found = {line.attributes: line.quantity for line in await lines(database, cart_id)}
    assert found == {BLUE: 5, (): 1, RED: 2}


async def test_more_than_there_is_is_clamped_and_warned_about(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 4})

    warnings = await add(database, cart_id, Wanted(shop.mug, 20))

    (line,) = await lines(database, cart_id)
    assert line.quantity == 10
    assert warnings == [
        CartWarning("MERCHANDISE_NOT_ENOUGH_STOCK", "24 wanted, 10 in stock: the quantity was lowered to 10.", line.id)
    ]


async def test_two_lines_of_one_variant_share_what_there_is(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    warnings = await add(database, cart_id, Wanted(shop.mug, 7, BLUE), Wanted(shop.mug, 7, RED))

    found = {line.attributes: line.quantity for line in await lines(database, cart_id)}
    assert found == {BLUE: 7, RED: 3}
    assert [warning.code for warning in warnings] == ["MERCHANDISE_NOT_ENOUGH_STOCK"]


async def test_growing_the_first_of_two_lines_counts_the_second(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)
    await add(database, cart_id, Wanted(shop.mug, 5, BLUE), Wanted(shop.mug, 5, RED))
    first = (await lines(database, cart_id))[0]

    warnings = await set_lines(database, cart_id, (first.id, 8, None))

    assert sum(line.quantity for line in await lines(database, cart_id)) == 10
    assert [(warning.code, warning.target) for warning in warnings] == [("MERCHANDISE_NOT_ENOUGH_STOCK", first.id)]


async def test_sold_out_keeps_no_line_and_warns(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    warnings = await add(database, cart_id, Wanted(shop.poster, 1))

    assert await lines_of(database, cart_id) == []
    assert warnings == [CartWarning("MERCHANDISE_OUT_OF_STOCK", "This is sold out.", shop.poster)]


async def test_what_is_not_tracked_is_never_clamped(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    assert await add(database, cart_id, Wanted(shop.voucher, 5000)) == []

    assert await lines_of(database, cart_id) == [(shop.voucher, 5000)]


@pytest.mark.parametrize("quantity", [0, -1, 100_001])
async def test_quantity_out_of_range_is_refused_and_nothing_is_added(
    database: Database, shop: Shop, quantity: int
) -> None:
    cart_id = await make(database, shop)

    with pytest.raises(InvalidQuantity) as caught:
        await add(database, cart_id, Wanted(shop.mug, 1), Wanted(shop.mug, quantity))

    assert caught.value.field == ("lines", "1", "quantity")
    assert await lines_of(database, cart_id) == []


async def test_unpublished_and_unknown_variants_are_not_found(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    for variant_id in (shop.secret, uuid4()):
        with pytest.raises(NotFound) as caught:
            await add(database, cart_id, Wanted(shop.mug), Wanted(variant_id))
        assert caught.value.field == ("lines", "1", "variantId")

    assert await lines_of(database, cart_id) == []


async def test_setting_a_line_to_zero_removes_it(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 2, shop.voucher: 1})
    mug, voucher = await lines(database, cart_id)

    await set_lines(database, cart_id, (mug.id, 0, None), (voucher.id, 3, None))

    assert await lines_of(database, cart_id) == [(shop.voucher, 3)]


async def test_line_that_gets_the_attributes_of_another_joins_it(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)
    await add(database, cart_id, Wanted(shop.mug, 2, BLUE), Wanted(shop.mug, 3, RED))
    blue, red = await lines(database, cart_id)

    await set_lines(database, cart_id, (red.id, 4, BLUE))

    (line,) = await lines(database, cart_id)
    assert (line.id, line.quantity, line.attributes) == (blue.id, 6, BLUE)


async def test_lines_of_other_carts_can_not_be_changed_or_removed(database: Database, shop: Shop) -> None:
    mine, others = [await make(database, shop, {shop.mug: 2}) for _ in range(2)]
    (line,) = await lines(database, others)

    with pytest.raises(NotFound) as changed:
        await set_lines(database, mine, (line.id, 1, None))
    with pytest.raises(NotFound) as removed:
        async with database.transaction() as session:
            await service.remove_lines(session, await service.lock(session, mine), [line.id])

    assert (changed.value.field, removed.value.field) == (("lines", "0", "id"), ("lineIds", "0"))
    assert await lines_of(database, others) == [(shop.mug, 2)]


async def test_removing_lines(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 2, shop.voucher: 1})
    mug, _ = await lines(database, cart_id)

    async with database.transaction() as session:
        await service.remove_lines(session, await service.lock(session, cart_id), [mug.id])

    assert await lines_of(database, cart_id) == [(shop.voucher, 1)]


async def test_cart_has_no_251st_line(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)
    many = [Wanted(shop.voucher, 1, (("nth", str(nth)),)) for nth in range(251)]
    await add(database, cart_id, *many[:250])

    with pytest.raises(TooManyLines):
        await add(database, cart_id, many[250])
    assert await add(database, cart_id, many[0]) == []

    assert len(await lines(database, cart_id)) == 250


async def test_line_keeps_the_price_it_showed_until_the_cart_changes(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 1})
    async with database.transaction() as session:
        await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1390)})
    (before,) = await lines(database, cart_id)

    await add(database, cart_id, Wanted(shop.voucher))

    after = (await lines(database, cart_id))[0]
    assert (before.shown_amount, before.unit_amount) == (1290, 1390)
    assert (after.shown_amount, after.unit_amount) == (1390, 1390)


async def test_line_of_an_unpublished_product_stays_without_an_offer(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 1})
    async with database.transaction() as session:
        await publishing.unpublish(session, shop.mug_product, channel_id=shop.channel_id)

    await add(database, cart_id, Wanted(shop.voucher))

    mug, _ = await lines(database, cart_id)
    assert (mug.variant_id, mug.quantity, mug.offer, mug.unit_amount) == (shop.mug, 1, None, 1290)


async def test_stock_that_shrank_does_not_touch_lines_that_are_left_alone(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 8})
    async with database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: 3})

    assert await add(database, cart_id, Wanted(shop.voucher)) == []

    assert dict(await lines_of(database, cart_id)) == {shop.mug: 8, shop.voucher: 1}


async def test_lines_of_two_carts_do_not_mix(database: Database, shop: Shop) -> None:
    one, other = await make(database, shop, {shop.mug: 1}), await make(database, shop, {shop.mug: 2, shop.voucher: 3})

    async with database.reading() as session:
        found = await queries.lines_by_cart(session, [one, other])

    assert [line.quantity for line in found[one]] == [1]
    assert [line.quantity for line in found[other]] == [2, 3]


async def test_expired_cart_is_not_found(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop, {shop.mug: 1})
    async with database.transaction() as session:
        await session.execute(update(carts).values(expires_at=clock.now() - timedelta(seconds=1)))

    with pytest.raises(NotFound):
        await add(database, cart_id, Wanted(shop.mug))
    with pytest.raises(NotFound):
        async with database.transaction() as session:
            await service.lock(session, cart_id)
    async with database.reading() as session:
        assert await queries.carts_by_id(session, [cart_id]) == {}


async def test_cart_is_forgotten_a_while_after_it_expired(database: Database, shop: Shop) -> None:
    await make(database, shop, {shop.mug: 1})
    for age, forgotten in ((timedelta(seconds=1), 0), (service.KEPT_FOR_PAYMENTS + timedelta(seconds=1), 1)):
        async with database.transaction() as session:
            await session.execute(update(carts).values(expires_at=clock.now() - age))
            assert await service.sweep(session) == forgotten

    async with database.reading() as session:
        assert list(await session.execute(select(cart_lines))) == []


async def test_change_lengthens_the_life_of_a_cart_and_raises_its_version(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    async with recording(database) as facts, database.transaction() as session:
        row = await service.change(session, cart_id, lifetime=2 * MONTH, values=service.note("Ring twice"))

    assert (row.version, row.note) == (2, "Ring twice")
    assert row.expires_at - row.updated_at == 2 * MONTH
    assert facts.topics == ["cart.changed"]


def test_omitted_parts_of_the_buyer_stay_and_null_clears() -> None:
    assert service.buyer() == {}
    assert service.buyer(email=None, phone="") == {"email": None, "phone": None}
    assert service.buyer(email=" a@example.com ", country_code="AT") == {"email": "a@example.com", "country_code": "AT"}


def test_bad_mail_address_names_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        service.buyer(email="marie")

    assert caught.value.field == ("buyerIdentity", "email")


def test_card_numbers_are_refused_everywhere() -> None:
    card = "4111 1111 1111 1111"

    with pytest.raises(CardNumberRefused):
        service.note(card)
    with pytest.raises(CardNumberRefused):
        service.attributes([("card", card)])
    with pytest.raises(CardNumberRefused):
        service.buyer(phone=card)
    with pytest.raises(CardNumberRefused):
        service.address("delivery_address", Address("DE", address2=card))


@pytest.mark.parametrize(("country", "amounts"), [("DE", [490]), ("FR", [1200])])
async def test_delivery_costs_what_the_zone_of_the_address_says(
    database: Database, shop: Shop, country: str, amounts: list[int]
) -> None:
    cart_id = await make(database, shop)
    wrong = shop.world_rate_id if country == "DE" else shop.german_rate_id

    async with database.transaction() as session:
        values = {**service.address("delivery_address", Address(country)), "delivery_rate_id": wrong}
        row = await service.change(session, cart_id, lifetime=MONTH, values=values)
        rates = await service.rates(session, row)
        with pytest.raises(DeliveryOptionUnavailable):
            await service.offered(session, row)

    assert [rate.amount for rate in rates] == amounts


async def test_cart_without_an_address_has_no_delivery_options(database: Database, shop: Shop) -> None:
    cart_id = await make(database, shop)

    async with database.transaction() as session:
        assert await service.rates(session, await service.lock(session, cart_id)) == ()


async def test_price_of_another_channel_is_no_offer(database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        product_id, (variant,) = await make_product(session, shop.channel_id, "Lamp", Form(5000, is_tracked=False))
        assert product_id
        offers = await queries.offers_by_variant(session, [variant, shop.secret], shop.channel_id)
        nowhere = await queries.offers_by_variant(session, [variant], uuid4())

    assert list(offers) == [variant]
    assert (offers[variant].amount, offers[variant].quantity) == (5000, None)
    assert nowhere == {}
