"""How does a provider behave whose every call can go wrong? As its token says; its ledger tells what it really did.

A token names habits, joined by `+`, and after `@` whatever makes it unique: `lost+find_late@7`. A habit strikes the
first time that its call is made for the token; after that the call goes well, so that every story has an end.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from headless.payments.rules import AnswerLost, Authorization, NextAction, Outcome, PaymentStatus
from tests.payments.fault_ledger import PAYABLE, Charge, Ledger, State, paid

T = TypeVar("T")

NAME = "faulty"
STALL_SECONDS = 30.0
ASKED_BEFORE_PROCESSED = 2
STATUSES = {
    State.REQUIRES_PAYMENT_METHOD: PaymentStatus.DECLINED,
    State.REQUIRES_ACTION: PaymentStatus.ACTION_REQUIRED,
    State.REQUIRES_CAPTURE: PaymentStatus.AUTHORIZED,
    State.SUCCEEDED: PaymentStatus.CAPTURED,
    State.CANCELED: PaymentStatus.VOIDED,
}
FATES = {
    "declined": State.REQUIRES_PAYMENT_METHOD,
    "action": State.REQUIRES_ACTION,
    "processing": State.PROCESSING,
    "processing_declined": State.PROCESSING,
}


class FaultProvider:
    """A provider whose calls fail as asked, before or after they took effect."""

    name = NAME

    def __init__(self, path: Path, *, latency: float = 0) -> None:
        """`latency`: how many seconds a call is on its way, and its answer again."""
        self.ledger = Ledger(path)
        self.latency = latency
        self.gate = asyncio.Event()
        """What `gated` charges wait for before they are answered."""
        self.waiting = 0
        """How many of them wait."""
        self._delayed: dict[UUID, Authorization] = {}

    async def authorize(self, request: Authorization) -> Outcome:
        if request.amount not in PAYABLE:
            message = f"The amount must be between {PAYABLE[0]} and {PAYABLE[-1]}."
            return Outcome(PaymentStatus.FAILED, message=message)
        habits = habits_of(request.token)
        if habits & {"arrives_after_find", "arrives_after_abandon"} and self._is_due(request.token, "arrives"):
            self._delayed[request.key] = request
            raise AnswerLost
        if "gated" in habits:
            self.waiting += 1
            await self.gate.wait()
        return _outcome(await self._call(request.token, "", lambda: self._accept(request)))

    async def find(self, key: UUID) -> Outcome | None:
        charge = self.ledger.find(key)
        token = charge.token if charge is not None else ""
        habits = habits_of(token)
        found = await self._call(token, "find_", lambda: self._look(key))
        if "find_dropped" in habits or ("find_late" in habits and self._is_due(token, "find_late")):
            return None
        if found is None:
            self._let_arrive(key, "arrives_after_find")
            return None
        if "find_stale" in habits and self._is_due(token, "find_stale"):
            return _action(found)
        return _outcome(found)

    async def abandon(self, key: UUID) -> Outcome:
        charge = self.ledger.find(key)
        token = charge.token if charge is not None else ""
        if "abandon_unheard" in habits_of(token) and charge is not None and self._is_due(token, "abandon_unheard"):
            return _action(charge)
        found = await self._call(token, "abandon_", lambda: self.ledger.cancel(key))
        self._let_arrive(key, "arrives_after_abandon")
        return _outcome(found)

    async def give_back(self, key: UUID, *, payment: UUID, amount: int) -> bool:
        charge = self.ledger.find(payment)
        token = charge.token if charge is not None else ""
        return await self._call(token, "refund_", lambda: self.ledger.give_back(key, payment=payment, amount=amount))

    async def _call(self, token: str, kind: str, effect: Callable[[], T]) -> T:
        """Go to the provider, have the effect and come back, unless a habit of this kind of call strikes."""
        struck = {habit for habit in habits_of(token) if habit in _faults(kind) and self._is_due(token, habit)}
        await asyncio.sleep(self.latency)
        await self._fail(struck, kind, "before")
        answer = effect()
        if f"{kind}twice" in struck:
            assert effect() == answer
        await asyncio.sleep(self.latency)
        await self._fail(struck, kind, "after")
        return answer

    async def _fail(self, struck: set[str], kind: str, when: str) -> None:
        if f"{kind}stall_{when}" in struck:
            await asyncio.sleep(STALL_SECONDS)
        if f"{kind}error_{when}" in struck:
            raise ConnectionResetError
        if f"{kind}bug_{when}" in struck:
            raise RuntimeError("a bug of the provider's adapter, as asked")
        if when == "after" and f"{kind}lost" in struck:
            raise AnswerLost

    def _is_due(self, token: str, habit: str) -> bool:
        return self.ledger.strike(token, habit) == 1

    def _accept(self, request: Authorization) -> Charge:
        fates = [FATES[habit] for habit in habits_of(request.token) if habit in FATES]
        return self.ledger.accept(request, fates[0] if fates else paid(captures=request.capture))

    def _look(self, key: UUID) -> Charge | None:
        charge = self.ledger.find(key)
        if charge is None or charge.state is not State.PROCESSING:
            return charge
        if self.ledger.strike(charge.token, f"processed {key}") < ASKED_BEFORE_PROCESSED:
            return charge
        is_declined = "processing_declined" in habits_of(charge.token)
        after = State.REQUIRES_PAYMENT_METHOD if is_declined else paid(captures=charge.captures)
        return self.ledger.move(key, State.PROCESSING, after)

    def _let_arrive(self, key: UUID, habit: str) -> None:
        """A request that was long on its way arrives after all."""
        delayed = self._delayed.get(key)
        if delayed is not None and habit in habits_of(delayed.token):
            self._accept(self._delayed.pop(key))


def habits_of(token: str) -> frozenset[str]:
    return frozenset(token.partition("@")[0].split("+"))


def _faults(kind: str) -> set[str]:
    whens = ("before", "after")
    return {f"{kind}{fault}_{when}" for fault in ("stall", "error", "bug") for when in whens} | {
        f"{kind}lost",
        f"{kind}twice",
    }


def _outcome(charge: Charge) -> Outcome:
    """Say what is known; of what is still processed nothing is: it is to be asked for again."""
    if charge.state is State.PROCESSING:
        raise AnswerLost
    if charge.state is State.REQUIRES_ACTION:
        return _action(charge)
    message = "The card was declined." if charge.state is State.REQUIRES_PAYMENT_METHOD else ""
    return Outcome(STATUSES[charge.state], reference=f"{NAME}_{charge.key.hex}", message=message)


def _action(charge: Charge) -> Outcome:
    action = NextAction(type="REDIRECT", url="http://bank.test/confirm", client_secret="secret")
    return Outcome(PaymentStatus.ACTION_REQUIRED, reference=f"{NAME}_{charge.key.hex}", next_action=action)
