"""Whether this process traces: OpenTelemetry's own variables say so."""

import os
from collections.abc import Mapping

import structlog

from workers.tracing.spans import Spans

try:
    from workers.tracing.exporting import EXPORTERS, OpenTelemetrySpans
except ImportError:  # the extra `opentelemetry` is not installed
    INSTALLED = False
else:
    INSTALLED = True

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_OURS = "http/protobuf"
log = structlog.get_logger("publisher.tracing")


def spans_of(process: str, environment: Mapping[str, str] = os.environ) -> Spans | None:
    """Return where a process's spans go, or None if nobody traces.

    What cannot be done as the variables want it is warned of: nobody's articles wait for a trace.

    Args:
        process: `web`, `worker` or `sender`.
    """
    wanted = exporter_of(environment)
    if wanted is None:
        return None
    if not INSTALLED:
        log.warning(
            "tracing.off", reason="OpenTelemetry is not installed", expected="publisher[opentelemetry]"
        )
        return None
    if wanted not in EXPORTERS:
        log.warning(
            "tracing.off", OTEL_TRACES_EXPORTER=wanted, expected=f"one of {', '.join(EXPORTERS)}, none"
        )
        return None
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), _OURS)
    if wanted == "otlp" and protocol != _OURS:
        log.warning("tracing.off", OTEL_EXPORTER_OTLP_PROTOCOL=protocol, expected=_OURS)
        return None
    try:
        return OpenTelemetrySpans(process, EXPORTERS[wanted]())
    except Exception as error:  # it has many more variables, and most of what they say it takes as given
        log.warning("tracing.off", error=f"{type(error).__name__}: {error}".partition("\n")[0])
        return None


def exporter_of(environment: Mapping[str, str]) -> str | None:
    """Return the exporter that OpenTelemetry's variables ask for, or None if they ask for none.

    Source: OpenTelemetry specification, “Environment Variable Specification”; but without any variable
    nothing is exported.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    default = "otlp" if any(environment.get(name) for name in _ENDPOINTS) else "none"
    wanted = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or default
    return None if wanted == "none" else wanted
