"""How is an event that many follow executed and serialized once?

Those who share an audience asked for the same: the document, the operation, the variables (the market is among them)
and the actor with all his rights are equal. A result depends on nothing else, so nobody can get what is not his.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import orjson

from headless.graphql.live.streams import Happening
from headless.graphql.server.execution import Answer
from headless.platform.hub import AT_ONCE

KEPT = 64
KEPT_SECONDS = 5.0
"""How many frames an audience keeps for those of its members who come to them later, and for how long."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An answer, serialized once for all who get it."""

    text: str
    cursor: str | None = None
    """Where in its stream an event is."""
    errors: str | None = None
    """What ends the operation, instead of a result."""

    @classmethod
    def of(cls, answer: Answer, cursor: str | None = None) -> "Frame":
        errors = orjson.dumps(answer.body["errors"]).decode() if answer.is_request_error else None
        return cls(orjson.dumps(answer.body).decode(), cursor, errors)


Execute = Callable[[], Awaitable[Frame]]


@dataclass(slots=True)
class Counters:
    """What became of events in this process, since it began."""

    executed: int = 0
    """Selections executed for an event."""
    delivered: int = 0
    """Frames handed to subscribers."""
    cut: int = 0
    """Consumers that were too slow."""


class _Execution:
    __slots__ = ("_error", "_frame", "_waiting", "has_begun", "has_ended")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._frame: Frame | None = None
        self._error: Exception | None = None
        self.has_begun = False
        self.has_ended = False

    async def run(self, execute: Execute, before: "_Execution | None") -> None:
        try:
            if before is not None:
                await before.ended()
            self.has_begun = True
            self._frame = await execute()
        except Exception as error:  # noqa: BLE001 - raised again in everyone who waits for it
            self._error = error
        finally:
            self.has_ended = True
            self._let_go()

    async def ended(self) -> None:
        if not self.has_ended:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    async def result(self) -> Frame:
        await self.ended()
        if self._frame is None:
            raise self._error or asyncio.CancelledError
        return self._frame

    @property
    def has_failed(self) -> bool:
        return self._error is not None

    def _let_go(self) -> None:
        """Let those who wait go on, a few at a time: others have their turn in between."""
        for _ in range(min(AT_ONCE, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._let_go)


@dataclass(slots=True, eq=False)
class Audience:
    """Everyone for whom the answer to an event is the same."""

    key: Hashable = None
    members: int = 0
    _executions: OrderedDict[Hashable, _Execution] = field(default_factory=OrderedDict)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def frame(self, event: Happening, execute: Execute) -> Frame:
        """The frame of an event, executed by the first who asks for it; alone, without further ado."""
        if self.members == 1:
            return await execute()
        name = _identity(event)
        known = self._executions.get(name)
        # Whoever asks for the present state must not get it from before he asked.
        is_late = known is not None and (known.has_failed or (event.is_state and known.has_begun))
        if known is None or is_late:
            known = self._start(name, execute, after=known)
        return await known.result()

    def _start(self, name: Hashable, execute: Execute, after: _Execution | None) -> _Execution:
        begun = self._executions[name] = _Execution()
        self._executions.move_to_end(name)
        if len(self._executions) > KEPT:
            self._executions.popitem(last=False)
        # A task of its own: whoever asked first may go away while others wait.
        task = asyncio.create_task(begun.run(execute, after))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget, name, begun)
        return begun

    def _forget(self, name: Hashable, execution: _Execution) -> None:
        if self._executions.get(name) is execution:
            del self._executions[name]


class Audiences:
    """The audiences of one process."""

    def __init__(self) -> None:
        self._audiences: dict[Hashable, Audience] = {}

    def join(self, key: Hashable) -> Audience:
        """Become a member."""
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(key)
        audience.members += 1
        return audience

    def leave(self, audience: Audience) -> None:
        audience.members -= 1
        if not audience.members:
            del self._audiences[audience.key]

    def __len__(self) -> int:
        return len(self._audiences)


def _identity(event: Happening) -> Hashable:
    return (event.cursor, event.key) if event.is_state else event.id
