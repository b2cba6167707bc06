"""Does each check of the books see exactly the promise that was broken, and nothing in a shop where all is well?"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, delete, func, insert, select, text, update

from headless.catalog.models import listings, variants
from headless.checkout.models import checkouts
from headless.inventory.models import allocations, levels, limited_purchases, movements
from headless.operations.books import CHECKS, find, find_all
from headless.orders.models import order_lines, orders
from headless.payments.models import payments, refunds
from headless.platform import clock, ids
from headless.platform.db import Database, Session
from headless.platform.idempotency import idempotency_keys
from headless.platform.outbox import facts, log_heads
from tests.builders import Shop, cart_ready_to_check_out, desk
from tests.operations.journeys import Journey, begin, statuses

Broken = dict[str, list[str]]
"""Checks that fail, each with the ids of its samples."""


async def broken(database: Database) -> Broken:
    found = [one for one in await find_all(database) if one.violations]
    assert all(one.violations == len(one.samples) for one in found)
    return {one.check.name: [sample.id for sample in one.samples] for one in found}


async def details(database: Database, name: str) -> list[str]:
    check = next(check for check in CHECKS if check.name == name)
    return [sample.detail for sample in (await find(database, check)).samples]


async def write(database: Database, *statements: Any) -> None:
    async with database.transaction() as session:
        for statement in statements:
            await session.execute(statement)


async def move(session: Session, variant_id: UUID, location_id: UUID, name: str, delta: int) -> None:
    """Change a level and its ledger alike, for no reason that anything else knows of."""
    c = levels.c
    await session.execute(
        update(levels).where(c.variant_id == variant_id, c.location_id == location_id).values({name: c[name] + delta})
    )
    await session.execute(
        insert(movements).values(
            id=ids.new(), group_id=ids.new(), variant_id=variant_id, location_id=location_id, name=name, delta=delta,
            reason="test", actor="tester", occurred_at=clock.now(),
        )
    )  # fmt: skip


async def without_rules(database: Database, table: Table) -> None:
    """Take a table's constraints away, as no migration would."""
    if database.is_sqlite:
        with closing(sqlite3.connect(str(database.url.database))) as connection:
            connection.executescript(
                f"PRAGMA legacy_alter_table = ON; CREATE TABLE bare AS SELECT * FROM {table.name};"  # noqa: S608
                f"DROP TABLE {table.name}; ALTER TABLE bare RENAME TO {table.name};"
                + (f"CREATE UNIQUE INDEX bare_id ON {table.name} (id);" if "id" in table.c else "")
            )
        return
    async with database.transaction() as session:
        named = await session.execute(
            text(
                "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:name AS regclass) AND contype IN ('c', 'u')"
            ),
            {"name": table.name},
        )
        for name in named.scalars().all():
            await session.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT {name}"))


async def copy_of(session: Session, table: Table, row_id: UUID, **values: Any) -> UUID:
    """Write a row like another one, under an id of its own."""
    row = (await session.execute(select(table).where(table.c.id == row_id))).one()
    made: Mapping[str, Any] = {**row._mapping, "id": ids.new(), **values}
    await session.execute(insert(table).values(made))
    return UUID(str(made["id"]))


async def payment_of(database: Database, order_id: UUID) -> UUID:
    async with database.reading() as session:
        return UUID(str(await session.scalar(select(payments.c.id).where(payments.c.order_id == order_id))))


async def line_ids(database: Database, order_id: UUID, *, tracked: bool = False) -> list[UUID]:
    c = order_lines.c
    async with database.reading() as session:
        rows = await session.execute(select(c.id, c.is_tracked).where(c.order_id == order_id).order_by(c.id))
    return [row.id for row in rows if row.is_tracked or not tracked]


async def orphan(database: Database, journey: Journey, **values: Any) -> UUID:
    """Write a payment of the expired checkout, like that of the placed order."""
    like = await payment_of(database, journey.placed)
    async with database.transaction() as session:
        return await copy_of(
            session,
            payments,
            like,
            **{"order_id": None, "checkout_id": journey.expired_checkout, "reference": None, **values},
        )


async def refund(database: Database, payment_id: UUID, **values: Any) -> UUID:
    """Write a refund of a payment in full."""
    at, refund_id = clock.now(), ids.new()
    async with database.transaction() as session:
        amount = await session.scalar(select(payments.c.amount).where(payments.c.id == payment_id))
        row = {
            "id": refund_id, "payment_id": payment_id, "order_id": None, "amount": amount, "status": "SUCCEEDED",
            "reason": "no_order", "leased_until": at, "created_at": at, "updated_at": at, **values,
        }  # fmt: skip
        await session.execute(insert(refunds).values(row))
    return refund_id


async def test_shop_that_has_seen_everything_keeps_every_promise(database: Database, journey: Journey) -> None:
    assert await broken(database) == {}
    assert await statuses(database) == {
        ("CONFIRMED", "PAID", "UNFULFILLED"),
        ("CONFIRMED", "AUTHORIZED", "UNFULFILLED"),
        ("SHIPPED", "PAID", "FULFILLED"),
        ("DELIVERED", "PAID", "FULFILLED"),
        ("PARTIALLY_SHIPPED", "PAID", "PARTIALLY_FULFILLED"),
        ("PROCESSING", "PAID", "UNFULFILLED"),
        ("CANCELLED", "REFUNDED", "UNFULFILLED"),
        ("CANCELLED", "VOIDED", "UNFULFILLED"),
    }


def test_checks_have_names_of_their_own_and_tell_people_what_to_do() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(check.description.count(". ") >= 1 and check.description.endswith(".") for check in CHECKS)


async def test_level_that_was_written_past_the_ledger(database: Database, journey: Journey, shop: Shop) -> None:
    c = levels.c
    shelf = (c.variant_id == shop.mug, c.location_id == shop.main_id)
    await write(database, update(levels).where(*shelf).values(on_hand=c.on_hand + 2))

    assert await broken(database) == {"ledger": [ids.encode("variant", shop.mug)]}
    assert await details(database, "ledger") == [f"on_hand at {ids.encode('location', shop.main_id)} is off by +2"]


async def test_ledger_without_its_level(database: Database, journey: Journey, shop: Shop) -> None:
    await write(database, delete(levels).where(levels.c.variant_id == shop.secret))

    found = await broken(database)

    assert found == {
        "ledger": [ids.encode("variant", shop.secret)],
        "availability": [ids.encode("product", shop.secret_product)],
    }
    assert await details(database, "ledger") == [f"on_hand at {ids.encode('location', shop.main_id)} is off by -7"]


async def test_counted_quantity_below_zero(database: Database, journey: Journey, shop: Shop) -> None:
    await without_rules(database, levels)
    async with database.transaction() as session:
        await move(session, shop.mug, shop.main_id, "damaged", -1)

    assert await broken(database) == {"negative_quantity": [ids.encode("variant", shop.mug)]}


@pytest.mark.parametrize("name", ["reserved", "committed"])
async def test_units_counted_as_promised_to_nobody(database: Database, journey: Journey, shop: Shop, name: str) -> None:
    async with database.transaction() as session:
        await move(session, shop.mug, shop.main_id, name, 1)

    assert await broken(database) == {name: [ids.encode("variant", shop.mug)]}
    assert await details(database, name) == [f"{name} at {ids.encode('location', shop.main_id)} is off by +1"]


async def test_units_promised_and_not_counted(database: Database, journey: Journey, shop: Shop) -> None:
    async with database.transaction() as session:
        await move(session, shop.mug, shop.main_id, "reserved", -2)

    assert await broken(database) == {"reserved": [ids.encode("variant", shop.mug)]}


async def hold(database: Database, shop: Shop, owner_id: UUID, line_id: UUID, *, is_committed: bool) -> None:
    async with database.transaction() as session:
        await session.execute(
            insert(allocations).values(
                line_id=line_id, location_id=shop.main_id, owner_id=owner_id, variant_id=shop.mug, quantity=1,
                is_committed=is_committed,
            )
        )  # fmt: skip
        await move(session, shop.mug, shop.main_id, "committed" if is_committed else "reserved", 1)


@pytest.mark.parametrize("owner", ["nobody", "expired"])
async def test_reservation_of_no_checkout_under_way(
    database: Database, journey: Journey, shop: Shop, owner: str
) -> None:
    owner_id = uuid4() if owner == "nobody" else journey.expired_checkout

    await hold(database, shop, owner_id, uuid4(), is_committed=False)

    assert await broken(database) == {"reservation_owner": [ids.encode("checkout", owner_id)]}


async def test_commitment_to_no_order(database: Database, journey: Journey, shop: Shop) -> None:
    line_id = uuid4()

    await hold(database, shop, uuid4(), line_id, is_committed=True)

    assert await broken(database) == {"commitment_owner": [ids.encode("order_line", line_id)]}


async def test_commitment_to_a_cancelled_order(database: Database, journey: Journey, shop: Shop) -> None:
    (line_id,) = await line_ids(database, journey.cancelled)
    async with database.reading() as session:
        owner_id = await session.scalar(select(orders.c.checkout_id).where(orders.c.id == journey.cancelled))

    await hold(database, shop, UUID(str(owner_id)), line_id, is_committed=True)

    line = ids.encode("order_line", line_id)
    assert await broken(database) == {"commitment_owner": [line], "committed_lines": [line]}


async def test_checkout_that_holds_more_than_it_sells(database: Database, journey: Journey, shop: Shop) -> None:
    a = allocations.c
    async with database.transaction() as session:
        await session.execute(update(allocations).where(~a.is_committed).values(quantity=a.quantity + 1))
        await move(session, shop.mug, shop.main_id, "reserved", 1)

    assert await broken(database) == {"reserved_lines": [ids.encode("checkout", journey.open_checkout)]}
    assert await details(database, "reserved_lines") == ["what it holds is off by +1"]


async def test_checkout_that_holds_nothing(database: Database, journey: Journey, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(delete(allocations).where(~allocations.c.is_committed))
        await move(session, shop.mug, shop.main_id, "reserved", -2)

    assert await broken(database) == {"reserved_lines": [ids.encode("checkout", journey.open_checkout)]}


async def test_line_that_is_owed_more_than_is_committed(database: Database, journey: Journey, shop: Shop) -> None:
    (line_id,) = await line_ids(database, journey.placed, tracked=True)
    a = allocations.c
    async with database.transaction() as session:
        await session.execute(update(allocations).where(a.line_id == line_id).values(quantity=1))
        await move(session, shop.mug, shop.main_id, "committed", -1)

    assert await broken(database) == {"committed_lines": [ids.encode("order_line", line_id)]}
    assert await details(database, "committed_lines") == ["what is committed to it is off by -1"]


async def test_line_that_was_shipped_and_is_still_committed(database: Database, journey: Journey, shop: Shop) -> None:
    line_id = (await line_ids(database, journey.shipped))[0]
    async with database.reading() as session:
        owner_id = await session.scalar(select(orders.c.checkout_id).where(orders.c.id == journey.shipped))

    await hold(database, shop, UUID(str(owner_id)), line_id, is_committed=True)

    assert await broken(database) == {"committed_lines": [ids.encode("order_line", line_id)]}


async def test_bundle_to_which_too_few_parts_are_committed(database: Database, journey: Journey, shop: Shop) -> None:
    a = allocations.c
    of_bundles = select(order_lines.c.id).where(
        order_lines.c.order_id == journey.bundled, order_lines.c.parts.is_not(None)
    )
    async with database.transaction() as session:
        line_id = (await session.execute(of_bundles)).scalar_one()
        part = (a.line_id == line_id, a.variant_id == shop.mug)
        assert await session.scalar(select(func.sum(a.quantity)).where(*part)) == 4
        await session.execute(update(allocations).where(*part).values(quantity=2))
        await move(session, shop.mug, shop.main_id, "committed", -2)

    assert await broken(database) == {"committed_lines": [ids.encode("order_line", line_id)]}
    assert await details(database, "committed_lines") == ["what is committed to it is off by -2"]


async def test_checkout_of_a_bundle_that_holds_the_wrong_parts(
    database: Database, journey: Journey, shop: Shop
) -> None:
    async with database.transaction() as session:
        bundle = await session.scalar(select(variants.c.id).where(variants.c.is_bundle))
        cart_id = await cart_ready_to_check_out(session, shop, {UUID(str(bundle)): 2})
    checkout = await desk(database).start(cart_id, accept_price_changes=False)
    assert await broken(database) == {}

    a = allocations.c
    async with database.transaction() as session:
        part = (a.owner_id == checkout.id, a.variant_id == shop.mug)
        await session.execute(update(allocations).where(*part).values(quantity=a.quantity + 1))
        await move(session, shop.mug, shop.main_id, "reserved", 1)

    assert await broken(database) == {"reserved_lines": [ids.encode("checkout", checkout.id)]}


async def test_stock_expected_that_no_transfer_brings(database: Database, journey: Journey, shop: Shop) -> None:
    async with database.transaction() as session:
        await move(session, shop.mug, shop.outlet_id, "incoming", 1)

    assert await broken(database) == {"incoming": [ids.encode("variant", shop.mug)]}
    assert await details(database, "incoming") == [f"incoming at {ids.encode('location', shop.outlet_id)} is off by +1"]


async def test_limit_used_up_by_what_nobody_bought(database: Database, journey: Journey, shop: Shop) -> None:
    row = {"owner_id": journey.expired_checkout, "variant_id": shop.mug, "buyer": b"digest", "quantity": 1}
    await write(database, insert(limited_purchases).values(row))

    assert await broken(database) == {"purchase_limits": [ids.encode("checkout", journey.expired_checkout)]}


async def test_list_that_shows_what_can_not_be_bought(database: Database, journey: Journey, shop: Shop) -> None:
    c = listings.c
    await write(database, update(listings).where(c.product_id == shop.poster_product).values(is_available=True))

    assert await broken(database) == {"availability": [ids.encode("product", shop.poster_product)]}


async def test_cart_with_two_orders(database: Database, journey: Journey) -> None:
    await without_rules(database, orders)
    c = checkouts.c
    async with database.transaction() as session:
        cart_id = await session.scalar(select(orders.c.cart_id).where(orders.c.id == journey.placed))
        await session.execute(text("DROP INDEX uq_checkout_live"))
        await session.execute(update(orders).where(orders.c.id == journey.shipped).values(cart_id=cart_id))
        await session.execute(update(checkouts).where(c.order_id == journey.shipped).values(cart_id=cart_id))

    both = sorted([journey.placed, journey.shipped])
    assert await broken(database) == {"duplicate_orders": [ids.encode("order", order_id) for order_id in both]}


async def test_completed_checkout_without_an_order(database: Database, journey: Journey) -> None:
    c = checkouts.c
    await write(database, update(checkouts).where(c.id == journey.expired_checkout).values(status="COMPLETED"))

    assert await broken(database) == {"completion": [ids.encode("checkout", journey.expired_checkout)]}


async def test_order_whose_checkout_is_not_completed(database: Database, journey: Journey) -> None:
    c = checkouts.c
    await write(database, update(checkouts).where(c.order_id == journey.placed).values(status="EXPIRED"))

    assert await broken(database) == {"completion": [ids.encode("order", journey.placed)]}


async def test_order_that_was_paid_twice(database: Database, journey: Journey) -> None:
    payment_id = await payment_of(database, journey.placed)
    async with database.transaction() as session:
        await copy_of(session, payments, payment_id, reference="another")

    assert await broken(database) == {"paid_once": [ids.encode("order", journey.placed)]}
    assert await details(database, "paid_once") == ["2 payments"]


async def test_order_that_was_never_paid(database: Database, journey: Journey) -> None:
    await write(
        database,
        delete(payments).where(payments.c.order_id == journey.placed),
        update(orders)
        .where(orders.c.id == journey.placed)
        .values(status="PENDING_PAYMENT", financial_status="PENDING"),
    )

    assert await broken(database) == {"paid_once": [ids.encode("order", journey.placed)]}


async def test_payment_without_an_order_or_a_refund(database: Database, journey: Journey) -> None:
    payment_id = await orphan(database, journey)
    assert await broken(database) == {"unowned_payments": [ids.encode("payment", payment_id)]}

    await refund(database, payment_id)
    assert await broken(database) == {}


async def test_cancelled_order_whose_money_nobody_gives_back(database: Database, journey: Journey) -> None:
    await write(
        database,
        delete(refunds).where(refunds.c.order_id == journey.cancelled),
        update(orders).where(orders.c.id == journey.cancelled).values(financial_status="PAID"),
    )

    payment_id = await payment_of(database, journey.cancelled)
    assert await broken(database) == {"unowned_payments": [ids.encode("payment", payment_id)]}


@pytest.mark.parametrize("values", [{"amount": payments.c.amount + 1}, {"currency": "USD"}])
async def test_payment_of_another_amount_than_its_order(
    database: Database, journey: Journey, values: dict[str, Any]
) -> None:
    payment_id = await payment_of(database, journey.authorized)

    await write(database, update(payments).where(payments.c.id == payment_id).values(values))

    assert await broken(database) == {"payment_amount": [ids.encode("payment", payment_id)]}


async def test_more_given_back_than_was_taken(database: Database, journey: Journey) -> None:
    c = refunds.c
    await write(database, update(refunds).where(c.order_id == journey.cancelled).values(amount=c.amount + 1))

    payment_id = await payment_of(database, journey.cancelled)
    assert await broken(database) == {"refund_amount": [ids.encode("payment", payment_id)]}


async def test_refund_of_what_was_never_taken(database: Database, journey: Journey) -> None:
    payment_id = await orphan(database, journey, status="DECLINED")

    await refund(database, payment_id)

    assert await broken(database) == {"refund_amount": [ids.encode("payment", payment_id)]}


async def test_order_whose_lines_do_not_make_its_subtotal(database: Database, journey: Journey) -> None:
    c = orders.c
    wrong = {"subtotal_amount": c.subtotal_amount + 1, "discount_amount": c.discount_amount + 1}
    await write(database, update(orders).where(c.id == journey.placed).values(wrong))

    assert await broken(database) == {"order_total": [ids.encode("order", journey.placed)]}


async def test_order_whose_sums_do_not_make_its_total(database: Database, journey: Journey) -> None:
    await without_rules(database, orders)
    c = orders.c
    await write(database, update(orders).where(c.id == journey.placed).values(tax_amount=c.tax_amount + 1))

    assert await broken(database) == {"order_total": [ids.encode("order", journey.placed)]}


async def test_lines_whose_totals_are_not_quantity_times_price(database: Database, journey: Journey) -> None:
    first, second = await line_ids(database, journey.placed)
    c = order_lines.c
    await write(
        database,
        *(
            update(order_lines).where(c.id == line_id).values(total_amount=c.total_amount + by)
            for line_id, by in ((first, 1), (second, -1))
        ),
    )

    assert await broken(database) == {"line_total": [ids.encode("order_line", line) for line in (first, second)]}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": "SHIPPED"}, "SHIPPED PAID UNFULFILLED"),
        ({"status": "CANCELLED"}, "CANCELLED PAID UNFULFILLED"),
        ({"financial_status": "PENDING"}, "CONFIRMED PENDING UNFULFILLED"),
        ({"fulfillment_status": "FULFILLED"}, "CONFIRMED PAID FULFILLED"),
    ],
)
async def test_status_that_does_not_follow_from_the_facts(
    database: Database, journey: Journey, values: dict[str, str], told: str
) -> None:
    await write(database, update(orders).where(orders.c.id == journey.placed).values(values))

    assert await broken(database) == {"order_status": [ids.encode("order", journey.placed)]}
    assert await details(database, "order_status") == [f"{told}, should be CONFIRMED PAID UNFULFILLED"]


@pytest.mark.parametrize(("minutes", "is_late"), [(4, False), (6, True)])
async def test_reservation_that_nobody_ends(database: Database, journey: Journey, minutes: int, is_late: bool) -> None:
    past = clock.now() - timedelta(minutes=minutes)
    await write(database, update(checkouts).where(checkouts.c.id == journey.open_checkout).values(expires_at=past))

    wanted = {"late_expiry": [ids.encode("checkout", journey.open_checkout)]} if is_late else {}
    assert await broken(database) == wanted


@pytest.mark.parametrize(
    ("minutes", "lease", "next_action", "is_late"),
    [(9, -8, None, False), (11, 1, None, True), (11, 1, {"type": "REDIRECT"}, False), (11, -1, {"type": "X"}, True)],
)
async def test_payment_that_nobody_settles(
    database: Database, journey: Journey, minutes: int, lease: int, next_action: Any, is_late: bool
) -> None:
    at = clock.now()
    payment_id = await orphan(
        database,
        journey,
        status="STARTED",
        created_at=at - timedelta(minutes=minutes),
        leased_until=at + timedelta(minutes=lease),
        next_action=next_action,
    )

    assert await broken(database) == ({"unsettled_payments": [ids.encode("payment", payment_id)]} if is_late else {})


@pytest.mark.parametrize(("minutes", "is_late"), [(9, False), (11, True)])
async def test_refund_that_nobody_settles(database: Database, journey: Journey, minutes: int, is_late: bool) -> None:
    past = clock.now() - timedelta(minutes=minutes)

    refund_id = await refund(database, await orphan(database, journey), status="PENDING", created_at=past)

    assert await broken(database) == ({"late_refunds": [ids.encode("refund", refund_id)]} if is_late else {})


async def test_refund_that_was_refused_until_another_one_succeeds(database: Database, journey: Journey) -> None:
    payment_id = await orphan(database, journey)
    refund_id = await refund(database, payment_id, status="FAILED")
    assert await broken(database) == {"failed_refunds": [ids.encode("refund", refund_id)]}

    await refund(database, payment_id)
    assert await broken(database) == {}


@pytest.mark.parametrize(("minutes", "is_late"), [(59, False), (61, True)])
async def test_key_that_nobody_frees(database: Database, journey: Journey, minutes: int, is_late: bool) -> None:
    run, past = ids.new(), clock.now() - timedelta(minutes=minutes)
    row = {
        "scope": "cart:secret", "key": "private", "fingerprint": "", "run": run, "leased_until": past,
        "created_at": past,
    }  # fmt: skip
    await write(database, insert(idempotency_keys).values(row))

    assert await broken(database) == ({"stuck_keys": [ids.encode("request", run)]} if is_late else {})


@pytest.mark.parametrize("place", ["middle", "end"])
async def test_event_that_is_missing_from_the_log(database: Database, journey: Journey, place: str) -> None:
    c = facts.c
    async with database.transaction() as session:
        last = int(await session.scalar(select(func.max(c.position))) or 0)
        gone = last if place == "end" else last // 2
        before = await session.scalar(select(c.id).where(c.position == gone - 1))
        await session.execute(delete(facts).where(c.position == gone))

    assert before is not None
    assert await broken(database) == {"log_gaps": [ids.encode("event", before)]}


async def test_log_that_was_cut_at_its_start_is_whole(database: Database, journey: Journey) -> None:
    await write(database, delete(facts).where(facts.c.position < 5))

    assert await broken(database) == {}


async def test_event_beyond_the_head_of_the_log(database: Database, journey: Journey) -> None:
    c = facts.c
    async with database.transaction() as session:
        last = await session.scalar(select(c.id).order_by(c.position.desc()).limit(1))
        await session.execute(update(log_heads).values(position=log_heads.c.position - 1))

    assert last is not None
    assert await broken(database) == {"log_head": [ids.encode("event", last)]}


@pytest.mark.parametrize(("seconds", "is_late"), [(50, False), (70, True)])
async def test_event_that_nobody_announces(database: Database, journey: Journey, seconds: int, is_late: bool) -> None:
    fact_id, past = ids.new(), clock.now() - timedelta(seconds=seconds)
    row = {"id": fact_id, "topic": "order.placed", "key": fact_id, "payload": {}, "occurred_at": past}
    await write(database, insert(facts).values(row))

    assert await broken(database) == ({"unnumbered_facts": [ids.encode("event", fact_id)]} if is_late else {})


async def test_many_violations_are_counted_and_the_first_shown(
    database: Database, journey: Journey, shop: Shop
) -> None:
    late = sorted([journey.open_checkout, await begin(database, shop), await begin(database, shop)])
    past = clock.now() - timedelta(minutes=6)
    await write(database, update(checkouts).where(checkouts.c.id.in_(late)).values(expires_at=past))
    check = next(check for check in CHECKS if check.name == "late_expiry")

    found = await find(database, check, limit=2)

    assert (found.violations, [sample.id for sample in found.samples]) == (
        3,
        [ids.encode("checkout", checkout_id) for checkout_id in late[:2]],
    )
