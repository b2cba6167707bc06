"""Do staff find what went wrong before a shopper does?"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from headless.accounts.rules import Permission
from headless.inventory.models import levels
from headless.operations import service
from headless.operations.books import CHECKS
from headless.orders.models import orders
from headless.payments.models import payments, refunds
from headless.platform import clock, ids
from headless.platform.db import Database
from tests.builders import Shop, complete, desk, place_order
from tests.builders import cart_ready_to_check_out as ready
from tests.graphql.client import Api, of

BOOKS = "query($broken: Boolean) { operations { books(broken: $broken) { name description severity violations samples { id detail } checkedAt since } } }"
TRANSACTIONS = """query($first: Int, $after: String, $problems: [TransactionProblem!]) { operations {
  failedTransactions(first: $first, after: $after, problems: $problems) {
    totalCount nodes { id problem provider message amount { amount currencyCode } order { id } } pageInfo { hasNextPage endCursor } } } }"""
DUPLICATES = "query($first: Int!) { operations { possibleDuplicates(first: $first) { secondsApart order { id number } earlier { id } } } }"
NOW = timedelta(0)


async def ask(api: Api, document: str, **variables: Any) -> Any:
    return (await api.execute(document, variables, token=await api.token(Permission.READ_ORDERS))).data["operations"]


async def pay(database: Database, shop: Shop, token: str) -> UUID:
    """Try to buy a mug; answer the payment."""
    async with database.transaction() as session:
        cart_id = await ready(session, shop, {shop.mug: 1})
    await complete(database, cart_id, token)
    async with database.reading() as session:
        newest = select(payments.c.id).order_by(payments.c.id.desc()).limit(1)
        return UUID(str(await session.scalar(newest)))


async def failed(api: Api, **variables: Any) -> list[tuple[str, str]]:
    found = (await ask(api, TRANSACTIONS, **variables))["failedTransactions"]["nodes"]
    return [(one["id"], one["problem"]) for one in found]


async def give_back(
    database: Database, payment_id: UUID, order_id: UUID | None, status: str, *, age: timedelta
) -> UUID:
    refund_id, at = ids.new(), clock.now() - age
    row = {
        "id": refund_id, "payment_id": payment_id, "order_id": order_id, "amount": 500, "status": status,
        "reason": "test", "leased_until": at, "created_at": at, "updated_at": at,
    }  # fmt: skip
    async with database.transaction() as session:
        await session.execute(insert(refunds).values(row))
    return refund_id


async def test_books_that_were_never_checked_say_so(api: Api) -> None:
    books = (await ask(api, BOOKS))["books"]

    assert [book["name"] for book in books] == [check.name for check in CHECKS]
    assert {(book["violations"], book["checkedAt"], book["since"]) for book in books} == {(None, None, None)}
    assert books[0] == {
        "name": "ledger",
        "description": CHECKS[0].description,
        "severity": "CRITICAL",
        "violations": None,
        "samples": [],
        "checkedAt": None,
        "since": None,
    }


async def test_broken_promise_is_shown_with_the_records_it_concerns(api: Api, database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        await session.execute(update(levels).where(levels.c.variant_id == shop.mug).values(on_hand=11))
    await service.check_books(database, every=NOW)

    (book,) = (await ask(api, BOOKS, broken=True))["books"]
    sound = (await ask(api, BOOKS, broken=False))["books"]

    assert (book["name"], book["violations"], book["checkedAt"]) == ("ledger", 1, book["since"])
    assert book["samples"] == [
        {"id": of("variant", shop.mug), "detail": f"on_hand at {of('location', shop.main_id)} is off by +1"}
    ]
    assert {(one["violations"], one["since"]) for one in sound} == {(0, None)}
    assert len(sound) == len(CHECKS) - 1


async def test_payments_that_ended_badly_are_found(api: Api, database: Database, shop: Shop) -> None:
    await place_order(database, shop, {shop.mug: 1})
    declined = await pay(database, shop, "tok_declined")
    error = await pay(database, shop, "tok_error")

    found = (await ask(api, TRANSACTIONS))["failedTransactions"]

    price = {"amount": "17.80", "currencyCode": "EUR"}
    assert found["totalCount"] == 2
    assert found["nodes"] == [
        {"id": of("payment", error), "problem": "FAILED", "provider": "sandbox", "message": "The sandbox failed, as asked. Nothing was charged.", "amount": price, "order": None},
        {"id": of("payment", declined), "problem": "DECLINED", "provider": "sandbox", "message": "The card was declined. Try another one.", "amount": price, "order": None},
    ]  # fmt: skip


async def test_failed_transactions_are_read_page_by_page_and_by_problem(
    api: Api, database: Database, shop: Shop
) -> None:
    declined = await pay(database, shop, "tok_declined")
    error = await pay(database, shop, "tok_error")

    first = (await ask(api, TRANSACTIONS, first=1))["failedTransactions"]
    after = first["pageInfo"]["endCursor"]

    assert [node["id"] for node in first["nodes"]] == [of("payment", error)]
    assert (first["pageInfo"]["hasNextPage"], first["totalCount"]) == (True, 2)
    assert await failed(api, first=1, after=after) == [(of("payment", declined), "DECLINED")]
    assert await failed(api, problems=["DECLINED"]) == [(of("payment", declined), "DECLINED")]
    assert await failed(api, problems=["REFUND_FAILED", "OUTCOME_UNKNOWN"]) == []


async def test_payment_of_unknown_outcome_is_shown_once_it_hangs(api: Api, database: Database, shop: Shop) -> None:
    payment_id = await pay(database, shop, "tok_timeout")
    assert await failed(api) == []

    async with database.transaction() as session:
        past = clock.now() - timedelta(seconds=61)
        await session.execute(update(payments).values(created_at=past, leased_until=past))

    assert await failed(api) == [(of("payment", payment_id), "OUTCOME_UNKNOWN")]


async def test_money_that_is_owed_is_found(api: Api, database: Database, shop: Shop) -> None:
    order_id = await place_order(database, shop, {shop.mug: 1})
    async with database.reading() as session:
        payment_id = UUID(str(await session.scalar(select(payments.c.id))))
    refused = await give_back(database, payment_id, order_id, "FAILED", age=NOW)
    hanging = await give_back(database, payment_id, order_id, "PENDING", age=timedelta(seconds=61))
    await give_back(database, payment_id, order_id, "PENDING", age=NOW)
    await give_back(database, payment_id, order_id, "SUCCEEDED", age=timedelta(hours=1))

    found = (await ask(api, TRANSACTIONS))["failedTransactions"]["nodes"]

    five = {"amount": "5.00", "currencyCode": "EUR"}
    rest = {"provider": "sandbox", "message": None, "amount": five, "order": {"id": of("order", order_id)}}
    assert found == [
        {"id": of("refund", hanging), "problem": "REFUND_PENDING", **rest},
        {"id": of("refund", refused), "problem": "REFUND_FAILED", **rest},
    ]


async def test_payment_without_an_order_is_found(api: Api, database: Database, shop: Shop) -> None:
    payment_id = await pay(database, shop, "tok_declined")
    async with database.transaction() as session:
        await session.execute(update(payments).values(status="CAPTURED"))

    assert await failed(api) == [(of("payment", payment_id), "WITHOUT_ORDER")]


async def test_orders_that_may_have_been_placed_twice_are_paired(api: Api, database: Database, shop: Shop) -> None:
    old, first, second, other = [await place_order(database, shop, {shop.mug: units}) for units in (1, 1, 1, 2)]
    at, c = clock.now(), orders.c
    async with database.transaction() as session:
        for order_id, minutes in ((old, 20), (first, 9), (second, 1), (other, 1)):
            placed = at - timedelta(minutes=minutes)
            await session.execute(update(orders).where(c.id == order_id).values(placed_at=placed))

    found = (await ask(api, DUPLICATES, first=20))["possibleDuplicates"]

    number = found[0]["order"]["number"]
    assert found == [
        {
            "secondsApart": 480,
            "order": {"id": of("order", second), "number": number},
            "earlier": {"id": of("order", first)},
        }
    ]
    assert (await ask(api, DUPLICATES, first=0))["possibleDuplicates"] == []


async def test_orders_of_others_or_cancelled_ones_are_no_duplicates(api: Api, database: Database, shop: Shop) -> None:
    order_ids = [await place_order(database, shop, {shop.mug: 1}) for _ in range(3)]
    c = orders.c
    async with database.transaction() as session:
        await session.execute(update(orders).where(c.id == order_ids[0]).values(email="pierre@example.com"))
        await session.execute(update(orders).where(c.id == order_ids[1]).values(cancelled_at=clock.now()))

    assert (await ask(api, DUPLICATES, first=20))["possibleDuplicates"] == []


async def test_too_many_duplicates_are_not_asked_for(api: Api) -> None:
    reply = await api.execute(DUPLICATES, {"first": 251}, token=await api.token(Permission.READ_ORDERS))

    assert reply.codes == ["BAD_USER_INPUT"]


async def test_operations_are_for_those_who_may_read_orders(api: Api) -> None:
    anonymous = await api.execute("{ operations { books { name } } }")
    clerk = await api.execute("{ operations { books { name } } }", token=await api.token(Permission.READ_SETTINGS))

    assert (anonymous.codes, anonymous.body["data"]) == (["UNAUTHENTICATED"], {"operations": None})
    assert (clerk.codes, clerk.body["data"]) == (["FORBIDDEN"], {"operations": None})


async def test_started_checkout_is_no_failed_transaction(api: Api, database: Database, shop: Shop) -> None:
    async with database.transaction() as session:
        cart_id = await ready(session, shop, {shop.mug: 1})
    await desk(database).start(cart_id, accept_price_changes=False)

    assert await failed(api) == []
