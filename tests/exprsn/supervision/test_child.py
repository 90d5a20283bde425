"""One real child: its lines, its end, its session."""

import os
import signal
from dataclasses import replace

import pytest

from exprsn.supervision.child import MAX_LINE, Child, in_words
from tests.exprsn.supervision.processes import Lines, assert_ends, python


async def ended(code: str) -> tuple[int, list[str]]:
    lines = Lines()
    child = await Child.start(python("child", code), lines)
    return await child.ended, lines.of("child")


async def test_both_streams_become_lines() -> None:
    status, lines = await ended("import sys; print('out', flush=True); print('err\\r', file=sys.stderr)")
    assert (status, lines) == (0, ["out", "err"])


async def test_a_last_line_without_its_end_is_not_lost() -> None:
    assert await ended("print('no newline', end='')") == (0, ["no newline"])


@pytest.mark.parametrize("end", ["\\n", ""])
async def test_a_long_line_is_cut_and_the_rest_follows(end: str) -> None:
    """A program that never ends its line must not fill the memory, and however it arrives the cuts are the same."""
    _, lines = await ended(f"print('x' * {MAX_LINE * 3 + 5}, end='{end}')")
    assert [len(line) for line in lines] == [MAX_LINE, MAX_LINE, MAX_LINE, 5]


async def test_bytes_that_are_no_text_are_shown_as_replaced() -> None:
    assert await ended("import sys; sys.stdout.buffer.write(b'a\\xffb\\n')") == (0, ["a�b"])


async def test_a_line_that_a_program_hides_is_not_shown() -> None:
    lines = Lines()
    program = replace(
        python("child", "print('a'); print('1:M WARNING nobody minds'); print('b')"), hides=b"WARNING nobody"
    )
    child = await Child.start(program, lines)
    await child.ended
    assert lines.of("child") == ["a", "b"]


async def test_a_child_has_a_session_of_its_own() -> None:
    """So Ctrl-C in the terminal reaches the supervisor alone, which stops the children in order."""
    child = await Child.start(python("child", "import signal; signal.pause()"), Lines())
    try:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        child.kill()
        assert await child.ended == -signal.SIGKILL


async def test_kill_ends_what_the_child_started_too() -> None:
    lines = Lines()
    code = (
        "import subprocess, signal; p = subprocess.Popen(['sleep', '600']);"
        "print(p.pid, flush=True); print('up', flush=True); signal.pause()"
    )
    child = await Child.start(python("child", code), lines)
    await lines.until("child", "up")
    child.kill()
    await child.ended
    assert_ends(int(lines.of("child")[0]))


async def test_a_grandchild_that_keeps_the_pipe_open_does_not_hold_up_the_end() -> None:
    lines = Lines()
    child = await Child.start(python("child", "import subprocess; subprocess.Popen(['sleep', '600'])"), lines)
    try:
        assert await child.ended == 0
        assert not child.is_running
    finally:
        child.kill()


@pytest.mark.parametrize(
    ("status", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal SIGKILL"), (-63, "signal 63")]
)
def test_an_end_in_words(status: int, words: str) -> None:
    assert in_words(status) == words
