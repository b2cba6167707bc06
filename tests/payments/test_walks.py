"""Whoever asks, dies, comes late or takes over, in any order: is a cart paid once, or not at all?"""

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from headless.cart.errors import CartCompleted
from headless.checkout import completion, concluding, service
from headless.checkout.completion import Wish
from headless.checkout.errors import CheckoutInProgress, CheckoutNotStarted
from headless.payments.rules import Outcome
from headless.platform.errors import Refused
from tests import builders
from tests.builders import SETTLED, desk
from tests.payments import books
from tests.payments.fault_ledger import State, paid
from tests.payments.fault_provider import NAME
from tests.payments.tills import Till

WALKS = 8
STEPS = 30
ANOTHER = 0.15
"""How often a request comes with another card."""
HABITS = ["well", "declined", "action", "action", "lost+action", "lost", "processing", "error_before"]


@dataclass(slots=True)
class Asker:
    """A request, or a worker, somewhere between its transactions: what it knows may be old when it is written."""

    step: completion._Pay
    wish: Wish
    outcome: Outcome | None = None


@dataclass(slots=True)
class Walk:
    """One cart and all who are busy with it."""

    till: Till
    cart_id: UUID
    chance: random.Random
    asking: list[Asker] = field(default_factory=list)
    knowing: list[Asker] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    token: str = ""

    def __post_init__(self) -> None:
        self.token = f"{self.chance.choice(HABITS)}@{self.cart_id.hex}"

    async def start(self) -> None:
        with suppress(CartCompleted, CheckoutInProgress, Refused):
            await desk(self.till.database).start(self.cart_id, accept_price_changes=False)

    async def begin(self) -> None:
        """A request comes, maybe with another card, and goes as far as the provider."""
        if self.chance.random() < ANOTHER:
            self.token = f"{self.chance.choice(HABITS)}@{uuid4().hex}"
        wanted = builders.wish(self.cart_id, self.token, provider=NAME)
        async with self.till.database.transaction() as session:
            step = await completion._begin(session, self.till.providers, wanted, is_last=True)
        if isinstance(step, completion._Pay):
            self.asking.append(Asker(step, wanted))

    async def ask(self) -> None:
        asker = self._one_of(self.asking)
        if asker is not None:
            asker.outcome = await completion._ask(self.till.providers, asker.step, asker.wish, SETTLED)
            self.knowing.append(asker)

    async def write(self) -> None:
        """One of those who know something writes it down, however long ago he heard it."""
        asker = self._one_of(self.knowing)
        if asker is not None:
            async with self.till.database.transaction() as session:
                result = await concluding.conclude(session, asker.step.payment, self.cart_id, asker.outcome, SETTLED)
            assert not (result.order_id and result.refusals)

    async def die(self) -> None:
        self._one_of(self.chance.choice([self.asking, self.knowing]))

    async def confirm(self) -> None:
        """The buyer does at his bank what a payment asks of him, and doesn't come back to tell."""
        for charge in self.till.provider.ledger.charges():
            if charge.state is State.REQUIRES_ACTION:
                self.till.provider.ledger.move(charge.key, State.REQUIRES_ACTION, paid(captures=charge.captures))

    async def let_leases_end(self) -> None:
        await books.let_leases_end(self.till.database)

    async def let_reservations_end(self) -> None:
        await books.let_reservations_end(self.till.database)

    async def work(self) -> None:
        await self.till.work()

    async def edit(self) -> None:
        with suppress(CartCompleted, CheckoutInProgress):
            async with self.till.database.transaction() as session:
                await service.edit(session, self.cart_id, terms=SETTLED.terms, values={"note": "Ring twice."})

    async def cancel(self) -> None:
        with suppress(CartCompleted, CheckoutInProgress, CheckoutNotStarted):
            async with self.till.database.transaction() as session:
                await service.cancel(session, self.cart_id)

    async def go(self) -> None:
        deeds: list[Callable[[], Awaitable[None]]] = [
            self.start, self.start, self.begin, self.begin, self.begin, self.ask, self.ask, self.ask, self.write,
            self.write, self.die, self.confirm, self.confirm, self.let_leases_end, self.let_leases_end,
            self.let_leases_end, self.let_leases_end, self.let_reservations_end, self.work, self.edit, self.cancel,
        ]  # fmt: skip
        for _ in range(STEPS):
            deed = self.chance.choice(deeds)
            self.seen.append(getattr(deed, "__name__", ""))
            await deed()
        while self.knowing:
            await self.write()

    def _one_of(self, askers: list[Asker]) -> Asker | None:
        return askers.pop(self.chance.randrange(len(askers))) if askers else None


@pytest.mark.parametrize("seed", [16, 17])
async def test_cart_is_paid_once_or_not_at_all_wherever_everybody_stands(till: Till, seed: int) -> None:
    async with till.database.transaction() as session:
        await builders.stock(session, till.shop.main_id, {till.goods: 1000})
    ends = set[bool]()
    for nth in range(WALKS):
        walk = Walk(till, await till.cart(), random.Random(f"{seed} {nth}"))
        await walk.go()
        await till.settle()
        try:
            await books.assert_money_and_stock_agree(till.database, till.provider.ledger)
            # Who tells the truth about an end is believed at once: no money has to go back.
            assert [charge.returned for charge in till.provider.ledger.charges() if charge.returned] == []
        except AssertionError as error:
            error.add_note(f"walk {nth}: {', '.join(walk.seen)}")
            raise
        ends.add(await till.is_bought(walk.cart_id))
    assert ends == {True, False}
