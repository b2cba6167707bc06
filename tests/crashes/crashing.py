"""What do tests of crashes share: a shop's process that dies, and buyers who insist until they know how it ended."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx2

from headless.platform import ids
from headless.platform.db import Database
from tests.crashes import forked
from tests.payments import books
from tests.payments.fault_ledger import Ledger
from tests.payments.fault_provider import NAME
from tests.serving import (
    HOST,
    SETTLED_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    Answer,
    Client,
    Lost,
    codes,
    free_port,
    new_key,
    pay,
)

IS_SOAK = os.environ.get("HEADLESS_SOAK") == "1"
"""Whether there is all the time in the world."""
_cards = itertools.count()
UNFORESEEN = ("Traceback", '"level": "error"', '"level":"error"', "Task exception was never retrieved")


@dataclass(slots=True)
class ShopProcess:
    """A server process on a database, with the worker inside and the provider of the tests."""

    database_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _process: ForkServerProcess | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def log(self) -> Path:
        return self.folder / f"server-{self.port}.log"

    async def start(self, failpoint: str = "") -> None:
        """Start, perhaps to die at a failpoint, and wait until it serves."""
        armed = {"HEADLESS_FAILPOINT": failpoint, "HEADLESS_ALLOW_FAILPOINTS": "1"} if failpoint else {}
        environment = {
            "HEADLESS_DATABASE_URL": self.database_url,
            "HEADLESS_DATA_DIR": str(self.folder / "data"),
            "HEADLESS_SECRET_KEY": "a secret of the tests alone",
            "HEADLESS_HOST": HOST,
            "HEADLESS_PORT": str(self.port),
            "HEADLESS_PROVIDER_TIMEOUT_SECONDS": "2",
            **self.settings,
            **armed,
        }
        self._process = forked.fork(environment, log=self.log, ledger=self.ledger)
        deadline = time.monotonic() + START_SECONDS
        async with httpx2.AsyncClient(trust_env=False) as http:
            while time.monotonic() < deadline:
                assert self._process.is_alive(), self.said()
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.01)
        raise AssertionError(f"the server did not start in time; {self.said()}")

    async def dies(self) -> None:
        """Wait until the process has killed itself."""
        assert await self._ended() == -forked.KILLED, self.said()

    async def kill(self) -> None:
        """End the process as a power cut does."""
        assert self._process is not None
        self._process.kill()
        await self.dies()

    async def stop(self) -> None:
        """End the process in order; fail if it said something that nobody foresaw."""
        if self._process is not None:
            self._process.terminate()
            await self._ended()
        said = self.said()
        for sign in UNFORESEEN:
            assert sign not in said, said

    async def _ended(self) -> int | None:
        process, self._process = self._process, None
        assert process is not None
        await asyncio.to_thread(process.join, STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"the server did not end; {self.said()}")
        code = process.exitcode
        process.close()
        return code

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@asynccontextmanager
async def shop_process(database_url: str, folder: Path, **settings: str) -> AsyncIterator[ShopProcess]:
    """A process that is yet to be started."""
    process = ShopProcess(database_url, folder, settings)
    try:
        yield process
    finally:
        await process.stop()


@contextmanager
def ledger_of(process: ShopProcess) -> Iterator[Ledger]:
    """What the provider knows."""
    ledger = Ledger(process.ledger)
    try:
        yield ledger
    finally:
        ledger.close()


@dataclass(slots=True)
class Buyer:
    """A cart to be bought, and what its buyer was told in the end."""

    cart_id: str
    habits: str
    """What comes of his payment: see `FaultProvider`."""
    token: str = ""
    key: str = field(default_factory=new_key)
    order_id: str | None = None
    refusals: list[str] = field(default_factory=list)
    losses: int = 0
    """How often no answer came, or not the whole of it."""
    refused_later: int = 0
    """How often he was told to come again."""

    def __post_init__(self) -> None:
        self.take_card(self.habits)

    def take_card(self, habits: str) -> None:
        """Pay with a card of one's own; its digits are few, or it would pass for a real one's number."""
        self.habits, self.token = habits, f"{habits}@{next(_cards)}"

    async def buy(self, client: Client) -> None:
        """Pay with one key until an order was placed or refused for good, as the contract tells clients to do."""
        while not await self.ask(client):
            await asyncio.sleep(0.02)

    async def ask(self, client: Client) -> bool:
        """Pay once; answer whether that was the end."""
        try:
            answer = await pay(client, self.cart_id, key=self.key, payment={"provider": NAME, "token": self.token})
        except Lost:
            self.losses += 1
            return False
        assert answer.status in {200, 503}, answer
        payload = (answer.body.get("data") or {}).get("checkoutComplete")
        if answer.error_codes:
            assert set(answer.error_codes) == {"UNAVAILABLE"}, answer
            self.refused_later += answer.status == 503
            self.losses += answer.status == 200
            return False
        return self._is_told(payload)

    def _is_told(self, payload: Any) -> bool:
        if payload["order"] is not None:
            self.order_id = payload["order"]["id"]
            return True
        self.refusals = [code for code in codes(payload) if not _is_for_now(payload)]
        status = payload["checkout"]["status"] if payload["checkout"] else ""
        return bool(self.refusals) or status == "ACTION_REQUIRED"


def _is_for_now(payload: Any) -> bool:
    return any(
        error["code"] == "IDEMPOTENCY_CONCURRENT_REQUEST"
        or (error["code"] == "PAYMENT_FAILED" and "never reached" in error["message"])
        for error in payload["userErrors"]
    )


def is_unavailable(answer: Answer) -> bool:
    """Whether the server said in the agreed way that it can't work now."""
    return answer.status == 503 and answer.error_codes == ["UNAVAILABLE"]


async def settle(database: Database) -> None:
    """Wait until the worker has nothing left to do; time passes for it as it needs it."""
    deadline = time.monotonic() + SETTLED_SECONDS
    left = await books.unsettled(database)
    while any(left.values()) and time.monotonic() < deadline:
        await books.let_leases_end(database)
        await books.let_reservations_end(database)
        await asyncio.sleep(0.1)
        left = await books.unsettled(database)
    assert left == dict.fromkeys(left, 0)


def cart_key(cart_id: Any) -> str:
    return ids.encode("cart", cart_id)
