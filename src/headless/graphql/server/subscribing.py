"""How does a request become a stream of frames, whatever carries them?"""

import asyncio
import random
from collections.abc import AsyncGenerator, Hashable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from inspect import isawaitable
from typing import Any

import orjson
import structlog
from graphql import ExecutionResult, GraphQLError, OperationType
from graphql.execution import Executor, create_source_event_stream

from headless.graphql import limits
from headless.graphql.errors import cause_of, formatted, new_request_id
from headless.graphql.live.streams import Happening
from headless.graphql.schema import schema
from headless.graphql.server import resuming
from headless.graphql.server.execution import Answer, Caller, Engine, Prepared, Request, answered, fault_answer
from headless.graphql.server.sharing import Audience, Audiences, Counters, Frame
from headless.platform.errors import BadUserInput, Fault, Unavailable
from headless.platform.hub import TooSlow

log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds that an event waits for a database that can't be read."""
LONGEST_PAUSE = 1.0


class Interrupted(Exception):
    """An event can't be shown now: whoever follows comes back later and resumes before it."""


class Subscriptions:
    """The subscriptions that run in one process."""

    def __init__(self, engine: Engine) -> None:
        settings = engine.server.settings
        self.counters = Counters()
        self.running = 0
        self._engine = engine
        self._audiences = Audiences()
        self._most = settings.max_subscriptions
        # Ten thousand who come back at once wait in line here, and leave connections to those who shop.
        self._turns = asyncio.Semaphore(max(1, settings.database_pool_size // 2))

    async def frames(
        self, prepared: Prepared, request: Request, caller: Caller, *, last_event_id: str | None = None
    ) -> AsyncGenerator[Frame, None]:
        """Carry out whatever operation is asked for: one frame, or of a subscription one for each event.

        `last_event_id` is where a subscription goes on, whatever its document says. Raises `TooSlow` or `Interrupted`.
        """
        try:
            if prepared.kind is OperationType.SUBSCRIPTION:
                # One text for all who sent the same.
                request = Request(prepared.text, request.variables, request.operation_name)
                async with aclosing(self._followed(prepared, request, caller, last_event_id)) as frames:
                    async for frame in frames:
                        yield frame
            else:
                with self._engine.working():
                    yield Frame.of(await self._engine.execute_anyway(prepared, request, caller))
        except Fault as fault:
            yield Frame.of(fault_answer(fault))

    @property
    def audiences(self) -> int:
        """How many different subscriptions run."""
        return len(self._audiences)

    async def _followed(
        self, prepared: Prepared, request: Request, caller: Caller, last_event_id: str | None
    ) -> AsyncGenerator[Frame, None]:
        request_id = new_request_id()
        name = _audience(prepared, request, caller)
        context = self._engine.context(prepared, request, caller, turns=self._turns)
        with self._counted(), self._audiences.joined(name) as audience:
            try:
                source = await _source(prepared, request, context, last_event_id)
                if isinstance(source, ExecutionResult):
                    yield Frame.of(answered(source, context, request_id))
                    return
                async with aclosing(source) as events:
                    async for event in events:
                        frame = await self._frame(audience, event, prepared, request, caller, request_id)
                        self.counters.delivered += 1
                        yield frame
            except (TooSlow, Interrupted):
                raise
            except Exception as error:  # noqa: BLE001 - the edge of the process: told to the client, logged, masked
                fields = limits.root_fields(prepared.document, prepared.operation)
                located = GraphQLError(str(error), nodes=fields, original_error=error)
                masked = formatted(located, request_id=request_id)
                yield Frame.of(Answer({"errors": [masked]}, is_request_error=True))
            finally:
                await context.end()

    async def _frame(
        self,
        audience: Audience,
        event: Happening,
        prepared: Prepared,
        request: Request,
        caller: Caller,
        request_id: str,
    ) -> Frame:
        return await audience.frame(event, partial(self._executed, event, prepared, request, caller, request_id))

    async def _executed(
        self, event: Happening, prepared: Prepared, request: Request, caller: Caller, request_id: str
    ) -> Frame:
        """Show an event. Its cursor says that the client has it, so a state that can't be read isn't sent."""
        pause, deadline = 0.1, asyncio.get_running_loop().time() + PATIENCE
        while True:
            self.counters.executed += 1
            context = self._engine.context(prepared, request, caller, turns=self._turns)
            try:
                result = await self._engine.run(prepared, request, context, event=event)
            finally:
                await context.end()
            if not _is_unreadable(result):
                return Frame.of(answered(result, context, request_id), event.cursor)
            if asyncio.get_running_loop().time() >= deadline:
                raise Interrupted
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            pause = min(2 * pause, LONGEST_PAUSE)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.running >= self._most:
            raise Unavailable
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


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
