"""How does a request become a stream of frames, whatever carries them?"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from functools import partial
from inspect import isawaitable
from typing import Any

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution import Executor, create_source_event_stream

from headless.graphql import limits
from headless.graphql.errors import cause_of, formatted, new_request_id
from headless.graphql.live.streams import Happening, Stream, Wants
from headless.graphql.schema import schema
from headless.graphql.server import resuming
from headless.graphql.server.execution import Answer, Caller, Engine, Prepared, Request, answered, fault_answer
from headless.graphql.server.feeds import Feed, Member, Receiver, Show
from headless.graphql.server.sharing import Audience, Audiences, Counters, Frame
from headless.platform.errors import BadUserInput, Fault, Unavailable
from headless.platform.hub import TooSlow

log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds that an event waits for a database that can't be read."""
LONGEST_PAUSE = 1.0


class Interrupted(Exception):
    """An event can't be shown now: whoever follows comes back later and resumes before it."""


class Following:
    """A subscription that runs: its audience, and the feed it is a member of as soon as its past is told."""

    __slots__ = ("audience", "member")

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.member: Member | None = None

    def receive(self, receiver: Receiver) -> None:
        """Have what comes from now on go to a receiver."""
        if self.member is not None:
            self.member.receive(receiver)


Onward = Callable[[Following], None]


class Subscriptions:
    """The subscriptions that run in one process."""

    def __init__(self, engine: Engine) -> None:
        settings = engine.server.settings
        self.counters = Counters()
        self.running = 0
        self._engine = engine
        self._audiences = Audiences()
        self._feeds: dict[Hashable, Feed] = {}
        self._most = settings.max_subscriptions
        # Ten thousand who come back at once wait in line here, and leave connections to those who shop.
        self._turns = asyncio.Semaphore(max(1, settings.database_pool_size // 2))

    async def frames(
        self,
        prepared: Prepared,
        request: Request,
        caller: Caller,
        *,
        last_event_id: str | None = None,
        onward: Onward | None = None,
    ) -> AsyncGenerator[Frame, None]:
        """Carry out whatever operation is asked for: one frame, or of a subscription one for each event.

        `last_event_id` is where a subscription goes on, whatever its document says. With `onward` a subscription comes
        to its end here when all of the past is told: `onward` gets what to receive from then on, and what to `leave`.
        Raises `TooSlow` or `Interrupted`.
        """
        try:
            if prepared.kind is OperationType.SUBSCRIPTION:
                # One text for all who sent the same.
                request = Request(prepared.text, request.variables, request.operation_name)
                async with aclosing(self._followed(prepared, request, caller, last_event_id, onward)) as frames:
                    async for frame in frames:
                        yield frame
            else:
                with self._engine.working():
                    yield Frame.of(await self._engine.execute_anyway(prepared, request, caller))
        except Fault as fault:
            yield Frame.of(fault_answer(fault))

    def leave(self, following: Following) -> None:
        """Follow no more."""
        self.running -= 1
        if following.member is not None:
            following.member.leave()
        self._audiences.leave(following.audience)

    @property
    def audiences(self) -> int:
        """How many different subscriptions run."""
        return len(self._audiences)

    async def _followed(
        self, prepared: Prepared, request: Request, caller: Caller, last_event_id: str | None, onward: Onward | None
    ) -> AsyncGenerator[Frame, None]:
        following, is_handed_over = self._begin(_audience(prepared, request, caller)), False
        show = _Show(self._engine, self._turns, self.counters, following.audience, prepared, request, caller)
        follow = partial(self._follow, following, show)
        context = self._engine.context(prepared, request, caller, turns=self._turns, follow=follow)
        try:
            source = await _source(prepared, request, context, last_event_id)
            if isinstance(source, ExecutionResult):
                yield Frame.of(answered(source, context, show.request_id))
                return
            async with aclosing(source) as events:
                async for event in events:
                    frame = await show(event)
                    self.counters.delivered += 1
                    yield frame
                    if frame.errors is not None:
                        return
            await context.end()
            member = following.member
            while member is not None and (news := await member.next(show, waits=onward is None)) is not None:
                self.counters.delivered += 1
                yield news
                if news.errors is not None:
                    return
            if onward is not None and member is not None:
                is_handed_over = True
                onward(following)
        except (TooSlow, Interrupted):
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the process: told to the client, logged, masked
            yield show.failure(error)
        finally:
            if not is_handed_over:
                self.leave(following)
            await context.end()

    def _begin(self, audience: Hashable) -> Following:
        if self.running >= self._most:
            raise Unavailable
        self.running += 1
        return Following(self._audiences.join(audience))

    def _follow(
        self,
        following: Following,
        show: Show,
        stream: Stream,
        *,
        after: int,
        coalesces: bool,
        wants: Wants | None = None,
    ) -> None:
        """Tell a subscription of what comes from now on: of those entries that are after a position and wanted."""
        name = following.audience, stream.interest, coalesces
        feed = self._feeds.get(name)
        if feed is None:
            server = self._engine.server
            feed = self._feeds[name] = Feed(
                *(server.hub, server.signer, stream, show),
                coalesces=coalesces,
                give_way=self._engine.give_way,
                emptied=lambda: self._feeds.pop(name),
            )
        following.member = feed.join(after=after, wants=wants)


class _Show:
    """How events look to an audience."""

    def __init__(
        self,
        engine: Engine,
        turns: asyncio.Semaphore,
        counters: Counters,
        audience: Audience,
        prepared: Prepared,
        request: Request,
        caller: Caller,
    ) -> None:
        self.request_id = new_request_id()
        self._engine = engine
        self._turns = turns
        self._counters = counters
        self._audience = audience
        self._prepared = prepared
        self._request = request
        self._caller = caller

    async def __call__(self, event: Happening) -> Frame:
        """The frame of an event, or of what went wrong with it; raises `Interrupted`."""
        try:
            return await self._audience.frame(event, partial(self._executed, event))
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the process: told to the client, logged, masked
            return self.failure(error)

    def failure(self, error: Exception) -> Frame:
        """What ends a subscription that can't go on."""
        fields = limits.root_fields(self._prepared.document, self._prepared.operation)
        located = GraphQLError(str(error), nodes=fields, original_error=error)
        masked = formatted(located, request_id=self.request_id)
        return Frame.of(Answer({"errors": [masked]}, is_request_error=True))

    async def _executed(self, event: Happening) -> Frame:
        """Show an event. Its cursor says that the client has it, so a state that can't be read isn't sent."""
        pause, deadline = 0.1, asyncio.get_running_loop().time() + PATIENCE
        while True:
            self._counters.executed += 1
            context = self._engine.context(self._prepared, self._request, self._caller, turns=self._turns)
            try:
                result = await self._engine.run(self._prepared, self._request, context, event=event)
            finally:
                await context.end()
            if not _is_unreadable(result):
                return Frame.of(answered(result, context, self.request_id), event.cursor)
            if asyncio.get_running_loop().time() >= deadline:
                raise Interrupted
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            pause = min(2 * pause, LONGEST_PAUSE)


async def _source(prepared: Prepared, request: Request, context: Any, last_event_id: str | None) -> Any:
    """The stream of events, or the result that says why there is none."""
    document = prepared.document
    if last_event_id is not None:
        document = resuming.resumed_after(document, prepared.operation, last_event_id)
    executor = Executor.build(
        schema,
        document,
        context_value=context,
        raw_variable_values=dict(request.variables),
        operation_name=request.operation_name,
    )
    if not isinstance(executor, Executor):
        return ExecutionResult(None, list(executor))
    source: Any = create_source_event_stream(executor)
    return await source if isawaitable(source) else source


def _is_unreadable(result: ExecutionResult) -> bool:
    return any(isinstance(cause_of(error), Unavailable) for error in result.errors or ())


def _audience(prepared: Prepared, request: Request, caller: Caller) -> Hashable:
    """All that the answer to an event depends on, but for where the stream was resumed."""
    variables = {name: value for name, value in request.variables.items() if name != prepared.resume_variable}
    try:
        # As text: the bytes keep the room that they were made in.
        text = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        message = "The variables are nested too deeply."
        raise BadUserInput(message) from None
    return prepared.text, request.operation_name, text, caller.actor
