"""Does the real shop do, step by step, what a shop in plain Python does? Hypothesis thinks up the steps."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update

from headless.accounts.rules import Permission
from headless.checkout import completion
from headless.checkout.models import checkouts
from headless.payments.models import payments
from headless.platform import clock, ids
from headless.platform.db import Database
from headless.settings import Settings
from tests import builders
from tests.builders import Form, Shop, assert_books_balance, make_product
from tests.graphql.client import Api, running
from tests.races.model import PLACES, Cart, Codes, Model
from tests.races.street import IS_SOAK
from tests.serving import Json, new_key

T = TypeVar("T")
EXAMPLES, STEPS = (300, 100) if IS_SOAK else (6, 100)
STOCK = {"cup": {"main": 4, "outlet": 3}, "mug": {"main": 5, "outlet": 0}}
TOKENS = [
    "tok_visa",
    "tok_visa",
    "tok_visa",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_error",
    "tok_3ds",
    "tok_timeout",
]
LIVE = {"OPEN", "PAYMENT_PENDING", "ACTION_REQUIRED", "COMPLETED"}
ACTIVE = "checkout { status } order { id lines(first: 9) { nodes { id variant { id } } } }"


@dataclass(slots=True)
class World:
    """The real shop in this process, and how to wait for it."""

    runner: asyncio.Runner
    exits: AsyncExitStack
    database: Database
    shop: Shop
    api: Api
    token: str

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def execute(self, document: str, variables: Json) -> Any:
        return self.wait(self.api.execute(document, variables, token=self.token)).data

    def mutate(self, name: str, shown: str, **given: Any) -> Json:
        """Run a mutation; answer its payload."""
        kind = f"{name[0].upper()}{name[1:]}Input!"
        document = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ {shown} userErrors {{ code }} }} }}"
        payload: Json = self.execute(document, {"input": given})[name]
        return payload


@pytest.fixture
def world(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A shop whose every step is waited for."""

    async def opened() -> World:
        exits, database = AsyncExitStack(), Database(database_url)
        exits.push_async_callback(database.close)
        async with database.transaction() as session:
            shop = await builders.make_shop(session)
        own = Settings(
            database_url=database_url, data_dir=tmp_path, port=0, secret_key="a secret of the tests", log_level="error"
        )
        api = await exits.enter_async_context(running(own, monkeypatch))
        return World(runner, exits, database, shop, api, await api.token(*Permission))

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        made = runner.run(opened())
        yield made
        runner.run(made.exits.aclose())


def codes(payload: Json) -> Codes:
    return {error["code"] for error in payload["userErrors"]}


EXPECTED = {
    "put DONE", "put CART_COMPLETED", "put CHECKOUT_IN_PROGRESS", "put CHECKOUT_CANCELLED",
    "put MERCHANDISE_NOT_ENOUGH_STOCK", "put MERCHANDISE_OUT_OF_STOCK",
    "start DONE", "start NO_LINES", "start OUT_OF_STOCK", "start CHECKOUT_IN_PROGRESS", "start CART_COMPLETED",
    "cancel DONE", "cancel CHECKOUT_NOT_STARTED", "cancel CHECKOUT_IN_PROGRESS", "cancel CART_COMPLETED",
    "complete DONE", "complete OUT_OF_STOCK", "complete PAYMENT_DECLINED", "complete PAYMENT_FAILED",
    "adjust DONE", "adjust INVALID_QUANTITY", "count DONE", "count INVALID_QUANTITY",
    "cancel_order DONE", "cancel_order ORDER_NOT_CANCELLABLE",
    "fulfill DONE", "fulfill NOTHING_TO_FULFILL", "fulfill ORDER_NOT_FULFILLABLE", "fulfill OUT_OF_STOCK",
    "ship DONE", "ship FULFILLMENT_STATUS_INVALID",
    "sweep PAYMENT_PENDING", "sweep OPEN", "sweep ACTION_REQUIRED",
}  # fmt: skip
"""What the steps of a soak must have come to at least once, or they prove little."""
ESSENTIAL = {"put DONE", "start DONE", "complete DONE", "cancel_order DONE", "fulfill DONE", "sweep OPEN"}


VARIANT = st.sampled_from(list(STOCK))
WHICH = st.integers(0, 11)
"""Of what there is, the nth, beginning again at the end."""


def has_order(self: "Shopping") -> bool:
    return bool(self.orders)


class Shopping(RuleBasedStateMachine):
    """Every step is taken in the shop and in the model; then both are compared."""

    world: ClassVar[World]
    seen: ClassVar[Counter[str]]
    """What has happened, over all examples."""

    @initialize()
    def open(self) -> None:
        """Every example has a product of its own."""

        async def made() -> tuple[UUID, dict[str, UUID]]:
            async with self.world.database.transaction() as session:
                forms = [Form(value=name) for name in STOCK]
                product, made = await make_product(session, self.world.shop.channel_id, "Set", *forms)
                named = dict(zip(STOCK, made, strict=True))
                for place, place_id in self.places.items():
                    units = {named[name]: per[place] for name, per in STOCK.items() if place in per}
                    await builders.stock(session, place_id, units)
            return product, named

        product, named = self.world.wait(made())
        self.product = ids.encode("product", product)
        self.variants = {name: ids.encode("variant", variant) for name, variant in named.items()}
        self.model = Model(STOCK)
        self.orders: dict[str, Json] = {}
        self.shipments: list[tuple[str, str, str, dict[str, int]]] = []
        self.sent: set[str] = set()
        for variant in ("cup", "mug", "cup"):
            self.make_cart(variant)

    @property
    def places(self) -> dict[str, UUID]:
        return dict(zip(PLACES, (self.world.shop.main_id, self.world.shop.outlet_id), strict=True))

    def make_cart(self, variant: str) -> None:
        async def made() -> UUID:
            async with self.world.database.transaction() as session:
                return await builders.cart_ready_to_check_out(session, self.world.shop, {})

        cart = ids.encode("cart", self.world.wait(made()))
        self.model.carts[cart] = Cart()
        self.add(cart, variant, 2)

    @rule(which=WHICH, variant=VARIANT, quantity=st.integers(1, 4))
    def put(self, which: int, variant: str, quantity: int) -> None:
        self.add(self.cart(which), variant, quantity)

    def add(self, cart: str, variant: str, quantity: int) -> None:
        line = {"variantId": self.variants[variant], "quantity": quantity}
        payload = self.world.mutate("cartLinesAdd", "warnings { code }", cartId=cart, lines=[line])

        warnings = {warning["code"] for warning in payload["warnings"]}
        assert (codes(payload), warnings) == self.model.put(cart, variant, quantity, more=True)
        self.note("put", codes(payload) | warnings)

    @rule(which=WHICH, variant=VARIANT, quantity=st.integers(0, 5))
    def set_quantity(self, which: int, variant: str, quantity: int) -> None:
        cart = self.cart(which)
        line_id = self.lines(cart).get(variant)
        if line_id is None:
            return
        line = {"id": line_id, "quantity": quantity}
        payload = self.world.mutate("cartLinesUpdate", "warnings { code }", cartId=cart, lines=[line])

        warnings = {warning["code"] for warning in payload["warnings"]}
        assert (codes(payload), warnings) == self.model.put(cart, variant, quantity)
        self.note("put", codes(payload) | warnings)

    @rule(which=WHICH)
    def start(self, which: int) -> None:
        cart = self.cart(which)
        payload = self.world.mutate("checkoutStart", "checkout { status }", cartId=cart)

        assert codes(payload) == self.model.start(cart)
        self.note("start", codes(payload))

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        cart = self.cart(which)
        payload = self.world.mutate("checkoutCancel", "checkout { status }", cartId=cart)

        assert codes(payload) == self.model.cancel(cart)
        self.note("cancel", codes(payload))

    @rule(which=WHICH)
    def pay(self, which: int) -> None:
        self.pay_with(self.cart(which), "tok_visa")

    @rule(which=WHICH, token=st.sampled_from(TOKENS))
    def complete(self, which: int, token: str) -> None:
        self.pay_with(self.cart(which), token)

    def pay_with(self, cart: str, token: str) -> None:
        self.let_leases_end()
        payment = {"provider": "sandbox", "token": token}
        payload = self.world.mutate("checkoutComplete", ACTIVE, cartId=cart, payment=payment, idempotencyKey=new_key())

        assert codes(payload) == self.model.complete(cart, token)
        self.note("complete", codes(payload))
        assert (payload["order"] is not None) == (self.model.carts[cart].status == "COMPLETED")

    @rule(which=WHICH)
    def let_time_pass(self, which: int) -> None:
        cart = self.cart(which)

        async def passed() -> None:
            mine = (checkouts.c.cart_id == ids.decode("cart", cart), checkouts.c.status.in_(LIVE - {"COMPLETED"}))
            async with self.world.database.transaction() as session:
                past = clock.now() - timedelta(minutes=1)
                await session.execute(update(checkouts).where(*mine).values(expires_at=past))

        self.world.wait(passed())
        self.model.carts[cart].is_late = self.model.carts[cart].status is not None

    @rule(which=WHICH)
    def let_time_pass_and_sweep(self, which: int) -> None:
        self.let_time_pass(which)
        self.sweep()

    def sweep(self) -> None:
        self.let_leases_end()

        async def swept() -> None:
            server = self.world.api.server
            # An action that nobody came back from is given up first, and ends at the next round.
            for _ in range(2):
                await completion.settle_left_over(server.database, server.providers, server.rules)

        self.world.wait(swept())
        for cart in self.model.carts.values():
            if cart.is_late or cart.status == "PAYMENT_PENDING":
                self.note("sweep", {str(cart.status)})
        self.model.sweep()

    @rule(variant=VARIANT, place=st.sampled_from(PLACES), number=st.integers(-3, 5), is_count=st.booleans())
    def correct(self, variant: str, place: str, number: int, is_count: bool) -> None:
        if is_count:
            told = self.change("inventorySet", variant, place, quantity=number)
            assert told == self.model.count(variant, place, number)
        else:
            told = self.change("inventoryAdjust", variant, place, delta=number)
            assert told == self.model.adjust(variant, place, number)
        self.note("count" if is_count else "adjust", told)

    def change(self, name: str, variant: str, place: str, **given: int) -> Codes:
        change = {
            "variantId": self.variants[variant],
            "locationId": ids.encode("location", self.places[place]),
            "changeFromQuantity": self.model.levels[variant][place].available,
            **given,
        }
        payload = self.world.mutate(
            name, "movements { delta }", reason="count", idempotencyKey=new_key(), changes=[change]
        )
        return codes(payload)

    @precondition(has_order)
    @rule(which=WHICH, restock=st.booleans())
    def cancel_order(self, which: int, restock: bool) -> None:
        cart = self.ordered(which)
        payload = self.world.mutate(
            "orderCancel", "order { financialStatus }", orderId=self.orders[cart]["id"], reason="OTHER", restock=restock
        )

        assert codes(payload) == self.model.cancel_order(cart, restock=restock)
        self.note("cancel_order", codes(payload))
        assert codes(payload) or payload["order"] == {"financialStatus": "REFUNDED"}

    @precondition(has_order)
    @rule(which=WHICH, nth=WHICH, quantity=st.integers(1, 3), shipped=st.booleans())
    def fulfill(self, which: int, nth: int, quantity: int, shipped: bool) -> None:
        cart = self.ordered(which)
        lines = self.orders[cart]["lines"]["nodes"]
        line = lines[nth % len(lines)]
        variant = next(name for name, variant in self.variants.items() if variant == line["variant"]["id"])
        before = dict(self.model.order(cart).lines[variant].preparing)
        payload = self.world.mutate(
            "fulfillmentCreate", "fulfillment { id }", orderId=self.orders[cart]["id"],
            lines=[{"orderLineId": line["id"], "quantity": quantity}], shipped=shipped,
        )  # fmt: skip

        told = self.model.fulfill(cart, variant, quantity, shipped=shipped)
        assert codes(payload) == told
        self.note("fulfill", told)
        if not told and not shipped:
            now = self.model.order(cart).lines[variant].preparing
            parts = {
                place: units - before.get(place, 0) for place, units in now.items() if units > before.get(place, 0)
            }
            self.shipments.append((cart, variant, payload["fulfillment"]["id"], parts))

    @precondition(lambda self: bool(self.shipments))
    @rule(which=WHICH)
    def ship(self, which: int) -> None:
        cart, variant, fulfillment, parts = self.shipments[which % len(self.shipments)]
        payload = self.world.mutate("fulfillmentShip", "fulfillment { status }", fulfillmentId=fulfillment)

        if fulfillment in self.sent or self.model.order(cart).is_cancelled:
            assert codes(payload) == {"FULFILLMENT_STATUS_INVALID"}
            self.note("ship", codes(payload))
            return
        told = self.model.ship(cart, variant, parts)
        assert codes(payload) == told
        self.note("ship", told)
        if not told:
            self.sent.add(fulfillment)

    @invariant()
    def both_are_the_same(self) -> None:
        found = self.world.execute(
            """query ($product: ID!, $variants: [ID!]!, $carts: [ID!]!) {
                 product(id: $product) { availableForSale totalInventory }
                 variants: nodes(ids: $variants) { ... on ProductVariant {
                   quantityAvailable availableForSale currentlyNotInStock
                   inventoryLevels { location { id } quantities { name quantity } }
                 } }
                 carts: nodes(ids: $carts) { ... on Cart {
                   id lines(first: 9) { nodes { id quantity variant { id } } }
                   checkout { status } order { id status lines(first: 9) { nodes { id variant { id } } } }
                 } }
               }""",
            {"product": self.product, "variants": list(self.variants.values()), "carts": list(self.model.carts)},
        )
        sellable = {name: self.model.sellable(name) for name in STOCK}
        assert found["product"] == {
            "availableForSale": any(sellable.values()), "totalInventory": sum(sellable.values())
        }  # fmt: skip
        for (name, units), variant in zip(sellable.items(), found["variants"], strict=True):
            assert variant["quantityAvailable"] == units
            assert (variant["availableForSale"], variant["currentlyNotInStock"]) == (units > 0, units == 0)
            assert self.real_levels(variant) == self.model_levels(name)
        for cart in found["carts"]:
            self.compare(cart, self.model.carts[cart["id"]])

    def compare(self, cart: Json, expected: Cart) -> None:
        name_of = {variant: name for name, variant in self.variants.items()}
        lines = {name_of[line["variant"]["id"]]: line["quantity"] for line in cart["lines"]["nodes"]}
        status = cart["checkout"]["status"] if cart["checkout"] else None
        assert lines == expected.lines
        assert (status if status in LIVE else None) == expected.status
        assert (cart["order"] or {}).get("status") == (expected.order.status if expected.order else None)
        if cart["order"] is not None:
            self.orders[cart["id"]] = cart["order"]

    def cart(self, which: int) -> str:
        return list(self.model.carts)[which % len(self.model.carts)]

    def ordered(self, which: int) -> str:
        """A cart that became an order."""
        return list(self.orders)[which % len(self.orders)]

    def note(self, step: str, told: Codes) -> None:
        self.seen.update(f"{step} {code}" for code in told or {"DONE"})

    def real_levels(self, variant: Json) -> dict[str, dict[str, int]]:
        name_of = {ids.encode("location", place_id): name for name, place_id in self.places.items()}
        return {
            name_of[level["location"]["id"]]: {one["name"]: one["quantity"] for one in level["quantities"]}
            for level in variant["inventoryLevels"]
        }

    def model_levels(self, name: str) -> dict[str, dict[str, int]]:
        return {
            place: {
                "available": level.available, "on_hand": level.on_hand, "reserved": level.reserved,
                "committed": level.committed, "damaged": 0, "safety_stock": 0, "incoming": 0,
            }
            for place, level in self.model.levels[name].items()
        }  # fmt: skip

    def lines(self, cart: str) -> dict[str, str]:
        """The ids of a cart's lines by variant."""
        name_of = {variant: name for name, variant in self.variants.items()}
        document = "query ($id: ID!) { cart(id: $id) { lines(first: 9) { nodes { id variant { id } } } } }"
        found = self.world.execute(document, {"id": cart})["cart"]["lines"]["nodes"]
        return {name_of[line["variant"]["id"]]: line["id"] for line in found}

    def let_leases_end(self) -> None:
        """Have nobody be busy with a payment any more."""

        async def ended() -> None:
            async with self.world.database.transaction() as session:
                past = clock.now() - timedelta(minutes=1)
                left = update(payments).where(payments.c.status == "STARTED")
                await session.execute(left.values(leased_until=past, updated_at=past))

        self.world.wait(ended())

    def teardown(self) -> None:
        self.world.wait(assert_books_balance(self.world.database))


def test_shop_does_what_the_model_does(world: World) -> None:
    class Here(Shopping):
        pass

    Here.world, Here.seen = world, Counter()
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            phases=[Phase.generate, Phase.shrink] if IS_SOAK else [Phase.generate],  # shrinking takes minutes
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert (EXPECTED if IS_SOAK else ESSENTIAL) - set(Here.seen) == set()
