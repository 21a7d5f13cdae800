"""The trace that a request names is found again at the receivers, and in a collector if there is one.

Guards: `traceparent` on event, obligation and message, handed on by each stage; `publisher/traceparent.py`,
which ignores what is malformed; `workers/tracing/`, whose spans take the place of what arrived.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from publisher.access import create_key
from tests.pipeline.system import System
from tests.receivers import Received, Receivers
from tests.waiting import eventually

_PARENT = "b7ad6b7169203331"
_NDJSON = "application/x-ndjson"
# Four processes load their modules at once.
_STARTED_WITHIN_S = 40


def traceparent(number: int) -> str:
    """Return the context of the n-th trace."""
    return f"00-{number:032x}-{_PARENT}-01"


def start_all(system: System, **settings: str) -> httpx.Client:
    """Start one process of each kind; return a client of the API."""
    for process in ("relay", "worker", "sender"):
        system.start(process, **settings)
    with system.sessions.begin() as session:
        _, key = create_key(session, name="tests", scopes=["admin"])
    client = system.start_web(**settings)
    client.headers["Authorization"] = f"Bearer {key}"
    return client


def article(number: int) -> dict[str, Any]:
    return {"guid": f"test:{number}", "title": f"Bài {number}", "content_text": "Nước lên."}


def arrived(receivers: Receivers, *, count: int) -> Sequence[Received]:
    def look() -> Sequence[Received] | None:
        received = receivers.received()
        return received if len(received) >= count else None

    found = eventually(look, within_s=_STARTED_WITHIN_S)
    assert found is not None
    return found


def told(received: Received) -> tuple[str, str | None]:
    """Return what a webhook tells, and the trace that it belongs to."""
    body = json.loads(received.body)
    title = body["data"].get("title", "")
    return f"{body['type']} {title}".strip(), received.headers.get("traceparent")


def test_a_trace_goes_the_whole_way_from_every_request_that_leads_to_a_webhook(system: System) -> None:
    with start_all(system) as api, Receivers() as receivers:
        endpoint = api.post("/v1/endpoints", json={"url": receivers.url()}).json()["id"]

        one = api.post("/v1/articles", json=article(1), headers={"traceparent": traceparent(1)}).json()
        lines = json.dumps(article(2)).encode() + b"\n"
        headers = {"content-type": _NDJSON, "traceparent": traceparent(2)}
        api.post("/v1/articles:batch", content=lines, headers=headers)
        api.post("/v1/articles", json=article(3), headers={"traceparent": f"{traceparent(3)}-more"})
        api.post(f"/v1/endpoints/{endpoint}/test", headers={"traceparent": traceparent(4)})
        arrived(receivers, count=4)
        api.delete(f"/v1/articles/{one['id']}", headers={"traceparent": traceparent(5)})

        assert sorted(map(told, arrived(receivers, count=5)), key=str) == [
            ("article.published Bài 1", traceparent(1)),
            ("article.published Bài 2", traceparent(2)),
            ("article.published Bài 3", None),
            ("article.retracted", traceparent(5)),
            ("endpoint.test", traceparent(4)),
        ]


def test_a_collector_gets_a_span_of_the_request_of_each_step_and_of_the_attempt(system: System) -> None:
    with Receivers() as collector, Receivers() as receivers:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url(""), "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with start_all(system, **variables) as api:
            api.post("/v1/endpoints", json={"url": receivers.url()})
            api.post("/v1/articles", json=article(1), headers={"traceparent": traceparent(1)})
            (webhook,) = arrived(receivers, count=1)
            spans = eventually(_collected(collector, trace=1, count=6), within_s=15)

    assert spans is not None
    (request,) = [span for span in spans if span.name == "POST /v1/articles"]
    assert request.parent_span_id.hex() == _PARENT
    others = {span.name: span for span in spans if span is not request}
    assert set(others) == {"enrich", "publish", "fan_out", "feeds", "deliver"}
    assert {span.parent_span_id for span in others.values()} == {request.span_id}
    assert not request.links
    assert all([link.span_id for link in span.links] == [request.span_id] for span in others.values())
    assert webhook.headers["traceparent"] == f"00-{1:032x}-{others['deliver'].span_id.hex()}-01"


def _collected(collector: Receivers, *, trace: int, count: int) -> Callable[[], list[Any] | None]:
    def look() -> list[Any] | None:
        exports = [ExportTraceServiceRequest.FromString(one.body) for one in collector.received()]
        spans = [
            span
            for export in exports
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.trace_id.hex() == f"{trace:032x}"
        ]
        return spans if len(spans) >= count else None

    return look
