"""Spans in OpenTelemetry's own terms; needs the extra `opentelemetry`."""

import os
import threading
import time
from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from publisher import __version__
from workers.tracing.spans import Attributes, Kind

EXPORTERS: Mapping[str, Callable[[], SpanExporter]] = {
    "otlp": OTLPSpanExporter,
    "console": ConsoleSpanExporter,
}
"""What `OTEL_TRACES_EXPORTER` may name; the rest of their settings they read themselves."""

# With a collector that is away, a process ends no later than this.
_CLOSE_S = 2
_W3C = TraceContextTextMapPropagator()


class OpenTelemetrySpan:
    """A span that is sent when it has ended, if it is sampled."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """The trace context to hand on, in which this span is the parent."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, trace.set_span_in_context(self._span))
        return carrier["traceparent"]

    def end(self, attributes: Attributes, *, name: str | None = None, error: str | None = None) -> None:
        """End it."""
        self._span.set_attributes(attributes)
        if name is not None:
            self._span.update_name(name)
        if error is not None:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        self._span.end()


class OpenTelemetrySpans:
    """The tracer of one process; made after a fork, never before."""

    def __init__(self, process: str, exporter: SpanExporter) -> None:
        # Ends with `close`: what is registered to run at exit is skipped by processes that were forked.
        self._provider = TracerProvider(resource=_resource(process), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        # Not made the tracer of everything in this process: libraries would add spans of their own.
        self._tracer = self._provider.get_tracer("publisher", __version__)

    def begin(
        self, name: str, *, kind: Kind, parent: str | None, attributes: Attributes, since_s: float = 0
    ) -> OpenTelemetrySpan:
        """Return a span that has begun."""
        context = _W3C.extract({} if parent is None else {"traceparent": parent})
        return OpenTelemetrySpan(
            self._tracer.start_span(
                name,
                context=context,
                kind=trace.SpanKind[kind],
                attributes=attributes,
                links=_links(kind, context),
                start_time=time.time_ns() - round(since_s * 1e9),
            )
        )

    def close(self) -> None:
        """Send what is left, and stop."""
        closing = threading.Thread(target=self._provider.shutdown, name="spans-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def _links(kind: Kind, context: Context) -> list[trace.Link]:
    """Return a link to the parent of what comes long after it has ended.

    Source: OpenTelemetry semantic conventions, “Messaging spans”, “Consumer spans”: what handles a message
    links to the context in which it was made, and may also be its child.
    """
    cause = trace.get_current_span(context).get_span_context()
    return [trace.Link(cause)] if kind is not Kind.SERVER and cause.is_valid else []


def _resource(process: str) -> Resource:
    given = Resource.create({"process.pid": os.getpid(), "service.version": __version__})
    if str(given.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return given.merge(Resource({SERVICE_NAME: f"publisher-{process}"}))
    return given
