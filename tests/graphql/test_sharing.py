"""Is an event executed once for all who asked for the same, and never shown to anyone else?"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import OperationDefinitionNode, get_operation_ast, parse, print_ast

from headless.accounts.rules import Permission
from headless.catalog import queries as catalog_queries
from headless.catalog.queries import Eye
from headless.graphql.live.streams import Happening
from headless.graphql.server import resuming, sharing
from headless.graphql.server.sharing import Audience, Audiences, Frame
from headless.platform import ids
from headless.platform.db import Record, Session
from headless.pricing import service as pricing
from headless.pricing.service import NewPrice
from tests.builders import Shop, stock
from tests.graphql.client import PATIENCE, Api, Socket, of
from tests.graphql.streaming import streaming

STOCK = """subscription($ids: [ID!]!, $after: String) {
  stockChanged(variantIds: $ids, after: $after) { id cursor quantityAvailable }
}"""
OTHER = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { id quantityAvailable availableForSale } }"
LEVELS = """subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) {
  id quantityAvailable variant { sku inventoryLevels { quantities(names: ["on_hand"]) { quantity } } }
} }"""
PRICES = """subscription($ids: [ID!]!) { priceChanged(variantIds: $ids) {
  id price { amount currencyCode } variant { sku price { amount } product { title status } }
} }"""


async def set_stock(api: Api, shop: Shop, quantity: int) -> None:
    async with api.server.database.transaction() as session:
        await stock(session, shop.main_id, {shop.mug: quantity})
    await api.settled()


async def following(exits: AsyncExitStack, api: Api, document: str, variables: dict[str, Any], **rest: Any) -> Socket:
    """A socket that follows something as `1`."""
    socket = await exits.enter_async_context(api.socket())
    token = rest.get("token")
    await socket.init({"authToken": token} if token else None)
    await socket.subscribe(rest.get("operation", "1"), document, variables)
    return socket


async def test_identical_subscriptions_are_executed_once(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    counters = api.subscriptions.counters
    async with AsyncExitStack() as exits:
        sockets = [await following(exits, api, STOCK, variables, operation=str(number)) for number in range(10)]
        for number, socket in enumerate(sockets):
            assert (await socket.next(str(number)))["stockChanged"]["quantityAvailable"] == 10
        assert api.subscriptions.audiences == 1
        executed = counters.executed
        for quantity in (5, 4, 3):
            await set_stock(api, shop, quantity)
            told = [(await socket.next(str(number)))["stockChanged"] for number, socket in enumerate(sockets)]
            assert {event["quantityAvailable"] for event in told} == {quantity}
            assert len({orjson.dumps(event) for event in told}) == 1

        assert counters.executed - executed == 3
        assert counters.delivered == 10 * (1 + 3)
    await api.nobody_listens()
    assert api.subscriptions.audiences == 0


async def test_those_who_resume_share_with_those_who_began_and_with_event_streams(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    counters = api.subscriptions.counters
    async with AsyncExitStack() as exits:
        first = await following(exits, api, STOCK, variables)
        cursor = (await first.next("1"))["stockChanged"]["cursor"]
        await set_stock(api, shop, 9)
        await first.next("1")
        back = [await following(exits, api, STOCK, {**variables, "after": cursor}) for _ in range(4)]
        for socket in back:
            assert (await socket.next("1"))["stockChanged"]["quantityAvailable"] == 9
        stream = await exits.enter_async_context(streaming(api, STOCK, {**variables, "after": None}))
        assert (await stream.next())["stockChanged"]["quantityAvailable"] == 9
        # `after` that is null and `after` that is left out are the same.
        assert api.subscriptions.audiences == 1
        executed = counters.executed
        await set_stock(api, shop, 5)
        told = [await socket.next("1") for socket in (first, *back)] + [await stream.next()]

        assert counters.executed - executed == 1
        assert len({orjson.dumps(event) for event in told}) == 1


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        (OTHER, {}),
        (STOCK + " ", {}),
        (STOCK.replace("subscription", "subscription Named"), {}),
        (STOCK.replace("($ids: [ID!]!, ", "($ids: [ID!]!, $c: String, ").replace(") {", ") @inContext(channel: $c) {", 1), {"c": "default"}),
        (STOCK, {"ids": "more"}),
        (STOCK, {"unknown": 1}),
    ],
)  # fmt: skip
async def test_whoever_asked_for_anything_else_does_not_share(
    api: Api, shop: Shop, document: str, variables: dict[str, Any]
) -> None:
    mug = [of("variant", shop.mug)]
    if "ids" in variables:
        variables = {"ids": [*mug, of("variant", shop.shirt_small)]}
    async with AsyncExitStack() as exits:
        one = await following(exits, api, STOCK, {"ids": mug})
        await one.next("1")
        other = await following(exits, api, document, {"ids": mug, **variables})
        await other.next("1")

        assert api.subscriptions.audiences == 2


async def test_tokens_do_not_share_with_each_other_nor_with_shoppers(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    allowed = await api.token(Permission.READ_INVENTORY)
    others = [None, await api.token(Permission.READ_ORDERS), await api.token(Permission.READ_PRODUCTS)]
    counters = api.subscriptions.counters
    async with AsyncExitStack() as exits:
        # Whoever may see the levels asks first, twice, so that his answers are there to be taken by others.
        staff = [await following(exits, api, LEVELS, variables, token=allowed) for _ in range(2)]
        strangers = [await following(exits, api, LEVELS, variables, token=token) for token in others for _ in range(2)]
        for round_ in range(3):
            for socket in staff:
                event = (await socket.next("1"))["stockChanged"]
                assert event["variant"]["inventoryLevels"]
            for socket in strangers:
                message = await socket.receive()
                (error,) = message["payload"]["errors"]
                assert error["extensions"]["code"] in {"UNAUTHENTICATED", "FORBIDDEN"}
                assert "quantities" not in orjson.dumps(message).decode()
            executed = counters.executed
            await set_stock(api, shop, round_)

        assert api.subscriptions.audiences == 4
        for socket in (*staff, *strangers):
            await socket.receive()
        assert counters.executed - executed == 4


async def test_present_state_is_never_from_before_it_was_asked_for(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}
    async with AsyncExitStack() as exits:
        for quantity in range(10):
            # Committed, but perhaps not numbered yet: the position alone doesn't tell that something is new.
            async with api.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: quantity})
            socket = await following(exits, api, STOCK, variables)
            assert (await socket.next("1"))["stockChanged"]["quantityAvailable"] == quantity


async def test_who_comes_back_with_many_asks_once_with_them_whether_he_may(
    api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Counter[tuple[frozenset[UUID], bool]]()
    original = catalog_queries.variants_by_id

    async def variants_by_id(session: Session, keys: Sequence[UUID], eye: Eye) -> Mapping[UUID, Record]:
        looks[frozenset(keys), eye.sees_hidden] += 1
        return await original(session, keys, eye)

    monkeypatch.setattr(catalog_queries, "variants_by_id", variants_by_id)
    staff = await api.token(Permission.READ_PRODUCTS)
    hidden = {"ids": [of("variant", shop.secret)]}
    document = "subscription($ids: [ID!]!) { stockChanged(variantIds: $ids) { quantityAvailable } }"
    async with AsyncExitStack() as exits:
        shopper, clerk = [await exits.enter_async_context(api.socket()) for _ in range(2)]
        await shopper.init()
        await clerk.init({"authToken": staff})
        numbers = [str(number) for number in range(40)]
        for number in numbers:
            await shopper.subscribe(number, document, hidden)
            await clerk.subscribe(number, document, hidden)
        refused = [await shopper.receive() for _ in numbers]
        told = [await clerk.receive() for _ in numbers]

    assert {answer["id"] for answer in refused} == {answer["id"] for answer in told} == set(numbers)
    assert {answer["payload"][0]["extensions"]["code"] for answer in refused} == {"NOT_FOUND"}
    assert all(answer["payload"] == {"data": {"stockChanged": {"quantityAvailable": 7}}} for answer in told)
    wanted = frozenset({shop.secret})
    assert set(looks) == {(wanted, False), (wanted, True)}
    assert max(looks.values()) < len(numbers) / 2


async def test_many_who_come_at_once_each_get_the_state_and_every_change_since(api: Api, shop: Shop) -> None:
    variables = {"ids": [of("variant", shop.mug)]}

    async def follow(exits: AsyncExitStack) -> list[int]:
        socket = await following(exits, api, STOCK, variables)
        seen: list[int] = []
        while not seen or seen[-1] != 0:
            seen.append((await socket.next("1"))["stockChanged"]["quantityAvailable"])
        return seen

    async def sell() -> None:
        for quantity in range(9, -1, -1):
            async with api.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: quantity})

    async with AsyncExitStack() as exits:
        following_all = asyncio.gather(*(follow(exits) for _ in range(20)))
        await sell()
        followed = await following_all
    for seen in followed:
        # Stock only falls here: whoever is shown more than before was shown the past.
        assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("seed", range(3))
async def test_nobody_is_shown_what_he_would_not_get_alone(api: Api, shop: Shop, seed: int) -> None:
    """Everyone has a twin who asks for the same in a text of his own, and so shares with nobody."""
    choose = random.Random(seed)
    tokens = [
        None,
        await api.token(Permission.READ_PRODUCTS),
        await api.token(Permission.READ_INVENTORY),
        await api.token(Permission.READ_ORDERS),
    ]
    documents = [STOCK, LEVELS, PRICES]
    keys = [[shop.mug], [shop.mug, shop.shirt_small], [shop.secret, shop.mug]]
    async with AsyncExitStack() as exits:
        pairs: list[tuple[Socket, Socket, int]] = []
        for number in range(16):
            document, token = choose.choice(documents), choose.choice(tokens)
            # Only who may read products can name the hidden one.
            wanted = choose.choice(keys if token == tokens[1] else keys[:2])
            variables = {"ids": [of("variant", key) for key in wanted]}
            one = await following(exits, api, document, variables, token=token)
            twin = await following(exits, api, f"{document} # {number}", variables, token=token)
            for _ in wanted:
                assert _shape(await one.receive()) == _shape(await twin.receive())
            changes = 1 if document == PRICES else len({shop.mug, shop.shirt_small} & set(wanted))
            pairs.append((one, twin, changes))
        executed, shared = api.subscriptions.counters.executed, 0
        for round_ in range(4):
            async with api.server.database.transaction() as session:
                await stock(session, shop.main_id, {shop.mug: round_, shop.shirt_small: 50 - round_})
                await pricing.set_prices(session, shop.channel_id, {shop.mug: NewPrice(1000 + round_)})
            await api.settled()
            for one, twin, changes in pairs:
                told = [(await one.receive())["payload"] for _ in range(changes)]
                assert told == [(await twin.receive())["payload"] for _ in range(changes)]
                shared += 2 * changes

        assert api.subscriptions.counters.executed - executed < shared
        for one, twin, _ in pairs:
            assert await one.is_usable()
            assert await twin.is_usable()


def _shape(message: dict[str, Any]) -> Any:
    """A message without what differs between any two snapshots."""
    payload = orjson.loads(orjson.dumps(message["payload"]))
    for event in payload["data"].values():
        event.pop("id")
        event.pop("cursor", None)
    return payload


# The audience by itself.


def happening(*, is_state: bool = False, key: UUID | None = None) -> Happening:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Happening(ids.new(), "cursor", at, "topic", key or UUID(int=1), {}, "Type", is_state=is_state)


class Work:
    """Executions that wait until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.gates: list[asyncio.Future[Frame]] = []

    async def execute(self) -> Frame:
        self.begun += 1
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        frame: Frame = await gate
        return frame

    async def until(self, begun: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.begun < begun:
                await asyncio.sleep(0)


@pytest.fixture
def database_kind() -> str:
    """Who shares with whom doesn't depend on the database."""
    return "sqlite"


async def test_whoever_asked_first_may_go_away() -> None:
    audience, work, event = Audience(members=3), Work(), happening()
    asking = [asyncio.create_task(audience.frame(event, work.execute)) for _ in range(3)]
    await work.until(1)
    asking[0].cancel()
    work.gates[0].set_result(Frame("{}"))

    assert await asyncio.gather(*asking[1:]) == [Frame("{}")] * 2
    assert asking[0].cancelled()
    assert work.begun == 1


async def test_failure_is_told_to_those_who_waited_and_not_kept() -> None:
    audience, work, event = Audience(members=3), Work(), happening()
    asking = [asyncio.create_task(audience.frame(event, work.execute)) for _ in range(2)]
    await work.until(1)
    work.gates[0].set_exception(OSError("gone"))
    assert [str(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == ["gone", "gone"]

    again = asyncio.create_task(audience.frame(event, work.execute))
    await work.until(2)
    work.gates[1].set_result(Frame("{}"))
    assert await again == Frame("{}")


async def test_state_that_is_being_read_is_read_again_for_those_who_come_now() -> None:
    audience, work = Audience(members=9), Work()
    first = asyncio.create_task(audience.frame(happening(is_state=True), work.execute))
    await work.until(1)
    late = [asyncio.create_task(audience.frame(happening(is_state=True), work.execute)) for _ in range(5)]
    other = asyncio.create_task(audience.frame(happening(is_state=True, key=UUID(int=2)), work.execute))
    await work.until(2)
    work.gates[1].set_result(Frame("other"))
    work.gates[0].set_result(Frame("old"))
    await work.until(3)
    work.gates[2].set_result(Frame("new"))

    assert (await first, await other) == (Frame("old"), Frame("other"))
    assert await asyncio.gather(*late) == [Frame("new")] * 5
    assert work.begun == 3


async def test_event_is_executed_again_once_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "KEPT", 2)
    audience, events = Audience(members=2), [happening() for _ in range(3)]
    executed: Counter[UUID] = Counter()

    async def execute(event: Happening) -> Frame:
        executed[event.id] += 1
        return Frame("{}")

    for event in (*events, events[2], events[1], events[0]):
        await audience.frame(event, lambda event=event: execute(event))  # type: ignore[misc]

    assert [executed[event.id] for event in events] == [2, 1, 1]


async def test_frames_do_not_outlive_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "KEPT_SECONDS", 0.0)
    audience, work = Audience(members=2), Work()
    asking = asyncio.create_task(audience.frame(happening(), work.execute))
    await work.until(1)
    work.gates[0].set_result(Frame("{}"))
    await asking
    async with asyncio.timeout(PATIENCE):
        while audience._executions:
            await asyncio.sleep(0)


async def test_audience_lasts_as_long_as_its_members() -> None:
    audiences = Audiences()
    one, two, three = (audiences.join(key) for key in ("a", "a", "b"))
    assert one is two
    assert one is not three
    for audience, left in ((one, 2), (three, 1), (two, 0)):
        audiences.leave(audience)
        assert len(audiences) == left


@pytest.mark.parametrize(
    ("document", "variable"),
    [
        (STOCK, "after"),
        (STOCK.replace("$after", "$from"), "from"),
        (OTHER, None),
        ('subscription { orderPlaced(after: "x") { id } }', None),
        ("subscription($after: String) { ...F } fragment F on Subscription { orderPlaced(after: $after) { id } }", "after"),
        ("subscription($after: String) { orderPlaced(after: $after) { order { lines(after: $after) { nodes { id } } } } }", None),
        ("subscription($after: String) @inContext(channel: $after) { orderPlaced(after: $after) { id } }", None),
        ("subscription($after: String) { orderPlaced { order { lines(after: $after) { nodes { id } } } } }", None),
        ("subscription($after: Boolean!) { orderPlaced(after: $after) { id @skip(if: $after) } }", None),
    ],
)  # fmt: skip
def test_variable_that_only_says_where_to_resume_is_told_from_others(document: str, variable: str | None) -> None:
    parsed = parse(document)
    operation = get_operation_ast(parsed)
    assert isinstance(operation, OperationDefinitionNode)

    assert resuming.variable_of(parsed, operation) == variable


def test_document_is_resumed_without_being_changed_itself() -> None:
    document = parse(STOCK)
    operation = get_operation_ast(document)
    assert isinstance(operation, OperationDefinitionNode)
    before = print_ast(document)

    resumed = resuming.resumed_after(document, operation, 'a"b')

    assert print_ast(document) == before
    assert print_ast(resumed) == before.replace("after: $after", 'after: "a\\"b"')
