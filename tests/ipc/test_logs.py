"""Lines of the log: the same facts in both formats, one line for each record, whatever a client has sent."""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from ipc import logs
from ipc.tracing.steps import attending, handling
from tests.ipc.tracing.events import TRACE, event
from tests.markdown import ROOT

# Each begins another line somewhere, steers a terminal, or turns the direction of text.
HOSTILE = [
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1b[2J",
    "\x85",
    "\x9b",
    "\u2028",
    "\u2029",
    "\u202e",
    "\u2066",
    "\x00",
]
FORGED = "12:00:00.000 INFO    ipc.hub: all is well"


def record(message: str, *args: object, **options: Any) -> logging.LogRecord:
    level = options.pop("level", logging.INFO)
    return logging.LogRecord("ipc.hub", level, __file__, 1, message, args, options.pop("exc_info", None), **options)


def line(log_format: str, made: logging.LogRecord) -> str:
    return logs.formatter(log_format, "herald").format(made)


def members(made: logging.LogRecord) -> dict[str, Any]:
    text = line(logs.JSON, made)
    assert text.isascii()
    assert len(text.splitlines()) == 1
    found: dict[str, Any] = json.loads(text)
    return found


def fail(message: str, token: str) -> None:
    raise ValueError(message)


def failure(message: str, token: str = "") -> Any:
    try:
        fail(message, token)
    except ValueError:
        return sys.exc_info()


def test_a_line_for_machines_has_all_that_is_known() -> None:
    made = record("%s is here", "spark")
    made.created = 1_700_000_000.5
    assert members(made) == {
        "timestamp": "2023-11-14T22:13:20.500Z",
        "level": "info",
        "logger": "ipc.hub",
        "service": "exprsn-herald",
        "message": "spark is here",
    }
    with handling(event(), "s-1"):
        known = members(made)
    assert (known["session"], known["event_id"], known["trace_id"]) == ("s-1", "e1", TRACE[3:35])
    with attending("s-1"):
        assert (members(made)["session"], "trace_id" in members(made)) == ("s-1", False)


def test_a_line_for_people_is_short() -> None:
    with handling(event(), "01M8CVMSSDQK5WV1YC5FB6TV97"):
        text = line(logs.HUMAN, record("%s is here", "spark", level=logging.WARNING))
    assert text[12:] == f" WARNING ipc.hub: spark is here  event=e1  trace={TRACE[3:11]}  session=5FB6TV97"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_client_cannot_begin_a_line_of_its_own(hostile: str) -> None:
    made = record("from %s", f"x{hostile}{FORGED}")
    text = line(logs.HUMAN, made)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert members(made)["message"] == f"from x{hostile}{FORGED}"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nor_by_an_exception(hostile: str) -> None:
    """What belongs to a line is set in below it for people, and is a member of it for machines."""
    made = record("failed", level=logging.ERROR, exc_info=failure(f"x{hostile}{FORGED}"))
    first, *below = line(logs.HUMAN, made).splitlines()
    assert first.endswith("ipc.hub: failed")
    assert "ValueError: x" in "".join(below)
    assert all(text.startswith("    ") and text.isprintable() for text in below)
    found = members(made)
    assert (found["message"], "exc_info" in found) == ("failed", False)
    assert found["exception"].startswith("Traceback (most recent call last):\n")
    assert found["exception"].endswith(f"ValueError: x{hostile}{FORGED}")


def test_what_is_no_unicode_does_not_stop_a_line() -> None:
    made = record("from %s", "\udc80")
    assert "\\udc80" in line(logs.HUMAN, made).encode(errors="backslashreplace").decode()
    assert members(made)["message"] == "from \udc80"


def test_local_variables_and_what_came_with_a_record_stay_out() -> None:
    """They may be secrets, such as a token."""
    made = record("failed", exc_info=failure("of no use", token="s3cr3t"))
    made.request = "s3cr3t"
    for log_format in logs.FORMATS:
        assert "s3cr3t" not in line(log_format, made)


def test_where_a_line_was_written_can_be_asked_for() -> None:
    made = record("here", sinfo="Stack (most recent call last):\n  File x")
    assert line(logs.HUMAN, made).splitlines()[1:] == ["    Stack (most recent call last):", "      File x"]
    assert members(made)["stack"].startswith("Stack")


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="human or json, not 'xml'"):
        logs.formatter("xml", "herald")


def test_a_service_that_there_is_not_is_for_others_to_refuse() -> None:
    assert json.loads(logs.formatter("json", "nobody").format(record("x")))["service"] == "nobody"


CONFIGURED = """
import logging
from ipc import logs
logs.configure("herald")
logging.getLogger("a").debug("seen")
logging.getLogger("b").info("seen too")
"""


@pytest.mark.parametrize(
    ("environment", "begins"),
    [
        ({}, ["{"]),
        ({"EXPRSN_ENV": "development"}, ["2", "0", "1"]),
        ({"EXPRSN_ENV": "development", "LOG_FORMAT": "json"}, ["{"]),
        ({"LOG_FORMAT": "human"}, ["2", "0", "1"]),
    ],
)
def test_a_service_without_django_logs_as_the_environment_says(environment: dict[str, str], begins: list[str]) -> None:
    ran = configured(**environment)
    assert ran.returncode == 0
    lines = ran.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0][0] in begins
    assert len(configured(LOG_LEVEL="debug").stderr.splitlines()) == 2


def test_a_wrong_setting_stops_it() -> None:
    assert "LOG_FORMAT is human or json, not 'xml'" in configured(LOG_FORMAT="xml").stderr
    assert "LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'" in configured(LOG_LEVEL="LOUD").stderr


def configured(**environment: str) -> "subprocess.CompletedProcess[str]":
    ours = {"EXPRSN_ENV", "LOG_FORMAT", "LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", CONFIGURED],
        cwd=ROOT,
        env={**{name: value for name, value in os.environ.items() if name not in ours}, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
