"""W3C Trace Context: what is a traceparent and what is not, and the steps that follow from one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.traceparent import TraceParent, child, new, parse, valid

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
GOOD = f"00-{TRACE_ID}-{SPAN_ID}-01"
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]")

WRONG = [
    None,
    "",
    "nonsense",
    GOOD.upper(),
    GOOD[:-1],
    f"{GOOD}0",
    f"{GOOD}-",
    f"{GOOD}-more",
    f" {GOOD}",
    f"{GOOD}\n",
    GOOD.replace("-", "_"),
    f"00-{'0' * 32}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{'0' * 16}-01",
    f"ff-{TRACE_ID}-{SPAN_ID}-01",
    f"0x-{TRACE_ID}-{SPAN_ID}-01",
    f"00-{TRACE_ID}-{SPAN_ID}-0g",
    f"00-{TRACE_ID[:-1]}é-{SPAN_ID}-01",
    f"00-{TRACE_ID[:-1]}\u0661-{SPAN_ID}-01",
    f"01-{TRACE_ID}-{SPAN_ID}-01more",
    f"01-{TRACE_ID}-{SPAN_ID}-01-a\nb",
]


def test_a_good_one_is_read_and_written_as_it_was() -> None:
    parent = parse(GOOD)
    assert parent == TraceParent(TRACE_ID, SPAN_ID, 1)
    assert (str(parent), valid(GOOD)) == (GOOD, GOOD)


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_one_counts_as_none(text: str | None) -> None:
    assert (parse(text), valid(text)) == (None, None)


@pytest.mark.parametrize("more", ["", "-", '-"x\\'])
def test_a_later_version_is_read_as_far_as_this_one_goes(more: str) -> None:
    """What follows is not passed on: nobody here knows what it is."""
    text = f"cc-{TRACE_ID}-{SPAN_ID}-03{more}"
    assert parse(text) == TraceParent(TRACE_ID, SPAN_ID, 3)
    assert valid(text) == f"00-{TRACE_ID}-{SPAN_ID}-03"


def test_flags_of_later_versions_are_dropped() -> None:
    parent = parse(f"00-{TRACE_ID}-{SPAN_ID}-fe")
    assert parent is not None
    assert str(parent).endswith("-02")


def test_a_child_has_the_trace_and_flags_of_its_parent_and_an_id_of_its_own() -> None:
    parent = TraceParent(TRACE_ID, SPAN_ID, 0)
    first, second = child(parent), child(parent)
    assert (first.trace_id, first.flags) == (TRACE_ID, 0)
    assert len({parent.span_id, first.span_id, second.span_id}) == 3
    assert parse(str(first)) == first


def test_new_traces_are_sampled_random_and_all_different() -> None:
    traces = [new() for _ in range(100)]
    assert all(FORM.fullmatch(str(trace)) and trace.flags == 3 for trace in traces)
    assert len({trace.trace_id for trace in traces}) == 100


@given(st.text(max_size=80) | st.text("0123456789abcdef-", min_size=50, max_size=60))
def test_whatever_is_passed_on_can_stand_in_json_as_it_is(text: str) -> None:
    passed = valid(text)
    assert passed is None or re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", passed)
