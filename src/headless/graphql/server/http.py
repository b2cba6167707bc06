"""How is GraphQL spoken over HTTP? By the GraphQL over HTTP specification, and RFC 9110 around it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from time import perf_counter
from typing import Any

import orjson
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from headless.accounts import queries as account_queries
from headless.accounts.rules import ANONYMOUS, Actor
from headless.graphql import playground
from headless.graphql.context import Server
from headless.graphql.errors import formatted, new_request_id
from headless.graphql.server.connections import Connections
from headless.graphql.server.execution import Answer, Caller, Engine, Prepared, RequestError, fault_answer
from headless.graphql.server.execution import Request as GraphQLRequest
from headless.graphql.server.negotiation import EVENT_STREAM, GRAPHQL, JSON, MULTIPART, Accepted, accepted
from headless.graphql.server.sharing import Frame
from headless.graphql.server.streaming import DIALECTS, StreamingAnswer
from headless.graphql.server.subscribing import Subscriptions
from headless.platform import failpoints
from headless.platform.db import Tally, tally
from headless.platform.errors import BadUserInput, Fault, Unavailable

PUBLIC_BODY = 64 * 1024
STAFF_BODY = 1024 * 1024


class Refuse(Exception):
    """The request ends here, with a status of its own."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"message": message, "extensions": {"code": code}}]}
        self.headers = headers or {}


class HttpEndpoint:
    """Answers GET and POST at /graphql."""

    def __init__(self, engine: Engine, subscriptions: Subscriptions, connections: Connections) -> None:
        self._engine = engine
        self._server = engine.server
        self._subscriptions = subscriptions
        self._connections = connections

    async def respond(self, request: Request) -> Response:
        """Answer a request; whatever happens, with a body that says so."""
        media_type = JSON
        try:
            if request.method in {"GET", "HEAD"} and self._wants_playground(request):
                return playground.page()
            wanted = accepted(request.headers.get("accept", ""))
            if wanted.is_none:
                raise Refuse(406, "BAD_USER_INPUT", f"Answers come as {GRAPHQL} or {JSON}: accept one of them.")
            media_type = wanted.single or JSON
            try:
                with self._engine.working():
                    return await self._answer(request, wanted)
            except Unavailable:
                raise _busy() from None
        except Refuse as refuse:
            return _response(refuse.body, refuse.status, media_type, refuse.headers)
        except Exception as error:  # noqa: BLE001 - the edge of the process: logged and masked
            masked = formatted(GraphQLError(str(error), original_error=error), request_id=new_request_id())
            return _response({"errors": [masked]}, 500, media_type, {})

    def _wants_playground(self, request: Request) -> bool:
        accepts = request.headers.get("accept", "")
        is_browser = "text/html" in accepts and "query" not in request.query_params
        return is_browser and self._server.settings.playground

    async def _answer(self, request: Request, wanted: Accepted) -> Response:
        counted = Tally()
        tally.set(counted)
        started = perf_counter()
        try:
            actor = await actor_of(request.headers.get("authorization"), self._server)
            asked = await self._read(request, actor)
            caller = Caller(actor, request.headers.get("idempotency-key"))
            answer = await self._execute(request, asked, caller, wanted)
            failpoints.reach("http.before_response")
        except Fault as fault:
            answer = fault_answer(fault)
        if isinstance(answer, Response):
            return answer
        media_type = wanted.single or JSON
        headers = {}
        if self._server.settings.server_timing:
            spent = (perf_counter() - started) * 1000
            headers["Server-Timing"] = (
                f'sql;desc="{counted.statements}";dur={counted.seconds * 1000:.2f}, total;dur={spent:.2f}'
            )
        if answer.is_unavailable:
            return _response(answer.body, 503, media_type, {**headers, "Retry-After": "1"})
        status = 400 if answer.is_request_error and media_type == GRAPHQL else 200
        return _response(answer.body, status, media_type, headers)

    async def _execute(
        self, request: Request, asked: GraphQLRequest, caller: Caller, wanted: Accepted
    ) -> Answer | Response:
        try:
            prepared = self._engine.prepare(asked)
        except RequestError as error:
            refused = error.answer()
            return refused if wanted.single else self._stream(request, _once(Frame.of(refused)), caller, wanted)
        if request.method != "POST" and prepared.kind is OperationType.MUTATION:
            raise Refuse(405, "BAD_USER_INPUT", "Mutations are sent by POST.", {"Allow": "POST"})
        is_subscription = prepared.kind is OperationType.SUBSCRIPTION
        if wanted.stream is not None and (is_subscription or wanted.single is None):
            return self._stream(request, self._frames(request, prepared, asked, caller), caller, wanted)
        if is_subscription:
            message = (
                f"Subscriptions run over WebSocket (graphql-transport-ws), or accept {EVENT_STREAM} "
                f"or {MULTIPART};subscriptionSpec=1.0."
            )
            return fault_answer(BadUserInput(message))
        return await self._engine.execute(prepared, asked, caller)

    def _frames(
        self, request: Request, prepared: Prepared, asked: GraphQLRequest, caller: Caller
    ) -> AsyncGenerator[Frame, None]:
        last_event_id = request.headers.get("last-event-id") or None
        return self._subscriptions.frames(prepared, asked, caller, last_event_id=last_event_id)

    def _stream(
        self, request: Request, frames: AsyncGenerator[Frame, None], caller: Caller, wanted: Accepted
    ) -> Response:
        if self._connections.is_draining or self._connections.is_full:
            raise _busy()
        dialect = DIALECTS[wanted.stream or EVENT_STREAM]
        headers = {"Vary": "Accept", "Cache-Control": "no-store"}
        if request.method == "HEAD":
            return Response(headers={"Content-Type": dialect.media_type, **headers})
        return StreamingAnswer(
            frames,
            dialect,
            actor=caller.actor,
            connections=self._connections,
            counters=self._subscriptions.counters,
            headers=headers,
        )

    async def _read(self, request: Request, actor: Actor) -> GraphQLRequest:
        if request.method == "POST":
            return _wanted(await self._posted(request, actor))
        values: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if values.get(name):
                values[name] = _loaded(values[name].encode(), f"The parameter `{name}`")
            else:
                values.pop(name, None)
        return _wanted(values)

    async def _posted(self, request: Request, actor: Actor) -> Any:
        media_type, _, parameters = request.headers.get("content-type", "").partition(";")
        if media_type.strip().lower() != JSON:
            raise Refuse(415, "BAD_USER_INPUT", f"Send the body as {JSON}.", {"Accept-Post": JSON})
        charset = next((part.split("=", 1)[1] for part in parameters.split(";") if "charset=" in part.lower()), "utf-8")
        if charset.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            raise Refuse(415, "BAD_USER_INPUT", "Send the body in UTF-8.", {"Accept-Post": JSON})
        limit = PUBLIC_BODY if actor.is_anonymous else STAFF_BODY
        return _loaded(await _body(request, limit), "The body")


async def actor_of(authorization: str | None, server: Server) -> Actor:
    """Who holds the bearer token (RFC 6750); raises `Refuse` 401 for an invalid one."""
    if authorization is None:
        return ANONYMOUS
    scheme, _, token = authorization.partition(" ")
    actor = None
    if scheme.lower() == "bearer" and token.strip():
        async with server.database.reading() as session:
            actor = await account_queries.actor_by_token(session, token.strip())
    if actor is None:
        message = "This token is not valid. Leave the header Authorization out to go on as a shopper."
        raise Refuse(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return actor


async def _body(request: Request, limit: int) -> bytes:
    too_large = Refuse(413, "BAD_USER_INPUT", f"The body is larger than {limit // 1024} kB.", {"Connection": "close"})
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(30):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
    except (TimeoutError, ClientDisconnect):
        raise Refuse(408, "BAD_USER_INPUT", "The body took too long.", {"Connection": "close"}) from None
    return b"".join(parts)


def _loaded(raw: bytes, what: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refuse(400, "BAD_USER_INPUT", f"{what} is no valid JSON in UTF-8.") from None


def _wanted(values: Any) -> GraphQLRequest:
    """Read a request's parameters as the specification types them."""
    if isinstance(values, list):
        raise Refuse(400, "BAD_USER_INPUT", "Send one operation at a time: batches are not taken.")
    if not isinstance(values, dict):
        raise Refuse(400, "BAD_USER_INPUT", "The body is a JSON object with `query` and, if needed, `variables`.")
    query, variables, name = values.get("query"), values.get("variables"), values.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise Refuse(400, "BAD_USER_INPUT", "The parameter `query` is missing: it holds the GraphQL document.")
    for key, value, kind in (("variables", variables, dict), ("extensions", values.get("extensions"), dict)):
        if value is not None and not isinstance(value, kind):
            raise Refuse(400, "BAD_USER_INPUT", f"The parameter `{key}` is a JSON object.")
    if name is not None and not isinstance(name, str):
        raise Refuse(400, "BAD_USER_INPUT", "The parameter `operationName` is a text.")
    return GraphQLRequest(query, variables or {}, name or None)


async def _once(frame: Frame) -> AsyncGenerator[Frame, None]:
    yield frame


def _busy() -> Refuse:
    return Refuse(503, "UNAVAILABLE", Unavailable.default, {"Retry-After": "1"})


def _response(body: Mapping[str, Any], status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=status,
        headers={"Vary": "Accept", "Cache-Control": "no-store", **headers},
        media_type=f"{media_type}; charset=utf-8",
    )
