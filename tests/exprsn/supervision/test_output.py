"""Lines with the name of their program in front."""

import io
import os
import subprocess
import sys

import pytest

from exprsn.supervision.output import PrefixedOutput, wants_colour


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_line_has_its_program_in_front() -> None:
    stream = io.StringIO()
    output = PrefixedOutput(stream, colour=False)
    output.line("bridge", "one")
    output.line("timeline", "two")
    assert stream.getvalue() == "bridge    | one\ntimeline  | two\n"


def test_programs_have_colours_of_their_own_and_keep_them() -> None:
    stream = io.StringIO()
    output = PrefixedOutput(stream, colour=True)
    for name in ("bridge", "timeline", "bridge"):
        output.line(name, "text")
    first, second, third = stream.getvalue().splitlines()
    assert first == third
    assert first.split("bridge")[0] != second.split("timeline")[0]


def test_control_characters_of_a_log_line_do_not_reach_the_terminal() -> None:
    """A user's post could otherwise move the cursor or clear the screen of whoever reads the log."""
    stream = io.StringIO()
    PrefixedOutput(stream, colour=False).line("herald", "a\x1b[2Jb\tc\x9bd\re é")
    assert stream.getvalue() == "herald    | a�[2Jb\tc�d�e é\n"


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream: io.StringIO, environment: dict[str, str], wanted: bool) -> None:
    assert wants_colour(stream, environment) is wanted


def test_a_reader_that_has_gone_is_no_error() -> None:
    """As in ``make run | head -1``: what follows is dropped, and Python's exit stays quiet too."""
    program = (
        "import sys; from exprsn.supervision.output import standard_output; o = standard_output();"
        "sys.stdin.readline(); [o.line('a', 'x' * 1000) for _ in range(500)]"
    )
    read, write = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(write)
        os.close(read)
        _, errors = process.communicate("go\n", timeout=20)
    assert (process.returncode, errors) == (0, "")
