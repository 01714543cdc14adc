"""Spans and durations of requests for OpenTelemetry (extra `otel`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polycloud.tracing.hooks import add_hook
from polycloud.tracing.trace import Trace
from polycloud.version import __version__

try:
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, TracerProvider, get_tracer
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] != "opentelemetry":
        raise
    raise ImportError("traces need opentelemetry: pip install 'polycloud[otel]'", name=missing.name) from None

__all__ = ["instrument"]

FAILED = 400
BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Seconds, as the semantic conventions have them; the default ones are milliseconds."""


def instrument(
    tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> Callable[[], None]:
    """Report every attempt of every request to OpenTelemetry; return a function that undoes it.

    An attempt is a span of kind CLIENT, a child of the span that is current where the driver was called,
    named and described as the semantic conventions of HTTP say, and by `polycloud.provider` and
    `polycloud.operation`. The histogram `http.client.request.duration` counts the seconds until the response
    was read. Neither contains a secret.

    Args:
        tracer_provider: Where spans go; by default the global one.
        meter_provider: Where durations go; by default the global one.

    Raises:
        ImportError: On import of this module, where opentelemetry-api is missing.
    """
    tracer = get_tracer("polycloud", __version__, tracer_provider)
    durations = get_meter("polycloud", __version__, meter_provider).create_histogram(
        "http.client.request.duration",
        unit="s",
        description="Duration of HTTP client requests.",
        explicit_bucket_boundaries_advisory=BOUNDARIES,
    )

    def report(trace: Trace) -> None:
        common = _present(_common(trace))
        durations.record(trace.ms / 1e3, common)
        _span(tracer, trace, common)

    return add_hook(report)


def _common(trace: Trace) -> dict[str, Any]:
    """Return the attributes of both the span and the duration."""
    return {
        "http.request.method": trace.method,
        "server.address": trace.host,
        "server.port": trace.port,
        "http.response.status_code": trace.status,
        "error.type": _error(trace),
        "polycloud.provider": trace.provider,
        "polycloud.operation": trace.operation,
    }


def _span(tracer: Tracer, trace: Trace, common: dict[str, Any]) -> None:
    own = {"url.full": trace.url, "http.request.resend_count": trace.attempt - 1 or None}
    began = int(trace.began_at * 1e9)
    span = tracer.start_span(
        trace.method, kind=SpanKind.CLIENT, attributes={**common, **_present(own)}, start_time=began
    )
    if "error.type" in common:
        span.set_status(Status(StatusCode.ERROR, trace.failure))
    span.end(began + int(trace.ms * 1e6))


def _error(trace: Trace) -> str | None:
    if trace.status is None:
        return trace.error
    return str(trace.status) if trace.status >= FAILED else None


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
