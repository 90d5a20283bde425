"""Requests that no honest client makes do not fill the log; what is broken is told as ever."""

import logging

import pytest

from exprsn.suspicions import WithoutTraceback


@pytest.mark.parametrize(
    ("name", "level", "is_told"),
    [
        ("django.security.DisallowedHost", logging.WARNING, False),
        ("django.security.RequestDataTooBig", logging.WARNING, False),
        ("django.request", logging.ERROR, True),
        ("django.securityguard", logging.ERROR, True),
    ],
)
def test_only_of_a_suspicion_the_traceback_is_left_out(name: str, level: int, *, is_told: bool) -> None:
    told = (ValueError, ValueError("no"), None)
    record = logging.LogRecord(name, logging.ERROR, "f", 1, "Invalid HTTP_HOST header: %r", ("x",), told)
    assert WithoutTraceback().filter(record)
    assert (record.levelno, record.levelname) == (level, logging.getLevelName(level))
    assert (record.exc_info is not None, record.getMessage()) == (is_told, "Invalid HTTP_HOST header: 'x'")
