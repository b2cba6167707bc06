"""What does a process tell whoever watches over it? Counts in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headless.accounts.rules import Permission
from headless.graphql.context import Server
from headless.graphql.server.connections import Connections
from headless.graphql.server.http import Refuse, actor_of
from headless.graphql.server.subscribing import Subscriptions
from headless.operations import queries
from headless.operations.queries import Book
from headless.platform.errors import Fault, Unauthenticated, Unavailable


class MetricsEndpoint:
    """Answers GET at /metrics to tokens that may read the settings."""

    def __init__(self, server: Server, subscriptions: Subscriptions, connections: Connections) -> None:
        self._server = server
        self._live = _Live(server, subscriptions, connections)
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    async def respond(self, request: Request) -> Response:
        """Answer all counts of this process, and what the last checks of the books found."""
        try:
            await self._check(request)
            async with self._server.database.reading() as session:
                books = await queries.books(session)
        except Refuse as refuse:
            return JSONResponse(refuse.body, refuse.status, refuse.headers)
        except Fault:
            busy = Refuse(503, Unavailable.code, Unavailable.default)
            return JSONResponse(busy.body, busy.status, {"Retry-After": "1"})
        ours = CollectorRegistry()
        ours.register(self._live)
        ours.register(_Books(books))
        return Response(generate_latest(ours) + generate_latest(self._process), media_type=CONTENT_TYPE_LATEST)

    async def _check(self, request: Request) -> None:
        actor = await actor_of(request.headers.get("authorization"), self._server)
        if actor.is_anonymous:
            raise Refuse(401, Unauthenticated.code, Unauthenticated.default, {"WWW-Authenticate": "Bearer"})
        if not actor.may(Permission.READ_SETTINGS):
            raise Refuse(403, "FORBIDDEN", f"This needs the permission {Permission.READ_SETTINGS.value}.")


class _Live(Collector):
    """What is open, and what became of events on their way."""

    def __init__(self, server: Server, subscriptions: Subscriptions, connections: Connections) -> None:
        self._server = server
        self._subscriptions = subscriptions
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        hub, served = self._server.hub.counters, self._subscriptions.counters
        yield GaugeMetricFamily("headless_connections", "Open sockets and event streams.", len(self._connections))
        yield GaugeMetricFamily("headless_subscriptions", "Running subscriptions.", self._subscriptions.running)
        mirrored = "Products that lists are counted by in memory, 0 while they are being read."
        yield GaugeMetricFamily("headless_mirrored_products", mirrored, self._server.mirror.size)
        for name, count, text in (
            ("queued", hub.queued, "Events put into a follower's queue."),
            ("coalesced", hub.coalesced, "Events that a newer state replaced before they were taken."),
            ("cut", hub.cut, "Followers sent away to resume, because they were too slow."),
            ("executed", served.executed, "Selections executed for an event."),
            ("delivered", served.delivered, "Frames handed to subscribers."),
        ):
            yield CounterMetricFamily(f"headless_events_{name}", text, count)


class _Books(Collector):
    """What the last checks of the books found."""

    def __init__(self, books: list[Book]) -> None:
        self._books = books

    def collect(self) -> Iterator[Metric]:
        violations = GaugeMetricFamily(
            "headless_book_violations", "Records that break a promise, by check.", labels=["check"]
        )
        checked = GaugeMetricFamily("headless_book_checked_seconds", "When a check last ran.", labels=["check"])
        for book in self._books:
            if book.last is not None:
                violations.add_metric([book.check.name], book.last.violations)
                checked.add_metric([book.check.name], book.last.checked_at.timestamp())
        yield violations
        yield checked
