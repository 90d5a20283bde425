"""The seam between what happens in the mesh and whoever records spans of it; by default nobody does."""

from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

from ipc.protocol import traceparent
from ipc.protocol.traceparent import TraceParent
from ipc.tracing.scope import Attributes, Scope, current_step


class Kind(StrEnum):
    """Which side of what a span is."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Operation(Struct, frozen=True):
    """What a span is about, by the semantic conventions of OpenTelemetry.

    ``is_inner`` says that it may belong to a span that the service's own code has begun.
    """

    kind: Kind
    name: str
    attributes: Attributes
    is_inner: bool = False


class Span(Protocol):
    """A step of a trace that is being recorded."""

    @property
    def step(self) -> TraceParent:
        """What is sent along, so that others go on from here."""

    def attach(self) -> None:
        """Be what spans of the service's own code belong to, in this task, until the end."""

    def describe(self, name: str, attributes: Attributes) -> None:
        """Say what was not known at the beginning."""

    def end(self, error: BaseException | None) -> None:
        """End, in the same task, perhaps because of an error."""


class Tracer(Protocol):
    """Records spans."""

    def begin(self, operation: Operation, parent: TraceParent | None) -> Span:
        """Begin a span after a step of a trace, or a new trace."""

    def flush(self) -> None:
        """Hand over what has ended, which may take a while; it blocks."""


_in_use: list[Tracer] = []


def use(tracer: Tracer | None) -> None:
    """Have spans recorded in this process from now on, or no more."""
    _in_use[:] = [] if tracer is None else [tracer]


def tracer_in_use() -> Tracer | None:
    """Return who records spans, if anybody does."""
    return _in_use[0] if _in_use else None


class Recorded(Scope):
    """A piece of work of which a span is recorded.

    Args:
        span: begun already.
        session: that it came by.
        event_id: of the event that it is about.

    """

    __slots__ = ("_error", "_span")

    def __init__(self, span: Span, session: str | None = None, event_id: str | None = None) -> None:
        super().__init__(None, session, event_id, span.step)
        self._span = span
        self._error: BaseException | None = None

    def failed(self, error: BaseException) -> None:
        """Take note of a failure that is dealt with inside."""
        self._error = error

    def describe(self, name: str, attributes: Attributes) -> None:
        """Say what was not known at the beginning."""
        self._span.describe(name, attributes)

    def __enter__(self) -> Self:
        super().__enter__()
        self._span.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._span.end(error or self._error)
        super().__exit__(kind, error, traceback)


class Sending:
    """Something on its way to others, from entering to leaving, which gives the ``traceparent`` to send along."""

    __slots__ = ("_span", "_traceparent")

    def __init__(self, operation: Operation | None = None) -> None:
        tracer, step = tracer_in_use(), current_step()
        self._span = None if tracer is None or operation is None else tracer.begin(operation, step)
        if self._span is not None:
            self._traceparent = str(self._span.step)
        else:
            self._traceparent = str(traceparent.new() if step is None else traceparent.child(step))

    def __enter__(self) -> str:
        return self._traceparent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._span is not None:
            self._span.end(error)
