"""Queries do not get into the log, whatever else does."""

import logging

import pytest

from exprsn.addresses import WithoutQuery


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("127.0.0.1:1", "/ipc/herald?token=eyJ"), "127.0.0.1:1 /ipc/herald"),
        (("127.0.0.1:1?", "/health"), "127.0.0.1:1? /health"),
        ((1, None), "1 None"),
    ],
)
def test_a_query_is_taken_off(args: tuple[object, ...], line: str) -> None:
    record = logging.LogRecord("uvicorn.error", logging.INFO, "f", 1, "%s %s", args, None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == line


def test_a_line_without_parts_is_left_as_it_is() -> None:
    record = logging.LogRecord("uvicorn.error", logging.INFO, "f", 1, "/a?b", (), None)
    assert WithoutQuery().filter(record)
    assert record.getMessage() == "/a?b"
