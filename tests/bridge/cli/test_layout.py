"""Events as lines: columns for people, nothing that moves a terminal's cursor, and JSON with all there is."""

import json
from typing import Any

import pytest

from bridge.cli.layout import Layout, json_line, printable
from ipc.dispatch import EventContext

DAY = "── 2026-11-23 UTC ──"


def context(event: str = "post:created", **members: Any) -> EventContext:
    known: dict[str, Any] = {
        "source": "exprsn-timeline", "target": "broadcast", "id": "e1", "log": "broadcast",
        "position": "1795471532276-0", "timestamp": 1_795_471_532_007, "meta": None, "traceparent": None,
    }  # fmt: skip
    return EventContext(event=event, **{**known, **members})


def test_a_line_has_columns_and_each_day_is_said_once() -> None:
    layout = Layout()
    assert layout.lines({"id": 5}, context()) == [
        DAY, '22:05:32.007  post:created          timeline → all        {"id":5}  1795471532276-0',
    ]  # fmt: skip
    (line,) = layout.lines([], context("a:b", target=["exprsn-herald", "exprsn-pulse"]))
    assert line == "22:05:32.007  a:b                   timeline → herald,pulse  []  1795471532276-0"
    day, _ = layout.lines([], context(timestamp=1_795_471_532_007 + 86_400_000))
    assert day == "── 2026-11-24 UTC ──"


def test_a_shape_that_failed_is_said() -> None:
    (line,) = Layout().lines(1, context(select_error="JSONLEX_TYPE"))[1:]
    assert "  select failed, JSONLEX_TYPE: 1  " in line


def test_on_a_terminal_data_are_cut_and_the_positions_are_below_each_other() -> None:
    layout = Layout(columns=100)
    lines = [layout.lines(data, context())[-1] for data in ("x" * 200, 1)]
    assert [len(line) for line in lines] == [len(lines[0])] * 2
    assert len(lines[0]) <= 100
    assert "…  1795471532276-0" in lines[0]
    narrow = Layout(columns=20).lines("x" * 200, context())[-1]
    assert narrow.endswith("…  1795471532276-0")


def test_colours_change_nothing_else() -> None:
    plain, painted = (Layout(has_colours=colours).lines(1, context())[-1] for colours in (False, True))
    assert "\x1b[" in painted
    for colour in ("\x1b[0m", "\x1b[2m", "\x1b[32m", "\x1b[33m", *(f"\x1b[{number}m" for number in range(34, 97))):
        painted = painted.replace(colour, "")
    assert painted == plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("é 😀", "é 😀"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\x9b2Jb", "a\\x9b2Jb"),
        ("a\u202eb", "a\\u202eb"),
        ("\u2028", "\\u2028"),
        ("\x7f\n", "\\x7f\n"),
    ],
)
def test_what_would_move_a_cursor_is_escaped(text: str, shown: str) -> None:
    assert printable(text, keep="\n") == shown


def test_json_has_everything_in_one_line() -> None:
    line = json_line({"a": "b\nc"}, context(meta={"m": 1}))
    assert "\n" not in line
    assert json.loads(line) == {
        "id": "e1", "event": "post:created", "source": "exprsn-timeline", "target": "broadcast",
        "ts": 1_795_471_532_007, "log": "broadcast", "position": "1795471532276-0",
        "data": {"a": "b\nc"}, "meta": {"m": 1}, "traceparent": None, "select_error": None,
    }  # fmt: skip
