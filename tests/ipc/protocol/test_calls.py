"""The rules of calls."""

import pytest

from ipc.protocol.calls import (
    MAX_NAME_LENGTH,
    check_op,
    check_resource,
    check_timeout,
    check_unique,
    counts_as_failure,
    may_repeat,
    speaks_of_routing,
)
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError


@pytest.mark.parametrize("name", ["posts", "a", "Posts-2_x", "p" * MAX_NAME_LENGTH])
def test_names_of_resources(name: str) -> None:
    assert check_resource(name) == name


@pytest.mark.parametrize(
    "name", ["", "2posts", "-a", "a b", "a.b", "a:b", "a*", 'a"', "a\n", "ä", "p" * (MAX_NAME_LENGTH + 1), "x" * 10**6]
)
def test_what_is_no_resource(name: str) -> None:
    with pytest.raises(BadMessageError) as caught:
        check_resource(name)
    assert caught.value.code is ErrorCode.INVALID_RESOURCE
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("name", ["", "_read", "re-ad", "read()", "a.b", "*", "r\n", "o" * 65])
def test_what_is_no_operation(name: str) -> None:
    with pytest.raises(BadMessageError) as caught:
        check_op(name)
    assert caught.value.code is ErrorCode.INVALID_RESOURCE


def test_a_time_is_up_to_a_minute_and_ten_seconds_where_none_is_named() -> None:
    assert [check_timeout(each) for each in (None, 1, 60_000)] == [10_000, 1, 60_000]
    for wrong in (0, -1, 60_001, 10**30):
        with pytest.raises(BadMessageError):
            check_timeout(wrong)


def test_a_name_is_not_said_twice() -> None:
    check_unique(["a", "b"])
    with pytest.raises(BadMessageError):
        check_unique(["a", "b", "a"])


def test_a_read_may_be_repeated_and_so_may_what_has_a_key() -> None:
    assert [may_repeat(op, is_keyed=is_keyed) for op in ("read", "create") for is_keyed in (False, True)] == [
        True,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("code", ErrorCode)
def test_codes_that_say_that_a_call_has_not_begun_or_is_lost_are_the_hubs_alone(code: ErrorCode) -> None:
    own = {"NO_OWNER", "OWNER_LOST", "CIRCUIT_OPEN", "DRAINING", "CANCELLED", "UNKNOWN_CALL"}
    assert speaks_of_routing(code) is (code.value in own)


@pytest.mark.parametrize("code", [*ErrorCode, "OUT_OF_STOCK"])
def test_only_trouble_of_the_owner_counts_as_its_failure(code: str) -> None:
    assert counts_as_failure(code) is (code in {"INTERNAL", "TIMEOUT", "UNAVAILABLE", "OWNER_LOST", "OVERLOADED"})
