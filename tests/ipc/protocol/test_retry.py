"""The rules of groups: names, credit, and when an event comes again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.retry import (
    DEFAULT_CREDIT,
    MAX_ACK_MS,
    MAX_BACKOFF_MS,
    MAX_CREDIT,
    MAX_RETRIES,
    RetryPolicy,
    check_credit,
    check_group,
    retry_policy,
)

PAUSES = st.lists(st.integers(0, MAX_BACKOFF_MS), max_size=MAX_RETRIES)


@pytest.mark.parametrize("name", ["a", "9", "notify", "mail.v2_x-Y", "x" * 64])
def test_a_good_name(name: str) -> None:
    assert check_group(name) == name


@pytest.mark.parametrize("name", ["", " ", "-a", ".a", "_a", "a/b", "a b", "a\n", "ü", "a:b", "{a}", "x" * 65])
def test_a_bad_name(name: str) -> None:
    """Nothing that could reach into another key of Redis, or another group's."""
    with pytest.raises(BadMessageError, match="not the name of a group") as caught:
        check_group(name)
    assert caught.value.code is ErrorCode.INVALID_GROUP


def test_credit_has_a_default_and_bounds() -> None:
    assert (check_credit(None), check_credit(1), check_credit(MAX_CREDIT)) == (DEFAULT_CREDIT, 1, MAX_CREDIT)


@pytest.mark.parametrize("credit", [0, -1, MAX_CREDIT + 1, 10**30])
def test_credit_out_of_bounds(credit: int) -> None:
    with pytest.raises(BadMessageError, match=f"not {credit}"):
        check_credit(credit)


def test_a_policy_says_only_what_differs() -> None:
    assert retry_policy(None) == retry_policy({}) == RetryPolicy()
    assert retry_policy({"ack_ms": 5}) == RetryPolicy(ack_ms=5)
    assert retry_policy({"backoff_ms": []}) == RetryPolicy(backoff_ms=())


@pytest.mark.parametrize(
    "retry",
    [
        {"ack_ms": 0},
        {"ack_ms": MAX_ACK_MS + 1},
        {"ack_ms": True},
        {"ack_ms": 1.5},
        {"ack_ms": None},
        {"backoff_ms": "1000"},
        {"backoff_ms": [-1]},
        {"backoff_ms": [MAX_BACKOFF_MS + 1]},
        {"backoff_ms": [None]},
        {"backoff_ms": [0] * (MAX_RETRIES + 1)},
        {"backoff": [1]},
    ],
)
def test_a_wrong_policy(retry: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError, match="retry") as caught:
        retry_policy(retry)
    assert caught.value.code is ErrorCode.INVALID_MESSAGE


@given(PAUSES, st.integers(1, 100), st.floats(0, 1))
def test_a_pause_is_that_of_its_attempt_give_or_take_a_fifth(
    backoff_ms: list[int], attempts: int, jitter: float
) -> None:
    """After more attempts than there are pauses, the last one; without any, none."""
    policy = RetryPolicy(backoff_ms=tuple(backoff_ms))
    assert policy.max_attempts == len(backoff_ms) + 1
    pause = backoff_ms[min(attempts, len(backoff_ms)) - 1] if backoff_ms else 0
    assert int(pause * 0.8) <= policy.delay_ms(attempts, jitter) <= pause * 1.2 + 1
