"""OpenTelemetry as the recorder of spans. Only a process that records any imports this."""

from contextvars import Token
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from ipc.protocol.errors import IPCError
from ipc.protocol.traceparent import RANDOM, SAMPLED, TraceParent
from ipc.tracing.scope import Attributes
from ipc.tracing.tracer import Kind, Operation

NAME: Final = "exprsn.ipc"
FLUSH_TIMEOUT_MS: Final = 2_000

_KINDS: Final = {
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class OpenTelemetryTracer:
    """Records spans with OpenTelemetry.

    Args:
        provider: of tracers, which decides what is kept and where it goes.

    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME)

    def begin(self, operation: Operation, parent: TraceParent | None) -> "OpenTelemetrySpan":
        """Begin a span after a step of a trace, or a new trace."""
        span = self._tracer.start_span(
            operation.name,
            context=_context_of(parent, may_join=operation.is_inner),
            kind=_KINDS[operation.kind],
            attributes=operation.attributes,
        )
        return OpenTelemetrySpan(span)

    def flush(self) -> None:
        """Hand over what has ended; it blocks for two seconds at most."""
        # What the interface itself does not have; the provider of the SDK does.
        flush = getattr(self._provider, "force_flush", None)
        if flush is not None:
            flush(FLUSH_TIMEOUT_MS)


class OpenTelemetrySpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    @property
    def step(self) -> TraceParent:
        """What is sent along, so that others go on from here."""
        told = self._span.get_span_context()
        flags = int(told.trace_flags) & (SAMPLED | RANDOM)
        return TraceParent(trace.format_trace_id(told.trace_id), trace.format_span_id(told.span_id), flags)

    def attach(self) -> None:
        """Be what spans of the service's own code belong to, in this task, until the end."""
        self._token = context_api.attach(trace.set_span_in_context(self._span))

    def describe(self, name: str, attributes: Attributes) -> None:
        """Say what was not known at the beginning."""
        self._span.update_name(name)
        self._span.set_attributes(attributes)
        if "error.type" in attributes:
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self, error: BaseException | None) -> None:
        """End, in the same task, perhaps because of an error."""
        if error is not None:
            kind = error.code.value if isinstance(error, IPCError) else type(error).__qualname__
            self._span.set_attribute("error.type", kind)
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, str(error)))
        self._span.end()
        if self._token is not None:
            context_api.detach(self._token)


def _context_of(parent: TraceParent | None, *, may_join: bool) -> Context:
    """Return the context of a span: that of the service's own code where it has a span in this trace, else the step."""
    if may_join:
        own = trace.get_current_span().get_span_context()
        if own.is_valid and (parent is None or trace.format_trace_id(own.trace_id) == parent.trace_id):
            return context_api.get_current()
    if parent is None:
        return Context()
    step = trace.SpanContext(
        int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(parent.flags)
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(step), Context())
