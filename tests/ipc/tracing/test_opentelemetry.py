"""Spans as OpenTelemetry's own SDK records them."""

import pytest
from msgspec import UNSET
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from ipc.protocol.errors import NotFoundError
from ipc.protocol.messages import Call, ServerCall
from ipc.protocol.traceparent import parse
from ipc.tracing.opentelemetry import OpenTelemetryTracer
from ipc.tracing.scope import current_traceparent, facts
from ipc.tracing.steps import answering, calling, continuing, emitting, handling, keeping, serving
from ipc.tracing.tracer import use
from tests.ipc.tracing.events import TRACE, event
from tests.ipc.tracing.recorded import Recorded, context

CALL = ServerCall(id="c1", op="read", resource="posts", source="exprsn-herald", deadline_ms=1_000, traceparent=TRACE)


def test_a_step_is_the_span_that_is_recorded_of_it(recorded: Recorded) -> None:
    with handling(event(group="workers"), "s-1"):
        sent = current_traceparent()
        known = facts()
    (span,) = recorded.spans.values()
    ids = context(span)
    assert sent == f"00-{trace.format_trace_id(ids.trace_id)}-{trace.format_span_id(ids.span_id)}-01"
    assert (known["trace_id"], known["span_id"]) == (TRACE[3:35], sent[36:52])
    assert span.parent is not None
    assert (trace.format_span_id(span.parent.span_id), span.parent.is_remote) == (TRACE[36:52], True)
    assert (span.kind, span.status.status_code) == (SpanKind.CONSUMER, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "messaging.system": "exprsn_ipc",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "post:created",
        "messaging.message.id": "e1",
        "messaging.consumer.group.name": "workers",
    }


def test_a_call_has_a_span_on_each_side(recorded: Recorded) -> None:
    with handling(event()), calling(Call(op="read", resource="posts", data=UNSET)) as sent:
        with answering(
            ServerCall(id="c", op="read", resource="posts", source="s", deadline_ms=1, traceparent=sent), "s"
        ):
            pass
        kinds = [span.kind for span in recorded.spans.values()]
    assert kinds == [SpanKind.SERVER]
    (_, client, _) = recorded.finished
    assert (client.kind, client.name) == (SpanKind.CLIENT, "posts/read")
    assert dict(client.attributes or {}) == {"rpc.system.name": "exprsn_ipc", "rpc.method": "posts/read"}


def test_what_failed_says_why(recorded: Recorded) -> None:
    """By the code of our own errors, by the class of others."""
    with answering(CALL, "s-1") as step:
        step.failed(NotFoundError("there is no post 7"))
    with pytest.raises(KeyError), emitting("a:b", "e1"):
        raise KeyError("x")
    for name, kind in (("posts/read", "NOT_FOUND"), ("send a:b", "KeyError")):
        span = recorded.spans[name]
        assert (span.status.status_code, (span.attributes or {})["error.type"]) == (StatusCode.ERROR, kind)
        assert [each.name for each in span.events] == ["exception"]


def test_what_is_sent_belongs_to_the_span_of_the_services_own_code(recorded: Recorded) -> None:
    """And what comes in never does, whatever span happens to be open where it is taken."""
    own = recorded.provider.get_tracer("service")
    with handling(event()), own.start_as_current_span("work"):
        with emitting("a:b", "e2"), keeping("a:c", "e3"):
            pass
        with handling(event(event="post:updated")), handling(event(event="a:d", traceparent=None)):
            pass
    assert [recorded.parent(name) for name in ("work", "send a:b", "create a:c")] == [
        "process post:created", "work", "work",
    ]  # fmt: skip
    assert recorded.parent("process post:updated") is None
    assert recorded.spans["process a:d"].parent is None


def test_spans_of_the_services_own_code_belong_to_what_is_handled(recorded: Recorded) -> None:
    with handling(event()):
        recorded.provider.get_tracer("service").start_span("query").end()
    recorded.provider.get_tracer("service").start_span("later").end()
    assert recorded.parent("query") == "process post:created"
    assert recorded.spans["later"].parent is None


def test_a_request_is_described_when_it_is_known(recorded: Recorded) -> None:
    with serving("GET", TRACE, is_recorded=True) as step:
        step.describe("GET /api/posts", {"http.response.status_code": 500, "error.type": "500"})
    span = recorded.spans["GET /api/posts"]
    assert (span.kind, span.status.status_code) == (SpanKind.SERVER, StatusCode.ERROR)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET", "http.response.status_code": 500, "error.type": "500",
    }  # fmt: skip


def test_what_is_not_worth_a_span_is_a_part_of_the_trace_all_the_same(recorded: Recorded) -> None:
    with serving("GET", TRACE, is_recorded=False) as step:
        step.describe("GET /health", {})
        assert (current_traceparent() or "").startswith(TRACE[:36])
    assert not recorded.spans


def test_what_was_kept_goes_on_where_it_was_put_aside(recorded: Recorded) -> None:
    with serving("POST", None, is_recorded=True), keeping("a:b", "e1") as kept:
        pass
    with continuing(kept, "e1"), emitting("a:b", "e1"):
        pass
    assert recorded.parent("send a:b") == "create a:b"
    assert len(recorded.traces) == 1


def test_a_trace_that_is_not_sampled_is_passed_on_as_such_and_not_recorded(recorded: Recorded) -> None:
    with handling(event(traceparent=f"{TRACE[:-1]}0")), emitting("a:b", "e2") as sent:
        pass
    use(OpenTelemetryTracer(TracerProvider(sampler=ParentBased(ALWAYS_OFF))))
    with handling(event(traceparent=None)), emitting("a:b", "e2") as begun:
        pass
    assert not recorded.spans
    assert (sent[:36], sent[-2:]) == (TRACE[:36], "00")
    assert begun[-2:] in {"00", "02"}


def test_flags_go_both_ways(recorded: Recorded) -> None:
    """That the id of a trace is random is said on, as level 2 asks for."""
    with handling(event(traceparent=f"{TRACE[:-1]}3")), emitting("a:b", "e2") as sent:
        pass
    step = parse(sent)
    assert step is not None
    assert step.flags == 3
