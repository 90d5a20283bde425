"""`manage.py ipccheck` against live bridges, and against what is none: its table, its reasons and its exit code."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.permissions import USUAL
from ipc.stores import keys
from tests import servers
from tests.bridge.conftest import MakeBridge
from tests.bridge.tokens import LOCKED, signed
from tests.ports import free_port
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

RULE, DASH = "─" * 48, "\N{EN DASH}"
GOOD = [
    "✓ Bridge Health Check                    PASS",
    "✓ Socket Connection                      PASS",
    "✓ IPC Statistics Endpoint                PASS",
    "✓ Event Emit                             PASS",
    "✓ Event Receive                          PASS",
    f"{DASH} CRUD Create                            SKIP  nobody serves posts: is Timeline running?",
    f"{DASH} CRUD Read                              SKIP  no post was created",
    "✓ JSONLex Execute                        PASS",
    RULE,
    "Total: 8 | Passed: 6 | Failed: 0 | Skipped: 2",
    "✓ All critical tests passed! IPC system is operational.",
]


def check(url: str, ca_file: Path) -> tuple[list[str], str]:
    """Run the command, and return its lines and its complaint."""
    output = StringIO()
    try:
        call_command("ipccheck", url=url, ca_file=ca_file, stdout=output)
    except CommandError as error:
        return output.getvalue().splitlines(), str(error)
    return output.getvalue().splitlines(), ""


def test_a_live_bridge_passes(bridge: ServerProcess) -> None:
    assert check(bridge.url, bridge.ca_file) == (GOOD, "")


def test_with_timeline_beside_it_calls_pass_too_and_leave_no_post(
    own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path
) -> None:
    with (
        servers.timeline(own_valkey.url, certs_dir, tmp_path / "timeline") as timeline,
        servers.bridge("daphne", own_valkey.url, certs_dir, tmp_path / "bridge") as bridge,
    ):
        until_served(own_valkey.url)
        lines, complaint = check(bridge.url, bridge.ca_file)
        assert [line.endswith("PASS") for line in lines[:8]] == [True] * 8
        assert (lines[9:], complaint) == (["Total: 8 | Passed: 8 | Failed: 0 | Skipped: 0", GOOD[-1]], "")
        with sqlite3.connect(tmp_path / "timeline" / "db.sqlite3") as database:
            posts = database.execute("SELECT content, visibility, deleted_at IS NULL FROM timeline_post").fetchall()
        assert [(content.split()[0], *rest) for content, *rest in posts] == [("ipccheck", "private", 0)]
        assert timeline.health() == 200


def test_a_token_opens_a_bridge_that_wants_one(bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> None:
    """The bridge's own, in ``IPC_TOKEN``; without it, and without a certificate, the socket and the statistics are
    refused."""
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(certs_dir / "ca-cert.pem", trusted)
    locked = servers.bridge("uvicorn", bridge_valkey.url, certs_dir, tmp_path, **LOCKED, DEV_BYPASS="false")
    with locked as server:
        told = run("--url", server.url, CERTS_DIR=str(trusted), IPC_TOKEN=signed("bridge", *USUAL))
        assert (told.stdout.splitlines(), told.stderr, told.returncode) == (GOOD, "", 0)
        told = run("--url", server.url, CERTS_DIR=str(trusted), IPC_TOKEN="")
        results = [line.split("  ")[0] for line in told.stdout.splitlines()[:3]]
        assert results == ["✓ Bridge Health Check", "✗ Socket Connection", "✗ IPC Statistics Endpoint"]
        assert told.returncode == 1


def until_served(redis_url: str) -> None:
    """Wait until Timeline's worker serves posts; its HTTP answers before that."""
    give_up_at = time.monotonic() + servers.START_TIMEOUT_S
    with redis.Redis.from_url(redis_url) as client:
        while not client.exists(keys.resource("posts")):
            assert time.monotonic() < give_up_at, "nobody serves posts"
            time.sleep(servers.POLL_S)


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a program."""
    return subprocess.run(
        [sys.executable, "manage.py", "ipccheck", *arguments],
        cwd=servers.ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "exprsn.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_by_default_it_checks_the_bridge_of_the_settings(bridge: ServerProcess, certs_dir: Path) -> None:
    """As a program: exit code 0 and the same table."""
    told = run(BRIDGE_PORT=str(bridge.port), CERTS_DIR=str(certs_dir))
    assert (told.stdout.splitlines(), told.stderr, told.returncode) == (GOOD, "", 0)


def test_no_bridge_is_said_so_and_exits_1(certs_dir: Path) -> None:
    url = f"https://localhost:{free_port()}"
    told = run("--url", url, "--ca-file", str(certs_dir / "ca-cert.pem"))
    refused = "connection refused: is the bridge running there?"
    assert told.stdout.splitlines()[:5] == [
        f"✗ Bridge Health Check                    FAIL  {refused}",
        f"✗ Socket Connection                      FAIL  {refused}",
        f"✗ IPC Statistics Endpoint                FAIL  {refused}",
        f"{DASH} Event Emit                             SKIP  there is no socket to emit on",
        f"{DASH} Event Receive                          SKIP  no event was emitted",
    ]
    assert told.stdout.splitlines()[-1] == "Total: 8 | Passed: 0 | Failed: 3 | Skipped: 5"
    assert told.returncode == 1
    assert f"✗ 3 of 8 checks failed at {url}. The IPC system is not operational." in told.stderr
    assert "Traceback" not in told.stderr


def test_a_certificate_of_another_ca_is_not_trusted(bridge: ServerProcess, tmp_path: Path) -> None:
    other = servers.own_certificates(tmp_path / "other") / "ca-cert.pem"
    lines, complaint = check(bridge.url, other)
    for line in lines[:3]:
        assert "FAIL  the certificate is not trusted: " in line
        assert "give its CA with --ca-file" in line
    assert "3 of 8 checks failed" in complaint


def test_a_bridge_without_redis_fails_where_it_needs_it(make_bridge: MakeBridge, own_valkey: EmbeddedValkey) -> None:
    """Health says what is missing; the socket opens, and the event cannot be emitted."""
    with make_bridge(own_valkey.url) as bridge:
        own_valkey.stop()
        bridge.becomes(503)
        lines, complaint = check(bridge.url, bridge.ca_file)
    assert "FAIL  HTTP 503, redis: Redis is out of reach; log: Redis is out of reach" in lines[0]
    assert lines[1] == GOOD[1]
    assert "FAIL  HTTP 503, " in lines[2]
    assert "FAIL  UNAVAILABLE: " in lines[3]
    assert "SKIP  no event was emitted" in lines[4]
    assert "FAIL  UNAVAILABLE: " in lines[5]
    assert "SKIP  no post was created" in lines[6]
    assert lines[7] == GOOD[7]
    assert "4 of 8 checks failed" in complaint


def test_a_bridge_that_asks_for_a_token_lets_no_check_in(
    make_bridge: MakeBridge, bridge_valkey: EmbeddedValkey
) -> None:
    with make_bridge(bridge_valkey.url, IPC_BYPASS_AUTH="false", IPC_AUTH_TIMEOUT="300") as bridge:
        lines, complaint = check(bridge.url, bridge.ca_file)
    assert (lines[0], lines[2]) == (GOOD[0], GOOD[2])
    assert "FAIL  AUTH_TIMEOUT: the first message is auth, within 0.3 seconds" in lines[1]
    assert "1 of 8 checks failed" in complaint


def test_a_server_that_never_answers_is_given_up_in_time(certs_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        told = run("--url", url, "--timeout", "0.2", CERTS_DIR=str(certs_dir))
    failures = [line for line in told.stdout.splitlines() if "FAIL" in line]
    assert [line.endswith("FAIL  no answer within 0.2 s") for line in failures] == [True] * 3
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is no bridge, on plain HTTP."""

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_a_web_server_that_is_no_bridge_is_found_out(stranger: str, certs_dir: Path) -> None:
    lines, complaint = check(f"http://{stranger}", certs_dir / "ca-cert.pem")
    assert lines[0].endswith("FAIL  HTTP 200, and no JSON object: is this a bridge?")
    assert "FAIL  " in lines[1]
    assert lines[2].endswith("FAIL  HTTP 200, and no JSON object: is this a bridge?")
    assert "3 of 8 checks failed" in complaint


def test_a_server_without_tls_is_found_out(stranger: str, certs_dir: Path) -> None:
    lines, _ = check(f"https://{stranger}", certs_dir / "ca-cert.pem")
    assert [" FAIL  no TLS there: " in line for line in lines[:3]] == [True] * 3


@pytest.mark.parametrize(
    "url", ["localhost:3010", "wss://localhost:3010", "https://", "https://localhost:x", "https://["]
)
def test_an_address_that_is_none_is_one_sentence(url: str, certs_dir: Path) -> None:
    assert check(url, certs_dir / "ca-cert.pem") == ([], f"{url!r} is no address of a bridge: write https://host:port")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    lines, complaint = check("https://localhost:1", ca_file)
    assert lines == []
    assert complaint.startswith(f"the CA file {ca_file} cannot be read (")
    assert complaint.endswith("run manage.py gencerts, or give --ca-file")
