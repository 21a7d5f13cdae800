"""A span for each request of the API; what follows from the request belongs to it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from publisher.traceparent import traceparent_of
from publisher.undisturbed import undisturbed
from workers.tracing.spans import Kind, Span, Spans

_HEADER = b"traceparent"


class TracedRequests:
    """ASGI middleware that puts its own span in the place of the `traceparent` that arrived."""

    def __init__(self, app: ASGIApp, *, spans: Spans) -> None:
        self._app = app
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        traced, span = scope, None
        with undisturbed("tracing"):
            span = self._begin(scope)
            traced = _within(span, scope)
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(traced, receive, send_noting)
        finally:
            if span is not None:
                _end(span, traced, status)

    def _begin(self, scope: Scope) -> Span:
        arrived = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER]
        return self._spans.begin(
            scope["method"],
            kind=Kind.SERVER,
            parent=traceparent_of(arrived),
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
        )


def _within(span: Span, scope: Scope) -> Scope:
    others = [(name, value) for name, value in scope["headers"] if name != _HEADER]
    return {**scope, "headers": [*others, (_HEADER, span.traceparent.encode())]}


@undisturbed("tracing")
def _end(span: Span, scope: Scope, status: int) -> None:
    attributes: dict[str, str | int] = {"http.response.status_code": status}
    name = None
    if (route := scope.get("route")) is not None:
        attributes["http.route"] = route.path
        name = f"{scope['method']} {route.path}"
    span.end(attributes, name=name, error=str(status) if status >= 500 else None)
