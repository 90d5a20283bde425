"""The spans that a test has caused, and how they hang together."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ipc.tracing.opentelemetry import OpenTelemetryTracer
from ipc.tracing.tracer import use


def context(span: ReadableSpan) -> trace.SpanContext:
    """Return the ids of a span, which each of these has."""
    found = span.get_span_context()
    assert found is not None
    return found


class Recorded:
    """What was recorded so far."""

    def __init__(self, exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
        self.provider = provider
        self._exporter = exporter

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        """The spans in the order in which they ended."""
        return self._exporter.get_finished_spans()

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """The spans by their names, which are all different in a test."""
        return {span.name: span for span in self.finished}

    @property
    def traces(self) -> set[str]:
        """The ids of the traces."""
        return {trace.format_trace_id(context(span).trace_id) for span in self.spans.values()}

    def parent(self, name: str) -> str | None:
        """Return the name of what a span belongs to, or None where that was not recorded here."""
        parent = self.spans[name].parent
        names = {context(span).span_id: other for other, span in self.spans.items()}
        return None if parent is None else names.get(parent.span_id)


@contextmanager
def recording() -> Iterator[Recorded]:
    """Record all spans of this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(OpenTelemetryTracer(provider))
    try:
        yield Recorded(exporter, provider)
    finally:
        use(None)
        provider.shutdown()
