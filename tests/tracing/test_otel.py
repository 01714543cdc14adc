from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from polycloud.common.base import ConnectionKey
from polycloud.compute.providers import get_driver
from polycloud.errors import ConnectError, NotFoundError
from polycloud.http.retry import RetryPolicy
from polycloud.sandbox import Sandbox
from polycloud.tracing.otel import BOUNDARIES, instrument
from support.web import Answer, serve

SOON = RetryPolicy(base=0.001)
ONCE = RetryPolicy(attempts=1)


class Telemetry:
    """What a program that uses OpenTelemetry has set up."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.undo = instrument(self.tracers, self.meters)

    @property
    def tracer(self) -> Tracer:
        return self.tracers.get_tracer("the caller's")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def durations(self) -> list[HistogramDataPoint]:
        data = self.reader.get_metrics_data()
        scopes = (
            [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        )
        metrics = [metric for scope in scopes for metric in scope.metrics]
        assert {(metric.name, metric.unit) for metric in metrics} <= {("http.client.request.duration", "s")}
        points = [point for metric in metrics for point in metric.data.data_points]
        return [point for point in points if isinstance(point, HistogramDataPoint)]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.undo()
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_span(telemetry: Telemetry) -> None:
    """An attempt is a CLIENT span with the attributes of the HTTP conventions, and without secrets."""
    began = time.time_ns()
    with serve(lambda seen: Answer(body=b"{}")) as web:
        ConnectionKey("k3y-of", **web.options).request("/k3y-of/x", params={"api_key": "hidden", "a": "1"})
    (span,) = telemetry.spans
    assert (span.name, span.kind, span.parent) == ("GET", SpanKind.CLIENT, None)
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.full": f"{web.url}/REDACTED/x?api_key=REDACTED&a=1",
        "server.address": "127.0.0.1",
        "server.port": web.port,
        "http.response.status_code": 200,
        "polycloud.provider": "127.0.0.1",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.start_time is not None
    assert span.end_time is not None
    assert began - 5e6 <= span.start_time < span.end_time <= time.time_ns() + 5e6


def test_parents_and_operations(telemetry: Telemetry) -> None:
    """Spans are children of the caller's current span, those of pages that threads fetch too."""
    with Sandbox("digitalocean", seed_nodes=6) as cloud:
        with get_driver("digitalocean")(*cloud.credentials, **cloud.options, ex_per_page=2) as driver:
            with telemetry.tracer.start_as_current_span("mine") as mine:
                driver.list_nodes()
    *spans, _ = telemetry.spans
    assert len(spans) >= 3
    assert {span.parent and span.parent.span_id for span in spans} == {mine.get_span_context().span_id}
    assert {attributes(span)["polycloud.operation"] for span in spans} == {"list_nodes"}
    assert {attributes(span)["polycloud.provider"] for span in spans} == {"DigitalOcean"}


def test_repeats(telemetry: Telemetry) -> None:
    """Each attempt is a span of its own; those after the first have the number of the retry."""
    number = count()
    with serve(lambda seen: Answer(503 if next(number) < 2 else 200, b"{}")) as web:
        ConnectionKey("key", **web.options, retry=SOON).request("/x")
    counts = [attributes(span).get("http.request.resend_count") for span in telemetry.spans]
    assert counts == [None, 1, 2]
    assert [span.status.status_code.name for span in telemetry.spans] == ["ERROR", "ERROR", "UNSET"]


def test_refusals(telemetry: Telemetry) -> None:
    """A response with a status of 400 or above is an error, whose type is the status."""
    with serve(lambda seen: Answer(404, b"{}")) as web, pytest.raises(NotFoundError):
        ConnectionKey("key", **web.options).request("/x")
    (span,) = telemetry.spans
    assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "404")


def test_failures(telemetry: Telemetry) -> None:
    """Where no response came, the span is an error with its name and message, and has no status."""
    with serve() as web:
        options = web.options
    with pytest.raises(ConnectError):
        ConnectionKey("key", **options, retry=ONCE).request("/x")
    (span,) = telemetry.spans
    assert attributes(span)["error.type"] == "ConnectError"
    assert "http.response.status_code" not in attributes(span)
    assert (span.status.status_code, "cannot connect" in str(span.status.description)) == (
        StatusCode.ERROR,
        True,
    )


def test_durations(telemetry: Telemetry) -> None:
    """The histogram counts seconds by method, place and status, in buckets that are made for seconds."""
    with serve(lambda seen: Answer(200 if seen.path == "/x" else 404, b"{}")) as web:
        connection = ConnectionKey("key", **web.options)
        connection.request("/x")
        connection.request("/x")
        with pytest.raises(NotFoundError):
            connection.request("/y")
    by_status = {
        dict(point.attributes or {})["http.response.status_code"]: point for point in telemetry.durations
    }
    assert {status: point.count for status, point in by_status.items()} == {200: 2, 404: 1}
    assert 0 < by_status[200].sum < 10
    assert tuple(by_status[200].explicit_bounds) == BOUNDARIES
    assert dict(by_status[404].attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": web.port,
        "http.response.status_code": 404,
        "error.type": "404",
        "polycloud.provider": "127.0.0.1",
    }


def test_undone(telemetry: Telemetry) -> None:
    """What `instrument` returns ends it, and may be called again."""
    telemetry.undo()
    telemetry.undo()
    with serve() as web:
        ConnectionKey("key", **web.options).request("/x")
    assert (telemetry.spans, telemetry.durations) == ([], [])


MISSING = """
import sys
sys.modules["opentelemetry"] = None
try:
    import polycloud.tracing.otel
except ImportError as error:
    print(error)
"""


def test_missing() -> None:
    """Without opentelemetry the import says what to install."""
    done = subprocess.run(
        [sys.executable, "-c", MISSING], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "traces need opentelemetry: pip install 'polycloud[otel]'\n"
