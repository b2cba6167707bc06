"""How does a subscription begin or resume, whatever it tells of? Where its past ends, its context follows the live."""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache, partial
from typing import Any
from uuid import UUID

from headless.graphql.context import Context
from headless.platform import clock, crypto, ids
from headless.platform.crypto import Signer
from headless.platform.errors import ResyncRequired
from headless.platform.outbox import MARK_SIZE, Entry, Interest, Place

PARTIAL, WHOLE = b"\0", b"\1"
"""Whether the client has the state as of the position, or was still being told of it."""
POSITION_SIZE = 8
PLACE_SIZE = 1 + POSITION_SIZE + MARK_SIZE
SIGNATURE_SIZE = 12
NOBODY = UUID(int=0)
"""The key of a marker, which is about no record."""

Wants = Callable[[Entry], bool]
"""Which of the entries that a stream is interested in one of its followers is told of."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event on its way to a subscriber: a fact of the log, the state at the start, or a marker."""

    id: UUID
    cursor: str
    occurred_at: datetime
    topic: str | None
    key: UUID
    payload: Mapping[str, Any]
    type_name: str
    is_state: bool = False
    """Whether it only says that this is how things are: whoever looks later may see it in its place."""

    @property
    def is_marker(self) -> bool:
        return self.topic is None


@dataclass(frozen=True)
class Stream:
    """The facts of a subscription, and what its cursors are bound to: the field and its key arguments."""

    field: str
    type_name: str
    interest: Interest
    arguments: Sequence[str] = ()
    """Key arguments in an order that doesn't depend on how the client wrote them."""

    def cursor(self, signer: Signer, place: Place, *, is_whole: bool = True) -> str:
        return _cursor(signer, self._purpose, self._bound, place, is_whole)

    def place(self, signer: Signer, cursor: str | None) -> Place | None:
        """Where to go on; None: from the beginning. Raises `ResyncRequired` for a cursor that isn't this stream's."""
        if cursor is None:
            return None
        try:
            data = crypto.unb64(cursor)
        except ValueError:
            raise ResyncRequired from None
        signed, signature = data[:PLACE_SIZE], data[PLACE_SIZE:]
        is_ours = signer.verify(self._purpose, signed + self._bound, signature, size=SIGNATURE_SIZE)
        if not is_ours or crypto.b64(data) != cursor:
            raise ResyncRequired
        place = Place(int.from_bytes(signed[1:-MARK_SIZE]), signed[-MARK_SIZE:])
        return place if signed[:1] == WHOLE else None

    @cached_property
    def _bound(self) -> bytes:
        # Lengths in front: no two lists of arguments look alike.
        return "".join(f"{len(part)}:{part}" for part in self.arguments).encode()

    @property
    def _purpose(self) -> str:
        return f"cursor:{self.field}"


@lru_cache(maxsize=1024)
def _cursor(signer: Signer, purpose: str, bound: bytes, place: Place, is_whole: bool) -> str:
    """Signed once for all who follow the same: thousands get it at the same moment."""
    signed = (WHOLE if is_whole else PARTIAL) + place.position.to_bytes(POSITION_SIZE) + place.mark
    return crypto.b64(signed + signer.sign(purpose, signed + bound, size=SIGNATURE_SIZE))


async def states(
    context: Context, stream: Stream, keys: Sequence[UUID], after: Place | None
) -> AsyncGenerator[Happening, None]:
    """State of some records: one message each for now, then one whenever a record changed, the newest only.

    After a place: one for each record that changed since, then as above.
    """
    await context.close()
    signer, hub = context.server.signer, context.server.hub
    follow = partial(context.follow, stream, coalesces=True)
    if after is None:
        place = hub.place
        follow(after=place.position)
        for nth, key in enumerate(keys, 1):
            cursor = stream.cursor(signer, place, is_whole=nth == len(keys))
            yield present(stream, cursor, key)
        return
    past = hub.past(stream.interest, after, coalesce=True, caught_up=lambda end: follow(after=end))
    async with aclosing(past) as entries:
        async for entry in entries:
            # Read now, in whatever state the record is by now: others may have read it earlier.
            yield told(signer, stream, entry, is_state=True)


async def logged(
    context: Context, stream: Stream, after: Place | None, *, wants: Wants | None = None
) -> AsyncGenerator[Happening, None]:
    """Every event of a log: a marker with a cursor first, or, after a place, what was missed."""
    await context.close()
    signer, hub = context.server.signer, context.server.hub
    follow = partial(context.follow, stream, coalesces=False, wants=wants)
    if after is None:
        cursor = stream.cursor(signer, hub.place)
        follow(after=hub.position)
        yield Happening(ids.new(), cursor, clock.now(), None, NOBODY, {}, stream.type_name)
        return
    past = hub.past(stream.interest, after, coalesce=False, caught_up=lambda end: follow(after=end))
    async with aclosing(past) as entries:
        async for entry in entries:
            if wants is None or wants(entry):
                yield told(signer, stream, entry)


def present(stream: Stream, cursor: str, key: UUID, payload: Mapping[str, Any] | None = None) -> Happening:
    """Tell the state of a record as of now."""
    (topic,) = stream.interest.topics
    return Happening(
        ids.new(), cursor, clock.now(), topic, key, payload or {}, stream.type_name, is_state=payload is None
    )


def told(signer: Signer, stream: Stream, entry: Entry, *, is_state: bool = False) -> Happening:
    """Tell of a fact of the log, or of the state that it led to."""
    cursor = stream.cursor(signer, entry.place)
    return Happening(
        entry.id, cursor, entry.occurred_at, entry.topic, entry.key, entry.payload, stream.type_name, is_state=is_state
    )


def about(topic: str, keys: Iterable[UUID] | None = None, **payload: Any) -> Interest:
    """The facts of one topic, about some records or any."""
    return Interest(frozenset({topic}), None if keys is None else frozenset(keys), tuple(payload.items()))
