"""Comparing what was emitted with what a test expects, and saying so briefly."""

import dataclasses
from typing import Any
from unittest.mock import ANY

import pytest

from ipc.stores.eventlog import Entry
from ipc.testing.emitted import Emitted, Expected, emitted_from, listed, shown

SENT = Emitted(
    event="notification:sent",
    source="exprsn-herald",
    target="exprsn-timeline",
    data={"post": {"id": "1", "tags": ["a", "b"]}, "count": 2, "note": None},
    id="1",
    meta=None,
    position="1-0",
)


def difference(data: Any) -> str | None:
    return Expected(event="notification:sent", data=data).difference(SENT)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"count": 2},
        {"note": None},
        {"post": {"id": "1"}},
        {"post": {"tags": ["a", "b"]}},
        {"post": ANY, "count": ANY},
        SENT.data,
    ],
)
def test_data_may_leave_members_out_at_any_depth(data: Any) -> None:
    assert difference(data) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"count": 3}, "data.count is 2, not 3"),
        ({"post": {"tags": ["a"]}}, 'data.post.tags is ["a", "b"], not ["a"]'),
        ({"post": {"id": "1", "at": 1}}, "data.post has no 'at'"),
        ({"post": "1"}, 'data.post is {"id": "1", "tags": ["a", "b"]}, not "1"'),
        ({"note": {}}, "data.note is null, not {}"),
        ([], f"data is {shown(SENT.data)}, not []"),
    ],
)
def test_a_difference_is_said_with_its_place(data: Any, reason: str) -> None:
    assert difference(data) == reason


@pytest.mark.parametrize("target", ["timeline", "exprsn-timeline", ["timeline"]])
def test_services_may_be_named_shortly(target: str | list[str]) -> None:
    assert Expected(event="a:b", source="herald", target=target).difference(SENT) is None


def test_of_several_targets_all_that_are_expected_have_to_be_there() -> None:
    both = dataclasses.replace(SENT, target=["exprsn-ca", "exprsn-svr"])
    assert Expected(event="a:b", target=["svr", "ca"]).difference(both) is None
    assert Expected(event="a:b", target="svr").difference(both) is None
    assert Expected(event="a:b", target=["svr", "live"]).difference(both) == "target is exprsn-ca, exprsn-svr"
    assert Expected(event="a:b", target="broadcast").difference(both) == "target is exprsn-ca, exprsn-svr"


def test_an_event_for_several_services_is_one_event() -> None:
    """It is in the log of each; events of different services may have the same id."""
    frame = '{{"type":"event","id":"1","event":"a:b","source":"{}","target":["x","y"],"ts":1,"data":7,"meta":{{"k":1}}'
    entries = [Entry(f"{n}-0", "a:b", frame.format(name)) for n, name in enumerate(["s", "s", "t"])]
    first, second = emitted_from(entries)
    assert (first.source, first.position, first.data, first.meta) == ("s", "0-0", 7, {"k": 1})
    assert second.source == "t"


def test_long_lists_and_long_data_are_cut() -> None:
    lines = listed("These:", range(100)).split("\n")
    assert (lines[:3], lines[-1]) == (["", "These:", "  0"], "  ... and 80 more")
    assert shown("x" * 1_000) == '"' + "x" * 199 + "..."
    assert listed("These:", []) == ""
    assert listed("These:", [], "none") == "\nThese: none"
