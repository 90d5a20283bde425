"""The whole system as real processes: it comes up, says so, and goes down without a trace."""

import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.exprsn.conftest import ROOT
from tests.exprsn.running import UP, children, read_until, running
from tests.exprsn.supervision.processes import assert_ends

pytestmark = pytest.mark.processes

CHILDREN = 7


def refused(environment: Mapping[str, str]) -> str:
    """Return what a system says that cannot start."""
    ended = subprocess.run(
        UP,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout
    return ended.stdout


def test_up_answers_over_tls_refuses_a_second_up_and_stops_on_ctrl_c(own_system: Mapping[str, str]) -> None:
    """One life of a system; SIGINT to the supervisor alone is what Ctrl-C amounts to."""
    with running(own_system) as process:
        started = children(process.pid)
        assert len(started) == CHILDREN
        trusted = ssl.create_default_context(cafile=str(Path(own_system["CERTS_DIR"]) / "ca-cert.pem"))
        health = httpx.get(f"https://localhost:{own_system['BRIDGE_PORT']}/health", verify=trusted, trust_env=False)
        assert health.json()["status"] == "healthy"
        assert f"the system already runs from {own_system['VAR_DIR']}, as process {process.pid}" in refused(own_system)
        process.send_signal(signal.SIGINT)
        assert "everything is stopped" in read_until(process, "everything is stopped")[-1]
        assert process.wait(20) == 0
    for pid in started:
        assert_ends(pid)
    assert not (Path(own_system["VAR_DIR"]) / "secrets" / "redis_url").exists()


def test_a_child_that_dies_takes_the_system_down_and_kill_9_leaves_nothing(own_system: Mapping[str, str]) -> None:
    """Twice on the same data: first a sample is killed, then the supervisor itself."""
    with running(own_system) as process:
        started = children(process.pid)
        os.kill(started[-1], signal.SIGKILL)
        said = read_until(process, "everything is stopped")
        assert any("ended by itself with signal SIGKILL: everything else is stopped" in line for line in said)
        assert process.wait(20) == 1
    with running(own_system) as process:
        started += children(process.pid)
        process.kill()
    assert len(started) == 2 * CHILDREN
    for pid in started:
        assert_ends(pid)


def test_a_taken_port_is_one_sentence(own_system: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(own_system["TIMELINE_PORT"]))):
        said = refused(own_system)
    assert said.count("\n") == 1
    assert f"port {own_system['TIMELINE_PORT']} is not free" in said


def test_a_redis_that_does_not_answer_is_one_sentence_without_its_password(own_system: Mapping[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        port = closing.getsockname()[1]
    said = refused({**own_system, "REDIS_URL": f"redis://:secret@127.0.0.1:{port}/0"})
    assert said.count("\n") == 1
    assert f"REDIS_URL redis://127.0.0.1:{port}/0 does not answer" in said
    assert "secret" not in said


def test_production_is_not_run_like_this(own_system: Mapping[str, str]) -> None:
    environment = {
        **own_system,
        "EXPRSN_ENV": "production",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "IPC_BROKER_KEY": secrets.token_urlsafe(48),
        "DEV_BYPASS": "",
        "IPC_BYPASS_AUTH": "",
    }
    assert "this runs a development machine: set EXPRSN_ENV=development" in refused(environment)


@pytest.mark.parametrize("asks_for_certificates", ["false", "true"])
def test_the_demonstration_goes_through_every_step(own_system: Mapping[str, str], asks_for_certificates: str) -> None:
    """Three operations, each from the database to the four services and back."""
    environment = {**own_system, "IPC_MTLS": asks_for_certificates}
    ended = subprocess.run(
        (*UP, "--demo"), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for operation in ("post:created", "post:updated", "post:deleted"):
        assert operation in ended.stdout
    assert ended.stdout.count("in the log broadcast at position ") == 3
    assert ended.stdout.count("Timeline heard each completion: 4 of 4") == 3
    assert ended.stdout.count("pulse called Timeline for it and read 'Hello") == 2
    assert ended.stdout.count("pulse called Timeline for it: there is no such post any more") == 1
    for way in ended.stdout.split("\n  post:")[1:]:
        times_ms = [int(found) for found in re.findall(r"^ +(-?\d+) ms  ", way, re.MULTILINE)]
        assert (len(times_ms), times_ms) == (8, sorted(times_ms))
    assert "moderator handled it: a deleted post has nothing left to check" in ended.stdout
    assert "overcommit" not in ended.stdout
    assert ended.stdout.rstrip().endswith("everything is stopped")
