"""What lies between a client and the shop, and who changes the stock there?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from headless.accounts import queries as account_queries
from headless.accounts import service as accounts
from headless.accounts.rules import Permission
from headless.platform import clock, ids
from headless.platform.db import Database
from tests import builders
from tests.serving import HOST, Client, Served, new_key

MOVE = "mutation ($input: InventoryAdjustInput!) { inventoryAdjust(input: $input) { userErrors { code message } } }"
CHUNK = 65536


class Proxy:
    """A wire to one server, which can be cut."""

    def __init__(self, target: str) -> None:
        self._target_port = int(target.rsplit(":", 1)[1])
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}/graphql"

    async def mend(self) -> None:
        """Let clients through, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Drop every connection without a word, and take no more."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with suppress(OSError):
                there_reader, there_writer = await asyncio.open_connection(HOST, self._target_port)
                self._writers.add(there_writer)
                await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
                self._writers.discard(there_writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True, slots=True)
class Street:
    """A shop behind two server processes: clients are on the first, staff on the second."""

    served: Served
    database: Database
    shop: builders.Shop
    staff: Client

    @property
    def location_id(self) -> str:
        return ids.encode("location", self.shop.main_id)

    async def token(self, *, lifetime: timedelta | None = None) -> str:
        """Make a token that may follow the stock, for so long or for ever."""
        expires_at = None if lifetime is None else clock.now() + lifetime
        async with self.database.transaction() as session:
            return await accounts.create_token(
                session, name="follower", permissions=[Permission.READ_INVENTORY], expires_at=expires_at
            )

    async def revoke(self, token: str) -> None:
        async with self.database.transaction() as session:
            actor = await account_queries.actor_by_token(session, token)
            assert actor is not None
            assert actor.token_id is not None
            await accounts.revoke_token(session, actor.token_id)

    async def move(self, *deltas: int) -> None:
        """Add units of the mug, one after the other; the server that clients are on need not run."""
        for delta in deltas:
            change = {
                "variantId": ids.encode("variant", self.shop.mug),
                "locationId": self.location_id,
                "delta": delta,
                "changeFromQuantity": None,
            }
            given = {"reason": "count", "idempotencyKey": new_key(), "changes": [change]}
            answer = await self.staff.execute(MOVE, {"input": given})
            assert answer["inventoryAdjust"] == {"userErrors": []}

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Proxy]:
        """A wire of one's own to the server that clients are on."""
        proxy = Proxy(self.served.urls[0])
        await proxy.mend()
        try:
            yield proxy
        finally:
            await proxy.cut()
