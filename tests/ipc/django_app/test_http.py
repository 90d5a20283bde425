"""Errors as HTTP answers."""

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions

from ipc.django_app import http
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, UnavailableError


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (exceptions.ParseError(), 400, "INVALID_JSON"),
        (exceptions.ValidationError({"x": ["no"]}), 400, "INVALID_MESSAGE"),
        (exceptions.NotAuthenticated(), 401, "UNAUTHENTICATED"),
        (exceptions.AuthenticationFailed(), 401, "UNAUTHENTICATED"),
        (exceptions.PermissionDenied(), 403, "FORBIDDEN"),
        (PermissionDenied(), 403, "FORBIDDEN"),
        (exceptions.NotFound(), 404, "NOT_FOUND"),
        (Http404(), 404, "NOT_FOUND"),
        (exceptions.MethodNotAllowed("PUT"), 405, "METHOD_NOT_ALLOWED"),
        (exceptions.NotAcceptable(), 406, "NOT_ACCEPTABLE"),
        (exceptions.UnsupportedMediaType("text/x"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (exceptions.Throttled(), 429, "TOO_SLOW"),
        (exceptions.APIException(), 500, "INTERNAL"),
        (BadMessageError("wrong", code=ErrorCode.DATA_TOO_LARGE), 413, "DATA_TOO_LARGE"),
        (UnavailableError("away"), 503, "UNAVAILABLE"),
        (OperationalError("password=hunter2"), 503, "UNAVAILABLE"),
    ],
)
def test_every_foreseen_error_has_its_status_and_code_in_one_shape(error: Exception, status: int, code: str) -> None:
    answer = http.exception_handler(error, {})
    assert answer is not None
    body: Any = answer.data
    assert (answer.status_code, body["error"], body["success"]) == (status, code, False)
    assert body.keys() == {"success", "error", "message", "details"}
    assert body["message"]
    assert "hunter2" not in str(body)


def test_details_say_which_fields_are_wrong() -> None:
    answer = http.exception_handler(exceptions.ValidationError({"content": ["too long"]}), {})
    assert answer is not None
    assert answer.data["details"] == {"content": ["too long"]}
    refused = http.exception_handler(BadMessageError("x", details={"limit": 5}), {})
    assert refused is not None
    assert refused.data["details"] == {"limit": 5}


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (UnavailableError("x", retry_after_ms=1200), "2"),
        (exceptions.Throttled(wait=2.5), "3"),
        (OperationalError(), "1"),
    ],
)
def test_when_to_come_back_is_told_in_whole_seconds(error: Exception, seconds: str) -> None:
    answer = http.exception_handler(error, {})
    assert answer is not None
    assert answer.headers["Retry-After"] == seconds


def test_an_unforeseen_error_is_left_to_django() -> None:
    assert http.exception_handler(RuntimeError("bug"), {}) is None


@pytest.mark.parametrize(
    ("page", "status", "code"),
    [
        (lambda request: http.bad_request(request, Exception()), 400, "INVALID_MESSAGE"),
        (lambda request: http.permission_denied(request, Exception()), 403, "FORBIDDEN"),
        (lambda request: http.not_found(request, Http404()), 404, "NOT_FOUND"),
        (http.server_error, 500, "INTERNAL"),
    ],
)
def test_djangos_own_pages_are_json_below_api_only(page: Any, status: int, code: str) -> None:
    answer = page(RequestFactory().get("/api/nothing"))
    assert (answer.status_code, json.loads(answer.content)["error"]) == (status, code)
    page_elsewhere = page(RequestFactory().get("/elsewhere"))
    assert (page_elsewhere.status_code, page_elsewhere["Content-Type"].startswith("text/html")) == (status, True)


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("application/json;q=0.5", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        ("", False),
        ("text/html, application/json", False),
        ("text/html;q=x, \x00", False),
    ],
)
def test_scripts_of_the_admin_are_refused_in_json_and_browsers_with_a_page(accept: str, is_json: bool) -> None:
    request = RequestFactory().post("/admin/console/x", headers={"accept": accept})
    for answer in (http.permission_denied(request, Exception()), http.csrf_failure(request, "no token " * 100)):
        assert answer.status_code == 403
        assert (answer["Content-Type"] == "application/json") is is_json
        content = getattr(answer, "content", b"")
        if is_json:
            assert json.loads(content)["error"] == "FORBIDDEN"
            assert len(content) < 400
