"""What the work at hand belongs to: a session, an event, a trace. Lines of the log say so, and what is sent goes on."""

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

from ipc.protocol import traceparent
from ipc.protocol.traceparent import TraceParent

Attributes = Mapping[str, str | int]

_resolving: Final = threading.Lock()


class Scope:
    """One piece of work, such as an event that is handled, from entering to leaving.

    Args:
        parent: the ``traceparent`` that it came with; it is read, and a trace begun where there is none, only once
            somebody asks, since most work neither sends nor logs anything.
        session: that it came by.
        event_id: of the event that it is about.
        step: its own step of a trace, if that is known already.
        is_traced: whether it is a part of a trace at all.

    """

    __slots__ = ("_parent", "_step", "_token", "event_id", "is_traced", "session")

    def __init__(
        self,
        parent: str | None = None,
        session: str | None = None,
        event_id: str | None = None,
        step: TraceParent | None = None,
        *,
        is_traced: bool = True,
    ) -> None:
        self.session = session
        self.event_id = event_id
        self.is_traced = is_traced
        self._parent = parent
        self._step = step

    @property
    def step(self) -> TraceParent:
        """Its own step of its trace."""
        if self._step is None:
            # Threads of one piece of work may ask at the same time, and have to get the same answer.
            with _resolving:
                if self._step is None:
                    parent = traceparent.parse(self._parent)
                    self._step = traceparent.new() if parent is None else traceparent.child(parent)
        return self._step

    def failed(self, error: BaseException) -> None:
        """Take note of a failure that is dealt with inside; here nobody does."""

    def describe(self, name: str, attributes: Attributes) -> None:
        """Say what was not known at the beginning, to whoever records it; here nobody does."""

    def __enter__(self) -> Self:
        self._token = current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current.reset(self._token)


current: Final[ContextVar[Scope | None]] = ContextVar("ipc_scope", default=None)
"""Tasks and threads take it from whoever begins them; what a hub or a worker does for itself has none."""


def current_step() -> TraceParent | None:
    """Return the step of a trace that the work at hand is, or None where it is a part of none."""
    scope = current.get()
    return scope.step if scope is not None and scope.is_traced else None


def current_traceparent() -> str | None:
    """Return the ``traceparent`` to send along with what does not go by the mesh, such as an HTTP request."""
    step = current_step()
    return None if step is None else str(step)


def facts() -> dict[str, str]:
    """Return what a line of the log should say of the work at hand, as far as it is known."""
    scope = current.get()
    if scope is None:
        return {}
    known = {"session": scope.session, "event_id": scope.event_id}
    if scope.is_traced:
        known |= {"trace_id": scope.step.trace_id, "span_id": scope.step.span_id}
    return {name: value for name, value in known.items() if value is not None}
