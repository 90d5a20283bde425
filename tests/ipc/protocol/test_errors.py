"""The tree of errors, and the way of an error over the wire and back."""

import json

import pytest

import ipc
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.errors import (
    BadMessageError,
    ConfigurationError,
    ConnectionClosedError,
    DeadlineError,
    ForbiddenError,
    IPCError,
    NotBuiltError,
    TokenError,
    UnauthenticatedError,
    UnavailableError,
    UnknownServiceError,
    UnknownTargetError,
    error_from_code,
)

TREE: list[tuple[type[IPCError], type[Exception], ErrorCode]] = [
    (IPCError, Exception, ErrorCode.INTERNAL),
    (BadMessageError, IPCError, ErrorCode.INVALID_MESSAGE),
    (ConfigurationError, IPCError, ErrorCode.INVALID_CONFIGURATION),
    (UnknownServiceError, BadMessageError, ErrorCode.UNKNOWN_SERVICE),
    (UnknownTargetError, BadMessageError, ErrorCode.UNKNOWN_TARGET),
    (UnauthenticatedError, IPCError, ErrorCode.UNAUTHENTICATED),
    (TokenError, UnauthenticatedError, ErrorCode.TOKEN_INVALID),
    (ForbiddenError, IPCError, ErrorCode.FORBIDDEN),
    (NotBuiltError, IPCError, ErrorCode.NOT_IMPLEMENTED),
    (UnavailableError, IPCError, ErrorCode.UNAVAILABLE),
    (DeadlineError, UnavailableError, ErrorCode.TIMEOUT),
]


@pytest.mark.parametrize(("error", "parent", "code"), TREE)
def test_an_error_has_its_place_and_its_code(error: type[IPCError], parent: type[Exception], code: ErrorCode) -> None:
    raised = error("it is wrong")
    assert error.__base__ is parent
    assert (raised.code, raised.message, str(raised)) == (code, "it is wrong", f"{code}: it is wrong")
    assert raised.retryable is code.retryable


@pytest.mark.parametrize("error", [*(row[0] for row in TREE), ConnectionClosedError])
def test_every_error_can_be_imported_from_ipc(error: type[IPCError]) -> None:
    assert getattr(ipc, error.__name__) is error


@pytest.mark.parametrize("code", ErrorCode)
def test_an_error_arrives_as_what_it_was(code: ErrorCode) -> None:
    """Every code makes an exception of the tree that says the same as the one that was sent."""
    sent = IPCError("no", code=code, details={"limit": 1}, retry_after_ms=5)
    wire = json.loads(codec.encode_error(sent, "7"))
    arrived = error_from_code(
        wire["code"], wire["message"], details=wire["details"], retry_after_ms=wire["retry_after_ms"]
    )
    assert (arrived.code, arrived.message, arrived.details, arrived.retry_after_ms) == (code, "no", {"limit": 1}, 5)
    assert arrived.retryable is wire["retryable"] is code.retryable
    # By the class alone a program can tell what it may try again, and what is its own fault.
    assert not (isinstance(arrived, BadMessageError) and arrived.retryable)
    assert not isinstance(arrived, UnavailableError) or arrived.retryable


def test_each_class_comes_back_from_its_own_code() -> None:
    assert {code: type(error_from_code(code, "no")) for _, _, code in TREE} == {code: error for error, _, code in TREE}


def test_a_code_of_a_newer_bridge_is_internal() -> None:
    error = error_from_code("QUANTUM_FLUX", "too much of it")
    assert (error.code, error.message) == (ErrorCode.INTERNAL, "QUANTUM_FLUX: too much of it")


@pytest.mark.parametrize(("code", "returns"), [(CloseCode.DRAINING, True), (CloseCode.FORBIDDEN, False), (1006, True)])
def test_a_closed_connection_says_whether_to_come_back(code: int, returns: bool) -> None:
    error = ConnectionClosedError(code, "because")
    assert (error.close_code, error.reason, error.may_reconnect) == (code, "because", returns)
    assert "because" in error.message
    # 1006 is what a client calls a connection that was lost without a code: it would tell nobody anything.
    assert (str(int(code)) in error.message) is (code != 1006)


@pytest.mark.parametrize(
    ("close_code", "code"),
    [
        (CloseCode.REVOKED, ErrorCode.TOKEN_REVOKED),
        (CloseCode.UNAUTHENTICATED, ErrorCode.UNAUTHENTICATED),
        (CloseCode.FORBIDDEN, ErrorCode.FORBIDDEN),
        (CloseCode.UNKNOWN_SERVICE, ErrorCode.UNKNOWN_SERVICE),
        (CloseCode.BAD_FRAME, ErrorCode.INVALID_MESSAGE),
        (CloseCode.TOO_LARGE, ErrorCode.FRAME_TOO_LARGE),
        (CloseCode.DRAINING, ErrorCode.UNAVAILABLE),
        (1008, ErrorCode.INVALID_MESSAGE),
        (1006, ErrorCode.UNAVAILABLE),
    ],
)
def test_a_closed_connection_says_why_there_is_no_coming_back(close_code: int, code: ErrorCode) -> None:
    closed = ConnectionClosedError(close_code, "because")
    assert closed.code == ErrorCode.UNAVAILABLE
    ended = closed.for_good()
    assert (ended.code, ended.close_code, ended.message) == (code, close_code, closed.message)


@pytest.mark.parametrize("close_code", [*CloseCode, 1000, 1003, 1006, 1007, 1008, 1009, 4999])
def test_trying_again_is_said_of_a_closed_connection_exactly_where_it_may_come_back(close_code: int) -> None:
    error = ConnectionClosedError(close_code).for_good()
    assert error.retryable is error.may_reconnect
