"""Requests are steps of traces, in synchronous and asynchronous stacks, and what they leave in the outbox goes on."""

import logging
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory
from pytest_django import Settings

from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from ipc.django_app.relay import Relay
from ipc.django_app.tracing import TraceMiddleware
from ipc.protocol.errors import BadMessageError
from ipc.protocol.traceparent import parse
from ipc.tracing.scope import current_step, current_traceparent, facts
from tests.database import in_thread
from tests.ipc.tracing.recorded import recording

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = TRACE[3:35]


def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(current_traceparent() or "")


async def answer_async(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(current_traceparent() or "")


def asked(header: str | None = None, path: str = "/", method: str = "get") -> HttpRequest:
    headers = {} if header is None else {"traceparent": header}
    return RequestFactory().generic(method.upper(), path, headers=headers)


def step_in(response: HttpResponse) -> str:
    return response.content.decode()


def test_a_request_goes_on_with_its_trace_by_a_step_of_its_own() -> None:
    step = parse(step_in(TraceMiddleware(answer)(asked(TRACE))))
    assert step is not None
    assert (step.trace_id, step.flags, step.span_id == TRACE[36:52]) == (TRACE_ID, 1, False)
    assert current_step() is None


async def test_so_it_does_in_an_asynchronous_stack() -> None:
    middleware = TraceMiddleware(answer_async)
    assert iscoroutinefunction(middleware)
    step = parse(step_in(await middleware(asked(TRACE))))
    assert step is not None
    assert (step.trace_id, current_step()) == (TRACE_ID, None)


@pytest.mark.parametrize(
    "header", [None, "", "nonsense", TRACE.upper(), f"{TRACE}-more", f"{TRACE}, {TRACE}", "x" * 10_000]
)
def test_without_one_or_with_a_wrong_one_it_begins_a_trace(header: str | None) -> None:
    steps = [parse(step_in(TraceMiddleware(answer)(asked(header)))) for _ in range(2)]
    assert len({step.trace_id for step in steps if step is not None} - {TRACE_ID}) == 2


def test_what_fails_inside_leaves_nothing_behind() -> None:
    def fail(_request: HttpRequest) -> HttpResponse:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        TraceMiddleware(fail)(asked(TRACE))
    assert current_step() is None


@pytest.mark.parametrize(("method", "name"), [("get", "GET"), ("x" * 1_000, "_OTHER")])
def test_a_request_has_a_span_with_few_names(method: str, name: str) -> None:
    with recording() as recorded:
        TraceMiddleware(answer)(asked(TRACE, "/a/b", method))
        TraceMiddleware(answer)(asked(TRACE, "/health"))
    (span,) = recorded.finished
    attributes = span.attributes or {}
    assert (span.name, attributes["url.path"], attributes["http.response.status_code"]) == (name, "/a/b", 200)


async def test_djangos_line_for_a_failed_request_says_which_trace_it_was(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    """Once: Django itself writes it after all middleware, when nobody knows any more."""
    found: list[tuple[str, str | None]] = []

    def take_down(record: logging.LogRecord) -> bool:
        found.append((record.getMessage(), facts().get("trace_id")))
        return True

    settings.SECURE_SSL_REDIRECT = False
    caplog.handler.addFilter(take_down)
    # No hub runs here.
    response = await AsyncClient().get("/api/ipc/stats", headers={"traceparent": TRACE})
    assert response.status_code == 503
    assert [line for line in found if "Unavailable" in line[0]] == [("Service Unavailable: /api/ipc/stats", TRACE_ID)]


# The outbox


class Log:
    """Keeps what belongs to each send."""

    def __init__(self) -> None:
        self.steps: list[str | None] = []
        self.facts: list[dict[str, str]] = []

    async def emit(self, event: str, data: Any, **_options: Any) -> str:
        self.steps.append(current_traceparent())
        self.facts.append(facts())
        if event == "post:refused":
            raise BadMessageError("no")
        return "1-0"


@pytest.mark.django_db(transaction=True)
async def test_a_row_is_sent_as_a_part_of_the_trace_that_wrote_it() -> None:
    def write(_request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            outbox_add(event="post:refused", data=None, key="1")
            outbox_add(event="post:created", data=None, key="1")
        return HttpResponse()

    await in_thread(lambda: TraceMiddleware(write)(asked(TRACE)))
    rows = await in_thread(lambda: list(OutboxEvent.objects.order_by("id")))
    log = Log()
    relay = Relay(log.emit)
    await relay.drain()
    await relay.aclose()
    assert log.steps == [row.traceparent for row in rows]
    assert {step[:36] for step in log.steps if step is not None} == {TRACE[:36]}
    assert len(set(log.steps) - {TRACE}) == 2
    assert [known["event_id"] for known in log.facts] == [row.event_id for row in rows]


@pytest.mark.django_db(transaction=True)
async def test_rows_of_an_older_version_are_sent_too() -> None:
    """Which knew no traces, and may still be writing rows."""
    await in_thread(lambda: OutboxEvent.objects.create(event_id="e1", key="1", event="post:created"))
    log = Log()
    relay = Relay(log.emit)
    assert await relay.drain() == 1
    await relay.aclose()
    assert parse(log.steps[0]) is not None


@pytest.mark.django_db
def test_the_column_has_a_default_of_its_own_for_who_does_not_know_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ipc_outboxevent (event_id, key, event, created_at, attempts, claimed_by, error)"
            " VALUES ('e1', '1', 'a:b', '2026-01-01', 0, '', '')"
        )
    assert OutboxEvent.objects.get().traceparent == ""
