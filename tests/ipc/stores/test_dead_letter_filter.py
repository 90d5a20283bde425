"""Which dead letters a filter means."""

from typing import Any

import pytest

from ipc.protocol.errors import IPCError
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId

LETTER = LetterId("exprsn-herald", "notify", "1795445282363-0")


def test_an_id_is_written_as_it_is_read_and_takes_short_names() -> None:
    assert LetterId.of("exprsn-herald/notify/1795445282363-0") == LETTER
    assert LetterId.of("herald/notify/1795445282363-0") == LETTER
    assert str(LETTER) == "exprsn-herald/notify/1795445282363-0"


def test_ids_sort_by_group_and_then_by_number() -> None:
    """The position 9-0 comes before 10-0, which as text it would not."""
    letters = [LetterId("b", "a", "1-0"), LetterId("a", "b", "10-0"), LetterId("a", "b", "9-1")]
    assert sorted(letters) == [letters[2], letters[1], letters[0]]


@pytest.mark.parametrize(
    "text", ["", "notify", "herald/notify", "herald/notify/", "herald/not!fy/1-0", "herald/a/x", "nobody/a/1-0"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(IPCError):
        LetterId.of(text)


@pytest.mark.parametrize(
    ("options", "is_meant"),
    [
        ({}, True),
        ({"events": ["post:*"]}, True),
        ({"events": ["user:*", "*:created"]}, True),
        ({"events": ["user:*"]}, False),
        ({"ids": ["event-1"]}, True),
        ({"ids": ["herald/notify/1795445282363-0"]}, True),
        ({"ids": ["1795445282363-0"]}, True),
        ({"ids": ["event-2", "herald/other/1795445282363-0"]}, False),
        ({"ids": ["event-1"], "events": ["user:*"]}, False),
    ],
)
def test_a_letter_is_meant_when_all_that_is_asked_is_true(options: dict[str, Any], is_meant: bool) -> None:
    assert DeadLetterFilter.of(**options).wants(LETTER, "post:created", "event-1") is is_meant


def test_groups_are_meant_by_service_and_name() -> None:
    assert DeadLetterFilter.of(service="herald").wants_group("exprsn-herald", "notify")
    assert DeadLetterFilter.of(group="notify").wants_group("exprsn-herald", "notify")
    assert not DeadLetterFilter.of(service="herald").wants_group("exprsn-spark", "notify")
    assert not DeadLetterFilter.of(service="herald", group="audit").wants_group("exprsn-herald", "notify")


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ({"data": 1}, "JSONLEX_INVALID"),
        ({"$wrong": 1}, "JSONLEX_INVALID"),
        ({"$in": [1, [[0] * 10] * 100]}, "JSONLEX_TOO_LARGE"),
    ],
)
def test_a_condition_that_is_wrong_is_refused_before_anything_is_read(where: Any, code: str) -> None:
    with pytest.raises(IPCError) as refused:
        DeadLetterFilter.of(where=where)
    assert refused.value.code == code


def test_times_become_the_bounds_of_the_stream() -> None:
    bounded = DeadLetterFilter.of(since="1795445282363", until="1795445282999")
    assert (bounded.first_position, bounded.last_position) == ("1795445282363-0", "1795445282999")
    assert (DeadLetterFilter().first_position, DeadLetterFilter().last_position) == ("0-0", "+")


def test_a_filter_knows_that_it_leaves_nothing_out() -> None:
    assert DeadLetterFilter.of().wants_everything
    assert not DeadLetterFilter.of(group="notify").wants_everything
    assert not DeadLetterFilter.of(where=True).wants_everything


@pytest.mark.parametrize(
    "options", [{"service": "nobody"}, {"group": "no group"}, {"events": ["::"]}, {"since": "soon"}, {"until": "late"}]
)
def test_a_filter_that_cannot_be_read_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(IPCError):
        DeadLetterFilter.of(**options)
