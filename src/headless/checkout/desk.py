"""How do hundreds of buyers a second get the same few units? By standing in line together.

Each process holds stock for all who ask at about the same time in one transaction: the rows that everybody wants are
locked, written and committed once for many. Alone, a buyer has a transaction to himself and waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from headless.checkout import service, starting
from headless.checkout.service import Terms
from headless.checkout.starting import Answer, Changed, Prepared
from headless.platform.db import Database, Record, SerializationFailure
from headless.platform.errors import Conflict, Fault

MOST_AT_ONCE = 64
"""Carts in one transaction: enough to share its cost, few enough to keep others waiting only shortly."""
HANDS = 3
"""Transactions under way at once: one that waits for a lock doesn't hold up buyers of other things."""
TRIES = 8

Waiting = tuple[Prepared, "asyncio.Future[Answer]"]


class Desk:
    """Where a process's buyers have their checkouts started. `terms` says for how long stock is held."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self.database = database
        self.terms = terms
        self._waiting: deque[Waiting] = deque()
        self._hands: set[asyncio.Task[None]] = set()
        self._most_hands = 1 if database.is_sqlite else HANDS

    async def start(self, cart_id: UUID, *, accept_price_changes: bool, language: str | None = None) -> Record:
        """Check a cart, freeze its prices and hold its stock; on its open checkout renew that.

        Raises `NotFound`, `Refused` with everything that stops it, `CartCompleted`, `CheckoutInProgress`, or
        `Conflict` for a cart that others change all the time.
        """
        for _try in range(TRIES):
            async with self.database.reading() as session:
                wish = await starting.prepare(
                    session, cart_id, accept_price_changes=accept_price_changes, language=language
                )
            if wish is None:
                async with self.database.transaction() as session:
                    renewed = await service.renew(session, cart_id, terms=self.terms)
                if renewed is not None:
                    return renewed
                continue
            answer = await self.hold(wish)
            if not isinstance(answer, Changed):
                return answer.checkout
        raise Conflict

    async def hold(self, wish: Prepared) -> starting.Held | Changed:
        """Hold a prepared checkout's stock; raises `Refused`, naming the lines that can't be had."""
        place: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((wish, place))
        if len(self._hands) < self._most_hands:
            self._hands.add(asyncio.create_task(self._serve()))
        answer = await place
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _serve(self) -> None:
        try:
            await self._serve_all()
        finally:
            # Here, not in a callback: whoever comes before that ran would wait for a hand that has gone home.
            self._hands.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _serve_all(self) -> None:
        while self._waiting:
            batch: dict[UUID, Waiting] = {}
            late: list[Waiting] = []
            while self._waiting and len(batch) < MOST_AT_ONCE:
                wish, place = self._waiting.popleft()
                if place.done():
                    continue
                if wish.cart.id in batch:
                    late.append((wish, place))
                else:
                    batch[wish.cart.id] = (wish, place)
            await self._serve_together(list(batch.values()))
            for _wish, place in late:
                if not place.done():
                    place.set_result(Changed())

    async def _serve_together(self, batch: Sequence[Waiting]) -> None:
        if not batch:
            return
        try:
            answers = await self._in_one_transaction([wish for wish, _place in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was is for those who wait, not for the hand
            if len(batch) > 1 and not isinstance(error, Fault):
                # One of them is at fault: it shall not harm the others.
                for waiting in batch:
                    await self._serve_together([waiting])
                return
            for _wish, place in batch:
                if not place.done():
                    place.set_exception(error)
            return
        for wish, place in batch:
            if not place.done():
                place.set_result(answers[wish.cart.id])

    async def _in_one_transaction(self, wishes: Sequence[Prepared]) -> dict[UUID, Answer]:
        try:
            return await self._once(wishes)
        except SerializationFailure:
            return await self._once(wishes)

    async def _once(self, wishes: Sequence[Prepared]) -> dict[UUID, Answer]:
        async with self.database.transaction() as session:
            return dict(await starting.hold(session, wishes, terms=self.terms))
