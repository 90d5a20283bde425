"""What a worker asks of a hub to be a member of a group, and where it lets a new one begin."""

from typing import Any

import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import Ok
from ipc.transports.group_subscription import GroupSubscription, beginning

SERVICE = "exprsn-herald"


def subscription(**members: Any) -> GroupSubscription:
    return GroupSubscription(group="notify", events=("post:*",), credit=1, **members)


def test_each_message_has_an_id_of_its_own() -> None:
    """Since an answer to the one before may still come."""
    of = subscription(since={SERVICE: "1-0"}, retry={"ack_ms": 5}, once=True)
    first, second = of.as_message(), of.as_message()
    assert first.id != second.id
    assert (first.group, first.since, first.retry, first.once) == ("notify", {SERVICE: "1-0"}, {"ack_ms": 5}, True)


@pytest.mark.parametrize(
    ("since", "positions"),
    [
        (None, None),
        ("start", {"broadcast": "0-0", SERVICE: "0-0"}),
        ({"herald": "1-0"}, {SERVICE: "1-0"}),
        ({"broadcast": "1-0", SERVICE: "2-0"}, {"broadcast": "1-0", SERVICE: "2-0"}),
        ({}, {}),
    ],
)
def test_a_beginning_is_a_position_for_each_log(since: Any, positions: dict[str, str] | None) -> None:
    assert beginning(SERVICE, since) == positions


@pytest.mark.parametrize(
    ("since", "code"),
    [
        ("end", ErrorCode.INVALID_MESSAGE),
        (7, ErrorCode.INVALID_MESSAGE),
        (["broadcast"], ErrorCode.INVALID_MESSAGE),
        ({"spark": "1-0"}, ErrorCode.INVALID_MESSAGE),
        ({"nobody": "1-0"}, ErrorCode.UNKNOWN_SERVICE),
        ({"broadcast": "yesterday"}, ErrorCode.INVALID_POSITION),
    ],
)
def test_what_is_no_beginning_is_refused(since: Any, code: ErrorCode) -> None:
    with pytest.raises(BadMessageError) as refused:
        beginning(SERVICE, since)
    assert refused.value.code is code


def test_who_wants_all_that_a_log_has_misses_nothing_of_what_it_has_no_more() -> None:
    answer = Ok(id="1", recovered=False, reasons={"broadcast": "trimmed", SERVICE: "trimmed"})
    assert subscription(since=beginning(SERVICE, "start")).missed(answer) == {}
    assert subscription(since={SERVICE: "5-0", "broadcast": "0-0"}).missed(answer) == {SERVICE: "trimmed"}
    assert subscription().missed(Ok(id="1")) == {}
