"""The steps that a trace has in the mesh, each with its span by OpenTelemetry's semantic conventions.

For events those of messaging (opentelemetry.io/docs/specs/semconv/messaging), for calls those of RPC.
"""

from typing import Final

from ipc.protocol.messages import Call, Event, ServerCall
from ipc.protocol.traceparent import parse
from ipc.tracing.scope import Scope
from ipc.tracing.tracer import Kind, Operation, Recorded, Sending, tracer_in_use

SYSTEM: Final = "exprsn_ipc"


def handling(event: Event, session: str | None = None) -> Scope:
    """Handle an event."""
    tracer = tracer_in_use()
    if tracer is None:
        return Scope(event.traceparent, session, event.id)
    attributes = _messaging("process", event.event, event.id)
    if event.group is not None:
        attributes["messaging.consumer.group.name"] = event.group
    span = tracer.begin(Operation(Kind.CONSUMER, f"process {event.event}", attributes), parse(event.traceparent))
    return Recorded(span, session, event.id)


def answering(call: ServerCall, session: str) -> Scope:
    """Carry out a call and reply to it."""
    tracer = tracer_in_use()
    if tracer is None:
        return Scope(call.traceparent, session)
    span = tracer.begin(_rpc(Kind.SERVER, call.resource, call.op), parse(call.traceparent))
    return Recorded(span, session)


def serving(method: str, traceparent: str | None, *, is_recorded: bool) -> Scope:
    """Answer an HTTP request; `Scope.describe` says which, once its route is known."""
    tracer = tracer_in_use() if is_recorded else None
    if tracer is None:
        return Scope(traceparent)
    attributes = {"http.request.method": method}
    span = tracer.begin(Operation(Kind.SERVER, method, attributes, is_inner=True), parse(traceparent))
    return Recorded(span)


def continuing(traceparent: str | None, event_id: str) -> Scope:
    """Go on with what another piece of work has begun, such as sending what it left in the outbox."""
    return Scope(event_id=event_id, step=parse(traceparent))


def attending(session: str) -> Scope:
    """Serve a session, which is a part of no trace: what comes by it is of many."""
    return Scope(session=session, is_traced=False)


def keeping(event: str, event_id: str) -> Sending:
    """Put an event aside that is sent later."""
    if tracer_in_use() is None:
        return Sending()
    attributes = _messaging("create", event, event_id)
    return Sending(Operation(Kind.PRODUCER, f"create {event}", attributes, is_inner=True))


def emitting(event: str, event_id: str) -> Sending:
    """Emit an event."""
    if tracer_in_use() is None:
        return Sending()
    attributes = _messaging("send", event, event_id)
    return Sending(Operation(Kind.PRODUCER, f"send {event}", attributes, is_inner=True))


def calling(call: Call) -> Sending:
    """Make a call and wait for its reply."""
    if tracer_in_use() is None:
        return Sending()
    return Sending(_rpc(Kind.CLIENT, call.resource, call.op, is_inner=True))


def _messaging(operation: str, event: str, event_id: str) -> dict[str, str | int]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": event,
        "messaging.message.id": event_id,
    }


def _rpc(kind: Kind, resource: str, op: str, *, is_inner: bool = False) -> Operation:
    method = f"{resource}/{op}"
    return Operation(kind, method, {"rpc.system.name": SYSTEM, "rpc.method": method}, is_inner)
