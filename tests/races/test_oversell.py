"""Is exactly what is there sold, however many come? With the program that anybody can run against any server."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from bench import oversell
from bench.oversell import Api, Books, Buyer, Report, Wanted
from headless.cart import service as cart
from headless.cart.rules import Wanted as Wish
from headless.platform import ids
from tests import builders
from tests.builders import assert_books_balance
from tests.races.street import IS_SOAK, Street

SMALL = Wanted() if IS_SOAK else Wanted(buyers=80, units=20)
EVERYTHING = {"lines": 2, "locations": 2, "aliases": 4}


def enough(wanted: Wanted, **rest: int) -> Wanted:
    """A race for as many orders, from carts of another kind."""
    changed = {"buyers": wanted.buyers, "at_once": wanted.at_once, "units": wanted.units * rest.get("lines", 1)}
    return Wanted(**changed, **rest)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(Wanted(), id="400-buyers-100-units"),
        pytest.param(enough(Wanted(), **EVERYTHING), id="400-buyers-in-every-way"),
        pytest.param(enough(SMALL, lines=2), id="two-lines"),
        pytest.param(enough(SMALL, locations=2), id="two-locations"),
        pytest.param(enough(SMALL, aliases=5), id="aliases"),
        pytest.param(Wanted(buyers=60, units=33, lines=2), id="odd-unit-is-left"),
    ],
)
async def test_exactly_what_is_there_is_sold(street: Street, wanted: Wanted) -> None:
    before = await street.charges()

    with Api(street.served.urls, token=street.token) as api:
        goods = await asyncio.to_thread(oversell.stock_up, api, wanted)
        carts = await fill(street, ids.decode("variant", goods.variant_id), wanted)
        report = await asyncio.to_thread(oversell.race, api, goods, wanted, carts)

    assert report.problems == [], report.text()
    assert report.sold == wanted.most
    assert report.refused == {"OUT_OF_STOCK": wanted.buyers - wanted.most}
    assert report.failed == {}
    # Two processes that write to one file make each other wait; PostgreSQL has no reason to turn anybody away.
    assert street.database.is_sqlite or report.waits == {}
    assert await street.orders_of(buyer.cart_id for buyer in report.buyers) == wanted.most
    assert await street.charges() - before == wanted.most
    for buyer in report.buyers:
        assert buyer.order_id is None or ids.decode("order", buyer.order_id)
    await assert_books_balance(street.database)


async def fill(street: Street, variant_id: UUID, wanted: Wanted) -> list[str]:
    """Make the buyers' carts as the program does, but at one go."""
    async with street.database.transaction() as session:
        made = [await builders.cart_ready_to_check_out(session, street.shop, {}) for _ in range(wanted.buyers)]
        for cart_id in made:
            locked = await cart.lock(session, cart_id)
            lines = [Wish(variant_id, attributes=(("line", str(line)),)) for line in range(wanted.lines)]
            assert await cart.add_lines(session, locked, lines) == []
    return [ids.encode("cart", cart_id) for cart_id in made]


async def test_program_says_by_its_exit_code_how_it_went(street: Street) -> None:
    async def ended(*arguments: str) -> tuple[int | None, str]:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(Path(oversell.__file__)), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await program.communicate()
        return program.returncode, said.decode()

    servers = [part for url in street.served.urls for part in ("--url", url)]
    size = ["--buyers", "9", "--units", "4", "--at-once", "3"]

    kept, told = await ended(*servers, "--token", street.token, *size)
    refused, why = await ended(*servers, "--token", "wrong", *size)

    assert kept == 0, told
    assert "sold        4" in told
    assert "refused     5  OUT_OF_STOCK: 5" in told
    assert "KEPT" in told
    assert refused == 2
    assert "UNAUTHENTICATED" in why


def report_of(*buyers: Buyer, units: int = 2, committed: int = 2, reserved: int = 0) -> Report:
    """What is reported of a race for two units."""
    free = units - committed - reserved
    counted = {("here", "on_hand"): units, ("here", "committed"): committed, ("here", "reserved"): reserved}
    books = Books(Counter({**counted, ("here", "available"): free}), Counter(counted), sellable=free)
    return Report(Wanted(buyers=len(buyers), units=2), buyers, books, 1.0, Counter())


def order(name: str) -> Buyer:
    return Buyer(f"cart of {name}", order_id=name)


REFUSED = Buyer("cart of a loser", refusal="OUT_OF_STOCK")


def test_right_ending_is_no_problem() -> None:
    report = report_of(order("a"), order("b"), REFUSED)

    assert report.problems == []
    assert "KEPT" in report.text()


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (report_of(order("a"), order("b"), order("c"), committed=3), "OVERSOLD: 3 orders where 2 could be filled"),
        (report_of(order("a"), REFUSED, REFUSED, committed=1), "only 1 orders where 2 could be filled"),
        (report_of(order("a"), order("b"), order("b")), "two buyers got the same order"),
        (report_of(order("a"), order("b"), Buyer("c", failure="HTTP 500")), "1 buyers got no proper answer"),
        (report_of(order("a"), order("b"), Buyer("c", refusal="NO_LINES")), "refused for something else than stock"),
        (report_of(order("a"), order("b"), REFUSED, committed=1), "committed is 1 instead of 2"),
        (report_of(order("a"), order("b"), REFUSED, reserved=1), "reserved is 1 instead of 0"),
        (report_of(order("a"), order("b"), REFUSED, units=3), "on_hand is 3 instead of 2"),
    ],
)
def test_everything_else_is_a_problem(report: Report, problem: str) -> None:
    assert any(found.startswith(problem) for found in report.problems), report.problems
    assert "KEPT" not in report.text()


def test_ledger_that_does_not_explain_a_level_is_a_problem() -> None:
    report = report_of(order("a"), order("b"))
    report.books.ledger["here", "on_hand"] += 1

    assert report.problems == ["the ledger doesn't add up to the levels"]
