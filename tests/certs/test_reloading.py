"""The reloader; that its child ends in order is proved beside the server's own end, in test_listening."""

import os
import queue
import signal
import ssl
import time
from pathlib import Path

import httpx
import pytest

from tests.certs.processes import ROOT, Served, announced

pytestmark = pytest.mark.processes


def test_a_change_reloads_the_service(made: Path, tmp_path: Path, trust: ssl.SSLContext) -> None:
    """The edited application answers from a new process, still as Timeline."""
    source = (Path(__file__).parent / "application.py").read_text()
    edited = tmp_path / "edited.py"
    edited.write_text(source)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    with Served(made, "--service", "timeline", TEST_APPLICATION="edited", PYTHONPATH=paths) as served:
        url, _, _ = served.listens()
        before = httpx.get(url, verify=trust).json()
        edited.write_text(source.replace('"path":', '"edited": True, "path":'))
        url = _next_announcement(served, edited)
        after = httpx.get(url, verify=trust).json()
        assert served.ends(signal.SIGTERM) == 0
    assert "edited" not in before
    assert after["edited"]
    assert (after["service"], after["pid"] != before["pid"]) == ("timeline", True)


def _next_announcement(served: Served, edited: Path) -> str:
    """Wait for the reload; the reloader may have looked for the first time only after the edit, so it is made newer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            line = served.line(timeout_s=1)
        except queue.Empty:
            newer = edited.stat().st_mtime + 1
            os.utime(edited, (newer, newer))
            continue
        assert line is not None, served.said
        if "CONTROL-C stops it" in line:
            return announced(line)[0]
    raise AssertionError(f"it did not reload: {served.said}")
