"""Everything that logs, hooks, spans and the debug file record."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from polycloud.tracing.hooks import add_hook
from polycloud.tracing.otel import instrument
from polycloud.tracing.trace import Trace


@contextmanager
def traced() -> Iterator[list[Trace]]:
    """The traces of the block."""
    traces: list[Trace] = []
    remove = add_hook(traces.append)
    try:
        yield traces
    finally:
        remove()


@contextmanager
def everything_recorded() -> Iterator[list[str]]:
    """Everything that logs, hooks, spans and the debug file record of the block; to be read after it."""
    recorded: list[str] = []
    spans, records = InMemorySpanExporter(), logging.Handler()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    records.emit = lambda record: recorded.append(f"{record.getMessage()} {vars(record)}")  # type: ignore[method-assign]
    logger = logging.getLogger("polycloud")
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)
    undo = instrument(provider)
    with traced() as traces, tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYCLOUD_DEBUG", f"{folder}/debug.log")
        try:
            yield recorded
        finally:
            undo()
            logger.removeHandler(records)
            logger.setLevel(logging.NOTSET)
            recorded.append(Path(folder, "debug.log").read_text(encoding="utf-8"))
    recorded += [span.to_json() for span in spans.get_finished_spans()]
    public = [name for name in dir(Trace) if not name.startswith("_")]
    recorded += [f"{trace!r} {trace} {[getattr(trace, name) for name in public]}" for trace in traces]
    recorded += [f"{trace.fields()} {(trace.body or b'').decode()}" for trace in traces]
    provider.shutdown()
