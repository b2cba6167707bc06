"""How does a document become a result? Parsed and validated once per text, executed by graphql-core itself."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self, TypeGuard

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    get_operation_ast,
    parse,
    validate,
)

from headless.accounts.rules import ANONYMOUS, Actor
from headless.graphql import limits
from headless.graphql.context import Context, Market, Server
from headless.graphql.errors import MOST_ERRORS, formatted, new_request_id, of_fault
from headless.graphql.schema import schema
from headless.graphql.server import resuming
from headless.platform.errors import BadUserInput, Fault, Unavailable
from headless.platform.loaders import is_pending

CACHED_DOCUMENTS = 1_000
KEYED = frozenset(
    name
    for name, made in (schema.mutation_type.fields if schema.mutation_type else {}).items()
    if "idempotencyKey" in getattr(getattr(made.args["input"].type, "of_type", None), "fields", {})
)
"""Mutations that can be given an idempotency key by header."""
FINISH_SECONDS = 5.0
"""How long a process that ends waits for what it is still working on."""
DEFERENCE = 2
"""How many times as long as work that can wait requests have their turn."""


@dataclass(frozen=True, slots=True)
class Request:
    """A GraphQL request, whatever carried it."""

    query: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what he says about retries."""

    actor: Actor = ANONYMOUS
    idempotency_key: str | None = None


@dataclass(slots=True)
class Answer:
    """A response's body. `is_request_error`: nothing was executed, `data` isn't there."""

    body: dict[str, Any]
    is_request_error: bool = False
    is_repeatable: bool = True
    """Whether sending the request again does no harm; without it nobody is told to."""

    @property
    def is_unavailable(self) -> bool:
        """Whether nothing could be done because the server is too busy, and it makes sense to come again."""
        if not self.is_repeatable:
            return False
        errors = self.body.get("errors", ())
        data = self.body.get("data")
        done = isinstance(data, dict) and any(value is not None for value in data.values())
        return not done and any(error["extensions"]["code"] == "UNAVAILABLE" for error in errors)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was parsed and validated. `text` is one object for all who send it."""

    text: str
    document: DocumentNode
    operation: OperationDefinitionNode
    resume_variable: str | None = None
    """The variable that says where to resume and nothing else: events look the same whatever its value."""

    @property
    def kind(self) -> OperationType:
        return self.operation.operation


class RequestError(Exception):
    """The request can't be executed at all."""

    def __init__(self, errors: list[GraphQLError], code: str) -> None:
        super().__init__(code)
        self.errors = errors
        self.code = code

    def again(self) -> Self:
        """The same for another request: what is raised holds on to all it was raised through."""
        return type(self)(self.errors, self.code)

    def answer(self) -> Answer:
        shown = []
        for error in self.errors[:MOST_ERRORS]:
            told = formatted(error, request_id="")
            told["extensions"]["code"] = (error.extensions or {}).get("code", self.code)
            shown.append(told)
        return Answer({"errors": shown}, is_request_error=True)


@dataclass(slots=True)
class _Known:
    """A document that was asked for before, and what was found out about its operations."""

    text: str
    document: DocumentNode | RequestError
    resume_variables: dict[str | None, str | None] = field(default_factory=dict)


class Engine:
    """Executes requests of one process."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._most = server.settings.max_concurrent_requests
        self._working = 0
        self._finishing: set[asyncio.Task[Answer]] = set()

    def prepare(self, request: Request) -> Prepared:
        """Parse, validate and bound a document and pick its operation; raises `RequestError`."""
        try:
            return self._prepared(request)
        except RecursionError:
            message = "The document is nested too deeply."
            raise RequestError([GraphQLError(message)], "MAX_COST_EXCEEDED") from None

    def _prepared(self, request: Request) -> Prepared:
        known = _known(request.query, hides_suggestions=not self.server.settings.development)
        if isinstance(known.document, RequestError):
            raise known.document.again()
        document = known.document
        operation = get_operation_ast(document, request.operation_name)
        if operation is None:
            message = (
                f"There is no operation named {request.operation_name!r} in this document."
                if request.operation_name
                else "The document holds several operations: say which one by operationName."
            )
            raise RequestError([GraphQLError(message)], "BAD_USER_INPUT")
        excess = limits.check(document, operation, request.variables)
        if excess is not None:
            raise RequestError([excess], "MAX_COST_EXCEEDED")
        if operation.operation is not OperationType.SUBSCRIPTION:
            return Prepared(known.text, document, operation)
        name = request.operation_name
        if name not in known.resume_variables:
            known.resume_variables[name] = resuming.variable_of(document, operation)
        return Prepared(known.text, document, operation, known.resume_variables[name])

    @contextmanager
    def working(self) -> Iterator[None]:
        """Take one of the process's places for requests; raises `Unavailable` when all are taken."""
        if self._working >= self._most:
            raise Unavailable
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    async def give_way(self, seconds: float) -> None:
        """Let others have their turn after so many seconds of work that can wait, longer while requests are answered.

        A loop without work lets the threads of the database have theirs, too.
        """
        await asyncio.sleep(DEFERENCE * seconds if self._working else 0)

    async def execute_anyway(self, prepared: Prepared, request: Request, caller: Caller) -> Answer:
        """Execute to the end even if whoever asked goes away: a mutation doesn't stop halfway."""
        run = asyncio.create_task(self.execute(prepared, request, caller))
        self._finishing.add(run)
        run.add_done_callback(self._finishing.discard)
        return await asyncio.shield(run)

    async def finish(self) -> None:
        """Let what was begun come to its end, for a while."""
        if self._finishing:
            await asyncio.wait(self._finishing, timeout=FINISH_SECONDS)

    async def execute(self, prepared: Prepared, request: Request, caller: Caller) -> Answer:
        """Execute a query or a mutation."""
        context = self.context(prepared, request, caller)
        request_id = new_request_id()
        is_query = prepared.kind is OperationType.QUERY
        try:
            async with asyncio.timeout(self.server.settings.query_timeout_seconds if is_query else None):
                result = await self.run(prepared, request, context)
        except TimeoutError:
            message = "The query took too long. Ask for less at once."
            return Answer({"data": None, "errors": [of_fault(Unavailable(message))]})
        finally:
            await context.end()
        return answered(result, context, request_id)

    async def run(
        self, prepared: Prepared, request: Request, context: Context, *, event: Any = None
    ) -> ExecutionResult:
        """Execute the selection, of a subscription for one event."""
        result = execute(
            schema,
            prepared.document,
            root_value=event,
            context_value=context,
            variable_values=dict(request.variables),
            operation_name=request.operation_name,
            max_coercion_errors=MOST_ERRORS,
            is_awaitable=is_pending,
            is_async_iterable=_is_never,
        )
        return result if isinstance(result, ExecutionResult) else await result

    def context(
        self,
        prepared: Prepared,
        request: Request,
        caller: Caller,
        *,
        turns: asyncio.Semaphore | None = None,
        follow: Callable[..., None] | None = None,
    ) -> Context:
        """The context of one operation or event; `turns` bounds how many read at once, `follow` is a subscription's."""
        key = self._idempotency_key(prepared, caller)
        market = _market(prepared.operation, request.variables)
        return Context(self.server, actor=caller.actor, market=market, idempotency_key=key, turns=turns, follow=follow)

    def _idempotency_key(self, prepared: Prepared, caller: Caller) -> str | None:
        if caller.idempotency_key is None or prepared.kind is not OperationType.MUTATION:
            return None
        fields = limits.root_fields(prepared.document, prepared.operation)
        keyed = {(node.alias or node.name).value for node in fields if node.name.value in KEYED}
        if len(keyed) > 1:
            message = "The header Idempotency-Key fits one mutation, and this request holds several. Use their inputs."
            raise BadUserInput(message)
        return caller.idempotency_key if keyed else None


def _is_never(_value: object) -> TypeGuard[AsyncIterable[Any]]:
    """No resolver of a query or an event returns a stream."""
    return False


@lru_cache(maxsize=CACHED_DOCUMENTS)
def _known(text: str, *, hides_suggestions: bool) -> _Known:
    return _Known(text, _parsed(text, hides_suggestions=hides_suggestions))


def _parsed(text: str, *, hides_suggestions: bool) -> DocumentNode | RequestError:
    try:
        document = parse(text, max_tokens=limits.MOST_TOKENS)
    except GraphQLError as error:
        return RequestError([error], "GRAPHQL_PARSE_FAILED")
    except RecursionError:
        return RequestError([GraphQLError("The document is nested too deeply.")], "GRAPHQL_PARSE_FAILED")
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            excess = limits.check(document, definition, None)
            if excess is not None:
                return RequestError([excess], "MAX_COST_EXCEEDED")
    errors = validate(schema, document, max_errors=MOST_ERRORS, hide_suggestions=hides_suggestions)
    return RequestError(errors, "GRAPHQL_VALIDATION_FAILED") if errors else document


def answered(result: ExecutionResult, context: Context, request_id: str) -> Answer:
    """A result as it is sent."""
    errors = result.errors or []
    if result.data is None and errors and all(error.path is None for error in errors):
        return Answer({"errors": [formatted(error, request_id=request_id) for error in errors]}, is_request_error=True)
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body["errors"] = [formatted(error, request_id=request_id) for error in errors[:MOST_ERRORS]]
    if context.is_replayed:
        body["extensions"] = {"idempotency": {"replayed": True}}
    return Answer(body, is_repeatable=context.is_repeatable)


def _market(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Market:
    """Read `@inContext` once per operation. Its literals were validated; variables are checked here."""
    for directive in operation.directives or ():
        if directive.name.value == "inContext":
            values: dict[str, str | None] = {}
            for argument in directive.arguments or ():
                node = argument.value
                value = variables.get(node.name.value) if hasattr(node, "name") else getattr(node, "value", None)
                if value is not None and not isinstance(value, str):
                    message = f"@inContext({argument.name.value}:) takes a text."
                    raise BadUserInput(message)
                values[argument.name.value] = value
            return Market(**values)
    return Market()


def fault_answer(fault: Fault) -> Answer:
    return Answer({"errors": [of_fault(fault)]}, is_request_error=True)
