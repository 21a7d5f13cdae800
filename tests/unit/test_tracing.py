"""Whether a process traces, and what it makes spans of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from publisher.events import EventType
from publisher.notify.claimed import Claimed
from publisher.notify.outcome import Answer, DeliveryState, Outcome
from publisher.notify.pump.observer import Harmless, Observer
from publisher.notify.recording.report import Report
from publisher.notify.webhook import Webhook
from publisher.outbox.obligation import Done, Failed, Obligation
from workers.handled import Handled
from workers.tracing import setup
from workers.tracing.attempts import TracedAttempts
from workers.tracing.setup import exporter_of, spans_of
from workers.tracing.spans import Attributes, Kind
from workers.tracing.steps import TracedSteps

COLLECTOR = "http://127.0.0.1:4318"
AT = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Noted:
    """A span that only says what was asked of it."""

    def __init__(self, name: str, parent: str | None) -> None:
        self.name = name
        self.parent = parent
        self.traceparent = TRACE
        self.attributes: Attributes = {}
        self.error: str | None = None

    def end(self, attributes: Attributes, *, name: str | None = None, error: str | None = None) -> None:
        self.attributes, self.error = attributes, error


class Notebook:
    """Spans that go nowhere."""

    def __init__(self) -> None:
        self.spans: list[Noted] = []

    def begin(
        self, name: str, *, kind: Kind, parent: str | None, attributes: Attributes, since_s: float = 0
    ) -> Noted:
        self.spans.append(Noted(name, parent))
        return self.spans[-1]

    def close(self) -> None:
        pass


def obligation(number: int, *, traceparent: str | None) -> Obligation:
    return Obligation(
        event_id=UUID(int=number),
        task="publish",
        type=EventType.ARTICLE_ENRICHED,
        subject=UUID(int=number),
        queued_at=AT,
        started_at=AT,
        traceparent=traceparent,
    )


def delivery() -> Claimed:
    return Claimed(
        id=UUID(int=1),
        shard=0,
        token=0,
        endpoint_id=UUID(int=2),
        message_id=UUID(int=3),
        sequence=None,
        attempts=0,
        trigger="auto",
        url="https://reader.example/hook",
        timeout_s=None,
        max_in_flight=1,
        sending=Webhook(
            message_id=UUID(int=3),
            sequence=None,
            body=b"{}",
            secrets=(b"s" * 24,),
            traceparent=TRACE,
        ),
    )


@pytest.mark.parametrize(
    ("environment", "exporter"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, "otlp"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": COLLECTOR}, "otlp"),
        ({"OTEL_TRACES_EXPORTER": " Console "}, "console"),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, None),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, None),
    ],
)
def test_the_variables_say_where_spans_go(environment: Mapping[str, str], exporter: str | None) -> None:
    assert exporter == exporter_of(environment)


def test_without_the_extra_a_process_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "INSTALLED", False)

    with capture_logs() as logs:
        spans = spans_of("web", {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR})

    assert spans is None
    assert [one["expected"] for one in logs] == ["publisher[opentelemetry]"]


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_what_cannot_be_done_is_warned_of_and_stops_nobody(environment: Mapping[str, str]) -> None:
    with capture_logs() as logs:
        spans = spans_of("web", environment)

    assert spans is None
    assert [one["event"] for one in logs] == ["tracing.off"]


@pytest.mark.parametrize("variable", ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"])
def test_a_variable_that_opentelemetry_refuses_stops_nobody(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "-1")

    with capture_logs() as logs:
        spans = spans_of("worker", {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR})

    assert spans is None
    assert [one["event"] for one in logs] == ["tracing.off"]


def test_an_attempt_is_a_span_whatever_becomes_of_the_counting() -> None:
    class Failing(Observer):
        def begins(self, claimed: Claimed) -> str | None:
            raise LookupError

        def ended(self, report: Report) -> None:
            raise LookupError

    claimed = delivery()
    notebook = Notebook()
    traced = TracedAttempts(notebook, Failing())

    begun = traced.begins(claimed)
    traced.ended(
        Report(
            claimed=claimed,
            answer=Answer(status=204),
            outcome=Outcome(state=DeliveryState.SUCCEEDED),
            at=AT,
            ended_at=AT,
        )
    )

    assert begun == TRACE
    assert [one.attributes for one in notebook.spans] == [{"http.response.status_code": 204}]


def test_the_log_says_which_of_two_observers_failed() -> None:
    class NotCountedError(Exception):
        pass

    class FailingSpans(Notebook):
        def begin(self, *_: object, **__: object) -> Noted:
            raise NotCountedError

    class FailingMeters(Observer):
        def begins(self, claimed: Claimed) -> str | None:
            raise NotCountedError

    with capture_logs() as logs:
        begun = Harmless(TracedAttempts(FailingSpans(), FailingMeters())).begins(delivery())

    assert begun == TRACE
    assert [one["observer"] for one in logs] == ["FailingMeters.begins", "TracedAttempts.begins"]


def test_a_step_is_a_span_if_its_event_bears_a_trace() -> None:
    done, failed, without = (
        obligation(1, traceparent=TRACE),
        obligation(2, traceparent=TRACE),
        obligation(3, traceparent=None),
    )
    fates = {done: Done(outcome="published"), failed: Failed(error="ValueError: no"), without: Done()}
    notebook = Notebook()

    TracedSteps(notebook).hear(
        Handled(task="publish", obligations=[done, failed, without], fates=fates, took_s=0.5)
    )

    assert [one.parent for one in notebook.spans] == [TRACE, TRACE]
    assert [one.attributes["publisher.outcome"] for one in notebook.spans] == ["published", "failed"]
    assert [one.error for one in notebook.spans] == [None, "ValueError: no"]
