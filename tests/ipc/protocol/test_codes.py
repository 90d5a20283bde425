"""The tables of codes: whether to try again, whether to come back, and which HTTP status."""

import pytest

from ipc.protocol.codes import MAX_REASON_BYTES, CloseCode, ErrorCode, close_reason, may_reconnect

RETRYABLE = {
    "AUTH_TIMEOUT",
    "TOO_SLOW",
    "RATE_LIMIT_EXCEEDED",
    "NO_OWNER",
    "OWNER_LOST",
    "OVERLOADED",
    "CIRCUIT_OPEN",
    "UNAVAILABLE",
    "TIMEOUT",
    "DRAINING",
    "INTERNAL",
}

# The wire protocol's table: the code, and whether a client comes back.
CLOSE_CODES = {
    4400: False,
    4401: False,
    4403: False,
    4404: False,
    4408: True,
    4413: False,
    4429: True,
    4430: False,
    4440: True,
    4441: False,
    4500: True,
    4503: True,
}

STATUSES = {
    "DATA_TOO_LARGE": 413,
    "FRAME_TOO_LARGE": 413,
    "UNKNOWN_SERVICE": 404,
    "UNKNOWN_TARGET": 404,
    "NOT_IMPLEMENTED": 501,
    "UNAUTHENTICATED": 401,
    "TOKEN_INVALID": 401,
    "TOKEN_EXPIRED": 401,
    "TOKEN_NOT_YET_VALID": 401,
    "TOKEN_REVOKED": 401,
    "TOKEN_WRONG_SERVICE": 401,
    "TOKEN_WRONG_TARGET": 401,
    "TOKEN_WRONG_ENVIRONMENT": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "EVENT_NOT_FOUND": 404,
    "AMBIGUOUS_EVENT": 409,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RESOURCE_TAKEN": 409,
    "CONFLICT": 409,
    "NO_OWNER": 503,
    "OWNER_LOST": 502,
    "OVERLOADED": 503,
    "CIRCUIT_OPEN": 503,
    "AUTH_TIMEOUT": 408,
    "TOO_SLOW": 429,
    "RATE_LIMIT_EXCEEDED": 429,
    "TOO_MANY_SUBSCRIPTIONS": 429,
    "JSONLEX_TOO_LARGE": 413,
    "JSONLEX_RESULT_TOO_LARGE": 413,
    "UNAVAILABLE": 503,
    "TIMEOUT": 504,
    "DRAINING": 503,
    "INTERNAL": 500,
}


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_code_says_whether_to_try_again(code: ErrorCode) -> None:
    """What was wrong with the request itself stays wrong; what was wrong around it may pass."""
    assert code.retryable is (code.value in RETRYABLE)
    assert code.value == code.name


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_code_has_a_status(code: ErrorCode) -> None:
    assert code.http_status == STATUSES.get(code.value, 400)


def test_the_close_codes_are_those_of_the_protocol() -> None:
    assert {int(code): code.reconnect for code in CloseCode} == CLOSE_CODES
    assert {code: may_reconnect(code) for code in CLOSE_CODES} == CLOSE_CODES


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 3000, 4000, 4499, 4999])
def test_other_codes_mean_a_lost_network_or_a_stopped_server(code: int) -> None:
    assert may_reconnect(code)


@pytest.mark.parametrize("code", [1003, 1007, 1008, 1009])
def test_a_refused_frame_is_not_sent_again(code: int) -> None:
    assert not may_reconnect(code)


@pytest.mark.parametrize(
    "reason", ["", "draining, reconnect in 12 ms", "x" * 123, "x" * 124, "é" * 100, "😀" * 31, "a" + "😀" * 40]
)
def test_a_close_reason_fits_into_its_frame_in_whole_characters(reason: str) -> None:
    shortened = close_reason(reason)
    assert reason.startswith(shortened)
    assert len(shortened.encode()) <= MAX_REASON_BYTES
    assert shortened == reason or len((reason[: len(shortened) + 1]).encode()) > MAX_REASON_BYTES
