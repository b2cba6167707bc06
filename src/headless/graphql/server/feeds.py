"""How does an event reach all who follow the same, at little more than the cost of one?

Whoever waits for news costs no task and no generator: he is a member of a feed, and what comes is put before him.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from headless.graphql.live.streams import Happening, Stream, Wants, told
from headless.graphql.server.sharing import Frame
from headless.platform import tasks
from headless.platform.crypto import Signer
from headless.platform.hub import Backlog, Hub, TooSlow
from headless.platform.outbox import Entry

SLICE_SECONDS = 0.0003
"""How long members are told before others have their turn: ten thousand mustn't hold up those who shop."""

Show = Callable[[Happening], Awaitable[Frame]]
GiveWay = Callable[[float], Awaitable[None]]
"""Let others have their turn after so many seconds of telling."""


class Receiver(Protocol):
    """Where the frames of a member go."""

    async def send(self, frame: Frame) -> None:
        """Send a frame; whatever goes wrong is the receiver's own business."""

    def ended(self, error: Exception | None) -> None:
        """Nothing more will come: `TooSlow`, `Interrupted`, or none when the stream is complete."""


class Member:
    """One who follows a feed.

    At first he catches up by `next`. Then he gets frames by `next` as they come, or has a receiver get them.
    """

    __slots__ = ("_after", "_backlog", "_error", "_has_ended", "_is_current", "_receiver", "_sending", "_waiting",
                 "_wants", "feed")  # fmt: skip

    def __init__(self, feed: "Feed", *, after: int, wants: Wants | None) -> None:
        self.feed = feed
        self._after = after
        self._wants = wants
        self._backlog: Backlog[tuple[Entry, Frame | None]] = Backlog(coalesces=feed.coalesces)
        self._is_current = not feed.coalesces
        self._receiver: Receiver | None = None
        self._sending: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._has_ended = False
        self._error: Exception | None = None

    @property
    def waiting(self) -> int:
        return len(self._backlog)

    def put(self, entry: Entry, frame: Frame) -> None:
        """Have him get the frame of an entry, unless he has it or doesn't want it."""
        if self._has_ended or entry.position <= self._after or not (self._wants is None or self._wants(entry)):
            return
        counters = self.feed.counters
        if self._receiver is not None and self._sending is None:
            counters.queued += 1
            self._send(self._receiver, frame)
            return
        try:
            # A state that he was shown meanwhile may be newer than this frame.
            replaced = self._backlog.put(entry, (entry, frame if self._is_current else None))
        except TooSlow as error:
            self.end(error)
            return
        counters.queued += not replaced
        counters.coalesced += replaced
        self._wake()

    async def next(self, show: Show, *, waits: bool) -> Frame | None:
        """The next frame; None when the stream is complete or, unless he `waits`, when he has caught up.

        Raises what the stream was ended by.
        """
        while True:
            if self._error is not None:
                raise self._error
            if self._backlog:
                entry, frame = self._backlog.take()
                return frame or await show(self.feed.happening(entry, is_state=True))
            if self._has_ended or (self._is_current and not waits):
                return None
            if not self._is_current and self.feed.is_current(self):
                self._is_current = True
                continue
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def caught_up(self) -> None:
        """Take frames as they are from here on, if nothing older waits: those that come were begun after this."""
        if not self._is_current and not self._backlog and self._waiting is not None:
            self._is_current = True
            self._wake()

    def receive(self, receiver: Receiver) -> None:
        """Have a receiver get what waits and what comes."""
        self._receiver = receiver
        self._go_on()

    def end(self, error: Exception | None) -> None:
        """End the stream: at once with an error, else when all that waits was taken."""
        if self._has_ended:
            return
        self._has_ended = True
        self._error = error
        self.feed.counters.cut += isinstance(error, TooSlow)
        self._wake()
        self._go_on()

    def leave(self) -> None:
        """Follow no more."""
        self._has_ended = True
        self._receiver = None
        if self._sending is not None:
            self._sending.cancel()
        self.feed.leave(self)

    def _go_on(self) -> None:
        while self._receiver is not None and self._sending is None and self._backlog and self._error is None:
            _, frame = self._backlog.take()
            assert frame is not None  # noqa: S101 - who has a receiver has caught up
            self._send(self._receiver, frame)
        if self._receiver is not None and self._has_ended and (self._error is not None or self._sending is None):
            receiver, self._receiver = self._receiver, None
            receiver.ended(self._error)

    def _send(self, receiver: Receiver, frame: Frame) -> None:
        self._sending = tasks.begin(receiver.send(frame))
        if self._sending is not None:
            self._sending.add_done_callback(self._sent)

    def _sent(self, _task: "asyncio.Task[None]") -> None:
        self._sending = None
        self._go_on()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class Feed:
    """What all of an audience follow who follow the same: an entry is shown once for all of them."""

    def __init__(
        self,
        hub: Hub,
        signer: Signer,
        stream: Stream,
        show: Show,
        *,
        coalesces: bool,
        give_way: GiveWay,
        emptied: Callable[[], object],
    ) -> None:
        self.interest = stream.interest
        self.coalesces = coalesces
        self.counters = hub.counters
        self._hub = hub
        self._signer = signer
        self._stream = stream
        self._show = show
        self._give_way = give_way
        self._emptied = emptied
        # In the order in which they came.
        self._members: dict[Member, None] = {}
        self._catching_up: set[Member] = set()
        self._backlog: Backlog[Entry] = Backlog(coalesces=coalesces)
        self._running: asyncio.Task[None] | None = None
        self._is_closed = False
        hub.add(self)

    def __len__(self) -> int:
        return len(self._members)

    def is_current(self, member: Member) -> bool:
        """Whether nothing is being shown that may be older than what he knows; else he is told when it's over."""
        if self._running is None:
            return True
        self._catching_up.add(member)
        return False

    @property
    def waiting(self) -> int:
        return len(self._backlog) * len(self._members) + sum(member.waiting for member in self._members)

    def join(self, *, after: int, wants: Wants | None) -> Member:
        """Become a member: of all that comes from now on, but for what isn't after a position or isn't wanted."""
        member = Member(self, after=after, wants=wants)
        self._members[member] = None
        if self._is_closed:
            member.end(None)
        return member

    def leave(self, member: Member) -> None:
        self._members.pop(member, None)
        self._catching_up.discard(member)
        if not self._members:
            self._hub.remove(self)
            if self._running is not None:
                self._running.cancel()
            self._emptied()

    def happening(self, entry: Entry, *, is_state: bool = False) -> Happening:
        return told(self._signer, self._stream, entry, is_state=is_state)

    def put(self, entry: Entry, *, replacing: int = 0) -> None:
        if not self.interest.wants(entry):
            return
        try:
            replacing += self._backlog.put(entry, entry)
        except TooSlow as error:
            self._end(error)
            return
        self.counters.coalesced += replacing * len(self._members)
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    def cut(self) -> None:
        self._end(TooSlow())

    def close(self) -> None:
        self._is_closed = True
        if self._running is None:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        for member in list(self._members):
            member.end(error)

    async def _run(self) -> None:
        """Show what waits, one after the other, to everyone."""
        try:
            while self._backlog:
                entry = self._backlog.take()
                frame = await self._show(self.happening(entry))
                await self._tell(entry, frame)
                self._let_catch_up()
        except Exception as error:  # noqa: BLE001 - raised again in everyone who follows, or told to his receiver
            self._end(error)
        finally:
            self._running = None
        if self._is_closed:
            self._end(None)

    async def _tell(self, entry: Entry, frame: Frame) -> None:
        time = asyncio.get_running_loop().time
        began = time()
        for member in list(self._members):
            member.put(entry, frame)
            spent = time() - began
            if spent > SLICE_SECONDS:
                await self._give_way(spent)
                began = time()

    def _let_catch_up(self) -> None:
        """Between two entries nothing is being read: what is shown next isn't older than what anyone knows."""
        for member in self._catching_up:
            member.caught_up()
        self._catching_up.clear()
