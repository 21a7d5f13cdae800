"""Metrics of the web process: what was asked, how it was answered, what was accepted."""

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.api.articles import BATCH_PATH
from publisher.ingest.decision import Outcome
from publisher.undisturbed import undisturbed

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_AREAS = {"/v1/": "api", "/feeds/": "feeds", "/healthz": "health", "/readyz": "health"}
# The client went away before the answer began.
_UNANSWERED = "none"
_safely = undisturbed("requests")


class WebMeters:
    """What a web process counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._accepted = Counter(
            "publisher_accepted", "Articles that were accepted and committed.", ["outcome"], registry=registry
        )
        self._requests = Counter(
            "publisher_http_requests", "Requests that ended.", ["area", "status"], registry=registry
        )
        self._seconds = Histogram(
            "publisher_http_request_duration_seconds",
            "From the head of a request to the end of its answer.",
            ["area"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "publisher_http_requests_in_flight", "Requests that are being answered.", registry=registry
        )
        for outcome in Outcome:  # so that a rate can be seen from the first one on
            self._accepted.labels(outcome.value)

    @_safely
    def accepted(self, outcomes: Collection[Outcome]) -> None:
        """Count articles that were committed."""
        for outcome in outcomes:
            self._accepted.labels(outcome.value).inc()

    @_safely
    def answered(self, area: str, status: str, *, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests.labels(area, status).inc()
        self._seconds.labels(area).observe(seconds)

    def answered_from_memory(self, status: str, seconds: float) -> None:
        """Count a request for a feed that nothing had to be made for."""
        self.answered("feeds", status, seconds=seconds)


class MeasuredRequests:
    """ASGI middleware around everything else: whatever is refused further in counts, too."""

    def __init__(self, app: ASGIApp, *, meters: WebMeters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), _UNANSWERED

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        self._meters.in_flight.inc()
        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            status = "500"  # what the framework around this answers to a bug of ours
            raise
        finally:
            self._meters.in_flight.dec()
            self._meters.answered(area_of(scope["path"]), status, seconds=time.perf_counter() - started)


def area_of(path: str) -> str:
    """Return the part of the site that a path belongs to: a handful of words, whatever clients ask for."""
    if path == BATCH_PATH:
        return "batch"
    return next((area for start, area in _AREAS.items() if path.startswith(start)), "pages")
