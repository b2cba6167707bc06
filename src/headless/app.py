"""How is a web process put together?"""

from __future__ import annotations

import asyncio
import gc
import re
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http import HTTPStatus

import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from headless import worker
from headless.catalog.search.mirror import Mirror
from headless.checkout.desk import Desk
from headless.checkout.service import Terms
from headless.graphql import playground
from headless.graphql.bulk.endpoints import BulkFiles
from headless.graphql.context import COUNTLESS, OF_VARIANTS, Server
from headless.graphql.media.serving import MediaEndpoint
from headless.graphql.media.thumbnails import Thumbnails
from headless.graphql.media.uploading import UploadEndpoint
from headless.graphql.schema import sdl
from headless.graphql.server.connections import Connections
from headless.graphql.server.execution import Engine
from headless.graphql.server.http import HttpEndpoint
from headless.graphql.server.messages import LARGEST_FRAME
from headless.graphql.server.metrics import MetricsEndpoint
from headless.graphql.server.sockets import SocketEndpoint
from headless.graphql.server.subscribing import Subscriptions
from headless.payments.providers.sandbox import Sandbox
from headless.payments.service import Providers
from headless.platform import carriers, failpoints, observe
from headless.platform.crypto import Signer
from headless.platform.db import Database
from headless.platform.errors import Fault
from headless.platform.hub import Hub
from headless.platform.images import Studio
from headless.platform.storage import storage_at
from headless.settings import LOCALHOST_ORIGIN, Settings
from headless.shop import queries as shop_queries

LOCAL_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
SILENT_SOCKET_SECONDS = 10
PING_SECONDS, PONG_SECONDS = 15.0, 10.0
"""When a socket is asked whether it is still there, and how long that answer may take; together below 30 seconds."""
BACKLOG = 2048


def server_of(settings: Settings, database: Database) -> Server:
    """Everything that operations share."""
    terms = Terms(
        reservation=timedelta(minutes=settings.reservation_minutes), cart_lifetime=timedelta(days=settings.cart_days)
    )
    return Server(
        settings=settings,
        database=database,
        hub=Hub(database),
        signer=Signer(settings.secrets),
        providers=Providers({"sandbox": Sandbox(database)}, timeout_seconds=settings.provider_timeout_seconds),
        desk=Desk(database, terms),
        storage=storage_at(settings.media_location),
        studio=Studio(most_pixels=settings.picture_megapixels * 1_000_000),
        mirror=Mirror(besides=COUNTLESS, of_variants=OF_VARIANTS),
    )


def create_app(settings: Settings, *, with_worker: bool = False, server: Server | None = None) -> Starlette:
    """Make the ASGI application; its lifespan opens the database and starts the live hub.

    `server` is for whoever wants other parts than `server_of` chooses, such as other payment providers.
    """
    observe.configure(settings.log_level)
    failpoints.arm(settings.failpoint)
    if server is None:
        server = server_of(settings, Database(settings.database, pool_size=settings.database_pool_size))
    database = server.database
    engine = Engine(server)
    subscriptions = Subscriptions(engine)
    connections = Connections(database, settings.max_connections)
    origins = _origins(settings)
    sockets = SocketEndpoint(
        engine, subscriptions, connections, is_allowed_origin=lambda origin: bool(origins.fullmatch(origin))
    )
    graphql = HttpEndpoint(engine, subscriptions, connections)
    media = MediaEndpoint(server.storage)
    thumbnails = Thumbnails(server.storage, server.signer, server.studio)
    uploads = UploadEndpoint(server)
    bulk = BulkFiles(server)
    metrics = MetricsEndpoint(server, subscriptions, connections)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await server.hub.start()
        server.channels.forget()
        server.hub.add(server.channels)
        loops = [
            server.hub.run(),
            server.mirror.follow(database, lambda: server.hub.position),
            connections.watch(),
            *carriers.loops(database, settings.redis_url, heard=server.hub.heard),
        ]
        if with_worker:
            loops.append(worker.work(server))
        tasks = [asyncio.create_task(loop) for loop in loops]
        # What start-up made stays for ever: the collector needn't look at it again, nor look so often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        try:
            yield
        finally:
            await connections.drain(0)
            server.hub.close()
            await engine.finish()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.close()

    async def schema(_request: Request) -> Response:
        return PlainTextResponse(sdl(), headers={"Cache-Control": "no-cache"})

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        return await _readiness(database, connections)

    async def home(_request: Request) -> Response:
        return RedirectResponse("/graphql", status_code=302)

    routes: list[BaseRoute] = [
        Route("/", home),
        *(Route(path, graphql.respond, methods=["GET", "POST"]) for path in ("/graphql", "/graphql/")),
        *(WebSocketRoute(path, sockets) for path in ("/graphql", "/graphql/")),
        Route("/graphql/schema.graphql", schema),
        Route("/livez", live),
        Route("/readyz", ready),
        Route("/metrics", metrics.respond, methods=["GET"]),
        Route("/payments/sandbox/{payment}", _sandbox_action),
        Route("/media/uploads", uploads.respond, methods=["POST"]),
        Route("/media/thumbs/{folder}/{file}/{signature}/{name}", thumbnails.respond, methods=["GET"]),
        Route("/media/{path:path}", media.respond, methods=["GET"]),
        Route("/bulk/uploads", bulk.upload, methods=["POST"]),
        Route("/bulk/jobs/{job}/{file}", bulk.download, methods=["GET"]),
        *playground.routes(),
    ]
    cors = Middleware(
        CORSMiddleware,
        allow_origin_regex=origins.pattern,
        allow_methods=["GET", "POST"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "GraphQL-Require-Preflight",
        ],
        expose_headers=["Retry-After", "Server-Timing"],
        max_age=3600,
    )
    handlers = {HTTPException: _refused}
    app = Starlette(routes=routes, middleware=[cors], lifespan=lifespan, exception_handlers=handlers)
    app.state.subscriptions, app.state.connections = subscriptions, connections
    return app


class WebServer(uvicorn.Server):
    """Sends sockets and streams away little by little while it still answers; then ends as uvicorn does."""

    def __init__(self, config: uvicorn.Config, connections: Connections, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._connections = connections
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop listening. A second Ctrl-C ends it at once."""
        draining = asyncio.create_task(self._connections.drain(self._drain_seconds))
        while not draining.done() and not self.force_exit:
            await asyncio.wait([draining], timeout=0.1)
        draining.cancel()
        await super().shutdown(sockets)


def web_server(app: Starlette, settings: Settings) -> WebServer:
    """The server program of an application of ours."""
    return WebServer(uvicorn_config(app, settings), app.state.connections, drain_seconds=settings.drain_seconds)


def uvicorn_config(app: Starlette, settings: Settings) -> uvicorn.Config:
    """The HTTP server's own limits: small WebSocket frames, no compression of them, a bounded farewell."""
    _allow_many_sockets()
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        # Longer than proxies keep theirs: who closes first may close on a request that is on its way.
        timeout_keep_alive=75,
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PONG_SECONDS,
    )


def listen(settings: Settings) -> socket.socket:
    """Bind the listening socket; raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Clients that never read are given up by the kernel; uvicorn has no such limit.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SOCKET_SECONDS * 1000)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return listener


async def _readiness(database: Database, connections: Connections) -> Response:
    """Whether new clients should come here."""
    if connections.is_draining:
        return JSONResponse({"status": "stopping"}, status_code=503, headers={"Retry-After": "1"})
    try:
        async with asyncio.timeout(2), database.reading() as session:
            await shop_queries.shop(session)
    except (Fault, SQLAlchemyError, TimeoutError, OSError):
        return JSONResponse({"status": "unavailable"}, status_code=503, headers={"Retry-After": "1"})
    return JSONResponse({"status": "ok"})


async def _sandbox_action(_request: Request) -> Response:
    text = "This is where a buyer would confirm the payment with his bank. Now call checkoutComplete again.\n"
    return PlainTextResponse(text)


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses, such as unknown paths and methods, in the API's way."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    code = "NOT_FOUND" if error.status_code == HTTPStatus.NOT_FOUND else "BAD_USER_INPUT"
    body = {"errors": [{"message": f"{error.detail}.", "extensions": {"code": code}}]}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


def _origins(settings: Settings) -> re.Pattern[str]:
    """Which browser origins may call, over HTTP and WebSocket alike."""
    allowed = list(settings.cors_origins)
    if "*" in allowed:
        return re.compile(r".+")
    patterns = [re.escape(origin) for origin in allowed if origin != LOCALHOST_ORIGIN]
    if settings.development or LOCALHOST_ORIGIN in allowed:
        patterns.append(LOCAL_ORIGIN)
    return re.compile("|".join(patterns) or r"(?!)")


def _allow_many_sockets() -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
