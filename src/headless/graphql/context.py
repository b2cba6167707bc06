"""What does one operation know: who asks, through which channel, and how to read and write?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

import strawberry
from strawberry.types.base import has_object_definition

from headless.accounts.rules import ANONYMOUS, Actor, Permission
from headless.cart.events import CartChanged
from headless.catalog.queries import Eye
from headless.catalog.search.mirror import Mirror
from headless.checkout.concluding import Rules
from headless.checkout.desk import Desk
from headless.checkout.service import Terms
from headless.graphql.markets import KnownChannels
from headless.inventory.events import InventoryChanged, StockChanged, StockRequestServed, TransferChanged
from headless.orders.events import OrderPlaced, OrderStatusChanged, OrderUpdated
from headless.payments.service import Providers
from headless.platform import clock, idempotency
from headless.platform.crypto import Signer
from headless.platform.db import Database, Record, Session, translated
from headless.platform.errors import BadUserInput, Unavailable
from headless.platform.hub import Hub
from headless.platform.idempotency import Claim
from headless.platform.images import Studio
from headless.platform.loaders import Batch, Loaders, is_pending, then
from headless.platform.rounds import Rounds
from headless.platform.storage import Storage
from headless.pricing.events import PriceChanged
from headless.settings import Settings
from headless.shop import queries as shop_queries
from headless.shop.rules import fallbacks
from headless.teamwork.events import ChecklistItemChanged, ChecklistItemTicked, CommentAdded, CommentChanged

T = TypeVar("T")
WRITTEN = "The change was made, but the server is too busy to show it."

COUNTLESS = frozenset(
    fact.topic
    for fact in (
        *(CartChanged, ChecklistItemChanged, ChecklistItemTicked, CommentAdded, CommentChanged, InventoryChanged),
        *(OrderPlaced, OrderStatusChanged, OrderUpdated, StockRequestServed, TransferChanged),
    )
)
"""What may happen as often as it likes: no list of products gets longer or shorter by it."""
OF_VARIANTS = frozenset({PriceChanged.topic, StockChanged.topic})
"""What happens to a variant, and changes what its product is listed by."""


@dataclass(frozen=True, slots=True)
class Server:
    """What all operations of a process share."""

    settings: Settings
    database: Database
    hub: Hub
    signer: Signer
    providers: Providers
    desk: Desk
    storage: Storage
    studio: Studio
    mirror: Mirror
    """What lists of products are counted by."""
    channels: KnownChannels = field(default_factory=KnownChannels)
    rounds: Rounds = field(default_factory=Rounds)
    """What many ask at one moment."""

    @property
    def terms(self) -> Terms:
        return self.desk.terms

    @property
    def rules(self) -> Rules:
        return Rules(capture=self.settings.capture == "automatic", terms=self.terms, base_url=self.settings.base_url)


@dataclass(frozen=True, slots=True)
class Market:
    """What `@inContext` of the operation asks for."""

    channel: str | None = None
    country: str | None = None
    language: str | None = None


class Context:
    """The context of one operation, or of one event of a subscription."""

    def __init__(
        self,
        server: Server,
        *,
        actor: Actor = ANONYMOUS,
        market: Market | None = None,
        idempotency_key: str | None = None,
        turns: asyncio.Semaphore | None = None,
        follow: Callable[..., None] | None = None,
    ) -> None:
        """`turns` bounds how many of those who share it read at once; the others wait in line, not for a connection.

        `follow` is a subscription's: where it goes on when all of the past is told.
        """
        self.server = server
        self._turns = turns
        self._follow = follow
        self.actor = actor
        self.market = market or Market()
        self.idempotency_key = idempotency_key
        self.is_replayed = False
        self._writes = 0
        self._keys = 0
        self.loaders = Loaders(self.reading)
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._opened: Any = None
        self._is_over = False
        self._at: datetime | None = None
        # In the default channel, texts are wanted as they were written.
        is_default = self.market.channel is None and self.market.language is None
        self._languages: tuple[str, ...] | None = () if is_default else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Session]:
        """The operation's one read session, one user at a time, opened when first asked for."""
        async with self._lock:
            if self._is_over:
                # A cancelled operation leaves its loaders' tasks behind: nobody would give back what they open.
                raise asyncio.CancelledError
            try:
                if self._session is None:
                    opened = self._read_session()
                    self._session = await opened.__aenter__()
                    self._opened = opened
                with translated():
                    yield self._session
            except Unavailable:
                if self._writes:
                    advice = (
                        "Send it again with the same idempotencyKey."
                        if self.is_repeatable
                        else "Read it in a moment; don't send it again."
                    )
                    raise Unavailable(f"{WRITTEN} {advice}") from None
                raise

    async def read_together(self, name: Hashable, read: Callable[[Session], Awaitable[T]]) -> T:
        """What many ask for at one moment, read once for all of them, in a session that is nobody's own.

        Whatever the answer depends on is in the name.
        """
        # Who waits for another session holds none himself: all could be held by those who wait.
        await self.close()
        opened = self._read_session()

        async def work() -> T:
            async with opened as session:
                return await read(session)

        return await self.server.rounds.ask(name, work)

    def _read_session(self) -> AbstractAsyncContextManager[Session]:
        database = self.server.database
        return database.reading() if self._turns is None else _in_turn(database, self._turns)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Write; what was read before is forgotten, so that the payload shows the new state."""
        await self.close()
        async with self.server.database.transaction() as session:
            yield session
        self.written()

    async def close(self) -> None:
        """Give the read session back."""
        async with self._lock:
            opened, self._opened, self._session = self._opened, None, None
            if opened is not None:
                await opened.__aexit__(None, None, None)

    async def end(self) -> None:
        """Give the read session back for good."""
        self._is_over = True
        await self.close()

    def forget(self) -> None:
        """Forget what was read: it may be what a race was lost by."""
        self.server.channels.forget()
        self._read_again()

    def _read_again(self) -> None:
        self._at = None
        self.loaders.clear()

    def written(self) -> None:
        """Note that the database has changed: what was read before is old."""
        self._writes += 1
        self._read_again()

    @property
    def is_repeatable(self) -> bool:
        """Whether the whole operation may be sent again: nothing was written, or only under keys."""
        return self._writes <= self._keys

    def follow(self, *followed: Any, **how: Any) -> None:
        """Have what happens from now on told as soon as a subscription's past is: its feed says how."""
        if self._follow is None:
            message = "Only a subscription follows anything."
            raise RuntimeError(message)
        self._follow(*followed, **how)

    async def load(self, batch: Batch[Any, Any], key: Hashable, *arguments: Hashable) -> Any:
        """Load a row, together with all that are asked for meanwhile."""
        found = self.loaders.load(batch, key, *arguments)
        return await found if is_pending(found) else found

    def with_channel(self, use: Callable[[Record], Any]) -> Any:
        """Go on with the channel, at once if it is known."""
        known = self.server.channels.get(self.market.channel)
        return use(known) if known is not None else then(self.channel(), use)

    async def channel(self) -> Record:
        """The market's channel; raises `BadUserInput` for an unknown one."""
        return await self._channel(self.market.channel)

    async def _channel(self, handle: str | None) -> Record:
        known = self.server.channels.get(handle)
        if known is None:
            changes = self.server.channels.changes
            async with self.reading() as session:
                known = await shop_queries.channel(session, handle)
            self.server.channels.keep(handle, known, read_after=changes)
        return known

    @property
    def is_spoken_as_written(self) -> bool:
        """Whether texts are wanted as they were written, as far as is known yet."""
        return self._languages == ()

    def languages(self) -> Any:
        """The languages whose translations are tried, as a tuple; awaitable where they aren't known yet.

        None of them: texts are wanted as they were written.
        """
        return self._languages if self._languages is not None else self._find_languages()

    async def _find_languages(self) -> tuple[str, ...]:
        source, here = await self._channel(None), await self.channel()
        self._languages = fallbacks(self.market.language, channel=here.default_language, source=source.default_language)
        return self._languages

    @property
    def at(self) -> datetime:
        """The instant that the whole operation answers for, until it writes."""
        if self._at is None:
            self._at = clock.now()
        return self._at

    async def eye(self, *, sees_hidden: bool | None = None) -> Eye:
        """Look through the channel, by default as the actor may."""
        if sees_hidden is None:
            sees_hidden = self.actor.may(Permission.READ_PRODUCTS)
        return Eye((await self.channel()).id, sees_hidden=sees_hidden, at=self.at)

    def claim(
        self,
        operation: str,
        input: object,
        *,
        guest: UUID | None = None,
        required: bool = False,
    ) -> Claim:
        """What makes this mutation happen once, if its caller asks for it: in the input, or by header."""
        values = plain(input)
        key = values.pop("idempotency_key", None)
        if key is not None and self.idempotency_key is not None and key != self.idempotency_key:
            message = "The header Idempotency-Key and the input's idempotencyKey differ. Send one of them."
            raise BadUserInput(message)
        scope = f"token:{self.actor.token_id}" if self.actor.token_id is not None else f"cart:{guest}"
        made = idempotency.claim(
            scope, self.idempotency_key if key is None else key, operation, values, required=required
        )
        self._keys += made.is_wanted
        return made

    def order_token(self, order_id: UUID) -> str:
        """What lets a guest read and follow an order: an HMAC of its id, so that it can be shown again."""
        return f"oat_{self.server.signer.sign('order', order_id.bytes, size=24).hex()}"

    def is_order_token(self, order_id: UUID, token: str) -> bool:
        try:
            signature = bytes.fromhex(token.removeprefix("oat_"))
        except ValueError:
            return False
        return self.server.signer.verify("order", order_id.bytes, signature, size=24)


Info = strawberry.Info[Context, None]


@asynccontextmanager
async def _in_turn(database: Database, turns: asyncio.Semaphore) -> AsyncIterator[Session]:
    async with turns, database.reading() as session:
        yield session


def plain(value: Any) -> Any:
    """An input as JSON-ready values; omitted fields are left out."""
    if isinstance(value, Enum):
        return value.value
    if has_object_definition(value):
        fields = {field.name: getattr(value, field.name) for field in value.__strawberry_definition__.fields}
        return {name: plain(part) for name, part in fields.items() if part is not strawberry.UNSET}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value


def given(**values: Any) -> Mapping[str, Any]:
    """Only those arguments that the client sent."""
    return {name: value for name, value in values.items() if value is not strawberry.UNSET}


def sent(value: Any, otherwise: Any = None) -> Any:
    return otherwise if value is strawberry.UNSET else value
